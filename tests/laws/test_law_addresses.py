"""Law 1: an address is stable. Law 2: mail survives a restart, the failing message does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import ChildSpec, Restart, System
from protocol.errors import Crashed, Gone
from protocol.lifecycle import Event, Started

LAWS = (1, 2)

Spec = Callable[..., ChildSpec]


def explode_on(word: str) -> Callable[[Any, Any], Any]:
    def receive(self: Any, message: Any) -> Any:
        if message == word:
            raise ValueError(word)
        return message

    return receive


async def test_a_ref_reaches_the_next_incarnation_after_a_crash(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a", receive=explode_on("boom")))
    with pytest.raises(Crashed):
        await ref.ask("boom", 1.0)
    assert ref.alive
    assert await ref.ask("still there", 1.0) == "still there"


async def test_each_incarnation_is_a_new_object_made_by_the_factory(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a"))
    first = await ref.ask(lambda self: id(self), 1.0), await ref.ask(lambda self: self, 1.0)
    system.kill(ref)
    second = await ref.ask(lambda self: self, 1.0)
    assert second is not first[1]


async def test_a_ref_is_hashable_and_equal_only_to_itself(system: System, spec: Spec) -> None:
    one, other = system.spawn(spec("a")), system.spawn(spec("b"))
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2
    assert await one.ask(lambda self: self.context.ref, 1.0) is one


async def test_a_path_names_the_place_in_the_tree_also_after_the_end(system: System, spec: Spec, parent: Any) -> None:
    _, (child,) = await parent(spec("a", restart=Restart.TEMPORARY))
    assert child.path == "/parent/a"
    system.kill(child)
    assert not child.alive
    assert child.path == "/parent/a"


async def test_mail_survives_a_restart_and_the_failing_message_does_not(
    system: System, spec: Spec, log: list[Any]
) -> None:
    def receive(self: Any, message: Any) -> None:
        log.append(message)
        if message == 3:
            raise ValueError

    ref = system.spawn(spec("a", receive=receive))
    for number in range(1, 7):
        ref.tell(number)
    await asyncio.sleep(1.0)
    assert log == [1, 2, 3, 4, 5, 6]


async def test_asks_that_wait_over_a_restart_are_answered_by_the_next_incarnation(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a", receive=explode_on("boom")))
    first, second, third = ref.ask("before", 1.0), ref.ask("boom", 1.0), ref.ask("after", 1.0)
    assert await first == "before"
    with pytest.raises(Crashed):
        await second
    assert await third == "after"


async def test_mail_sent_during_the_pause_of_a_backoff_is_kept_in_order(
    system: System, spec: Spec, log: list[Any]
) -> None:
    from actors.kernel import Backoff

    def receive(self: Any, message: Any) -> None:
        if message == "boom":
            raise ValueError
        log.append(message)

    ref = system.spawn(spec("a", receive=receive, backoff=Backoff(first_seconds=10.0, limit_seconds=10.0)))
    ref.tell("boom")
    await asyncio.sleep(1.0)
    for number in range(100):
        ref.tell(number)
    await asyncio.sleep(5.0)
    assert log == []
    await asyncio.sleep(10.0)
    assert log == list(range(100))


async def test_mail_survives_the_restart_of_a_whole_group(
    system: System, spec: Spec, parent: Any, log: list[Any]
) -> None:
    from actors.kernel import Strategy

    _, (a, b) = await parent(
        spec("a", receive=explode_on("boom")),
        spec("b", receive=lambda self, message: log.append(message), restart=Restart.TRANSIENT),
        strategy=Strategy.ONE_FOR_ALL,
    )
    a.tell("boom")
    for number in range(5):
        b.tell(number)
    await asyncio.sleep(1.0)
    assert log == [0, 1, 2, 3, 4]


async def test_an_actor_that_ends_for_good_is_not_alive_and_asks_get_gone(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a", receive=explode_on("boom"), restart=Restart.TEMPORARY))
    first, second = ref.ask("boom", 1.0), ref.ask("queued", 1.0)
    with pytest.raises(Crashed):
        await first
    with pytest.raises(Gone):
        await second
    assert not ref.alive
    with pytest.raises(Gone):
        await ref.ask("late", 1.0)


async def test_incarnations_are_counted(system: System, spec: Spec, events: list[Event]) -> None:
    ref = system.spawn(spec("a"))
    await ref.ask(lambda self: None, 1.0)
    system.kill(ref)
    await ref.ask(lambda self: None, 1.0)
    assert [event.incarnation for event in events if isinstance(event, Started)] == [1, 2]
