"""The public face of nflow-runtime: the only package programs and plugins import.

`Runtime` serves playbooks inside a program; `Settings` is its configuration; every error is an `NflowError`. Plugins
derive from `Plugin` and tag what they offer with `node`, `function` and `action`.
The packages behind it (`protocol`, `actors`, `gateway`) may change their shape from one release to the next.
"""

from actors.plugins.author.context import Context
from actors.plugins.author.plugin import Plugin
from actors.plugins.author.request_view import RequestView
from actors.plugins.author.results import NodeResult, Redirect, Response, User
from actors.plugins.author.session_view import Session
from actors.plugins.author.tags import action, function, node
from gateway.api.call import ApiError
from gateway.runtime import Runtime
from gateway.version import VERSION as __version__  # noqa: N811 - what every package calls it
from protocol.errors import (
    AskError,
    BadDocument,
    CallRefused,
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
    "ApiError",
    "AskError",
    "BadDocument",
    "CallRefused",
    "Context",
    "Crashed",
    "LimitExceeded",
    "NflowError",
    "NodeError",
    "NodeResult",
    "Overloaded",
    "Plugin",
    "Problem",
    "Redirect",
    "Refusal",
    "RequestView",
    "Response",
    "RunCancelled",
    "Runtime",
    "SandboxLost",
    "ScriptError",
    "Session",
    "Settings",
    "Unavailable",
    "User",
    "__version__",
    "action",
    "function",
    "node",
]
