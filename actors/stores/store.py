"""What a store does: keeps the journal's runs and steps, the tracker's rows, and throws old ones away.

Laws, held by one test suite over all stores:
- `record` commits everything it is given or nothing, and returns only once it is on disk.
- A completed node is never completed twice: of several steps with the same (wid, node, visit) the first stays.
- A run is replaced by its owner or by a later epoch; what comes from an earlier owner is refused by name.
- `track` masks secrets before anything leaves memory (`columns.tracker_columns`) and keeps the order of its rows.
- A store out of reach answers `Unavailable` and reconnects by itself: an outage is a state, not a crash.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from actors.kernel import ChildSpec
from protocol.storage import Pruned, RetentionDays, StoreCounts, StoreState, TrackedRow
from protocol.tracking import ProcessRecord, StepRecord, TrackerRow


class Store(Protocol):
    """One place to keep things. All methods but `children` and `state` raise `Unavailable` while it is out of reach."""

    def children(self) -> tuple[ChildSpec, ...]:
        """The actors that must live for this store to work, in start order."""

    @property
    def state(self) -> StoreState:
        """Whether it was in reach when last spoken to."""

    async def open(self) -> None:
        """Make ready before the first use: create or migrate tables. An outage is no error here.

        Raises UnusableStore for data of another program or of a newer version: nothing may start on it.
        """

    async def close(self) -> None:
        """Let go of what `open` holds. Idempotent."""

    def record(self, processes: Sequence[ProcessRecord], steps: Sequence[StepRecord]) -> Awaitable[frozenset[str]]:
        """Commit runs and steps together. Returns the runs that another owner has taken over: nothing of them is
        written, all others are. Raises a plain `Refusal` for data it cannot hold; then nothing is written.
        """

    def track(self, rows: Sequence[TrackerRow]) -> Awaitable[int]:
        """Store tracker rows. Returns how many: a row that cannot be stored is left out, not an error."""

    def prune(self, days: RetentionDays, now: float) -> Awaitable[Pruned]:
        """Throw away a small bite of what is too old at `now` (Unix seconds)."""

    def process(self, wid: str) -> Awaitable[ProcessRecord | None]:
        """The run as last committed."""

    def steps(self, wid: str) -> Awaitable[tuple[StepRecord, ...]]:
        """The steps a run has completed, in order of completion."""

    def rows(self, after: int = 0, limit: int = 100) -> Awaitable[tuple[TrackedRow, ...]]:
        """Tracker rows with an id above `after`, in order of storing."""

    def counts(self) -> Awaitable[StoreCounts]:
        """Rows of each table. For operators and tests."""
