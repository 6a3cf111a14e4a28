"""Law 11: watch → Down, exactly once, also when it is dead already; what was lent comes back when the holder dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import Actor, ChildSpec, Probe, Restart, System
from protocol.lifecycle import Down, Ending
from protocol.refs import AnyRef

LAWS = (11,)

Spec = Callable[..., ChildSpec]


def crash(self: Any) -> None:
    raise ValueError("crash")


@pytest.fixture
def watcher(system: System, spec: Spec, log: list[Any]) -> AnyRef:
    """An actor that logs what it receives."""
    return system.spawn(spec("watcher", receive=lambda self, message: log.append(message)))


def watch(ref: AnyRef) -> Callable[[Any], None]:
    return lambda self: self.context.watch(ref)


@pytest.mark.parametrize(
    ("how", "ending"),
    [("stop", Ending.STOPPED), ("kill", Ending.KILLED), ("crash", Ending.CRASHED)],
    ids=["stop", "kill", "crash"],
)
async def test_a_watcher_is_told_once_how_and_why_it_ended(
    system: System, spec: Spec, watcher: AnyRef, log: list[Any], how: str, ending: Ending
) -> None:
    ref = system.spawn(spec("a", restart=Restart.TEMPORARY))
    await watcher.ask(watch(ref), 1.0)  # type: ignore[arg-type]
    await watcher.ask(watch(ref), 1.0)  # type: ignore[arg-type]
    if how == "crash":
        ref.tell(crash)
    else:
        (system.kill if how == "kill" else system.stop_ref)(ref)
    await asyncio.sleep(1.0)
    (down,) = log
    assert (down.ref, down.ending) == (ref, ending)
    assert down.ref is ref
    assert isinstance(down.cause, ValueError) is (how == "crash")


async def test_to_watch_the_dead_is_to_be_told_at_once(
    system: System, spec: Spec, watcher: AnyRef, log: list[Any]
) -> None:
    ref = system.spawn(spec("a", restart=Restart.TEMPORARY))
    ref.tell(crash)
    await asyncio.sleep(1.0)
    watcher.tell(watch(ref))
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    (down,) = log
    assert (down.ref, down.ending, type(down.cause)) == (ref, Ending.CRASHED, ValueError)


async def test_nothing_is_heard_after_unwatch_not_even_what_was_on_its_way(
    system: System, spec: Spec, watcher: AnyRef, log: list[Any]
) -> None:
    ref, other = (system.spawn(spec(name, restart=Restart.TEMPORARY)) for name in "ab")

    async def scenario(self: Any) -> None:
        self.context.watch(ref)
        self.context.watch(other)
        await asyncio.sleep(1.0)
        system.kill(ref)
        system.kill(other)
        await asyncio.sleep(1.0)
        self.context.unwatch(ref)

    watcher.tell(scenario)
    await asyncio.sleep(5.0)
    assert log == [Down(other, Ending.KILLED)]
    watcher.tell(lambda self: self.context.unwatch(other))
    await asyncio.sleep(1.0)
    assert len(log) == 1


async def test_a_watch_ends_with_the_incarnation_that_asked_for_it(
    system: System, spec: Spec, watcher: AnyRef, log: list[Any]
) -> None:
    one, other = (system.spawn(spec(name, restart=Restart.TEMPORARY)) for name in "ab")

    def watch_both_then_crash(self: Any) -> None:
        self.context.watch(one)
        self.context.watch(other)
        system.kill(one)
        raise ValueError

    watcher.tell(watch_both_then_crash)
    await asyncio.sleep(1.0)
    system.kill(other)
    await asyncio.sleep(1.0)
    assert log == []
    assert await watcher.ask(lambda self: "alive", 1.0) == "alive"  # type: ignore[arg-type, comparison-overlap]


async def test_a_dead_watcher_is_forgotten_by_those_it_watched(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a"))
    await ref.ask(lambda self: None, 1.0)
    for n in range(10):
        watcher = system.spawn(spec(f"w{n}", restart=Restart.TEMPORARY))
        await watcher.ask(watch(ref), 1.0)
        system.kill(watcher)
    assert not ref.lanes.watchers  # type: ignore[attr-defined]


async def test_a_reply_slot_can_watch_so_that_a_caller_never_waits_for_the_dead(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a", restart=Restart.TEMPORARY))
    slot = system.slot()
    system.watch(ref, slot)
    ref.tell(crash)
    down = await slot
    assert isinstance(down, Down)
    assert down.ending is Ending.CRASHED


async def test_to_watch_what_is_no_actor_is_a_mistake(system: System, spec: Spec) -> None:
    with pytest.raises(TypeError):
        system.watch(object(), system.slot())  # type: ignore[arg-type]


class Lender(Actor[Any]):
    """Lends one thing at a time, to the oldest waiter; takes it back when the holder dies."""

    def __init__(self) -> None:
        self.holder: AnyRef | None = None
        self.queue: list[AnyRef] = []

    def receive(self, message: Any) -> None:
        match message:
            case ("borrow", ref):
                self.context.watch(ref)
                self.queue.append(ref)
            case "back":
                self.holder = None
            case Down(ref):
                self.queue = [each for each in self.queue if each is not ref]
                if self.holder is ref:
                    self.holder = None
        if self.holder is None and self.queue:
            self.holder = self.queue.pop(0)
            self.holder.tell("lent")


async def test_a_lease_comes_back_when_its_holder_dies(system: System, spec: Spec) -> None:
    lender = system.spawn(ChildSpec("lender", Lender))
    careless, waiting = Probe(system, "careless"), Probe(system, "waiting")
    lender.tell(("borrow", careless.ref))
    lender.tell(("borrow", waiting.ref))
    assert await careless.receive() == "lent"
    await waiting.expect_nothing(1.0)
    system.kill(careless.ref)
    assert await waiting.receive() == "lent"
