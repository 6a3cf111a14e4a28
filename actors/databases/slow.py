"""Statements that took long: the last ones, for operators (`GET /debug/slow-queries`).

Invariants: what is kept is the text of a statement without any value, bound or written into it; the list is bounded,
the oldest goes first. A database that is not watched pays one comparison a statement, a watched one two looks at the
clock. Statements come from the loop and from the threads of the embedded store alike: an append is all they do here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, NamedTuple, TypeVar

from actors.databases.placeholders import Dialect, without_values

T = TypeVar("T")

MOST_CHARACTERS: Final = 2_000
"""Of one statement's text."""


class SlowStatement(NamedTuple):
    """One that took long."""

    database: str
    """By its section of the configuration."""
    sql: str
    seconds: float
    ended: float
    """Unix time."""


class SlowStatements:
    """The last ones of one runtime."""

    __slots__ = ("_kept", "_wall", "counted", "seconds")

    def __init__(self, seconds: float, wall: Callable[[], float], most: int = 200) -> None:
        """`seconds`: what takes longer is kept. `wall` gives Unix seconds."""
        self._kept: deque[SlowStatement] = deque(maxlen=most)
        self._wall = wall
        self.seconds = seconds
        self.counted = 0
        """All there were so far."""

    def listing(self) -> list[SlowStatement]:
        """What is kept, the newest first."""
        return list(self._kept)[::-1]

    def watch(self, database: str, dialect: Dialect) -> Stopwatch:
        """Times the statements of one database."""
        return Stopwatch(self, database, dialect)

    def note(self, database: str, sql: str, seconds: float) -> None:
        """Keep one, its values taken out already."""
        self.counted += 1
        self._kept.append(SlowStatement(database, sql[:MOST_CHARACTERS], seconds, self._wall()))


class Stopwatch:
    """Times the statements of one database, those that fail too."""

    __slots__ = ("_database", "_dialect", "_slow")

    def __init__(self, slow: SlowStatements, database: str, dialect: Dialect) -> None:
        self._slow = slow
        self._database = database
        self._dialect = dialect

    async def timed(self, sql: str, work: Awaitable[T]) -> T:
        """What `work` gives."""
        began = monotonic()
        try:
            return await work
        finally:
            self._stop(sql, began)

    def clocked(self, sql: str, work: Callable[[], T]) -> T:
        """What `work` gives, called here and now."""
        began = monotonic()
        try:
            return work()
        finally:
            self._stop(sql, began)

    def _stop(self, sql: str, began: float) -> None:
        seconds = monotonic() - began
        if seconds >= self._slow.seconds:
            self._slow.note(self._database, without_values(sql, self._dialect), seconds)
