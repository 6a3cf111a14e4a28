"""Law 10: bounded mailboxes refuse or drop their oldest; system and stop lanes, and an actor's own timers, never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import ChildSpec, Mailbox, Restart, System
from protocol.errors import Expired, Overloaded
from protocol.lifecycle import Down, Ending, Event, MailboxFull

LAWS = (10,)

Spec = Callable[..., ChildSpec]


async def busy(self: Any) -> None:
    await asyncio.sleep(1.0)


def write(log: list[Any]) -> Callable[[Any, Any], Any]:
    def receive(self: Any, message: Any) -> Any:
        log.append(message)
        return message

    return receive


@pytest.fixture
async def full(system: System, spec: Spec, log: list[Any]) -> Any:
    """`await full("refuse")`: an actor that is busy for a second, with a mailbox of three."""

    async def make(policy: str) -> Any:
        ref = system.spawn(spec("a", receive=write(log), mailbox=Mailbox(capacity=3, policy=policy)))
        ref.tell(busy)
        await asyncio.sleep(0.1)
        return ref

    return make


async def test_a_full_mailbox_refuses_asks_with_overloaded_at_once(full: Any, log: list[Any]) -> None:
    ref = await full("refuse")
    waiting = [ref.ask(number, 5.0) for number in range(3)]
    with pytest.raises(Overloaded) as caught:
        await ref.ask(3, 5.0)
    assert caught.value.retry_after > 0
    assert asyncio.get_running_loop().time() == 0.1
    assert await asyncio.gather(*waiting) == [0, 1, 2]
    assert log == [0, 1, 2]


async def test_a_full_mailbox_refuses_tells_and_counts_them(system: System, full: Any, log: list[Any]) -> None:
    ref = await full("refuse")
    for number in range(10):
        ref.tell(number)
    await asyncio.sleep(5.0)
    assert log == [0, 1, 2]
    assert system.snapshot().children[0].lost == 7


async def test_a_mailbox_that_drops_its_oldest_keeps_the_newest(system: System, full: Any, log: list[Any]) -> None:
    ref = await full("drop_oldest")
    for number in range(10):
        ref.tell(number)
    await asyncio.sleep(5.0)
    assert log == [7, 8, 9]
    assert system.snapshot().children[0].lost == 7


async def test_a_dropped_ask_is_answered_with_overloaded(full: Any, log: list[Any]) -> None:
    ref = await full("drop_oldest")
    asks = [ref.ask(number, 5.0) for number in range(5)]
    results = await asyncio.gather(*asks, return_exceptions=True)
    assert [type(result) for result in results[:2]] == [Overloaded, Overloaded]
    assert results[2:] == [2, 3, 4]
    assert log == [2, 3, 4]


@pytest.mark.parametrize("policy", ["refuse", "drop_oldest"])
async def test_one_event_per_episode_of_overflow_with_the_running_count(
    full: Any, events: list[Event], policy: str
) -> None:
    ref = await full(policy)
    for number in range(10):
        ref.tell(number)
    await asyncio.sleep(5.0)
    ref.tell(busy)
    await asyncio.sleep(0.1)
    for number in range(5):
        ref.tell(number)
    await asyncio.sleep(5.0)
    assert [event for event in events if isinstance(event, MailboxFull)] == [
        MailboxFull("/a", policy, 1),
        MailboxFull("/a", policy, 8),
    ]


async def test_an_episode_lasts_while_the_mailbox_stays_near_its_brim(
    system: System, spec: Spec, events: list[Event]
) -> None:
    async def receive(self: Any, message: Any) -> None:
        await asyncio.sleep(1.0)

    ref = system.spawn(spec("a", receive=receive, mailbox=Mailbox(capacity=10)))
    for _ in range(100):
        for _ in range(2):
            ref.tell("more than it can do")
        await asyncio.sleep(1.0)
    assert len([event for event in events if isinstance(event, MailboxFull)]) == 1
    system.kill(ref)


async def test_stops_and_news_are_never_refused(system: System, spec: Spec, full: Any, log: list[Any]) -> None:
    watched = system.spawn(spec("watched", restart=Restart.TEMPORARY))
    ref = await full("refuse")
    ref.lanes.watch(watched)
    for number in range(5):
        ref.tell(number)
    system.kill(watched)
    await asyncio.sleep(2.0)
    assert log[0] == Down(watched, Ending.KILLED)
    assert log[1:] == [0, 1, 2]


@pytest.mark.parametrize("policy", ["refuse", "drop_oldest"])
async def test_an_actors_own_timer_is_neither_refused_nor_dropped(full: Any, log: list[Any], policy: str) -> None:
    ref = await full(policy)
    ref.lanes.after(0.2, "tick")
    for number in range(3):
        ref.tell(number)
    await asyncio.sleep(0.5)
    for number in range(3, 6):
        ref.tell(number)
    await asyncio.sleep(5.0)
    assert log[0] == "tick"
    assert len(log) == 4


async def test_asks_nobody_waits_for_take_no_room(full: Any, log: list[Any]) -> None:
    ref = await full("refuse")
    doomed = [ref.ask(number, 0.2) for number in range(3)]
    for each in doomed:
        with pytest.raises(Expired):
            await each
    assert await ref.ask("fits", 5.0) == "fits"
    assert log == ["fits"]


async def test_the_bound_holds_between_incarnations_too(system: System, spec: Spec, log: list[Any]) -> None:
    from actors.kernel import Backoff

    def receive(self: Any, message: Any) -> None:
        if message == "boom":
            raise ValueError
        log.append(message)

    ref = system.spawn(
        spec("a", receive=receive, mailbox=Mailbox(capacity=3), backoff=Backoff(first_seconds=5.0, limit_seconds=5.0))
    )
    ref.tell("boom")
    await asyncio.sleep(1.0)
    for number in range(10):
        ref.tell(number)
    await asyncio.sleep(10.0)
    assert log == [0, 1, 2]


def test_a_mailbox_policy_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="policy"):
        Mailbox(capacity=3, policy="drop_newest")
    with pytest.raises(ValueError, match="capacity"):
        Mailbox(capacity=0)
