"""The tracker: one row for each finished node, written in batches, lost rather than waited for.

Invariant: the request path pays one append and never waits; every row is stored, dropped and counted, or still waits
(`TrackerState`), whatever the store does. Memory is bounded by rows and by bytes; the oldest rows go first.

Rows wait in a channel beside the batcher and not in its mailbox, because a stop overtakes a mailbox, and because a
dropping mailbox would drop the batcher's own messages too: the rows of the last requests before a stop are what the
flush on stop is for. The channel outlives crashes of its batcher. Talks to runs (`track`, a plain call) and a `Store`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import cycle
from typing import Protocol, assert_never

from actors.kernel import Actor, Backoff, ChildSpec, Timer
from protocol.errors import AskError, Refusal
from protocol.refs import Recipient
from protocol.tracking import TrackerRow, TrackerState

_logger = logging.getLogger(__name__)

_ROW_BYTES = 1024
"""What a row costs beside its payload, roughly: seventeen values and their list entry."""


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How rows are batched and when they are given up."""

    batch_rows: int = 100
    """A batch goes out when so many rows wait."""
    flush_seconds: float = 0.25
    """…or when the oldest has waited this long."""
    most_rows: int = 512
    """Rows of one batch when more wait than `batch_rows`: after a slow spell larger batches catch up."""
    most_bytes: int = 4 * 1024 * 1024
    """A batch is not made larger than this by a further row."""
    waiting_rows: int = 100_000
    """Rows that may wait, over all batchers; more: the oldest are dropped."""
    waiting_bytes: int = 128 * 1024 * 1024
    """Bytes that may wait, over all batchers; more: the oldest are dropped."""
    workers: int = 1
    """Batchers. More than one serves stores that write on several connections; SQLite has one writer."""
    retry_seconds: tuple[float, ...] = (0.1, 0.2, 0.4)
    """Pauses before the further tries of a batch; after the last it is dropped."""
    circuit_batches: int = 3
    """After so many lost batches in a row the store is left alone, and rows wait while there is room…"""
    circuit_seconds: tuple[float, float] = (1.0, 30.0)
    """…for this long; then one batch tries again, each time after twice the pause, up to the second number."""
    verbose: bool = False
    """Log every batch."""


class RowSink(Protocol):
    """Where rows go: a store, or another table."""

    def track(self, rows: Sequence[TrackerRow]) -> Awaitable[int]:
        """Store rows, secrets masked. Returns how many; raises a Refusal when none was stored."""


class _Call(Enum):
    """What a batcher is told."""

    ROWS_WAIT = auto()
    BATCH_FULL = auto()
    FLUSH_DUE = auto()
    REST_OVER = auto()


class TrackerChannel:
    """Where rows wait for one batcher."""

    __slots__ = ("_batch_rows", "_bytes", "_most_bytes", "_most_rows", "_rows", "batcher", "dropped", "failed_batches",
                 "in_hand", "stored")  # fmt: skip

    def __init__(self, batch_rows: int, most_rows: int, most_bytes: int) -> None:
        """`most_rows`, `most_bytes`: what may wait."""
        self._rows: deque[TrackerRow] = deque()
        self._bytes = 0
        self._batch_rows = batch_rows
        # With less room than two batches each row would call the batcher.
        self._most_rows = max(most_rows, 2 * batch_rows)
        self._most_bytes = most_bytes
        self.batcher: Recipient[_Call] | None = None
        """Who is called when rows wait; None before its first start."""
        self.stored = 0
        self.dropped = 0
        self.failed_batches = 0
        self.in_hand = 0
        """Rows taken by the batcher and neither stored nor dropped yet."""

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, row: TrackerRow) -> None:
        """Let a row wait for its batch. Never waits, never raises; a fifth of a microsecond."""
        rows = self._rows
        rows.append(row)
        self._bytes += len(row.payload) + _ROW_BYTES
        waiting = len(rows)
        if waiting == 1:
            self._call(_Call.ROWS_WAIT)
        elif waiting > self._most_rows or self._bytes > self._most_bytes:
            self._make_room()
        elif waiting == self._batch_rows:
            self._call(_Call.BATCH_FULL)

    def take(self, most_rows: int, most_bytes: int) -> list[TrackerRow]:
        """The oldest rows, at least one if any waits."""
        rows = self._rows
        if len(rows) <= most_rows and self._bytes <= most_bytes:
            batch = list(rows)
            rows.clear()
            self._bytes = 0
            self.in_hand += len(batch)
            return batch
        batch = []
        size = 0
        while rows and len(batch) < most_rows:
            size += len(rows[0].payload) + _ROW_BYTES
            if batch and size > most_bytes:
                break
            batch.append(rows.popleft())
        self._bytes -= sum(len(row.payload) for row in batch) + _ROW_BYTES * len(batch)
        self.in_hand += len(batch)
        return batch

    def settle(self, rows: int, stored: int) -> None:
        """A batch of `rows` is done with; those not stored are dropped."""
        self.in_hand -= rows
        self.stored += stored
        self.dropped += rows - stored

    def _make_room(self) -> None:
        rows = self._rows
        while len(rows) > self._most_rows or (self._bytes > self._most_bytes and len(rows) > 1):
            self._bytes -= len(rows.popleft().payload) + _ROW_BYTES
            self.dropped += 1

    def _call(self, what: _Call) -> None:
        if self.batcher is not None:
            self.batcher.tell(what)


class TrackerBatcher(Actor[_Call]):
    """Takes the rows of one channel to the store."""

    __slots__ = ("_batch", "_channel", "_lost", "_pause", "_resting", "_settings", "_store", "_timer")

    def __init__(self, channel: TrackerChannel, store: RowSink, settings: TrackerSettings) -> None:
        self._channel = channel
        self._store = store
        self._settings = settings
        self._timer: Timer | None = None
        self._batch: list[TrackerRow] = []
        self._lost = 0
        self._pause = settings.circuit_seconds[0]
        self._resting = False

    def started(self) -> None:
        """Rows may wait already: from before this start, or from before a crash."""
        self._channel.batcher = self.context.ref
        self._arm()

    def receive(self, message: _Call) -> Awaitable[None] | None:
        """Rows wait, a batch is full, or its time has come."""
        match message:
            case _Call.ROWS_WAIT:
                self._arm()
            case _Call.BATCH_FULL:
                if not self._resting and len(self._channel) >= self._settings.batch_rows:
                    return self._flush(tries=1 + len(self._settings.retry_seconds))
            case _Call.FLUSH_DUE:
                self._timer = None
                if not self._resting:
                    return self._flush(tries=1 + len(self._settings.retry_seconds))
            case _Call.REST_OVER:
                self._resting = False
                return self._flush(tries=1)
            case _:
                assert_never(message)
        return None

    async def stopping(self) -> None:
        """Store what waits, for as long as the stop deadline lets us and the store is in reach."""
        while self._channel and await self._store_batch(tries=2):
            pass

    def released(self) -> None:
        """A batch in hand is lost with this incarnation; what waits in the channel is not."""
        self._settle(0)

    async def _flush(self, tries: int) -> None:
        """Store what waits, and go on while that is a batch or more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        more = bool(self._channel)
        while more:
            if await self._store_batch(tries):
                self._lost = 0
                self._pause = self._settings.circuit_seconds[0]
            else:
                self._lost += 1
                if self._lost >= self._settings.circuit_batches:
                    self._rest()
                    return
            more = len(self._channel) >= self._settings.batch_rows
        self._arm()

    def _rest(self) -> None:
        """Leave the store alone for a while; rows wait, and go oldest first when there is no more room."""
        self._resting = True
        self.context.after(self._pause, _Call.REST_OVER)
        self._pause = min(2 * self._pause, self._settings.circuit_seconds[1])

    async def _store_batch(self, tries: int) -> bool:
        """Whether the oldest rows are stored; if not, they are dropped."""
        self._batch = self._channel.take(self._settings.most_rows, self._settings.most_bytes)
        for attempt in range(min(tries, 1 + len(self._settings.retry_seconds))):
            if attempt:
                await asyncio.sleep(self._settings.retry_seconds[attempt - 1])
            try:
                stored = await self._store.track(self._batch)
            except (Refusal, AskError):
                continue
            self._settle(stored)
            return True
        self._channel.failed_batches += 1
        self._settle(0)
        return False

    def _settle(self, stored: int) -> None:
        if self._settings.verbose and self._batch:
            rows, waiting = len(self._batch), len(self._channel)
            _logger.info("%s: %d of %d rows stored, %d waiting", self.context.ref.path, stored, rows, waiting)
        self._channel.settle(len(self._batch), stored)
        self._batch = []

    def _arm(self) -> None:
        if self._timer is None and self._channel and not self._resting:
            self._timer = self.context.after(self._settings.flush_seconds, _Call.FLUSH_DUE)


class Tracker:
    """What runs see of the tracker: where to put a row, and the numbers."""

    __slots__ = ("_channels", "_name", "_settings", "_store", "track")

    def __init__(self, store: RowSink, settings: TrackerSettings | None = None, name: str = "batcher") -> None:
        """`name`: what its batchers are called, each with its number."""
        self._store = store
        self._name = name
        self._settings = settings = settings or TrackerSettings()
        share = max(1, settings.workers)
        self._channels = tuple(
            TrackerChannel(settings.batch_rows, settings.waiting_rows // share, settings.waiting_bytes // share)
            for _ in range(share)
        )
        puts = cycle([channel.put for channel in self._channels])
        self.track: Callable[[TrackerRow], None] = self._channels[0].put if share == 1 else lambda row: next(puts)(row)
        """Take one row; a plain call from the loop, which costs under a microsecond and never waits."""

    def children(self) -> tuple[ChildSpec, ...]:
        """The batchers, for a one_for_one supervisor that stops before the store does."""
        return tuple(self._spec(number, channel) for number, channel in enumerate(self._channels, 1))

    @property
    def state(self) -> TrackerState:
        """Numbers for metrics: each row is in exactly one of stored, dropped and waiting."""
        channels = self._channels
        return TrackerState(
            stored=sum(channel.stored for channel in channels),
            dropped=sum(channel.dropped for channel in channels),
            waiting=sum(len(channel) + channel.in_hand for channel in channels),
            failed_batches=sum(channel.failed_batches for channel in channels),
        )

    def _spec(self, number: int, channel: TrackerChannel) -> ChildSpec:
        return ChildSpec(
            name=f"{self._name}-{number}",
            factory=lambda: TrackerBatcher(channel, self._store, self._settings),
            backoff=Backoff(),
        )


class Trackers:
    """Several trackers as one: each row goes to all of them, and none waits for another."""

    __slots__ = ("_all", "track")

    def __init__(self, *trackers: Tracker) -> None:
        """The first one's numbers are the numbers of all."""
        self._all = trackers
        tracks = tuple(tracker.track for tracker in trackers)

        def track(row: TrackerRow) -> None:
            for each in tracks:
                each(row)

        self.track: Callable[[TrackerRow], None] = track

    def children(self) -> tuple[ChildSpec, ...]:
        """The batchers of all; their trackers need different names."""
        return tuple(spec for tracker in self._all for spec in tracker.children())

    @property
    def state(self) -> TrackerState:
        """The first tracker's numbers."""
        return self._all[0].state

    @property
    def states(self) -> tuple[TrackerState, ...]:
        """The numbers of each."""
        return tuple(tracker.state for tracker in self._all)
