"""The laws of `Store`, held against every store that ships."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.guards.encryption import NO_KEYS, Keyring
from actors.kernel import ChildSpec, Supervisor, System
from actors.stores.memory import MemoryStore
from actors.stores.sqlite import SqliteSettings
from actors.stores.sqlite_store import SqliteStore
from actors.stores.store import Store
from protocol.storage import RetentionDays, TrackedRow
from protocol.tracking import ProcessRecord, StepRecord, TrackerRow

DAY = 86_400.0

RUN = ProcessRecord("w1", "t", "a", "f", "h", b"{}", "run", "me", 1, None, 1.0, 1.0)
STEP = StepRecord("w1", "n1", 1, 1, "output_1", b'{"a":1}', 1.0, 2.0)
ROW = TrackerRow(
    "log", "n1", "Node", "js", "/x", "ana", "n2", 67.9, 1_769_903_999.1239, 3, b'{"a":1}', "1.2.3.4:5", "1.2.3.4",
    "curl", "a=1", "node-a", "localhost:8080",
)  # fmt: skip


@pytest.fixture(params=["memory", "sqlite", "encrypted"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    keys = Keyring("the key of these tests", "k1") if request.param == "encrypted" else NO_KEYS
    made: Store = (
        MemoryStore()
        if request.param == "memory"
        else SqliteStore(SqliteSettings(str(tmp_path / "s.sqlite"), keys=keys))
    )
    await made.open()
    system = System()
    await system.start(ChildSpec("stores", lambda: Supervisor(made.children())))
    yield made
    await system.stop()
    await made.close()


async def test_what_was_recorded_is_read_back_as_it_was(store: Store) -> None:
    waiting = replace(RUN, wid="w2", state="wait", wake_at=99.5, input=b"\x00\xff not text", epoch=2**40)
    assert await store.record([RUN, waiting], [STEP]) == frozenset()
    assert await store.process("w1") == RUN
    assert await store.process("w2") == waiting
    assert await store.process("w3") is None
    assert await store.steps("w1") == (STEP,)
    assert await store.steps("w2") == ()


async def test_a_completed_node_is_never_completed_twice(store: Store) -> None:
    again = replace(STEP, outcome="output_2", output=b"2", attempt=2)
    assert await store.record([], [STEP, again]) == frozenset()
    assert await store.record([], [again, replace(STEP, visit=2), again]) == frozenset()
    assert await store.steps("w1") == (STEP, replace(STEP, visit=2))


async def test_a_run_is_replaced_by_its_later_state_but_keeps_its_beginning(store: Store) -> None:
    await store.record([RUN], [])
    later = replace(RUN, state="end", updated=9.0, input=b"[]", created=5.0, tenant="other")
    await store.record([later], [])
    assert await store.process("w1") == replace(RUN, state="end", updated=9.0, input=b"[]")


async def test_a_later_epoch_takes_a_run_over_and_the_earlier_owner_is_refused_by_name(store: Store) -> None:
    await store.record([RUN], [])
    taken = replace(RUN, owner="other", epoch=2)
    assert await store.record([taken], []) == frozenset()
    assert await store.record([RUN, replace(RUN, wid="w2")], [STEP, replace(STEP, wid="w2")]) == {"w1"}
    assert await store.record([replace(RUN, epoch=2)], [STEP]) == {"w1"}
    assert await store.process("w1") == taken
    assert await store.steps("w1") == ()
    assert await store.steps("w2") == (replace(STEP, wid="w2"),)


async def test_tracker_rows_keep_their_order_and_take_nflows_columns(store: Store) -> None:
    rows = [ROW._replace(order_box=number) for number in range(700)]
    assert await store.track(rows) == 700
    stored = await store.rows(limit=1000)
    assert [row.order_box for row in stored] == list(range(700))
    assert stored[3] == TrackedRow(
        4, "log", "n1", "Node", "js", "/x", "ana", "n2", "67m", "2026-01-31 23:59:59.124", 3, b'{"a":1}', "1.2.3.4:5",
        "1.2.3.4", "curl", "a=1", "node-a", "localhost:8080",
    )  # fmt: skip
    assert [row.id for row in await store.rows(after=690, limit=3)] == [691, 692, 693]


async def test_no_store_keeps_a_secret_of_a_tracker_row(store: Store) -> None:
    secret = ROW._replace(payload=b'{"u":{"password":"canary"}}', query_param="token=canary", url="/x?api_key=canary")
    await store.track([ROW, secret, ROW])
    stored = await store.rows()
    assert "canary" not in repr(stored)
    assert stored[1].payload == b'{"u":{"password":"***"}}'
    assert (stored[0].payload, stored[2].query_param) == (ROW.payload, ROW.query_param)


async def test_headers_of_raw_bytes_are_stored_as_text(store: Store) -> None:
    assert await store.track([ROW._replace(user_agent="raw \udcff", query_param="\udcff=1&token=\udcff"), ROW]) == 2
    assert [(row.user_agent, row.query_param) for row in await store.rows()] == [
        ("raw \ufffd", "\ufffd=1&token=***"),
        ("curl", "a=1"),
    ]


async def test_counts_are_of_rows(store: Store) -> None:
    await store.record([RUN, replace(RUN, wid="w2")], [STEP])
    await store.track([ROW] * 3)
    counts = await store.counts()
    assert (counts.processes, counts.steps, counts.rows) == (2, 1, 3)
    assert store.state.available


async def prune_all(store: Store, days: RetentionDays, now: float) -> tuple[int, int, int]:
    total = (0, 0, 0)
    for _ in range(1000):
        bite = await store.prune(days, now)
        total = (total[0] + bite.processes, total[1] + bite.steps, total[2] + bite.rows)
        if not bite.more:
            return total
    raise AssertionError("there is always more to prune")


async def test_zero_days_keep_everything_for_ever(store: Store) -> None:
    await store.record([replace(RUN, state="end")], [STEP])
    await store.track([ROW])
    assert await prune_all(store, RetentionDays(0, 0, 0), 1e12) == (0, 0, 0)


async def test_old_tracker_rows_go_and_young_ones_stay(store: Store) -> None:
    await store.track([ROW._replace(created=float(number)) for number in range(2500)])
    assert await prune_all(store, RetentionDays(0, 0, 1), DAY + 2300) == (0, 0, 2300)
    assert [row.order_box for row in await store.rows(limit=1)] == [3]
    assert (await store.counts()).rows == 200


async def test_ended_runs_go_with_their_steps_and_living_ones_stay_for_ever(store: Store) -> None:
    for number in range(120):
        state = ("end", "error", "cancelled", "run", "wait")[number % 5]
        run = replace(RUN, wid=f"w{number:03}", state=state, updated=float(number))
        await store.record([run], [replace(STEP, wid=run.wid, visit=visit) for visit in range(30)])
    assert await prune_all(store, RetentionDays(1, 0, 0), DAY + 100) == (60, 1800, 0)
    counts = await store.counts()
    assert (counts.processes, counts.steps) == (60, 1800)
    assert await store.process("w003") is not None
    assert await store.process("w100") is not None


async def test_a_run_of_very_many_steps_goes_bite_by_bite(store: Store) -> None:
    for wid in ("w1", "w2", "w3"):
        run = replace(RUN, wid=wid, state="end")
        await store.record([run], [replace(STEP, wid=wid, visit=visit) for visit in range(2500)])
    assert await prune_all(store, RetentionDays(1, 1, 0), DAY + 100) == (3, 7500, 0)
    assert (await store.counts()).steps == 0


async def test_steps_may_go_before_their_runs(store: Store) -> None:
    for number in range(120):
        run = replace(RUN, wid=f"w{number:03}", state="end" if number % 2 else "run", updated=float(number))
        await store.record([run], [replace(STEP, wid=run.wid, visit=visit) for visit in range(30)])
    assert await prune_all(store, RetentionDays(0, 1, 0), DAY + 100) == (0, 1500, 0)
    assert await prune_all(store, RetentionDays(0, 1, 0), DAY + 120) == (0, 300, 0)
    assert await store.steps("w051") == ()
    assert len(await store.steps("w052")) == 30
    assert await store.process("w051") is not None


owners = st.sampled_from(["me", "other"])
runs = st.builds(
    lambda wid, state, owner, epoch, at: replace(RUN, wid=wid, state=state, owner=owner, epoch=epoch, updated=at),
    st.sampled_from(["w1", "w2", "w3"]), st.sampled_from(["run", "end", "wait"]), owners, st.integers(1, 3),
    st.floats(0, 10),
)  # fmt: skip
steps = st.builds(
    lambda wid, node, visit, output: replace(STEP, wid=wid, node=node, visit=visit, output=json.dumps(output).encode()),
    st.sampled_from(["w1", "w2", "w3"]), st.sampled_from(["n1", "n2"]), st.integers(1, 2), st.integers(),
)  # fmt: skip
batches = st.tuples(st.lists(runs, max_size=3, unique_by=lambda run: run.wid), st.lists(steps, max_size=4))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(batches, max_size=8), st.floats(0, 10))
def test_both_stores_do_the_same_with_any_history(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[list[ProcessRecord], list[StepRecord]]], age: float
) -> None:
    async def play() -> None:
        memory = MemoryStore()
        sqlite = SqliteStore(SqliteSettings(str(tmp_path_factory.mktemp("both") / "s.sqlite")))
        system = System()
        await system.start(ChildSpec("stores", lambda: Supervisor(sqlite.children())))
        for processes, done in history:
            assert await memory.record(processes, done) == await sqlite.record(processes, done)
        days = RetentionDays(process=2.0, step=1.0, tracker=1.0)
        assert await prune_all(memory, days, DAY + age) == await prune_all(sqlite, days, DAY + age)
        for wid in ("w1", "w2", "w3"):
            assert await memory.process(wid) == await sqlite.process(wid)
            assert await memory.steps(wid) == await sqlite.steps(wid)
        await system.stop()

    asyncio.run(play())
