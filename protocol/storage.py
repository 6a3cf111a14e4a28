"""The conversation with a store: what is written together, what is read back, what is thrown away.

Journal, tracker and retention speak to a `Store` (`actors/stores/store.py`); a store that needs a thread passes these
messages on to it. Refusals: `Unavailable` while the store is out of reach, a plain `Refusal` for data it cannot hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.refs import Ask
from protocol.tracking import ProcessRecord, StepRecord, TrackerRow


@dataclass(frozen=True, slots=True)
class CommitRecords(Ask[frozenset[str]]):
    """Commit all or nothing. The reply names the runs that another owner has taken over; nothing of them is written."""

    processes: tuple[ProcessRecord, ...]
    steps: tuple[StepRecord, ...]


@dataclass(frozen=True, slots=True)
class StoreRows(Ask[int]):
    """Store tracker rows, secrets masked. The reply counts those stored; the others can be stored nowhere."""

    rows: tuple[TrackerRow, ...]


@dataclass(frozen=True, slots=True)
class RetentionDays:
    """Days after which rows go; 0 keeps them for ever."""

    process: float = 30.0
    """After a run has ended. Its steps go with it."""
    step: float = 0.0
    """After their run has ended, for steps that should go before it. 0: with their run."""
    tracker: float = 30.0
    """After the node was finished."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one bite of retention threw away."""

    processes: int
    steps: int
    rows: int
    more: bool
    """There is more to throw away already."""


@dataclass(frozen=True, slots=True)
class PruneStore(Ask[Pruned]):
    """Throw away a small bite of what is too old."""

    days: RetentionDays
    now: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class ReadProcess(Ask["ProcessRecord | None"]):
    """The run as last committed; None: no such run."""

    wid: str


@dataclass(frozen=True, slots=True)
class ReadSteps(Ask[tuple[StepRecord, ...]]):
    """The steps a run has completed, in order of completion."""

    wid: str


@dataclass(frozen=True, slots=True)
class TrackedRow:
    """A stored tracker row: the 18 columns of nFlow's table."""

    id: int
    """Counts up in order of storing."""
    log_id: str
    box_id: str
    box_name: str
    box_type: str
    url: str
    username: str
    connection_next: str
    duration: str
    """Whole milliseconds and the letter m: `67m`."""
    created: str
    """UTC, `2026-01-31 23:59:59.123`."""
    order_box: int
    payload: bytes
    ip: str
    real_ip: str
    user_agent: str
    query_param: str
    hostname: str
    host: str


@dataclass(frozen=True, slots=True)
class ReadRows(Ask[tuple[TrackedRow, ...]]):
    """A page of tracker rows in order of storing."""

    after: int
    """Id of the last row seen; 0: from the first."""
    limit: int


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """Rows of each table."""

    processes: int
    steps: int
    rows: int


@dataclass(frozen=True, slots=True)
class CountRows(Ask[StoreCounts]):
    """Count the rows of each table; reads whole indexes, so not for the request path."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """Whether the store was in reach when it was last spoken to."""

    available: bool
    reason: str = ""
    """Why not, in words for an operator."""
