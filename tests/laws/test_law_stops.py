"""Law 8: stop with a deadline, then kill; order and parallelism of stops; a stopped system leaves nothing behind."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import ChildSpec, Mailbox, ManualClock, Probe, Restart, Strategy, Supervisor, System
from protocol.errors import Gone
from protocol.lifecycle import ActorCrashed, Down, Ending, Event

LAWS = (8,)

Spec = Callable[..., ChildSpec]


def now() -> float:
    return asyncio.get_running_loop().time()


def nothing(self: Any) -> None:
    """Asked only to know that the actor runs."""


def sleeping(seconds: float) -> Callable[[Any], Any]:
    async def hook(self: Any) -> None:
        await asyncio.sleep(seconds)

    return hook


async def test_a_stop_hook_may_take_its_time_within_the_deadline(system: System, spec: Spec) -> None:
    probe = Probe(system)
    ref = system.spawn(spec("a", stopping=sleeping(4.0)))
    probe.watch(ref)
    await ref.ask(nothing, 1.0)
    system.stop_ref(ref)
    assert await probe.expect(Down, 10.0) == Down(ref, Ending.STOPPED)
    assert now() == 4.0


async def test_a_stop_hook_that_takes_longer_is_cut_off_at_the_deadline(system: System, spec: Spec) -> None:
    probe = Probe(system)
    ref = system.spawn(spec("a", stopping=sleeping(9.0), shutdown_seconds=5.0))
    probe.watch(ref)
    await ref.ask(nothing, 1.0)
    system.stop_ref(ref)
    assert await probe.expect(Down, 10.0) == Down(ref, Ending.KILLED)
    assert now() == 5.0


async def test_a_message_in_hand_that_takes_longer_is_cut_off_at_the_deadline(system: System, spec: Spec) -> None:
    probe = Probe(system)
    ref = system.spawn(spec("a", stopping=lambda self: pytest.fail("no time is left for it"), shutdown_seconds=5.0))
    probe.watch(ref)
    answer = ref.ask(sleeping(100.0), 200.0)
    await asyncio.sleep(1.0)
    system.stop_ref(ref)
    assert await probe.expect(Down, 10.0) == Down(ref, Ending.KILLED)
    assert now() == 6.0
    with pytest.raises(Gone):
        await answer


async def test_message_and_hook_share_one_deadline(system: System, spec: Spec) -> None:
    probe = Probe(system)
    ref = system.spawn(spec("a", stopping=sleeping(3.0), shutdown_seconds=5.0))
    probe.watch(ref)
    ref.tell(sleeping(4.0))
    await asyncio.sleep(1.0)
    system.stop_ref(ref)
    assert (await probe.expect(Down, 10.0)).ending is Ending.KILLED
    assert now() == 6.0


async def test_no_deadline_at_all_is_infinity(system: System, spec: Spec) -> None:
    probe = Probe(system)
    ref = system.spawn(spec("a", stopping=sleeping(10_000.0), shutdown_seconds=math.inf))
    probe.watch(ref)
    await ref.ask(nothing, 1.0)
    system.stop_ref(ref)
    assert (await probe.expect(Down, 20_000.0)).ending is Ending.STOPPED


async def test_a_deadline_of_zero_is_a_kill(system: System, spec: Spec) -> None:
    probe = Probe(system)
    ref = system.spawn(spec("a", stopping=lambda self: pytest.fail("not called"), shutdown_seconds=0.0))
    probe.watch(ref)
    await ref.ask(nothing, 1.0)
    system.stop_ref(ref)
    assert not ref.alive
    assert (await probe.expect(Down)).ending is Ending.KILLED


async def test_a_crash_in_the_hook_is_reported_and_the_actor_ends_all_the_same(
    system: System, spec: Spec, events: list[Event]
) -> None:
    def stopping(self: Any) -> None:
        raise OSError("flush failed")

    probe = Probe(system)
    ref = system.spawn(spec("a", stopping=stopping))
    probe.watch(ref)
    await ref.ask(nothing, 1.0)
    system.stop_ref(ref)
    down = await probe.expect(Down)
    assert down.ending is Ending.CRASHED
    assert [event.message for event in events if isinstance(event, ActorCrashed)] == ["stopping()"]
    assert not ref.alive


async def test_hooks_run_in_the_order_stopping_children_released(
    system: System, spec: Spec, parent: Any, log: list[Any]
) -> None:
    def hooks(name: str) -> dict[str, Any]:
        return {
            "stopping": lambda self: log.append(f"{name} stopping"),
            "released": lambda self: log.append(f"{name} released"),
        }

    ref, _ = await parent(spec("child", **hooks("child")), **hooks("parent"))
    system.stop_ref(ref)
    await asyncio.sleep(1.0)
    assert log == ["parent stopping", "child stopping", "child released", "parent released"]


async def test_children_still_work_while_the_parents_hook_drains_them(
    system: System, spec: Spec, parent: Any, log: list[Any]
) -> None:
    async def drain(self: Any) -> None:
        await self.context.drained()
        log.append(now())

    async def last_words(self: Any) -> None:
        await asyncio.sleep(3.0)
        log.append("worked to the end")
        self.context.stop()

    ref, (one, two) = await parent(
        spec("one", restart=Restart.TEMPORARY),
        spec("two", restart=Restart.TEMPORARY),
        stopping=drain,
        shutdown_seconds=30.0,
    )
    one.tell(last_words)
    two.tell(lambda self: self.context.stop())
    system.stop_ref(ref)
    await asyncio.sleep(10.0)
    assert log == ["worked to the end", 3.0]


async def test_a_drain_is_over_at_once_when_there_is_nothing_to_drain(system: System, spec: Spec) -> None:
    async def drain(self: Any) -> None:
        await self.context.drained()

    ref = system.spawn(spec("a", stopping=drain))
    system.stop_ref(ref)
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    assert now() == 0.0
    assert not ref.alive


async def test_the_parents_deadline_cuts_off_its_hook_but_its_children_still_stop_in_order(
    system: System, spec: Spec, parent: Any, log: list[Any]
) -> None:
    ref, _ = await parent(
        spec("child", stopping=lambda self: log.append(("child stopping", now())), restart=Restart.TEMPORARY),
        stopping=sleeping(100.0),
        shutdown_seconds=30.0,
    )
    system.stop_ref(ref)
    await asyncio.sleep(60.0)
    assert log == [("child stopping", 30.0)]


async def test_static_children_stop_in_reverse_order_each_after_the_other(
    system: System, spec: Spec, log: list[Any]
) -> None:
    def stopping(self: Any) -> Any:
        log.append((self.context.path, now()))
        return sleeping(1.0)(self)

    names = ["a", "b", "c"]
    children = [spec(name, stopping=stopping) for name in names]
    root = await system.start(ChildSpec("root", lambda: Supervisor(children)))
    system.stop_ref(root)
    await asyncio.sleep(10.0)
    assert log == [("/root/c", 0.0), ("/root/b", 1.0), ("/root/a", 2.0)]


async def test_dynamic_children_stop_in_parallel_under_one_deadline(
    system: System, spec: Spec, parent: Any, log: list[Any]
) -> None:
    probe = Probe(system)
    children = [
        spec(f"c{n}", stopping=sleeping(2.0 if n % 2 else 50.0), shutdown_seconds=5.0, restart=Restart.TEMPORARY)
        for n in range(10)
    ]
    ref, refs = await parent(*children)
    for each in (*refs, ref):
        probe.watch(each)
    system.stop_ref(ref)
    endings = [await probe.expect(Down, 20.0) for _ in range(11)]
    assert [down.ending for down in endings] == [Ending.STOPPED] * 5 + [Ending.KILLED] * 5 + [Ending.STOPPED]
    assert now() == 5.0
    assert endings[-1].ref is ref


async def test_children_of_a_strategy_with_order_stop_in_reverse_also_when_dynamic(
    system: System, spec: Spec, parent: Any, log: list[Any]
) -> None:
    def stopping(self: Any) -> Any:
        log.append((self.context.path, now()))
        return sleeping(1.0)(self)

    ref, _ = await parent(spec("a", stopping=stopping), spec("b", stopping=stopping), strategy=Strategy.REST_FOR_ONE)
    system.stop_ref(ref)
    await asyncio.sleep(10.0)
    assert log == [("/parent/b", 0.0), ("/parent/a", 1.0)]


async def test_a_thousand_ordered_children_that_are_killed_do_not_exhaust_the_stack(
    system: System, spec: Spec, parent: Any
) -> None:
    children = [spec(f"c{n}", shutdown_seconds=0.0) for n in range(3000)]
    ref, refs = await parent(*children, strategy=Strategy.ONE_FOR_ALL)
    system.stop_ref(ref)
    await asyncio.sleep(1.0)
    assert not any(each.alive for each in (ref, *refs))


async def test_a_stopping_actor_takes_no_more_mail(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a", stopping=sleeping(2.0)))
    await ref.ask(nothing, 1.0)
    system.stop_ref(ref)
    assert not ref.alive
    with pytest.raises(Gone):
        await ref.ask(lambda self: "never", 1.0)
    ref.tell("dead letter")
    assert system.dead_letters == 1


async def test_a_draining_mailbox_is_emptied_before_the_hook_runs(system: System, spec: Spec, log: list[Any]) -> None:
    async def receive(self: Any, message: Any) -> str:
        await asyncio.sleep(0.1)
        log.append(message)
        return "handled"

    ref = system.spawn(
        spec("a", receive=receive, stopping=lambda self: log.append("stopping"), mailbox=Mailbox(drain=True))
    )
    for number in range(20):
        ref.tell(number)
    last = ref.ask("last", 5.0)
    await asyncio.sleep(0.25)
    system.stop_ref(ref)
    ref.tell("too late")
    assert await last == "handled"
    await asyncio.sleep(1.0)
    assert log == [*range(20), "last", "stopping"]
    assert system.dead_letters == 1


async def test_a_draining_mailbox_has_only_the_stop_deadline(system: System, spec: Spec, log: list[Any]) -> None:
    async def receive(self: Any, message: Any) -> None:
        await asyncio.sleep(2.0)
        log.append(message)

    ref = system.spawn(spec("a", receive=receive, mailbox=Mailbox(drain=True), shutdown_seconds=5.0))
    for number in range(5):
        ref.tell(number)
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    system.stop_ref(ref)
    await asyncio.sleep(20.0)
    assert log == [0, 1]
    assert system.dead_letters == 2


async def test_an_actor_that_stops_itself_finishes_its_message_first(
    system: System, spec: Spec, log: list[Any]
) -> None:
    def farewell(self: Any) -> str:
        self.context.stop()
        log.append("after stop()")
        return "goodbye"

    ref = system.spawn(spec("a", stopping=lambda self: log.append("stopping"), restart=Restart.TRANSIENT))
    assert await ref.ask(farewell, 1.0) == "goodbye"
    await asyncio.sleep(0.0)
    assert log == ["after stop()", "stopping"]
    assert not ref.alive


async def test_a_stop_while_starting_waits_for_the_start_and_one_before_it_makes_no_actor(
    system: System, spec: Spec, log: list[Any]
) -> None:
    async def started(self: Any) -> None:
        await asyncio.sleep(2.0)
        log.append("started")

    hooks = {"stopping": lambda self: log.append("stopping"), "released": lambda self: log.append("released")}
    slow = system.spawn(spec("slow", started=started, **hooks))
    await asyncio.sleep(1.0)
    system.stop_ref(slow)
    never = system.spawn(spec("never", started=lambda self: log.append("never")))
    system.stop_ref(never)
    await asyncio.sleep(5.0)
    assert log == ["started", "stopping", "released"]
    assert not slow.alive
    assert not never.alive


async def test_a_stop_during_a_backoff_ends_the_actor_for_good(system: System, spec: Spec) -> None:
    from actors.kernel import Backoff

    def crash(self: Any) -> None:
        raise ValueError

    ref = system.spawn(spec("a", backoff=Backoff(first_seconds=100.0, limit_seconds=100.0)))
    ref.tell(crash)
    await asyncio.sleep(1.0)
    waiting = ref.ask(lambda self: "never", 50.0)
    system.stop_ref(ref)
    with pytest.raises(Gone):
        await waiting
    assert not ref.alive


async def test_the_stop_of_a_system_kills_what_is_left_after_its_timeout(spec: Spec) -> None:
    system = System()
    ref = system.spawn(spec("a", stopping=sleeping(1000.0), shutdown_seconds=math.inf))
    await asyncio.sleep(0.0)
    await system.stop(timeout=3.0)
    assert now() == 3.0
    assert not ref.alive
    await system.stop()


async def test_a_system_may_be_stopped_by_several_at_once(spec: Spec) -> None:
    system = System()
    system.spawn(spec("a", stopping=sleeping(2.0)))
    await asyncio.sleep(0.0)
    await asyncio.gather(system.stop(), system.stop(), system.stop())
    assert now() == 2.0


async def test_after_the_stop_of_a_system_nothing_of_it_is_left(spec: Spec) -> None:
    async def busy(self: Any) -> None:
        await asyncio.sleep(1000.0)

    loop = asyncio.get_running_loop()
    assert isinstance(loop, ManualClock)
    system = System()
    refs = []
    for n in range(50):
        ref = system.spawn(spec(f"a{n}", started=lambda self: self.context.after(500.0, "tick") and None))
        refs.append(ref)
        ref.tell(busy)
    pending = [ref.ask(lambda self: None, 900.0) for ref in refs]
    await asyncio.sleep(1.0)
    await system.stop(timeout=10.0)
    for each in pending:
        with pytest.raises(Gone):
            await each
    await asyncio.sleep(0.0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
    for ref in refs:
        with pytest.raises(Gone):
            await ref.ask(lambda self: None, 900.0)
    assert not [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
