"""The actor that opens a door at its start and closes it at its end, so that no connection outlives the tree.

A door is a plain object that others call directly; it keeps its connections inside and is found again by itself after
an outage. It answers `Unavailable` before it is open and after it is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol

from actors.kernel import Actor, Backoff, ChildSpec
from protocol.errors import Refusal


class Door(Protocol):
    """Something with connections."""

    async def open(self) -> None:
        """Make ready. An outage of the server behind it is no error here."""

    async def close(self) -> None:
        """Let go of every connection, within a second. Idempotent."""


def kept(name: str, door: Door) -> ChildSpec:
    """The spec of a door's keeper. Its backoff matters: a killed keeper's door closes before the next one opens it."""
    return ChildSpec(name, lambda: Keeper(door), backoff=Backoff(0.1, 5.0))


class Keeper(Actor[Any]):
    """Opens and closes one door."""

    __slots__ = ("_closing", "_door", "_open")

    def __init__(self, door: Door) -> None:
        self._door = door
        self._open = False
        self._closing: asyncio.Task[None] | None = None

    def started(self) -> Awaitable[None]:
        """Open the door."""
        self._open = True
        return self._door.open()

    def receive(self, message: Any) -> Any:
        """A keeper only keeps."""
        raise Refusal(f"{self.context.path} takes no messages")

    async def stopping(self) -> None:
        """Close the door under the stop's deadline."""
        await self._door.close()
        self._open = False

    def released(self) -> None:
        """After a crash or a kill, which cannot wait, the door closes behind the actor."""
        if self._open:
            self._closing = asyncio.ensure_future(self._door.close())
