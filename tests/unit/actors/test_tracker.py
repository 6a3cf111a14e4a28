"""Every row is stored, dropped and counted, or still waits; nobody waits for a row."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.kernel import ChildSpec, Intensity, ManualClock, Supervisor, System
from actors.stores.memory import MemoryStore
from actors.tracker import Tracker, TrackerSettings
from protocol.errors import Unavailable
from protocol.refs import AnyRef
from protocol.tracking import TrackerRow, TrackerState

ROW = TrackerRow(
    "log", "n1", "Node", "js", "/x", "", "n2", 1.0, 1_700_000_000.0, 0, b"{}", "", "", "", "", "", ""
)  # fmt: skip
AWAY = Unavailable("away")


class Watched(MemoryStore):
    """A memory store that remembers when batches of which size came."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[float, int]] = []
        self.tries = 0

    async def track(self, rows: Sequence[TrackerRow]) -> int:
        self.tries += 1
        at = asyncio.get_running_loop().time()
        stored = await super().track(rows)
        self.batches.append((at, stored))
        return stored


class Stage:
    """A tracker under its supervisor."""

    def __init__(self, **changes: Any) -> None:
        self.store = Watched()
        self.settings = replace(TrackerSettings(batch_rows=10, flush_seconds=0.25), **changes)
        self.tracker = Tracker(self.store, self.settings)
        self.put = 0

    async def start(self) -> None:
        self.system = System()
        self.supervisor = Supervisor(self.tracker.children(), intensity=Intensity(1000, 1.0))
        await self.system.start(ChildSpec("tracker", lambda: self.supervisor))

    def batchers(self) -> tuple[AnyRef, ...]:
        return self.supervisor.context.children

    def track(self, count: int, **changes: Any) -> None:
        for _ in range(count):
            self.tracker.track(ROW._replace(order_box=self.put, **changes))
            self.put += 1

    async def stored(self) -> list[int]:
        outage, self.store.outage = self.store.outage, None
        self.store.delay_seconds = 0.0
        rows = await self.store.rows(limit=1_000_000)
        self.store.outage = outage
        return [row.order_box for row in rows]

    def check(self) -> TrackerState:
        state = self.tracker.state
        assert state.stored + state.dropped + state.waiting == self.put
        return state


def play(scene: Coroutine[Any, Any, None]) -> None:
    with ManualClock() as clock:
        clock.run(scene)


def test_a_full_batch_goes_out_at_once() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.start()
        stage.track(10)
        await asyncio.sleep(0.001)
        assert stage.store.batches == [(0.0, 10)]
        assert stage.check() == TrackerState(stored=10, dropped=0, waiting=0, failed_batches=0)
        await stage.system.stop()

    play(scene())


def test_a_lone_row_waits_for_its_time_and_no_longer() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.start()
        stage.track(1)
        await asyncio.sleep(0.2)
        stage.track(1)
        await asyncio.sleep(1.0)
        assert stage.store.batches == [(0.25, 2)]
        await asyncio.sleep(9.0)
        stage.track(1)
        await asyncio.sleep(1.0)
        assert stage.store.batches[1:] == [(10.45, 1)]
        await stage.system.stop()

    play(scene())


def test_rows_that_come_while_the_store_is_busy_make_one_larger_batch() -> None:
    async def scene() -> None:
        stage = Stage(most_rows=40)
        stage.store.delay_seconds = 1.0
        await stage.start()
        stage.track(10)
        await asyncio.sleep(0.5)
        stage.track(65)
        await asyncio.sleep(10)
        assert stage.store.batches == [(0.0, 10), (1.0, 40), (2.0, 25)]
        assert await stage.stored() == list(range(75))
        await stage.system.stop()

    play(scene())


def test_a_row_that_comes_after_a_full_batch_has_its_own_time() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.start()
        stage.track(1)
        await asyncio.sleep(0.2)
        stage.track(9)
        await asyncio.sleep(0.01)
        stage.track(1)
        await asyncio.sleep(1)
        assert stage.store.batches == [(0.2, 10), (0.46, 1)]
        await stage.system.stop()

    play(scene())


def test_a_batch_is_bounded_by_bytes_but_takes_at_least_one_row() -> None:
    async def scene() -> None:
        stage = Stage(most_bytes=10_000)
        await stage.start()
        stage.track(10, payload=b"1" * 4000)
        stage.track(2, payload=b"1" * 20_000)
        await asyncio.sleep(10)
        assert [rows for _, rows in stage.store.batches] == [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
        await stage.system.stop()

    play(scene())


def test_the_oldest_rows_go_when_there_is_no_room_and_are_counted() -> None:
    async def scene() -> None:
        stage = Stage(waiting_rows=50, most_rows=1000)
        stage.store.delay_seconds = 5.0
        await stage.start()
        stage.track(10)
        await asyncio.sleep(1)
        stage.track(80)
        assert stage.check() == TrackerState(stored=0, dropped=30, waiting=60, failed_batches=0)
        await asyncio.sleep(60)
        assert await stage.stored() == [*range(10), *range(40, 90)]
        assert stage.check().waiting == 0
        await stage.system.stop()

    play(scene())


def test_bytes_that_wait_are_bounded_too() -> None:
    async def scene() -> None:
        stage = Stage(waiting_bytes=100_000)
        stage.store.delay_seconds = 5.0
        await stage.start()
        stage.track(10)
        await asyncio.sleep(1)
        stage.track(50, payload=b"1" * 9000)
        assert stage.check().waiting == 10 + 9
        await stage.system.stop()

    play(scene())


def test_a_short_outage_costs_no_row() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.start()
        stage.store.outage = AWAY
        stage.track(25)
        await asyncio.sleep(0.5)
        stage.store.outage = None
        await asyncio.sleep(2)
        assert stage.check() == TrackerState(stored=25, dropped=0, waiting=0, failed_batches=0)
        assert stage.store.batches[0] == (0.7, 25)  # after pauses of 0.1, 0.2 and 0.4 s
        await stage.system.stop()

    play(scene())


def test_a_batch_that_fails_four_times_is_dropped_and_counted() -> None:
    async def scene() -> None:
        stage = Stage(most_rows=10)
        await stage.start()
        stage.store.outage = AWAY
        stage.track(10)
        await asyncio.sleep(0.65)
        assert stage.check() == TrackerState(stored=0, dropped=0, waiting=10, failed_batches=0)
        await asyncio.sleep(0.1)
        assert stage.store.tries == 4
        assert stage.check() == TrackerState(stored=0, dropped=10, waiting=0, failed_batches=1)
        await stage.system.stop()

    play(scene())


def test_in_a_long_outage_the_store_is_left_alone_and_rows_are_kept_while_there_is_room() -> None:
    async def scene() -> None:
        stage = Stage(most_rows=10, waiting_rows=100)
        await stage.start()
        stage.store.outage = AWAY
        for _ in range(600):
            stage.track(1)
            await asyncio.sleep(1)
        state = stage.check()
        assert state.waiting == 100
        assert stage.store.tries < 12 + 30  # three batches of four tries, then one try per pause of 1 to 30 s
        stage.store.outage = None
        await asyncio.sleep(31)
        stage.track(1)
        await asyncio.sleep(1)
        state = stage.check()
        assert state.waiting == 0
        assert await stage.stored() == list(range(600 - state.stored + 1, 601))
        stage.track(10)
        await asyncio.sleep(0.001)
        assert stage.check().stored == state.stored + 10
        await stage.system.stop()

    play(scene())


def test_only_batches_lost_in_a_row_make_it_leave_the_store_alone() -> None:
    async def scene() -> None:
        stage = Stage(most_rows=10, circuit_batches=3)
        await stage.start()
        for _ in range(4):
            stage.store.outage = AWAY
            stage.track(20)
            await asyncio.sleep(1.5)
            stage.store.outage = None
            stage.track(10)
            await asyncio.sleep(0.01)
        assert stage.check() == TrackerState(stored=40, dropped=80, waiting=0, failed_batches=8)
        await stage.system.stop()

    play(scene())


def test_a_stop_stores_the_last_few_rows_too() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.start()
        stage.track(3)
        await stage.system.stop()
        assert stage.check() == TrackerState(stored=3, dropped=0, waiting=0, failed_batches=0)

    play(scene())


def test_a_stop_stores_what_waits() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.store.delay_seconds = 0.1
        await stage.start()
        stage.track(1237)
        await stage.system.stop()
        assert stage.check() == TrackerState(stored=1237, dropped=0, waiting=0, failed_batches=0)
        assert await stage.stored() == list(range(1237))

    play(scene())


def test_a_stop_with_the_store_away_ends_in_time() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.start()
        stage.store.outage = AWAY
        stage.track(2000)
        await asyncio.sleep(0.2)
        began = asyncio.get_running_loop().time()
        await stage.system.stop()
        assert asyncio.get_running_loop().time() - began <= 6.0
        assert stage.check().stored == 0

    play(scene())


def test_rows_wait_for_a_batcher_that_has_crashed_and_for_one_that_has_not_started() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.track(5)
        await stage.start()
        await asyncio.sleep(1)
        assert stage.check().stored == 5
        stage.store.outage = ZeroDivisionError("a bug")  # type: ignore[assignment]
        stage.track(15)
        await asyncio.sleep(0.05)
        state = stage.check()
        assert (state.dropped, state.waiting) == (15, 0)
        stage.track(3)
        stage.store.outage = None
        await asyncio.sleep(5)
        assert stage.check().stored == 8
        await stage.system.stop()

    play(scene())


def test_several_batchers_share_the_rows() -> None:
    async def scene() -> None:
        stage = Stage(workers=4)
        await stage.start()
        stage.track(100)
        await asyncio.sleep(1)
        assert stage.check().stored == 100
        assert sorted(await stage.stored()) == list(range(100))
        assert max(rows for _, rows in stage.store.batches) <= 25
        await stage.system.stop()

    play(scene())


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["rows", "rows", "away", "bug", "back", "slow", "wait", "kill"]), st.integers(0, 60)),
        max_size=30,
    ),
    st.integers(1, 3),
)
def test_whatever_happens_each_row_is_stored_or_counted_and_none_twice(
    script: list[tuple[str, int]], workers: int
) -> None:
    async def scene() -> None:
        stage = Stage(waiting_rows=80, most_rows=20, workers=workers)
        await stage.start()
        for act, number in script:
            match act:
                case "rows":
                    stage.track(number)
                case "away":
                    stage.store.outage = AWAY
                case "bug":
                    stage.store.outage = ZeroDivisionError("a bug")  # type: ignore[assignment]
                case "back":
                    stage.store.outage = None
                case "slow":
                    stage.store.delay_seconds = number / 60
                case "kill":
                    for ref in stage.batchers():
                        stage.system.kill(ref)
                case _:
                    await asyncio.sleep(number / 20)
            stage.check()
        stage.store.outage = None
        await asyncio.sleep(100)
        assert stage.check().waiting == 0
        stored = await stage.stored()
        assert len(stored) == len(set(stored)) == stage.tracker.state.stored
        if workers == 1:
            assert stored == sorted(stored)
        await stage.system.stop()

    play(scene())
