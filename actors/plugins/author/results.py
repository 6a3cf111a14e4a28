"""What a plugin's functions may return besides plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from protocol.codec import dumps
from protocol.process import Pairs
from protocol.sandbox import ScriptAnswer


@dataclass(frozen=True, slots=True)
class Response:
    """What the client of a workflow gets from a node: text, bytes, or a value that goes as JSON."""

    body: Any = b""
    status: int = 200
    content_type: str = ""
    """Empty: by the body's kind."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def answer(self) -> ScriptAnswer:
        """As the runtime sends it. Raises ValueError for what cannot be sent."""
        if isinstance(self.status, bool) or not isinstance(self.status, int) or not 200 <= self.status <= 599:
            raise ValueError(f"a response's status is a number from 200 to 599, not {self.status!r}")
        match self.body:
            case bytes():
                body, kind = self.body, "application/octet-stream"
            case str():
                body, kind = self.body.encode("utf-8", "replace"), "text/plain; charset=UTF-8"
            case _:
                body, kind = dumps(self.body), "application/json"
        return ScriptAnswer(self.status, self.content_type or kind, body, self._headers())

    def _headers(self) -> Pairs:
        lines = tuple((str(name), str(value)) for name, value in self.headers.items())
        if any(letter in part for line in lines for part in line for letter in "\r\n\0"):
            raise ValueError("a header may not hold line breaks")
        return lines


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What came of a node."""

    payload: Any
    output: str = "output_1"
    """Where the run goes on; an output that is not connected ends it."""
    response: Response | None = None


@dataclass(frozen=True, slots=True)
class User:
    """Who the client is: becomes the profile of its session."""

    profile: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Redirect:
    """The client is to log in there first."""

    location: str
