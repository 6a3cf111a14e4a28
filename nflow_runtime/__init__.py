"""The public face of nflow-runtime: the only package programs and plugins import.

`Runtime` serves playbooks inside a program; `Settings` is its configuration; every error is an `NflowError`.
The packages behind it (`protocol`, `actors`, `gateway`) may change their shape from one release to the next.
"""

from gateway.runtime import Runtime
from gateway.version import VERSION as __version__  # noqa: N811 - what every package calls it
from protocol.errors import (
    AskError,
    BadDocument,
    Crashed,
    LimitExceeded,
    NflowError,
    NodeError,
    Overloaded,
    Problem,
    Refusal,
    RunCancelled,
    SandboxLost,
    ScriptError,
    Unavailable,
)
from protocol.settings import Settings

__all__ = [
    "AskError",
    "BadDocument",
    "Crashed",
    "LimitExceeded",
    "NflowError",
    "NodeError",
    "Overloaded",
    "Problem",
    "Refusal",
    "RunCancelled",
    "Runtime",
    "SandboxLost",
    "ScriptError",
    "Settings",
    "Unavailable",
    "__version__",
]
