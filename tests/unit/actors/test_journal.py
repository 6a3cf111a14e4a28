"""Each record gets one answer, after its commit; a crowd shares commits; trouble is an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.journal import Journal, JournalFigures, JournalSettings
from actors.kernel import ChildSpec, ManualClock, Probe, System
from actors.stores.memory import MemoryStore
from protocol.errors import Refusal, Unavailable
from protocol.refs import AnyRef
from protocol.tracking import NotRecorded, ProcessRecord, Record, Recorded, StepRecord

RUN = ProcessRecord("w1", "t", "a", "f", "h", b"{}", "run", "me", 1, None, 1.0, 1.0)
STEP = StepRecord("w1", "n1", 1, 1, "output_1", b"{}", 1.0, 2.0)


class Watched(MemoryStore):
    """A memory store that remembers its commits, and refuses steps whose output it cannot hold."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[list[tuple[str, int]]] = []
        self.at_once = 0

    async def record(self, processes: Sequence[ProcessRecord], steps: Sequence[StepRecord]) -> frozenset[str]:
        self.at_once += 1
        assert self.at_once == 1
        try:
            if any(step.output == b"bad" for step in steps):
                raise Refusal("a value no table can hold")
            lost = await super().record(processes, steps)
            self.commits.append([(step.wid, step.visit) for step in steps])
            return lost
        finally:
            self.at_once -= 1


class Stage:
    """A journal, its store and a run that listens."""

    def __init__(self, system: System, limits: JournalSettings | None = None) -> None:
        self.system = system
        self.store = Watched()
        self.store.delay_seconds = 1.0
        self.run = Probe(system, "run")
        self.figures = JournalFigures()
        self.journal: AnyRef = system.spawn(ChildSpec("journal", lambda: Journal(self.store, limits, self.figures)))

    def tell(self, number: int, wid: str = "w1", **changes: Any) -> None:
        step = replace(STEP, wid=wid, visit=number, **changes)
        self.journal.tell(Record(number, replace(RUN, wid=wid), (step,), self.run.ref))

    async def answers(self, count: int) -> list[Any]:
        return [await self.run.receive(60) for _ in range(count)]


def play(scene: Coroutine[Any, Any, None]) -> None:
    with ManualClock() as clock:
        clock.run(scene)


def test_a_record_is_answered_after_its_commit_and_without_a_timer() -> None:
    async def scene() -> None:
        system = System()
        stage = Stage(system)
        began = stage.system.engine.loop.time()
        stage.tell(1)
        assert await stage.answers(1) == [Recorded(1)]
        assert stage.system.engine.loop.time() - began == 1.0
        assert await stage.store.steps("w1") == (replace(STEP, visit=1),)
        await system.stop()

    play(scene())


def test_what_waits_shares_the_next_commit_in_order() -> None:
    async def scene() -> None:
        system = System()
        stage = Stage(system, JournalSettings(batch_records=4))
        for number in range(1, 8):
            stage.tell(number, wid=f"w{number % 2}")
        assert await stage.answers(7) == [Recorded(number) for number in range(1, 8)]
        assert [len(commit) for commit in stage.store.commits] == [1, 4, 2]
        visits = [visit for commit in stage.store.commits for _, visit in commit]
        assert visits == list(range(1, 8))
        await system.stop()

    play(scene())


def test_more_than_may_wait_is_refused_at_once_and_the_rest_is_recorded() -> None:
    async def scene() -> None:
        system = System()
        stage = Stage(system, JournalSettings(waiting_records=3))
        for number in range(1, 7):
            stage.tell(number)
        first = await stage.answers(2)
        assert first == [NotRecorded(5, "3 records wait already"), NotRecorded(6, "3 records wait already")]
        assert await stage.answers(4) == [Recorded(number) for number in range(1, 5)]
        await system.stop()

    play(scene())


def test_bytes_that_wait_are_bounded_too_but_one_large_record_always_fits() -> None:
    async def scene() -> None:
        system = System()
        stage = Stage(system, JournalSettings(waiting_bytes=1000, batch_bytes=500))
        stage.tell(1)
        stage.tell(2, output=b"x" * 5000)
        stage.tell(3, output=b"x" * 100)
        assert [type(answer) for answer in await stage.answers(3)] == [NotRecorded, Recorded, Recorded]
        for number in range(4, 8):
            stage.tell(number, output=b"x" * 300)
        assert await stage.answers(4) == [Recorded(number) for number in range(4, 8)]
        assert [len(commit) for commit in stage.store.commits] == [1, 1, 1, 1, 1, 1]
        await system.stop()

    play(scene())


def test_an_outage_is_an_answer_and_the_journal_goes_on_after_it() -> None:
    async def scene() -> None:
        system = System()
        stage = Stage(system)
        stage.store.outage = Unavailable("the disk is full")
        for number in (1, 2, 3):
            stage.tell(number)
        assert await stage.answers(3) == [NotRecorded(number, "the disk is full") for number in (1, 2, 3)]
        stage.store.outage = None
        stage.tell(4)
        assert await stage.answers(1) == [Recorded(4)]
        await system.stop()

    play(scene())


def test_one_record_the_store_cannot_hold_does_not_take_its_neighbours_with_it() -> None:
    async def scene() -> None:
        system = System()
        stage = Stage(system)
        for number in range(1, 6):
            stage.tell(number, output=b"bad" if number == 3 else b"{}")
        answers = await stage.answers(5)
        refused = NotRecorded(3, "a value no table can hold")
        assert answers == [refused if number == 3 else Recorded(number) for number in range(1, 6)]
        stage.tell(6)
        stage.tell(7)
        stage.tell(8)
        assert await stage.answers(3) == [Recorded(6), Recorded(7), Recorded(8)]
        assert stage.store.commits[-1] == [("w1", 7), ("w1", 8)]
        await system.stop()

    play(scene())


def test_a_run_taken_over_is_refused_alone() -> None:
    async def scene() -> None:
        system = System()
        stage = Stage(system)
        await stage.store.record([replace(RUN, wid="w2", owner="other", epoch=9)], [])
        for number, wid in enumerate(("w1", "w2", "w3"), 1):
            stage.tell(number, wid=wid)
        assert await stage.answers(3) == [
            Recorded(1),
            NotRecorded(2, "another instance has taken this run over"),
            Recorded(3),
        ]
        await system.stop()

    play(scene())


def test_a_stop_commits_what_waits() -> None:
    async def scene() -> None:
        system = System()
        stage = Stage(system, JournalSettings(batch_records=2))
        for number in range(1, 6):
            stage.tell(number)
        await stage.run.expect(Recorded)
        system.stop_ref(stage.journal)
        assert await stage.answers(4) == [Recorded(number) for number in range(2, 6)]
        assert system.dead_letters == 0
        await system.stop()

    play(scene())


def test_a_kill_leaves_no_run_without_an_answer() -> None:
    async def scene() -> None:
        system = System()
        stage = Stage(system, JournalSettings(batch_records=2))
        for number in range(1, 6):
            stage.tell(number)
        await stage.run.expect(Recorded)
        system.kill(stage.journal)
        assert await stage.answers(4) == [NotRecorded(number, "the journal ended") for number in range(2, 6)]
        stage.tell(6)
        assert await stage.answers(1) == [Recorded(6)]  # the next incarnation
        assert stage.figures == JournalFigures(recorded=2, refused=4, waiting=0, commits=2)
        await system.stop()

    play(scene())


def test_a_bug_of_the_store_is_a_crash_and_still_an_answer() -> None:
    async def scene() -> None:
        system = System()
        stage = Stage(system)
        stage.store.outage = ZeroDivisionError("a bug")  # type: ignore[assignment]
        crashes: list[Any] = []
        system.subscribe(crashes.append)
        stage.tell(1)
        assert await stage.answers(1) == [NotRecorded(1, "the journal ended")]
        assert any("Crashed" in type(event).__name__ for event in crashes)
        stage.store.outage = None
        stage.tell(2)
        assert await stage.answers(1) == [Recorded(2)]
        await system.stop()

    play(scene())


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["record", "bad", "outage", "back", "sleep"]), st.integers(0, 3)), max_size=40),
    st.integers(1, 5),
)
def test_whatever_happens_each_record_has_one_answer_and_recorded_means_on_disk(
    script: list[tuple[str, int]], batch: int
) -> None:
    async def scene() -> None:
        system = System()
        stage = Stage(system, JournalSettings(batch_records=batch, waiting_records=6))
        stage.store.delay_seconds = 0.3
        sent: list[tuple[int, str]] = []
        for act, run in script:
            match act:
                case "record" | "bad":
                    sent.append((len(sent) + 1, f"w{run}"))
                    stage.tell(*sent[-1], output=b"bad" if act == "bad" else b"{}")
                case "outage":
                    stage.store.outage = Unavailable("away")
                case "back":
                    stage.store.outage = None
                case _:
                    await asyncio.sleep(run * 0.2)
        answers = await stage.answers(len(sent))
        assert sorted(answer.number for answer in answers) == [number for number, _ in sent]
        recorded = sum(isinstance(answer, Recorded) for answer in answers)
        assert (stage.figures.recorded, stage.figures.refused) == (recorded, len(sent) - recorded)
        assert stage.figures.waiting == 0
        stage.store.outage = None
        for wid in {wid for _, wid in sent}:
            told = [
                answer.number for answer in answers if isinstance(answer, Recorded) and (answer.number, wid) in sent
            ]
            assert [step.visit for step in await stage.store.steps(wid)] == told == sorted(told)
        await system.stop()
        assert system.dead_letters == 0

    play(scene())


@pytest.mark.parametrize("count", [1, 300])
def test_of_several_states_of_a_run_in_one_commit_the_last_stays(count: int) -> None:
    async def scene() -> None:
        system = System()
        stage = Stage(system)
        for number in range(count):
            stage.journal.tell(Record(number, replace(RUN, updated=float(number)), (), stage.run.ref))
        await stage.answers(count)
        assert await stage.store.process("w1") == replace(RUN, updated=float(count - 1))
        await system.stop()

    play(scene())
