"""Law 13: names and dead letters per system, nothing global; timers belong to an incarnation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import ChildSpec, Probe, ReplySlot, Restart, System
from protocol.errors import Gone
from protocol.lifecycle import DeadLetter, Event

LAWS = (13,)

Spec = Callable[..., ChildSpec]


def crash(self: Any) -> None:
    raise ValueError("crash")


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_name_finds_its_actor_over_restarts_until_it_ends(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a"))
    system.register("pool", ref)
    system.register("pool", ref)
    assert system.lookup("pool") is ref
    ref.tell(crash)
    await asyncio.sleep(1.0)
    assert system.lookup("pool") is ref
    system.stop_ref(ref)
    await asyncio.sleep(1.0)
    assert system.lookup("pool") is None


async def test_a_name_belongs_to_one_living_actor(system: System, spec: Spec) -> None:
    one, other = system.spawn(spec("a")), system.spawn(spec("b"))
    system.register("name", one)
    with pytest.raises(ValueError, match="belongs to /a"):
        system.register("name", other)
    system.kill(one)
    assert system.lookup("name") is one, "a restart keeps it"
    await one.ask(lambda self: self.context.kill_child(one) or self.context.passivate(), 1.0)
    await asyncio.sleep(0.0)
    system.register("name", other)
    assert system.lookup("name") is other
    system.unregister("name")
    system.unregister("name")
    assert system.lookup("name") is None


async def test_the_dead_get_no_names(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a", restart=Restart.TEMPORARY))
    await ref.ask(lambda self: None, 1.0)
    system.kill(ref)
    system.register("ghost", ref)
    assert system.lookup("ghost") is None


async def test_two_systems_share_nothing(spec: Spec) -> None:
    one, other = System("one"), System("other")
    ref = one.spawn(spec("a"))
    one.register("name", ref)
    assert other.lookup("name") is None
    await other.stop()
    assert await ref.ask(lambda self: "alive", 1.0) == "alive"
    await one.stop()
    ref.tell("dead")
    assert (one.dead_letters, other.dead_letters) == (1, 0)


async def test_what_reaches_nobody_is_counted_and_named(system: System, spec: Spec, events: list[Event]) -> None:
    ref = system.spawn(spec("a", restart=Restart.TEMPORARY))
    await ref.ask(lambda self: None, 1.0)
    ref.tell("one")
    system.kill(ref)
    ref.tell(2)
    assert system.dead_letters == 2
    assert [event for event in events if isinstance(event, DeadLetter)] == [
        DeadLetter("/a", "str"),
        DeadLetter("/a", "int"),
    ]


async def test_an_ask_that_reaches_nobody_is_answered_and_no_dead_letter(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a", restart=Restart.TEMPORARY))
    system.kill(ref)
    with pytest.raises(Gone):
        await ref.ask(lambda self: None, 1.0)
    assert system.dead_letters == 0


async def test_the_first_message_resolves_a_reply_slot_and_later_ones_are_dead_letters(system: System) -> None:
    slot: ReplySlot[int] = system.slot()
    assert not slot.done
    slot.tell(1)
    slot.tell(2)
    assert slot.done
    assert await slot == 1
    assert await slot == 1
    assert system.dead_letters == 1


async def test_a_reply_slot_whose_awaiter_left_takes_nothing_any_more(system: System) -> None:
    slot: ReplySlot[int] = system.slot()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await slot
    slot.tell(1)
    assert system.dead_letters == 1


async def test_a_reply_slot_works_without_a_system() -> None:
    slot: ReplySlot[str] = ReplySlot()
    slot.tell("reply")
    slot.tell("late")
    assert await slot == "reply"


# ---- timers


async def test_a_timer_tells_its_actor_after_its_time(system: System, spec: Spec, log: list[Any]) -> None:
    ref = system.spawn(spec("a", receive=lambda self, message: log.append((message, now()))))
    ref.tell(lambda self: self.context.after(2.0, "late"))
    ref.tell(lambda self: self.context.after(1.0, "early"))
    ref.tell(lambda self: self.context.after(0.0, "now"))
    await asyncio.sleep(5.0)
    assert log == [("now", 0.0), ("early", 1.0), ("late", 2.0)]


async def test_a_cancelled_timer_never_arrives_not_even_when_it_was_due(
    system: System, spec: Spec, log: list[Any]
) -> None:
    async def scenario(self: Any) -> None:
        first = self.context.after(1.0, "never")
        second = self.context.after(1.0, "yes")
        await asyncio.sleep(2.0)
        assert first.pending
        first.cancel()
        first.cancel()
        assert not first.pending
        assert second.pending

    ref = system.spawn(spec("a", receive=lambda self, message: log.append(message)))
    ref.tell(scenario)
    await asyncio.sleep(5.0)
    assert log == ["yes"]


@pytest.mark.parametrize("due", [False, True], ids=["still running", "already due"])
async def test_a_timer_dies_with_its_incarnation(system: System, spec: Spec, log: list[Any], due: bool) -> None:
    async def scenario(self: Any) -> None:
        self.context.after(1.0, "of the dead")
        await asyncio.sleep(2.0 if due else 0.5)
        raise ValueError

    ref = system.spawn(spec("a", receive=lambda self, message: log.append(message)))
    ref.tell(scenario)
    await asyncio.sleep(5.0)
    assert log == []
    assert await ref.ask(lambda self: "alive", 1.0) == "alive"


async def test_timers_that_rang_or_were_cancelled_are_not_kept(system: System, spec: Spec) -> None:
    def tick(self: Any, message: Any) -> None:
        if message < 100:
            self.context.after(0.1, message + 1)
            self.context.after(1000.0, "cancelled").cancel()

    ref = system.spawn(spec("a", receive=tick))
    ref.tell(0)
    await asyncio.sleep(60.0)
    assert not ref.lanes.timers  # type: ignore[attr-defined]


async def test_a_probe_waits_in_order_and_says_what_it_missed(system: System, spec: Spec) -> None:
    probe = Probe(system, reply=lambda message: message * 2)
    assert await probe.ref.ask(21, 1.0) == 42  # type: ignore[arg-type, comparison-overlap]
    probe.ref.tell("text")
    assert await probe.expect(int) == 21
    with pytest.raises(AssertionError):
        await probe.expect(int)
    with pytest.raises(TimeoutError, match="/probe"):
        await probe.receive(1.0)
    probe.ref.tell("surprise")
    with pytest.raises(AssertionError):
        await probe.expect_nothing(1.0)
    assert probe.messages == [21, "text", "surprise"]
