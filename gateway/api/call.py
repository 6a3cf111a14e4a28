"""One call of the API and its answer, as handlers know them: values, no HTTP library.

A handler takes a `Call` and gives an `ApiAnswer`; a refusal is an `ApiError`, or an error of the tree, whose status
stands in `gateway/statuses.py`. Error bodies are `{"code", "message"}`, with `"problems"` where there are some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from gateway import statuses
from gateway.clients.origin import UNKNOWN, Origin
from protocol.codec import dumps, go_json, loads
from protocol.errors import (
    AskError,
    BadDocument,
    NflowError,
    Overloaded,
    Problem,
    Refusal,
    SandboxLost,
    Unavailable,
)
from protocol.flows import NoSuchApp, NotOurs
from protocol.formats.findings import ScriptBlocked, issue_of
from protocol.process import Pairs

JSON: Final = "application/json"


class Shown(NamedTuple):
    """Whose token a caller showed."""

    admin: bool = False
    name: str = ""
    """Of the row of `api_tokens`, or "admin"; empty: none was needed, and none that is valid was shown."""


NOBODY_SHOWN: Final = Shown()


@dataclass(frozen=True, slots=True)
class Call:
    """What came in for a route."""

    request: Any
    """The HTTP request itself, for who answers the way workflows do."""
    path: str
    """As received, percent-encoded."""
    query: str
    variables: Mapping[str, str]
    """Names of the route's path → what stood there, percent-decoded."""
    numbers: Mapping[str, int]
    """The route's query parameters that are numbers, within their bounds."""
    headers: Sequence[tuple[bytes, bytes]]
    remote: str
    """Socket address of the peer, `host:port`."""
    body: bytes = b""
    token: Shown = NOBODY_SHOWN
    """What the caller's bearer token was."""
    words: Mapping[str, str] = field(default_factory=dict)
    """The route's query parameters that are words."""
    origin: Origin = UNKNOWN
    """Whose address and scheme they are: the peer's, or what a trusted proxy says."""

    def json(self) -> Any:
        """The body as JSON; an empty one is an empty object. Raises BadDocument."""
        return loads(self.body, "body") if self.body else {}

    def object(self) -> dict[str, Any]:
        """The body, which must be a JSON object. Raises BadDocument."""
        value = self.json()
        if not isinstance(value, dict):
            raise BadDocument([Problem("body", "must be a JSON object")])
        return value


class ApiAnswer(NamedTuple):
    """What goes out."""

    status: int
    body: bytes
    headers: Pairs = ()
    content_type: str = JSON

    @classmethod
    def of(cls, value: Any, status: int = 200, headers: Pairs = ()) -> ApiAnswer:
        """A JSON body."""
        return cls(status, dumps(value) + b"\n", headers)


class ApiError(NflowError):
    """The API refuses the call."""

    def __init__(self, status: int, message: str, headers: Pairs = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def refusal(error: NflowError, *, debug: bool = False) -> ApiAnswer:
    """The answer to a call that failed with this. `debug`: in the shape of the debug endpoints, `{"error"}`."""
    status, headers = status_of(error)
    told = explained(error, status)
    if debug:
        told = {"error": told.pop("message"), **{name: held for name, held in told.items() if name == "problems"}}
    return ApiAnswer(status, go_json(told), headers)


def status_of(error: NflowError) -> tuple[int, Pairs]:
    """HTTP status and headers of an error."""
    match error:
        case ApiError():
            return error.status, error.headers
        case NoSuchApp():
            return 404, ()
        case NotOurs():
            return 409, ()
        case _:
            answer = statuses.error_answer(error, None, debug=False)
            return answer.status, answer.headers


def explained(error: NflowError, status: int) -> dict[str, Any]:
    """`{"code", "message"}` and the problems, where there are some. What is our own fault is not told."""
    told: dict[str, Any] = {"code": status, "message": str(error)}
    match error:
        case BadDocument():
            told["message"] = "\n".join(str(problem) for problem in error.problems if problem.fatal) or str(error)
            told["problems"] = problems(error.problems)
        case AskError() if status >= 500:
            told["message"] = str(error) if status == 503 else "Internal Server Error"
        case ScriptBlocked():
            told["issues"] = [finding.issue() for finding in error.findings]
        case Refusal() | SandboxLost() | ApiError() | Overloaded() | Unavailable():
            pass
        case _:
            told["message"] = "Internal Server Error"
    return told


def problems(found: Sequence[Problem]) -> list[dict[str, Any]]:
    """Problems as the API tells them."""
    return [
        {
            "path": problem.path,
            "message": problem.message,
            "severity": "error" if problem.fatal else "warning",
            **issue_of(problem),
        }
        for problem in found
    ]
