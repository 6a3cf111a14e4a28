"""Looks at a library again and again and tells the flows' keeper what has changed.

An actor of its own, because a database that does not answer must not keep changed files waiting. During an outage it
asks less and less often; the keeper is told once, and goes on with what it knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from actors.kernel import Actor
from actors.library.library import Library, Snapshot
from protocol.errors import Refusal
from protocol.refs import AnyRef

_LONGEST_PAUSE_SECONDS = 5.0
LOOK_SECONDS = 10.0
"""A look that takes longer is given up."""


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """The library as it is now."""

    outside: bool
    """True: nFlow's database; False: our own library."""
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class LibraryOut:
    """The library cannot be read now."""

    outside: bool
    reason: str


class Look(Enum):
    """It is time to look."""

    LIBRARY = auto()


class LibraryWatcher(Actor[Look]):
    """Watches one library."""

    def __init__(
        self,
        library: Library,
        names: Sequence[str] | None,
        seconds: float,
        keeper: AnyRef,
        *,
        outside: bool,
        known: Snapshot | None,
    ) -> None:
        """`names`: the apps to look at; None: all. `known`: what the keeper has already."""
        self._library = library
        self._names = names
        self._seconds = seconds
        self._keeper = keeper
        self._outside = outside
        self._known = known
        self._told = known
        self._failures = 0 if known is not None else 1

    def started(self) -> None:
        """Begin."""
        self.context.after(self._seconds, Look.LIBRARY)

    async def receive(self, message: Look) -> None:
        """Look once."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                snapshot = await self._library.look(self._names, self._known)
        except (Refusal, TimeoutError) as error:
            self._failures += 1
            if self._failures == 1:
                self._keeper.tell(LibraryOut(self._outside, str(error) or "it does not answer"))
        else:
            if self._failures or not snapshot.same_content(self._told):
                self._keeper.tell(SnapshotTaken(self._outside, snapshot))
                self._told = snapshot
            self._known = snapshot
            self._failures = 0
        pause = self._seconds * 2 ** min(self._failures, 10)
        self.context.after(max(self._seconds, min(pause, _LONGEST_PAUSE_SECONDS)), Look.LIBRARY)
