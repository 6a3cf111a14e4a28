"""The embedded store: a thread that writes, a thread that reads, and the `Store` that sends them their work.

Invariant: one writer for the file, so batches are committed in the order they are sent; reads see what is committed and
never wait for a write. The threads are actors under the tree's stores supervisor; before they run and while the file is
out of reach, every call answers `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, assert_never

import structlog

from actors.databases.placeholders import Dialect
from actors.databases.slow import SlowStatements, Stopwatch
from actors.kernel import Backoff, BlockingActor, ChildSpec
from actors.stores.sqlite import SqliteFile, SqliteSettings
from protocol.errors import AskError, Unavailable
from protocol.refs import AnyRef, Ask
from protocol.storage import (
    CommitRecords,
    CountRows,
    Pruned,
    PruneStore,
    ReadProcess,
    ReadRows,
    ReadSteps,
    RetentionDays,
    StoreCounts,
    StoreRows,
    StoreState,
    TrackedRow,
)
from protocol.tracking import ProcessRecord, StepRecord, TrackerRow

R = TypeVar("R")

Write = CommitRecords | StoreRows | PruneStore
Read = ReadProcess | ReadSteps | ReadRows | CountRows

_BACKOFF = Backoff(first_seconds=0.1, limit_seconds=5.0)


class SqliteWriter(BlockingActor[Write]):
    """The one thread that writes to the file."""

    def __init__(
        self, settings: SqliteSettings, announce: Callable[[AnyRef], None], watch: Stopwatch | None = None
    ) -> None:
        """`announce` is told the address, on the loop, when the actor starts. `watch` times what is done."""
        self._announce = announce
        self._file = SqliteFile(settings)
        self._watch = watch

    def started(self) -> Awaitable[None]:
        """Make the address known before there is work for it."""
        self._announce(self.context.ref)
        return super().started()

    def handle(self, message: Write) -> frozenset[str] | int | Pruned:
        """Do the work; `Unavailable` and `Refusal` are answers."""
        if self._watch is None:
            return self._do(message)
        return self._watch.clocked(type(message).__name__, lambda: self._do(message))

    def _do(self, message: Write) -> frozenset[str] | int | Pruned:
        file = self._file
        match message:
            case CommitRecords(processes, steps):
                return file.commit(processes, steps)
            case StoreRows(rows):
                return file.track(rows)
            case PruneStore(days, now):
                return file.prune(days, now)
            case _:
                assert_never(message)

    def teardown(self) -> None:
        """Close the file."""
        self._file.close()


class SqliteReader(BlockingActor[Read]):
    """The thread that reads; counting a large table takes long, and must not stop the loop."""

    def __init__(
        self, settings: SqliteSettings, announce: Callable[[AnyRef], None], watch: Stopwatch | None = None
    ) -> None:
        """`announce` is told the address, on the loop, when the actor starts. `watch` times what is done."""
        self._announce = announce
        self._file = SqliteFile(settings)
        self._watch = watch

    def started(self) -> Awaitable[None]:
        """Make the address known before there is work for it."""
        self._announce(self.context.ref)
        return super().started()

    def handle(self, message: Read) -> ProcessRecord | tuple[Any, ...] | StoreCounts | None:
        """Look it up."""
        if self._watch is None:
            return self._do(message)
        return self._watch.clocked(type(message).__name__, lambda: self._do(message))

    def _do(self, message: Read) -> ProcessRecord | tuple[Any, ...] | StoreCounts | None:
        file = self._file
        match message:
            case ReadProcess(wid):
                return file.process(wid)
            case ReadSteps(wid):
                return file.steps(wid)
            case ReadRows(after, limit):
                return file.rows(after, limit)
            case CountRows():
                return file.counts()
            case _:
                assert_never(message)

    def teardown(self) -> None:
        """Close the file."""
        self._file.close()


class SqliteStore:
    """The embedded `Store`."""

    def __init__(
        self, settings: SqliteSettings, *, answer_seconds: float = 30.0, slow: SlowStatements | None = None
    ) -> None:
        """`answer_seconds`: how long a call waits for its thread; a disk may hang. `slow`: where work that took long
        is kept, by its message's name."""
        self._settings = settings
        self._watch = slow.watch("store", Dialect.SQLITE) if slow is not None else None
        self._answer_seconds = answer_seconds
        self._writer: AnyRef | None = None
        self._reader: AnyRef | None = None
        self._state = StoreState(True)
        self._log = structlog.get_logger("store")

    def children(self) -> tuple[ChildSpec, ...]:
        """The two threads."""
        return (
            ChildSpec(
                "sqlite-writer", lambda: SqliteWriter(self._settings, self._set_writer, self._watch), backoff=_BACKOFF
            ),
            ChildSpec(
                "sqlite-reader", lambda: SqliteReader(self._settings, self._set_reader, self._watch), backoff=_BACKOFF
            ),
        )

    @property
    def state(self) -> StoreState:
        """How the last call went."""
        return self._state

    async def open(self) -> None:
        """Create or migrate the file; see `Store.open`. Blocks for some milliseconds: meant for the start."""
        file = SqliteFile(self._settings)
        try:
            file.connect()
        except Unavailable as error:
            self._state = StoreState(False, str(error))
        finally:
            file.close()

    async def close(self) -> None:
        """Nothing to do: the threads close the file when they end."""

    def record(self, processes: Sequence[ProcessRecord], steps: Sequence[StepRecord]) -> Awaitable[frozenset[str]]:
        """Commit runs and steps together; see `Store.record`."""
        return self._ask(self._writer, CommitRecords(tuple(processes), tuple(steps)))

    def track(self, rows: Sequence[TrackerRow]) -> Awaitable[int]:
        """Store tracker rows; see `Store.track`."""
        return self._ask(self._writer, StoreRows(tuple(rows)))

    def prune(self, days: RetentionDays, now: float) -> Awaitable[Pruned]:
        """Throw away a small bite of what is too old."""
        return self._ask(self._writer, PruneStore(days, now))

    def process(self, wid: str) -> Awaitable[ProcessRecord | None]:
        """The run as last committed."""
        return self._ask(self._reader, ReadProcess(wid))

    def steps(self, wid: str) -> Awaitable[tuple[StepRecord, ...]]:
        """The steps a run has completed, in order of completion."""
        return self._ask(self._reader, ReadSteps(wid))

    def rows(self, after: int = 0, limit: int = 100) -> Awaitable[tuple[TrackedRow, ...]]:
        """Tracker rows with an id above `after`, in order of storing."""
        return self._ask(self._reader, ReadRows(after, limit))

    def counts(self) -> Awaitable[StoreCounts]:
        """Rows of each table."""
        return self._ask(self._reader, CountRows())

    async def _ask(self, ref: AnyRef | None, message: Ask[R]) -> R:
        try:
            if ref is None:
                raise Unavailable("the store is out of reach: it has not been started")
            reply = await ref.ask(message, self._answer_seconds)
        except AskError as error:
            # An answer that never came says nothing about the disk, but for the caller it is the same outage.
            self._tell(StoreState(False, str(error)))
            raise Unavailable("the store is out of reach", detail=str(error)) from error
        except Unavailable as error:
            self._tell(StoreState(False, error.whole))
            raise
        if not self._state.available:
            self._tell(StoreState(True))
        return reply

    def _tell(self, state: StoreState) -> None:
        """Keep the state, and log when it turns: one line for an outage, however many calls it fails."""
        if state.available != self._state.available:
            if state.available:
                self._log.info("the store is in reach again")
            else:
                self._log.error("the store is out of reach", reason=state.reason)
        self._state = state

    def _set_writer(self, ref: AnyRef) -> None:
        self._writer = ref

    def _set_reader(self, ref: AnyRef) -> None:
        self._reader = ref
