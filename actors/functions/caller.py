"""What a host function is, and what it may know of who calls it.

A host function serves one call of one running script, on the loop, with the rights of its run. It takes the caller and
the call's arguments (JSON values) and returns a JSON value. What it raises is thrown into the script, where it can be
caught: a `Refusal` with its message (CallRefused says the error's name too), anything else as a failure of the runtime,
which is logged. It never blocks the loop, and ends within the call's deadline: the run cancels it then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from protocol.process import Pairs, Request


class SessionView(Protocol):
    """The caller's session as one run sees it: read once, its changes written together before the answer leaves.

    A session holds named maps (`profile`, `auth-session`, the author's own) of JSON values.
    """

    @property
    def id(self) -> str:
        """Empty until the session has begun."""

    async def read(self, name: str) -> Mapping[str, Any]:
        """One map; empty when there is none. Raises Unavailable."""

    async def write(self, name: str, values: Mapping[str, Any]) -> None:
        """Merge values into one map; a session begins where there is none. CallRefused: it grows too large."""

    async def remove(self, name: str, keys: Iterable[str]) -> None:
        """Remove keys of one map."""

    async def delete(self, name: str) -> None:
        """Remove one map."""

    async def rotate(self) -> None:
        """Give the session a new id, as is due when its user changes; the old one ends."""

    @property
    def changed(self) -> bool:
        """Whether `commit` has anything to write."""

    async def commit(self) -> str:
        """Write all changes together. Returns the id of a session that began or changed its id, else empty."""


class Holds:
    """What a script keeps open until it ends, such as a transaction: closed with it, however it ends."""

    __slots__ = ("_closers", "_things", "closed")

    def __init__(self) -> None:
        self._things: dict[str, Any] = {}
        self._closers: dict[str, Callable[[], Awaitable[None]]] = {}
        self.closed = False

    def keep(self, key: str, thing: Any, close: Callable[[], Awaitable[None]]) -> None:
        """Hold `thing` as `key` until `release` or the script's end calls `close`."""
        self._things[key] = thing
        self._closers[key] = close

    def get(self, key: str) -> Any:
        """What is held as `key`, or None."""
        return self._things.get(key)

    def forget(self, key: str) -> None:
        """The thing was closed in the ordinary way."""
        self._things.pop(key, None)
        self._closers.pop(key, None)

    @property
    def any(self) -> bool:
        """Whether something is held."""
        return bool(self._closers)

    async def close(self) -> None:
        """Close whatever is still held, in reverse order; a closer that fails does not stop the others."""
        self.closed = True
        while self._closers:
            key, close = self._closers.popitem()
            self._things.pop(key, None)
            with contextlib.suppress(Exception):
                await close()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: one script of one run."""

    wid: str
    tenant: str
    app: str
    flow: str
    node: str
    """Id of the node whose script calls."""
    request: Request
    session: SessionView
    seconds: float
    """The call's deadline, from now."""
    holds: Holds = field(default_factory=Holds)
    key: str = ""
    """Idempotency key of the node's visit: `process:node:visit`."""
    variables: Pairs = ()
    """Captured segments of the path."""
    payload: bytes = b"null"
    """The payload its node began with, as JSON text."""
    traceparent: str = ""
    """What calls to other servers say of the trace they belong to (W3C); empty: nobody traces."""


HostFunction = Callable[[Caller, list[Any]], Awaitable[Any]]
Functions = Mapping[str, HostFunction]
"""By the name the script's call carries."""
