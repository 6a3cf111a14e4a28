"""The conversation about scripts: process → pool → sandbox, and back to the process.

A process tells the pool `RunScript`; the pool hands it to one idle sandbox; the answer comes straight to `reply_to`.
Host calls of the script travel as `HostCall` to the process and back as `HostReply`.
The same words cross the socket to the confined child as frames: see `actors/sandbox/frames.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

from protocol.errors import NflowError
from protocol.flow import Script
from protocol.refs import Ref

WAITED: Final = "!"
"""Ends the name of a function whose caller waits: see `Limits.functions`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one script run may use. Keys of `[vm_pool]`; a limit hit names its key."""

    memory_mb: int = 128
    execution_seconds: float = 30.0
    operations: int = 1_000_000_000
    output_bytes: int = 1 << 20
    log_bytes: int = 64 << 10
    host_calls: int = 1_000
    host_call_seconds: float = 30.0
    functions: tuple[str, ...] = ()
    """Names of the functions plugins give to scripts, `name` or `object.name`; sorted. They give a script promises; one
    whose name ends with `WAITED` keeps it waiting for the value (nFlow manual)."""


class RunScript(NamedTuple):
    """Run one script once. Told to the pool; answered to `reply_to` with ScriptResult or ScriptFailed."""

    run: int
    """Number of this run, unique in the system: later messages name it."""
    tenant: str
    flow: str
    """Flow hash: with the tenant the key of the warm realm, and of the breaker."""
    script: Script
    request: bytes
    """JSON object of the request globals in `script.needs`."""
    payload: bytes
    """JSON text: any value."""
    previous: str
    """Id of the node before (`prev_box`)."""
    reply_to: Ref[Any]
    retried: bool = False
    """True on the second attempt after a loss that was not the script's fault."""


class ScriptAnswer(NamedTuple):
    """What the script sent to the client by `c.JSON` and its kin."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    file: str = ""
    """A path below `files.root` whose content is the body; the content type is then the file's, when none is given."""


class ScriptResult(NamedTuple):
    """The script ended well."""

    run: int
    next: str
    """Output name it chose."""
    payload: bytes
    """JSON text of the payload after the script."""
    answer: ScriptAnswer | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """Response headers set without an answer (SetHeader, SetCookie): they go out with a later node's answer."""
    logs: tuple[tuple[str, str], ...] = ()
    """(level, text) of each console call, capped."""
    operations: int = 0
    """Operations used, in the engine's grain of 10 000."""
    status: int = 0
    """`c.response.status` without an answer: that of the answer the run's last payload becomes. 0: not set."""
    variables: bytes | None = None
    """JSON object of `vars` after the script, when it changed them."""


class ScriptFailed(NamedTuple):
    """The script did not end well: ScriptError, LimitExceeded, SandboxLost, Overloaded or RunCancelled."""

    run: int
    error: NflowError
    logs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HostCall:
    """A running script asks the runtime to do something; the script's clock stands still meanwhile."""

    run: int
    call: int
    """Number of the call within its run."""
    name: str
    arguments: bytes
    """JSON array."""
    reply_to: Ref[Any]
    """The sandbox that waits: it is told the HostReply."""


@dataclass(frozen=True, slots=True)
class HostReply:
    """The end of a host call, told to the sandbox."""

    run: int
    call: int
    ok: bool
    value: bytes
    """JSON text: the value, or `{"name","message"}` of the error to throw in the script."""


@dataclass(frozen=True, slots=True)
class CancelScript:
    """Stop this run: taken from the queue, or interrupted and after 100 ms killed."""

    run: int


class Fault(Enum):
    """Whose fault the end of a sandbox process was."""

    SCRIPT = "script"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class PoolState:
    """Numbers for metrics and operators."""

    size: int
    idle: int
    busy: int
    waiting: int
    limit: int
    starting: int
    created: int
    lost: int


@dataclass(frozen=True, slots=True)
class SandboxReady:
    """Told to the pool: this incarnation of a sandbox is confined and idle."""

    sandbox: Ref[Any]
    confined: Mapping[str, Any] | None = None
    """What is in force: `seccomp`, `landlock`, `uid` (`actors/sandbox/confine.py`); None: it is no process."""


class SandboxFree(NamedTuple):
    """Told to the pool: the run ended with a result and the sandbox can take the next."""

    sandbox: Ref[Any]
    run: int


class RunLost(NamedTuple):
    """Told to the pool: the sandbox died, or was discarded, with this run. It will be ready again as a new process."""

    sandbox: Ref[Any]
    script: RunScript | None
    error: NflowError | None
    """None when the run's holder has had its answer already (a limit was hit: discarded after an answer)."""
    fault: Fault = Fault.OUTSIDE
    host_calls: int = 0
    begun: bool = True
    """False: the process was dead before the script reached it, so nothing was lost yet."""
