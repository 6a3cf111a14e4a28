"""The one error tree.

    NflowError
     ├─ Refusal              a domain "no": an answer, never a crash
     │   ├─ Overloaded       no room now (mailbox, pool, processes); carries retry_after
     │   ├─ Unavailable      a server we need (store, Redis) is out of reach; carries retry_after
     │   ├─ ScriptError      the script threw, or does not compile
     │   ├─ LimitExceeded    the script used more than a limit allows; names limit and key
     │   ├─ NodeError        a node cannot be run as it is drawn
     │   ├─ NotWaiting       no suspended run of this client waits where it wants to go on
     │   ├─ NoLogin          the flow asks for a login and nothing here can check it
     │   ├─ CallRefused      a host function says no: thrown into the script that called it
     │   ├─ Undecipherable   what was encrypted cannot be read with the keys that are known
     │   └─ RunCancelled     somebody asked for the end of the run
     ├─ BadDocument          a flow document or configuration with every problem and its path
     ├─ AskError             what an asker can get instead of a reply
     │   ├─ Expired          the deadline passed
     │   ├─ Gone             the actor has ended, or never was
     │   └─ Crashed          the actor crashed on this message; carries the cause
     ├─ UnusableStore        a store's data belongs to another program or a newer version
     ├─ UnusableAddress      the server cannot listen where it should
     ├─ UnusableCertificate  the server's certificate or its key cannot be used
     ├─ RestartsExhausted    a supervisor gave up on its children; its cause is the last child's
     ├─ SandboxLost          the sandbox process ended under the script; says whose fault it was
     └─ BadFrame             bytes from a sandbox that are not a frame

An error's message defaults to its docstring. The tree knows nothing of HTTP: `gateway/statuses.py` maps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class NflowError(Exception):
    """The runtime failed."""

    retried: ClassVar[bool] = True
    """Whether a node that asks for more attempts gets them after this."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class Refusal(NflowError):
    """The request was understood and refused."""


class Overloaded(Refusal):
    """There is no room for this now; try again later."""

    def __init__(self, message: str = "", *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which room is likely."""


class Unavailable(Refusal):
    """A server this work needs is out of reach; try again later."""

    def __init__(self, message: str = "", *, retry_after: float = 1.0, detail: str = "") -> None:
        """`message` reaches whoever asked, scripts and clients too: no address of a server, none of its words."""
        super().__init__(message)
        self.retry_after = retry_after
        self.detail = detail
        """What the log has besides: the address, the server's own words."""

    @property
    def whole(self) -> str:
        """Message and detail, for the log and for operators."""
        return f"{self}: {self.detail}" if self.detail else str(self)


class ScriptError(Refusal):
    """The script failed."""

    def __init__(self, message: str = "", *, compiling: bool = False, stack: str = "") -> None:
        super().__init__(message)
        self.compiling = compiling
        """True when the source did not compile, so nothing of it ran."""
        self.stack = stack
        """The engine's stack text, for debug answers only."""


class LimitExceeded(Refusal):
    """The script used more than a limit allows."""

    def __init__(self, limit: str, key: str, value: float) -> None:
        written = str(value) if isinstance(value, int) else f"{value:g}"  # as in the configuration, not 1e+09
        super().__init__(f"Script execution exceeded resource limits: {limit} ({key} = {written})")
        self.limit = limit
        """What was exceeded, in words: "execution time", "memory", "operations", "output size"…"""
        self.key = key
        """The configuration key that sets it: "vm_pool.max_execution_seconds"."""
        self.value = value


class NodeError(Refusal):
    """The node cannot be run as it is drawn."""

    def __init__(self, message: str = "", *, kind: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        """The node's unknown type, where that is the problem."""


class NotWaiting(Refusal):
    """No run of yours waits at this node; begin again."""


class NoLogin(Refusal):
    """This workflow asks for a login, and there is no auth(): write it in triggers/auth.js or the app's default_js."""


class CallRefused(Refusal):
    """The host function refused."""

    def __init__(self, message: str = "", *, name: str = "Error") -> None:
        super().__init__(message)
        self.name = name
        """What the script sees as `error.name`: "TypeError" for wrong arguments, "NetworkError", "TimeoutError"…"""


class Undecipherable(Refusal):
    """It cannot be decrypted."""


class RunCancelled(Refusal):
    """The run was cancelled."""

    retried = False


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document: where it is and what to do about it."""

    path: str
    """Dotted path into the document: `drawflow.Home.data.n1.outputs.output_1`."""
    message: str
    """What is wrong and what would be right."""
    fatal: bool = True
    """False for a warning: the flow is served all the same."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class BadDocument(NflowError):
    """The document cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class AskError(NflowError):
    """The ask got no reply."""


class Expired(AskError):
    """The deadline passed before the reply came."""


class Gone(AskError):
    """The actor has ended."""


class Crashed(AskError):
    """The actor crashed on this message."""

    def __init__(self, cause: BaseException, path: str = "") -> None:
        super().__init__(f"{path or 'the actor'} crashed: {type(cause).__name__}: {cause}")
        self.cause = cause


class UnusableStore(NflowError):
    """The store's data belongs to another program or a newer version."""


class UnusableAddress(NflowError):
    """The server cannot listen where it should."""


class UnusableCertificate(NflowError):
    """The server's certificate or its key cannot be used."""


class RestartsExhausted(NflowError):
    """The children of a supervisor failed too often."""


class SandboxLost(NflowError):
    """The sandbox process ended under the script."""

    def __init__(self, message: str = "", *, own_fault: bool) -> None:
        super().__init__(message)
        self.own_fault = own_fault
        """True when the script itself killed its process: SEGV, ABRT, SYS, XCPU, or a deadline with CPU used."""


class BadFrame(NflowError):
    """The bytes are not a frame of this protocol."""
