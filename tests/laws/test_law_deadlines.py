"""Law 9: every ask has a deadline, carried in its envelope; expired work is skipped. Law 14: at most once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import ChildSpec, Restart, System
from protocol.errors import Crashed, Expired

LAWS = (9, 14)

Spec = Callable[..., ChildSpec]

LATE = 0.05
"""How late an Expired may come."""


def now() -> float:
    return asyncio.get_running_loop().time()


def sleeping(seconds: float) -> Callable[[Any], Any]:
    async def hook(self: Any) -> float:
        await asyncio.sleep(seconds)
        return seconds

    return hook


@pytest.mark.parametrize("timeout", [0.001, 0.0249, 0.025, 0.05, 0.3, 1.0, 7.77, 3600.0])
async def test_an_ask_expires_never_before_its_deadline_and_hardly_after(
    system: System, spec: Spec, timeout: float
) -> None:
    await asyncio.sleep(0.333)
    began = now()
    ref = system.spawn(spec("a", shutdown_seconds=0.0))
    with pytest.raises(Expired):
        await ref.ask(sleeping(10_000.0), timeout)
    assert timeout <= now() - began <= timeout + LATE


async def test_a_reply_in_time_is_the_reply_and_a_late_one_is_nobodys(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a"))
    assert await ref.ask(sleeping(1.0), 1.1) == 1.0
    with pytest.raises(Expired):
        await ref.ask(sleeping(1.0), 0.9)
    assert await ref.ask(sleeping(0.0), 2.0) == 0.0


async def test_expired_work_is_skipped_when_its_turn_comes(system: System, spec: Spec, log: list[Any]) -> None:
    ref = system.spawn(spec("a"))
    ref.tell(sleeping(10.0))
    doomed = [ref.ask(lambda self: log.append("zombie work"), 1.0) for _ in range(10)]
    patient = ref.ask(lambda self: log.append("wanted"), 20.0)
    for each in doomed:
        with pytest.raises(Expired):
            await each
    await patient
    assert log == ["wanted"]


async def test_work_whose_deadline_has_passed_is_skipped_even_before_its_asker_knows(
    system: System, spec: Spec, log: list[Any]
) -> None:
    ref = system.spawn(spec("a"))
    ref.tell(sleeping(0.985))
    doomed = ref.ask(lambda self: log.append("zombie work"), 0.98)
    await asyncio.sleep(0.99)
    assert not doomed.done(), "the wheel is allowed to be late"
    with pytest.raises(Expired):
        await doomed
    assert log == []


async def test_an_ask_nobody_awaits_any_more_is_withdrawn(system: System, spec: Spec, log: list[Any]) -> None:
    async def asker() -> None:
        await ref.ask(lambda self: log.append("zombie work"), 60.0)

    ref = system.spawn(spec("a"))
    ref.tell(sleeping(5.0))
    task = asyncio.create_task(asker())
    await asyncio.sleep(1.0)
    task.cancel()
    await asyncio.sleep(10.0)
    assert log == []


async def test_the_handler_in_hand_goes_on_when_its_asker_leaves(system: System, spec: Spec, log: list[Any]) -> None:
    async def work(self: Any) -> None:
        await asyncio.sleep(2.0)
        log.append("done")

    ref = system.spawn(spec("a"))
    with pytest.raises(Expired):
        await ref.ask(work, 1.0)
    await asyncio.sleep(5.0)
    assert log == ["done"]


async def test_the_deadline_is_known_to_the_handler_so_that_it_can_hand_it_on(system: System, spec: Spec) -> None:
    async def later(self: Any) -> tuple[float | None, float | None]:
        before = self.context.deadline
        await asyncio.sleep(1.0)
        return before, self.context.deadline

    ref = system.spawn(spec("a"))
    await asyncio.sleep(5.0)
    assert await ref.ask(lambda self: self.context.deadline, 3.0) == 8.0
    assert await ref.ask(later, 3.0) == (8.0, 8.0)
    seen: list[Any] = []
    ref.tell(lambda self: seen.append(self.context.deadline))
    await asyncio.sleep(0.1)
    assert seen == [None]


@pytest.mark.parametrize("timeout", [0.0, -1.0])
async def test_an_ask_with_no_time_expires_at_once_and_is_never_handled(
    system: System, spec: Spec, log: list[Any], timeout: float
) -> None:
    ref = system.spawn(spec("a"))
    with pytest.raises(Expired):
        await ref.ask(lambda self: log.append("never"), timeout)
    await asyncio.sleep(1.0)
    assert log == []


@pytest.mark.parametrize("timeout", [math.inf, math.nan])
async def test_an_ask_without_a_deadline_is_a_mistake_of_the_asker(system: System, spec: Spec, timeout: float) -> None:
    ref = system.spawn(spec("a"))
    with pytest.raises(ValueError, match="finite"):
        ref.ask(lambda self: None, timeout)


async def test_an_ask_expires_while_the_actor_is_between_two_incarnations(system: System, spec: Spec) -> None:
    from actors.kernel import Backoff

    def crash(self: Any) -> None:
        raise ValueError

    ref = system.spawn(spec("a", backoff=Backoff(first_seconds=100.0, limit_seconds=100.0)))
    ref.tell(crash)
    with pytest.raises(Expired):
        await ref.ask(lambda self: None, 1.0)
    assert 1.0 <= now() <= 1.0 + LATE


async def test_a_timer_of_the_loop_that_rings_early_is_not_believed(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a", shutdown_seconds=0.0))
    ref.tell(sleeping(100.0))
    answer = ref.ask(lambda self: None, 1.0)
    wheel = system.engine.deadlines
    (tick,) = wheel._timers
    await asyncio.sleep(0.9999)
    wheel._timers[tick].cancel()
    wheel._expire(tick)
    assert not answer.done()
    with pytest.raises(Expired):
        await answer
    assert 1.0 <= now() <= 1.0 + LATE


async def test_nothing_is_kept_of_answered_asks(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a"))
    for _ in range(1000):
        await ref.ask(lambda self: None, 3600.0)
    assert sum(len(bucket) for bucket in system.engine.deadlines._buckets.values()) == 0
    assert len(system.engine.deadlines._buckets) <= 2


async def test_a_message_is_handled_at_most_once_whatever_becomes_of_its_handler(
    system: System, spec: Spec, log: list[Any]
) -> None:
    async def receive(self: Any, message: Any) -> None:
        log.append(message)
        await asyncio.sleep(0.1)
        if message % 3 == 0:
            raise ValueError
        if message % 3 == 1:
            self.context.system.kill(self.context.ref)

    ref = system.spawn(spec("boss", restart=Restart.TEMPORARY))
    child = await ref.ask(lambda self: self.context.spawn(spec("a", receive=receive, counts=lambda cause: False)), 1.0)
    answers = [child.ask(number, 0.95) for number in range(20)]
    results = await asyncio.gather(*answers, return_exceptions=True)
    await asyncio.sleep(10.0)
    assert log == sorted(set(log))
    assert len(log) <= 10
    assert sum(isinstance(result, Expired) for result in results) >= 9
    assert {type(result) for result in results} >= {Crashed, Expired}
