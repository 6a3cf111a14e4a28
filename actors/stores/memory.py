"""A store in memory: what tests, simulations and throw-away servers use. Same laws as the embedded one, no disk.

`outage` makes it fail as a store out of reach does; `delay_seconds` makes it slow. One loop, no threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from actors.kernel import ChildSpec
from actors.stores.columns import storable, tracker_columns
from protocol.errors import Refusal
from protocol.process import ProcessState
from protocol.storage import Pruned, RetentionDays, StoreCounts, StoreState, TrackedRow
from protocol.tracking import ProcessRecord, StepRecord, TrackerRow

_DAY_SECONDS = 86_400.0
_ENDED = {ProcessState.END.value, ProcessState.ERROR.value, ProcessState.CANCELLED.value}


class MemoryStore:
    """Keeps everything in dicts until the program ends."""

    def __init__(self) -> None:
        self.outage: Refusal | None = None
        """Raised by every call while set."""
        self.delay_seconds = 0.0
        """How long each write takes."""
        self._processes: dict[str, ProcessRecord] = {}
        self._steps: dict[tuple[str, str, int], StepRecord] = {}
        self._rows: dict[int, tuple[TrackedRow, float]] = {}
        self._last_row = 0

    def children(self) -> tuple[ChildSpec, ...]:
        """None: it needs no actor."""
        return ()

    @property
    def state(self) -> StoreState:
        """In reach unless `outage` is set."""
        return StoreState(True) if self.outage is None else StoreState(False, str(self.outage))

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do: what is kept stays readable."""

    async def record(self, processes: Sequence[ProcessRecord], steps: Sequence[StepRecord]) -> frozenset[str]:
        """Commit runs and steps together; see `Store.record`."""
        await self._reach()
        lost = frozenset(process.wid for process in processes if not self._owns(process))
        for process in processes:
            if process.wid not in lost:
                known = self._processes.get(process.wid)
                self._processes[process.wid] = process if known is None else _replaced(known, process)
        for step in steps:
            if step.wid not in lost:
                self._steps.setdefault((step.wid, step.node, step.visit), step)
        return lost

    async def track(self, rows: Sequence[TrackerRow]) -> int:
        """Store tracker rows; see `Store.track`."""
        await self._reach()
        for row, columns in zip(rows, tracker_columns(rows), strict=True):
            self._last_row += 1
            values = list(storable(columns))
            values[7] = f"{int(row.duration_ms)}m"
            # In thousandths, rounded, as SQLite does it.
            values[8] = datetime.fromtimestamp(round(row.created, 3), UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
            self._rows[self._last_row] = (TrackedRow(self._last_row, *values), row.created)
        return len(rows)

    async def prune(self, days: RetentionDays, now: float) -> Pruned:
        """Throw away all that is too old at once."""
        await self._reach()
        rows = self._old_rows(now - days.tracker * _DAY_SECONDS) if days.tracker > 0 else []
        runs = self._old_runs(now - days.process * _DAY_SECONDS) if days.process > 0 else set()
        stripped = self._old_runs(now - days.step * _DAY_SECONDS) if days.step > 0 else set()
        steps = [key for key in self._steps if key[0] in runs or key[0] in stripped]
        for number in rows:
            del self._rows[number]
        for key in steps:
            del self._steps[key]
        for wid in runs:
            del self._processes[wid]
        return Pruned(len(runs), len(steps), len(rows), more=False)

    async def process(self, wid: str) -> ProcessRecord | None:
        """The run as last committed."""
        await self._reach()
        return self._processes.get(wid)

    async def steps(self, wid: str) -> tuple[StepRecord, ...]:
        """The steps a run has completed, in order of completion."""
        await self._reach()
        return tuple(step for step in self._steps.values() if step.wid == wid)

    async def rows(self, after: int = 0, limit: int = 100) -> tuple[TrackedRow, ...]:
        """Tracker rows with an id above `after`, in order of storing."""
        await self._reach()
        return tuple(row for number, (row, _) in self._rows.items() if number > after)[:limit]

    async def counts(self) -> StoreCounts:
        """Rows of each table."""
        await self._reach()
        return StoreCounts(len(self._processes), len(self._steps), len(self._rows))

    async def _reach(self) -> None:
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if self.outage is not None:
            raise self.outage

    def _owns(self, process: ProcessRecord) -> bool:
        known = self._processes.get(process.wid)
        return (
            known is None
            or process.epoch > known.epoch
            or (process.epoch == known.epoch and process.owner == known.owner)
        )

    def _old_rows(self, before: float) -> list[int]:
        return [number for number, (_, created) in self._rows.items() if created < before]

    def _old_runs(self, before: float) -> set[str]:
        return {wid for wid, run in self._processes.items() if run.state in _ENDED and run.updated < before}


def _replaced(known: ProcessRecord, process: ProcessRecord) -> ProcessRecord:
    """What is given once, at the beginning, stays; the rest is replaced."""
    return ProcessRecord(
        wid=known.wid, tenant=known.tenant, app=known.app, flow=known.flow, created=known.created,
        flow_hash=process.flow_hash, input=process.input, state=process.state, owner=process.owner,
        epoch=process.epoch, wake_at=process.wake_at, updated=process.updated,
    )  # fmt: skip
