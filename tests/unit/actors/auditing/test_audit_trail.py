"""Events wait at the door, are written by the actor, and none is missing without being counted."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from actors.auditing.chain import verify
from actors.auditing.ledger import Ledger
from actors.auditing.recorder import recorded
from actors.auditing.trail import REPEATED_KEYS, AuditTrail
from actors.kernel import ChildSpec, Supervisor, System
from protocol.observation.auditing import AuditEvent, AuditKind, Outcome

LOGIN = AuditEvent(AuditKind.LOGIN, "login", who="ana")


def denied(where: str = "192.0.2.1") -> AuditEvent:
    return AuditEvent(AuditKind.LIMIT, "rate limit", Outcome.REFUSED, where=where)


def taken(trail: AuditTrail) -> list[AuditEvent]:
    batch = trail.batch(1_000_000)
    trail.done(batch)
    return batch


def test_events_come_in_order_and_are_given_the_time() -> None:
    trail = AuditTrail(lambda: 7.0)
    trail.tell(LOGIN)
    trail.tell(AuditEvent(AuditKind.KILL, "kill", time=3.0))
    assert [(each.kind.value, each.time) for each in taken(trail)] == [("login", 7.0), ("kill", 3.0)]
    assert trail.written == 2


def test_equal_refusals_are_one_line_and_then_their_number() -> None:
    trail = AuditTrail(lambda: 7.0)
    for number in range(1_000):
        trail.tell(denied(f"192.0.2.{number % 4}"))
    assert len(taken(trail)) == 4
    trail.sum_up()
    assert [each.details["again"] for each in taken(trail)] == [249] * 4
    trail.sum_up()
    assert not taken(trail)
    trail.tell(denied())
    assert len(taken(trail)) == 1


def test_what_was_done_is_told_each_time() -> None:
    trail = AuditTrail(lambda: 7.0)
    for _ in range(5):
        trail.tell(LOGIN)
    assert len(taken(trail)) == 5


def test_refusals_of_more_clients_than_can_be_told_apart_are_counted_together() -> None:
    trail = AuditTrail(lambda: 7.0, waiting=REPEATED_KEYS * 2)
    for number in range(REPEATED_KEYS + 500):
        trail.tell(denied(str(number)))
    assert len(taken(trail)) == REPEATED_KEYS
    trail.sum_up()
    (others,) = taken(trail)
    assert (others.kind, others.details["times"]) == (AuditKind.LIMIT, 500)


def test_when_too_many_wait_the_new_ones_are_missing_and_it_says_how_many() -> None:
    trail = AuditTrail(lambda: 7.0, waiting=10)
    for number in range(15):
        trail.tell(AuditEvent(AuditKind.LOGIN, str(number)))
    batch = taken(trail)
    assert [each.what for each in batch[:-1]] == [str(number) for number in range(10)]
    assert (batch[-1].kind, batch[-1].details["dropped"]) == (AuditKind.LOST, 5)
    assert trail.dropped == 5
    trail.tell(LOGIN)
    assert len(taken(trail)) == 1


async def run(trail: AuditTrail, path: Path) -> tuple[System, Supervisor]:
    system = System()
    supervisor = Supervisor([recorded(trail, lambda: Ledger(str(path), str), "test")])
    await system.start(ChildSpec("root", lambda: supervisor))
    return system, supervisor


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


async def test_all_is_written_by_the_end_with_a_first_and_a_last_line(tmp_path: Path) -> None:
    trail, path = AuditTrail(time.time), tmp_path / "audit"
    trail.tell(LOGIN)  # before anybody is there to write it
    system, _ = await run(trail, path)
    for _ in range(2_000):
        trail.tell(LOGIN)
        trail.tell(denied())
    await system.stop()
    kinds = [line["kind"] for line in told(path)]
    assert kinds[:2] == ["login", "begin"]
    assert (kinds.count("login"), kinds.count("limit"), kinds[-1]) == (2_001, 2, "end")
    assert not verify(path.read_bytes().splitlines()).problems


async def test_a_file_that_cannot_be_written_is_tried_again_and_nothing_is_lost(tmp_path: Path) -> None:
    trail, folder = AuditTrail(time.time), tmp_path / "folder"
    system, _ = await run(trail, folder / "audit")
    trail.tell(LOGIN)
    assert trail.failures == 1
    folder.mkdir()
    await system.stop()
    assert [line["kind"] for line in told(folder / "audit")] == ["begin", "login", "end"]


async def test_an_actor_that_crashed_goes_on_where_it_was(tmp_path: Path) -> None:
    trail, path = AuditTrail(time.time), tmp_path / "audit"
    system, supervisor = await run(trail, path)
    trail.tell(LOGIN)
    (recorder,) = supervisor.context.children
    system.kill(recorder)
    trail.tell(LOGIN)
    async with asyncio.timeout(5):
        while len(trail) or trail.written < 4:  # noqa: ASYNC110 it starts anew after a pause
            await asyncio.sleep(0.01)
    await system.stop()
    kinds = [line["kind"] for line in told(path)]
    assert kinds.count("login") >= 2, "a line may come twice, but not be missing"
    assert kinds.count("begin") == 2
    assert not verify(path.read_bytes().splitlines()).problems
