"""What is written down of a run: the journal (the truth) and the tracker (a lossy, redacted view).

Three tables: process, step, tracker. The journal's lane refuses and back-pressures; only the tracker drops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from protocol.refs import Recipient


class TrackerRow(NamedTuple):
    """One finished node, in nFlow's columns (Go: init.sql), in the table's order. Times are Unix seconds."""

    log_id: str
    box_id: str
    box_name: str
    box_type: str
    url: str
    username: str
    connection_next: str
    """Id of the next node, or empty."""
    duration_ms: float
    created: float
    order_box: int
    payload: bytes
    """JSON text after the node; secrets are masked before it is stored."""
    ip: str
    real_ip: str
    user_agent: str
    query_param: str
    hostname: str
    host: str


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """The row of one durable run: written when it begins and when its state changes."""

    wid: str
    tenant: str
    app: str
    flow: str
    flow_hash: str
    input: bytes
    """JSON text of what is needed to start again: start node, payload, request."""
    state: str
    owner: str
    epoch: int
    wake_at: float | None
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One finished node of a durable run. Unique: (wid, node, visit)."""

    wid: str
    node: str
    visit: int
    attempt: int
    outcome: str
    """Output name taken, or `!error`."""
    output: bytes
    """JSON text of the payload after the node, whole."""
    started: float
    ended: float


@dataclass(frozen=True, slots=True)
class Record:
    """Commit these together; `reply_to` is told `Recorded` or `NotRecorded` with the same number."""

    number: int
    process: ProcessRecord | None
    steps: tuple[StepRecord, ...]
    reply_to: Recipient[Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Committed to disk."""

    number: int


@dataclass(frozen=True, slots=True)
class NotRecorded:
    """The store refused or is out of reach; nothing was committed."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class TrackerState:
    """Numbers for metrics."""

    stored: int
    dropped: int
    waiting: int
    failed_batches: int
