"""Law 5: lanes. Kill before stop before system before user; kill is a call; a stop waits for the message in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import ChildSpec, Restart, System
from protocol.errors import Gone
from protocol.lifecycle import Down, Ending, Event, Restarted, Stopped

LAWS = (5,)

Spec = Callable[..., ChildSpec]


def write(log: list[Any]) -> Callable[[Any, Any], None]:
    return lambda self, message: log.append(message)


async def test_mail_of_one_sender_comes_in_order(system: System, spec: Spec, log: list[Any]) -> None:
    ref = system.spawn(spec("a", receive=write(log)))
    for number in range(1000):
        ref.tell(number)
    await asyncio.sleep(1.0)
    assert log == list(range(1000))


async def test_a_stop_overtakes_ten_thousand_messages(system: System, spec: Spec, log: list[Any]) -> None:
    ref = system.spawn(spec("a", receive=write(log), stopping=lambda self: log.append("stopping")))
    await ref.ask(lambda self: None, 1.0)
    for number in range(10_000):
        ref.tell(number)
    system.stop_ref(ref)
    await asyncio.sleep(1.0)
    assert log == ["stopping"]
    assert system.dead_letters == 10_000


async def test_a_stop_waits_for_the_message_in_hand(system: System, spec: Spec, log: list[Any]) -> None:
    async def work(self: Any) -> str:
        await asyncio.sleep(2.0)
        log.append("worked")
        return "done"

    ref = system.spawn(spec("a", stopping=lambda self: log.append("stopping"), restart=Restart.TEMPORARY))
    answer = ref.ask(work, 10.0)
    queued = ref.ask(lambda self: "never", 10.0)
    await asyncio.sleep(1.0)
    system.stop_ref(ref)
    with pytest.raises(Gone):
        await queued
    assert await answer == "done"
    await asyncio.sleep(0.1)
    assert log == ["worked", "stopping"]


async def test_news_of_a_death_overtakes_mail(system: System, spec: Spec, log: list[Any]) -> None:
    watched = system.spawn(spec("watched", restart=Restart.TEMPORARY))
    ref = system.spawn(spec("a", receive=write(log)))
    await ref.ask(lambda self: self.context.watch(watched), 1.0)
    for number in range(3):
        ref.tell(number)
    system.kill(watched)
    await asyncio.sleep(1.0)
    assert log == [Down(watched, Ending.KILLED), 0, 1, 2]


async def test_a_due_timer_overtakes_mail(system: System, spec: Spec, log: list[Any]) -> None:
    async def busy(self: Any) -> None:
        self.context.after(1.0, "tick")
        await asyncio.sleep(2.0)

    ref = system.spawn(spec("a", receive=write(log)))
    ref.tell(busy)
    for number in range(3):
        ref.tell(number)
    await asyncio.sleep(5.0)
    assert log == ["tick", 0, 1, 2]


async def test_a_stop_overtakes_news_of_a_death(system: System, spec: Spec, log: list[Any]) -> None:
    watched = system.spawn(spec("watched", restart=Restart.TEMPORARY))
    ref = system.spawn(spec("a", receive=write(log), stopping=lambda self: log.append("stopping")))
    await ref.ask(lambda self: self.context.watch(watched), 1.0)
    system.kill(watched)
    system.stop_ref(ref)
    await asyncio.sleep(1.0)
    assert log == ["stopping"]


async def test_kill_cancels_the_handler_that_awaits_and_nothing_waits_for_its_turn(
    system: System, spec: Spec, log: list[Any]
) -> None:
    async def work(self: Any) -> None:
        try:
            await asyncio.sleep(100.0)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    ref = system.spawn(spec("a", released=lambda self: log.append("released"), restart=Restart.TEMPORARY))
    answer, queued = ref.ask(work, 200.0), ref.ask(lambda self: "never", 200.0)
    await asyncio.sleep(1.0)
    system.kill(ref)
    for each in (answer, queued):
        with pytest.raises(Gone):
            await each
    await asyncio.sleep(0.0)
    assert log == ["cancelled", "released"]
    assert asyncio.get_running_loop().time() == 1.0


async def test_a_kill_before_the_first_step_of_a_handler_leaves_nothing_unawaited(
    system: System, spec: Spec, log: list[Any]
) -> None:
    async def work(self: Any) -> None:
        log.append("never")

    ref = system.spawn(spec("a", restart=Restart.TEMPORARY))
    await ref.ask(lambda self: None, 1.0)

    def handle_and_kill(self: Any) -> Any:
        asyncio.get_running_loop().call_soon(system.kill, ref)
        return work(self)

    answer = ref.ask(handle_and_kill, 1.0)
    with pytest.raises(Gone):
        await answer
    await asyncio.sleep(1.0)
    assert log == []


async def test_an_idle_actor_is_dead_when_the_kill_returns(system: System, spec: Spec, log: list[Any]) -> None:
    ref = system.spawn(spec("a", released=lambda self: log.append("released"), restart=Restart.TEMPORARY))
    await ref.ask(lambda self: None, 1.0)
    system.kill(ref)
    assert not ref.alive
    assert log == ["released"]


async def test_a_kill_from_inside_the_handler_takes_effect_when_the_handler_returns(
    system: System, spec: Spec, log: list[Any]
) -> None:
    def suicide(self: Any) -> str:
        system.kill(self.context.ref)
        log.append("still in the handler")
        return "too late"

    ref = system.spawn(spec("a", released=lambda self: log.append("released"), restart=Restart.TEMPORARY))
    answer, queued = ref.ask(suicide, 1.0), ref.ask(lambda self: log.append("never"), 1.0)
    for each in (answer, queued):
        with pytest.raises(Gone):
            await each
    assert log == ["still in the handler", "released"]


@pytest.mark.parametrize("how", ["raises", "returns a coroutine"])
async def test_whatever_a_handler_does_after_it_killed_itself_is_ignored(
    system: System, spec: Spec, events: list[Event], how: str
) -> None:
    async def later() -> None:
        raise AssertionError("never")

    def suicide(self: Any) -> Any:
        system.kill(self.context.ref)
        if how == "raises":
            raise ValueError
        return later()

    ref = system.spawn(spec("a", restart=Restart.TEMPORARY))
    with pytest.raises(Gone):
        await ref.ask(suicide, 1.0)
    await asyncio.sleep(1.0)
    assert [type(event) for event in events[1:]] == [Stopped]


async def test_a_kill_of_the_parent_from_a_childs_handler_takes_both(
    system: System, spec: Spec, parent: Any, log: list[Any]
) -> None:
    ref, (child,) = await parent(
        spec("a", released=lambda self: log.append("child released")),
        released=lambda self: log.append("parent released"),
        restart=Restart.TEMPORARY,
    )
    with pytest.raises(Gone):
        await child.ask(lambda self: system.kill(ref), 1.0)
    await asyncio.sleep(0.0)
    assert log == ["child released", "parent released"]
    assert not ref.alive
    assert not child.alive


async def test_a_kill_takes_the_whole_subtree_at_once(system: System, spec: Spec, log: list[Any]) -> None:
    async def slow(self: Any) -> None:
        await asyncio.sleep(100.0)

    hooks = {"stopping": lambda self: log.append("never"), "released": lambda self: log.append(self.context.path)}
    top = system.spawn(spec("top", restart=Restart.TEMPORARY, **hooks))
    middle = await top.ask(lambda self: self.context.spawn(spec("middle", **hooks)), 1.0)
    leaf = await middle.ask(lambda self: self.context.spawn(spec("leaf", **hooks)), 1.0)
    leaf.tell(slow)
    await asyncio.sleep(1.0)
    system.kill(top)
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    assert log == ["/top/middle/leaf", "/top/middle", "/top"]
    assert asyncio.get_running_loop().time() == 1.0


async def test_children_are_dead_when_the_kill_returns_also_while_the_parents_handler_cleans_up(
    system: System, spec: Spec, parent: Any, log: list[Any]
) -> None:
    async def work(self: Any) -> None:
        try:
            await asyncio.sleep(100.0)
        finally:
            await asyncio.sleep(0.5)
            log.append("cleaned up")

    ref, (child,) = await parent(
        spec("a", released=lambda self: log.append("child released")),
        released=lambda self: log.append("parent released"),
        restart=Restart.TEMPORARY,
    )
    ref.tell(work)
    await asyncio.sleep(1.0)
    child.tell(lambda self: log.append("never"))
    system.kill(ref)
    assert not child.alive
    await asyncio.sleep(1.0)
    assert log == ["child released", "cleaned up", "parent released"]


async def test_a_kill_through_the_system_is_an_abnormal_end_and_a_kill_by_the_parent_is_for_good(
    system: System, spec: Spec, parent: Any, events: list[Event]
) -> None:
    ref, (child,) = await parent(spec("a"))
    system.kill(child)
    assert await child.ask(lambda self: "back", 1.0) == "back"
    await ref.ask(lambda self: self.context.kill_child(child), 1.0)
    assert not child.alive
    assert len([event for event in events if isinstance(event, Restarted)]) == 1


async def test_a_handler_deaf_to_its_cancellation_is_abandoned_after_a_second(
    system: System, spec: Spec, log: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def deaf(self: Any) -> str:
        for _ in range(3):
            try:
                await asyncio.sleep(100.0)
            except asyncio.CancelledError:
                log.append("no")
        return "late"

    ref = system.spawn(spec("a", released=lambda self: log.append("released")))
    answer = ref.ask(deaf, 1000.0)
    await asyncio.sleep(1.0)
    system.kill(ref)
    with pytest.raises(Gone):
        await answer
    assert await ref.ask(lambda self: "next incarnation", 5.0) == "next incarnation"
    assert asyncio.get_running_loop().time() == 2.0
    assert log == ["no", "released"]
    assert "/a ignores its cancellation" in caplog.text

    async def long(self: Any) -> str:
        await asyncio.sleep(500.0)
        return "undisturbed by the late one"

    assert await ref.ask(long, 1000.0) == "undisturbed by the late one"
    assert log == ["no", "released"]


async def test_the_finally_blocks_of_a_killed_handler_run_before_its_resources_are_released(
    system: System, spec: Spec, log: list[Any]
) -> None:
    async def work(self: Any) -> None:
        try:
            await asyncio.sleep(100.0)
        finally:
            await asyncio.sleep(0.5)
            log.append("cleaned up")

    ref = system.spawn(spec("a", released=lambda self: log.append("released")))
    ref.tell(work)
    await asyncio.sleep(1.0)
    system.kill(ref)
    assert log == []
    await asyncio.sleep(1.0)
    assert log == ["cleaned up", "released"]


async def test_one_message_at_a_time_also_when_the_handler_awaits(system: System, spec: Spec, log: list[Any]) -> None:
    async def receive(self: Any, message: Any) -> None:
        log.append(("begin", message))
        await asyncio.sleep(1.0)
        log.append(("end", message))

    ref = system.spawn(spec("a", receive=receive))
    for number in range(3):
        ref.tell(number)
    await asyncio.sleep(10.0)
    assert log == [(what, number) for number in range(3) for what in ("begin", "end")]
