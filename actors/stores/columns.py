"""From messages to table columns: the only way a tracker row reaches a store, so that no store can forget to mask.

Runs where the store writes (for SQLite its thread), never on the request path. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from actors.guards.redaction import mask, mask_query, may_hold_secrets
from protocol.tracking import ProcessRecord, StepRecord, TrackerRow

Columns = tuple[Any, ...]

_process: Final = attrgetter(*(field.name for field in fields(ProcessRecord)))
_step: Final = attrgetter(*(field.name for field in fields(StepRecord)))
_URL: Final = TrackerRow._fields.index("url")
_PAYLOAD: Final = TrackerRow._fields.index("payload")
_QUERY: Final = TrackerRow._fields.index("query_param")


def process_columns(processes: Sequence[ProcessRecord]) -> list[Columns]:
    """The columns of each run, in the order of the message's fields."""
    return list(map(_process, processes))


def step_columns(steps: Sequence[StepRecord]) -> list[Columns]:
    """The columns of each step, in the order of the message's fields."""
    return list(map(_step, steps))


def tracker_columns(rows: Sequence[TrackerRow]) -> list[Columns]:
    """The columns of each tracker row in the order of the message's fields, secrets masked."""
    columns: list[Columns] = list(rows)  # a row is a tuple in the columns' order already
    payloads = [row[_PAYLOAD] for row in columns]
    queries = [text for row in columns for text in (row[_QUERY], row[_URL])]
    if may_hold_secrets(payloads, queries):
        return [_masked(row) for row in columns]
    return columns


def storable(row: Columns) -> Columns:
    """The row with its text made valid: a header of raw bytes reaches us as text with lone surrogates."""
    return tuple(_whole(value) if isinstance(value, str) else value for value in row)


def _masked(row: Columns) -> Columns:
    values = list(row)
    values[_PAYLOAD] = mask(values[_PAYLOAD])
    values[_QUERY] = mask_query(values[_QUERY])
    values[_URL] = mask_query(values[_URL])
    return tuple(values)


def _whole(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
