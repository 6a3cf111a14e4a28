"""The table of passivated buckets: a client's key → one number, never more rows than its bound.

Invariant: rows stand in the order of their last use, the longest unused first. When it is full, rows that say nothing
any more go first, then the longest unused; both in bites, so that a flood of new clients costs each of them the same.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

BITE = 64
"""A full table lets one part in so many go at once."""


class Table:
    """Client → the moment its bucket is full."""

    __slots__ = ("_come", "_most", "_rows", "evicted")

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: dict[str, float] = {}
        self._come = most
        """Rows that had to make room since the last look for those that say nothing."""
        self.evicted = 0
        """Rows that went although they still said something."""

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, key: str) -> float | None:
        """Out with a row, which the caller puts back."""
        return self._rows.pop(key, None)

    def put(self, key: str, full: float, forgettable: Callable[[], float]) -> None:
        """In with a row that is not there. `forgettable`: see `gcra`; asked for when there is no room."""
        rows = self._rows
        if len(rows) >= self._most:
            self._make_room(forgettable())
            rows = self._rows
        rows[key] = full

    def sweep(self, forgettable: float) -> int:
        """Forget the rows that say nothing any more; how many those were. Gives their memory back."""
        before = len(self._rows)
        self._come = 0
        # A new table, because a dict never becomes smaller.
        self._rows = {key: full for key, full in self._rows.items() if full > forgettable}
        return before - len(self._rows)

    def clear(self) -> None:
        """Forget everybody."""
        self._rows = {}

    def _make_room(self, forgettable: float) -> None:
        bite = max(1, self._most // BITE)
        self._come += bite
        if self._come >= self._most // 4 and self.sweep(forgettable) >= bite:
            return
        for key in list(islice(self._rows, bite)):
            if self._rows.pop(key) > forgettable:
                self.evicted += 1
