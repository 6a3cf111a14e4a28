"""Sessions in the memory of this process: the default. They end with it.

Invariant: never more sessions or bytes than the caps; the longest unused goes first, and an expired one is never seen.
Sessions rest as JSON text, so nobody shares a value with another one and their size is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.sessions.state import applied, read, written
from protocol.errors import Refusal
from protocol.sessions import Changes, Maps, SessionEnded

_BITE = 1_000


@dataclass(frozen=True, slots=True)
class MemoryCaps:
    """How much is kept, and how long."""

    lifetime_seconds: float
    max_kb: int = 1_024
    """Of one session."""
    max_sessions: int = 100_000
    max_memory_mb: int = 512
    """MiB of all sessions' texts together."""


class MemorySessions:
    """Sessions by their id, the longest unused first. Outages can be played: `outage` is raised by every call."""

    __slots__ = ("_bytes", "_caps", "_kept", "_wall", "evicted", "outage")

    def __init__(self, caps: MemoryCaps, wall: Callable[[], float]) -> None:
        """`wall`: time in seconds; any clock that does not step back will do."""
        self._caps = caps
        self._wall = wall
        self._kept: dict[str, tuple[bytes, float]] = {}
        """Id → (text, last use). Order of last use, so expired ones come first."""
        self._bytes = 0
        self.evicted = 0
        """Sessions that had to go before their time."""
        self.outage: Refusal | None = None

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do: what is kept stays."""

    def __len__(self) -> int:
        return len(self._kept)

    def touch(self, session: str) -> bool:
        """Whether it is there; nobody else can have changed it."""
        return self.outage is None and self._used(session) is not None

    async def load(self, session: str) -> Maps | None:
        """See `SessionStore.load`."""
        self._reach()
        text = self._used(session)
        return None if text is None else read(text)

    async def save(self, session: str, changes: Changes, *, begin: bool = False, rename: str = "") -> None:
        """See `SessionStore.save`."""
        self._reach()
        text = b"{}" if begin else self._used(session)
        if text is None:
            raise SessionEnded
        text = written(applied(read(text), changes), self._caps.max_kb)
        self._forget(session)
        self._kept[rename or session] = text, self._wall()
        self._bytes += len(text)
        self._make_room()

    async def end(self, session: str) -> None:
        """See `SessionStore.end`."""
        self._reach()
        self._forget(session)

    async def sweep(self) -> int:
        """See `SessionStore.sweep`."""
        before = self._wall() - self._caps.lifetime_seconds
        expired: list[str] = []
        for session, (_, used) in self._kept.items():
            if used > before or len(expired) == _BITE:
                break
            expired.append(session)
        for session in expired:
            self._forget(session)
        return len(expired)

    async def clear(self) -> int:
        """See `SessionStore.clear`."""
        self._reach()
        ended = len(self._kept)
        self._kept.clear()
        self._bytes = 0
        return ended

    async def count(self) -> int:
        """See `SessionStore.count`."""
        self._reach()
        return len(self._kept)

    def _reach(self) -> None:
        if self.outage is not None:
            raise self.outage

    def _used(self, session: str) -> bytes | None:
        kept = self._kept.pop(session, None)
        if kept is None:
            return None
        text, used = kept
        now = self._wall()
        if used <= now - self._caps.lifetime_seconds:
            self._bytes -= len(text)
            return None
        self._kept[session] = text, now
        return text

    def _forget(self, session: str) -> None:
        kept = self._kept.pop(session, None)
        if kept is not None:
            self._bytes -= len(kept[0])

    def _make_room(self) -> None:
        most_bytes = self._caps.max_memory_mb * 2**20
        while len(self._kept) > self._caps.max_sessions or (self._bytes > most_bytes and len(self._kept) > 1):
            self._forget(next(iter(self._kept)))
            self.evicted += 1
