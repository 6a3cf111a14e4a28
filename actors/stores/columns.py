"""From messages to table columns: the only way a row reaches a store, so that none can forget to mask or encrypt.

What the journal keeps of a run's data is sealed for its place where there is a key: no row's data opens in another row.

Runs where the store writes (for SQLite its thread), never on the request path. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from actors.guards.encryption import Keyring
from actors.guards.redaction import mask, mask_query, may_hold_secrets
from protocol.tracking import ProcessRecord, StepRecord, TrackerRow

Columns = tuple[Any, ...]

_process: Final = attrgetter(*(field.name for field in fields(ProcessRecord)))
_step: Final = attrgetter(*(field.name for field in fields(StepRecord)))
_INPUT: Final = [field.name for field in fields(ProcessRecord)].index("input")
_OUTPUT: Final = [field.name for field in fields(StepRecord)].index("output")
_URL: Final = TrackerRow._fields.index("url")
_PAYLOAD: Final = TrackerRow._fields.index("payload")
_QUERY: Final = TrackerRow._fields.index("query_param")


def process_columns(processes: Sequence[ProcessRecord], keys: Keyring) -> list[Columns]:
    """The columns of each run, in the order of the message's fields."""
    rows = list(map(_process, processes))
    return [_with(row, _INPUT, keys.seal(row[_INPUT], _process_place(row))) for row in rows] if keys.encrypts else rows


def step_columns(steps: Sequence[StepRecord], keys: Keyring) -> list[Columns]:
    """The columns of each step, in the order of the message's fields."""
    rows = list(map(_step, steps))
    return [_with(row, _OUTPUT, keys.seal(row[_OUTPUT], _step_place(row))) for row in rows] if keys.encrypts else rows


def process_record(row: Columns, keys: Keyring) -> ProcessRecord:
    """The run of a row. Raises Undecipherable, naming the key that is missing."""
    return ProcessRecord(*_with(row, _INPUT, keys.unseal(row[_INPUT], _process_place(row))))


def step_record(row: Columns, keys: Keyring) -> StepRecord:
    """The step of a row. Raises Undecipherable, naming the key that is missing."""
    return StepRecord(*_with(row, _OUTPUT, keys.unseal(row[_OUTPUT], _step_place(row))))


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


def _process_place(row: Columns) -> str:
    return f"process\0{row[0]}"


def _step_place(row: Columns) -> str:
    """Where a step's output opens: its run, node and visit, the first columns."""
    wid, node, visit = row[:3]
    return f"step\0{wid}\0{node}\0{visit}"


def _with(row: Columns, place: int, value: Any) -> Columns:
    return (*row[:place], value, *row[place + 1 :])


def _masked(row: Columns) -> Columns:
    values = list(row)
    values[_PAYLOAD] = mask(values[_PAYLOAD])
    values[_QUERY] = mask_query(values[_QUERY])
    values[_URL] = mask_query(values[_URL])
    return tuple(values)


def _whole(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
