"""nFlow's own `tracker` table: rows go there too, so that whatever reads it goes on working.

Masked as ours are. Where QueryInsertLog says what nFlow's own text says, a batch is a few statements of many rows;
a text of the database's own is run once for each row, in one transaction. A `Tracker` of its own stands before it, so
rows wait in bounded memory, nobody waits for them, and what an outage drops is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from actors.library.queries import LOG_COLUMNS
from actors.library.sql_library import SqlLibrary
from actors.stores.columns import storable, tracker_columns
from protocol.errors import CallRefused
from protocol.tracking import TrackerRow

_CHUNK: Final = 64
"""Rows of a statement: sixteen parameters each, far below what any of the servers takes."""
_PICKED: Final = tuple(TrackerRow._fields.index(name) for name in LOG_COLUMNS if name != "duration")
_DURATION: Final = TrackerRow._fields.index("duration_ms")
_DURATION_PLACE: Final = LOG_COLUMNS.index("duration")
_PAYLOAD: Final = LOG_COLUMNS.index("payload")


class TrackerTable:
    """Where a `Tracker` puts its rows: `track` as a store has it."""

    def __init__(self, library: SqlLibrary) -> None:
        self._library = library
        self._as_text = False
        """The payload's column is of text: some databases do not take bytes there."""

    async def track(self, rows: Sequence[TrackerRow]) -> int:
        """Store rows. Returns how many: one that the database refuses is left out. Raises Unavailable."""
        queries = await self._library.queries()
        values = [_values(storable(row)) for row in tracker_columns(rows)]
        if not queries.is_default("QueryInsertLog"):
            return await self._one_by_one(queries["QueryInsertLog"], values)
        stored = 0
        for start in range(0, len(values), _CHUNK):
            chunk = values[start : start + _CHUNK]
            try:
                await self._together(chunk)
                stored += len(chunk)
            except CallRefused:
                stored += await self._one_by_one(queries["QueryInsertLog"], chunk)
        return stored

    async def _together(self, chunk: Sequence[tuple[Any, ...]]) -> None:
        width = len(LOG_COLUMNS)
        groups = ", ".join(
            "(" + ", ".join(f"${row * width + column}" for column in range(1, width + 1)) + ")"
            for row in range(len(chunk))
        )
        columns = ", ".join(LOG_COLUMNS)
        statement = f"INSERT INTO tracker ({columns}) VALUES {groups}"  # noqa: S608  # constants, and $n
        try:
            await self._library.database.execute(statement, self._parameters(chunk))
        except CallRefused:
            self._as_text = not self._as_text
            await self._library.database.execute(statement, self._parameters(chunk))

    async def _one_by_one(self, statement: str, values: Sequence[tuple[Any, ...]]) -> int:
        """Each row by itself when the transaction of all of them is refused."""
        for as_text in (self._as_text, not self._as_text):
            self._as_text = as_text
            try:
                async with self._library.database.transaction() as statements:
                    for row in values:
                        await statements.execute(statement, self._parameters([row]))
            except CallRefused:
                continue
            return len(values)
        return sum([await self._alone(statement, row) for row in values])

    async def _alone(self, statement: str, row: tuple[Any, ...]) -> int:
        for as_text in (False, True):
            self._as_text = as_text
            try:
                await self._library.database.execute(statement, self._parameters([row]))
            except CallRefused:
                continue
            return 1
        return 0

    def _parameters(self, rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        if not self._as_text:
            return tuple(value for row in rows for value in row)
        return tuple(
            value.decode("utf-8", "replace") if place == _PAYLOAD and isinstance(value, bytes) else value
            for row in rows
            for place, value in enumerate(row)
        )


def _values(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The sixteen values of QueryInsertLog."""
    values = [row[place] for place in _PICKED]
    values.insert(_DURATION_PLACE, f"{int(row[_DURATION])}m")
    return tuple(values)
