"""The journal: takes what durable runs have completed, commits it in batches, and tells each run when it is on disk.

Invariant: each `Record` gets exactly one answer, `Recorded` after its commit or `NotRecorded` with the reason; records
of one run are committed in the order they came. A commit goes out as soon as the store is free, with all that waits by
then: one record alone waits for no timer, a crowd shares a commit. What does not fit is refused at once, by number of
records and by bytes, so that a slow disk becomes an answer and not a pile. Talks to runs and to one `Store`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from actors.kernel import Actor
from actors.stores.store import Store
from protocol.errors import AskError, Refusal, Unavailable
from protocol.tracking import NotRecorded, ProcessRecord, Record, Recorded


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """How much the journal takes on."""

    batch_records: int = 256
    """Most records in one commit."""
    batch_bytes: int = 8 * 1024 * 1024
    """A commit is not made larger than this by a further record."""
    waiting_records: int = 10_000
    """Records that may wait; more are refused."""
    waiting_bytes: int = 64 * 1024 * 1024
    """Bytes of outputs and inputs that may wait; more are refused."""


@dataclass(slots=True)
class JournalFigures:
    """Numbers for metrics; outlive the incarnations that count them up."""

    recorded: int = 0
    """Records on disk."""
    refused: int = 0
    """Records answered with NotRecorded."""
    waiting: int = 0
    """Records taken and not answered yet."""
    commits: int = 0


@dataclass(frozen=True, slots=True)
class _Committed:
    """The store took the batch, but for the runs named."""

    lost: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Refused:
    """The store did not take the batch."""

    reason: str
    by_content: bool
    """It could not hold one of the records, rather than being out of reach."""


@dataclass(frozen=True, slots=True)
class _Broken:
    """The store failed in a way that is a bug."""

    cause: BaseException


_Outcome = _Committed | _Refused | _Broken


class Journal(Actor[Record | _Outcome]):
    """The one writer of the journal. Its mailbox needs no bound: each message is handled without waiting."""

    __slots__ = (
        "_alone", "_batch", "_bytes", "_committing", "_figures", "_leaving", "_settings", "_store", "_waiting",
    )  # fmt: skip

    def __init__(
        self, store: Store, settings: JournalSettings | None = None, figures: JournalFigures | None = None
    ) -> None:
        self._store = store
        self._settings = settings or JournalSettings()
        self._waiting: deque[Record] = deque()
        self._bytes = 0
        self._batch: list[Record] = []
        self._committing: asyncio.Future[frozenset[str]] | None = None
        # Records of a batch that could not be held as a whole; each is then tried by itself.
        self._alone = 0
        self._leaving = False
        self._figures = figures or JournalFigures()

    def started(self) -> None:
        """Be known by name: runs start after the journal and look it up."""
        self.context.system.register("journal", self.context.ref)

    def receive(self, message: Record | _Outcome) -> None:
        """Take a record, or hear how the commit went."""
        match message:
            case Record():
                self._take(message)
            case _Committed(lost):
                self._figures.commits += 1
                batch = self._end_batch()
                for record in batch:
                    if lost and lost.intersection(_wids(record)):
                        self._refuse(record, "another instance has taken this run over")
                    else:
                        self._figures.recorded += 1
                        self._figures.waiting -= 1
                        record.reply_to.tell(Recorded(record.number))
            case _Refused(reason, by_content):
                batch = self._end_batch()
                if by_content and len(batch) > 1:
                    self._try_each(batch)
                else:
                    for record in batch:
                        self._refuse(record, reason)
            case _Broken(cause):
                raise cause
            case _:
                assert_never(message)
        if self._committing is None and self._waiting:
            self._commit()

    async def stopping(self) -> None:
        """Commit what waits; the runs that are left hear of it."""
        self._leaving = True
        while self._committing is not None:  # as long as records wait, the end of a commit begins the next
            await asyncio.wait([self._committing])
            self.receive(_outcome(self._committing))

    def released(self) -> None:
        """Nobody is left without an answer. A commit under way may still succeed: a step told twice is stored once."""
        if self._committing is not None:
            self._committing.cancel()
            self._committing = None
        for record in [*self._batch, *self._waiting]:
            self._refuse(record, "the journal ended")
        self._batch = []
        self._waiting.clear()

    def _take(self, record: Record) -> None:
        self._figures.waiting += 1
        size = _size(record)
        settings = self._settings
        if len(self._waiting) >= settings.waiting_records:
            self._refuse(record, f"{len(self._waiting)} records wait already")
        elif self._waiting and self._bytes + size > settings.waiting_bytes:
            self._refuse(record, f"{self._bytes} bytes wait already")
        else:
            self._waiting.append(record)
            self._bytes += size

    def _commit(self) -> None:
        batch = self._next_batch()
        # Of several states of one run only the last can be seen, so only that is written.
        processes: dict[str, ProcessRecord] = {
            record.process.wid: record.process for record in batch if record.process is not None
        }
        steps = [step for record in batch for step in record.steps]
        self._batch = batch
        self._committing = asyncio.ensure_future(self._store.record(tuple(processes.values()), steps))
        self._committing.add_done_callback(self._hear)

    def _next_batch(self) -> list[Record]:
        batch: list[Record] = []
        size = 0
        most = 1 if self._alone else self._settings.batch_records
        while self._waiting and len(batch) < most:
            size += _size(self._waiting[0])
            if batch and size > self._settings.batch_bytes:
                break
            batch.append(self._waiting.popleft())
        self._alone = max(0, self._alone - len(batch))
        self._bytes -= sum(map(_size, batch))
        return batch

    def _hear(self, commit: asyncio.Future[frozenset[str]]) -> None:
        if commit.cancelled():
            return
        outcome = _outcome(commit)
        if commit is self._committing and not self._leaving:
            self.context.ref.tell(outcome)

    def _end_batch(self) -> list[Record]:
        batch, self._batch = self._batch, []
        self._committing = None
        return batch

    def _try_each(self, batch: Sequence[Record]) -> None:
        """One bad record must not take its neighbours with it."""
        self._waiting.extendleft(reversed(batch))
        self._bytes += sum(map(_size, batch))
        self._alone = len(batch)

    def _refuse(self, record: Record, reason: str) -> None:
        self._figures.refused += 1
        self._figures.waiting -= 1
        record.reply_to.tell(NotRecorded(record.number, reason))


def _outcome(commit: asyncio.Future[frozenset[str]]) -> _Outcome:
    error = commit.exception()
    match error:
        case None:
            return _Committed(commit.result())
        case Unavailable():
            return _Refused(str(error), by_content=False)
        case AskError():
            return _Refused("the store did not answer", by_content=False)
        case Refusal():
            return _Refused(str(error), by_content=True)
        case _:
            return _Broken(error)


def _size(record: Record) -> int:
    return sum(len(step.output) for step in record.steps) + (len(record.process.input) if record.process else 0)


def _wids(record: Record) -> set[str]:
    wids = {step.wid for step in record.steps}
    if record.process is not None:
        wids.add(record.process.wid)
    return wids
