"""Law 15: the kernel emits events and a picture of the tree; both cost nothing when nobody looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import ChildSpec, Intensity, Mailbox, Restart, Strategy, Supervisor, System
from actors.kernel import engine as engine_module
from protocol.lifecycle import ActorCrashed, Ending, Event, Restarted, Started, Stopped

LAWS = (15,)

Spec = Callable[..., ChildSpec]


def crash(self: Any) -> None:
    raise ValueError("crash")


async def test_the_whole_story_of_an_actor_in_order(system: System, spec: Spec, events: list[Event]) -> None:
    ref = system.spawn(spec("a"))
    ref.tell(crash)
    await asyncio.sleep(1.0)
    system.stop_ref(ref)
    await asyncio.sleep(1.0)
    assert [type(event) for event in events] == [Started, ActorCrashed, Started, Restarted, Stopped]
    assert events[-2:] == [Restarted("/a", 2, 0.0), Stopped("/a", Ending.STOPPED)]


async def test_a_listener_that_fails_harms_nobody(system: System, spec: Spec, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise ZeroDivisionError

    system.subscribe(broken)
    system.subscribe(seen.append)
    assert await system.spawn(spec("a")).ask(lambda self: "fine", 1.0) == "fine"
    assert seen == [Started("/a", 1)]
    assert "a listener failed" in caplog.text


async def test_a_listener_may_leave_out_births_and_deaths(system: System, spec: Spec) -> None:
    seen: list[Event] = []
    end = system.subscribe(seen.append, lives=False)
    ref = system.spawn(spec("a"))
    ref.tell(crash)
    await asyncio.sleep(1.0)
    end()
    ref.tell(crash)
    await asyncio.sleep(1.0)
    assert [type(event) for event in seen] == [ActorCrashed, Restarted]


async def test_a_subscription_can_be_ended(system: System, spec: Spec) -> None:
    seen: list[Event] = []
    end = system.subscribe(seen.append)
    await system.spawn(spec("a")).ask(lambda self: None, 1.0)
    end()
    end()
    await system.spawn(spec("b")).ask(lambda self: None, 1.0)
    assert seen == [Started("/a", 1)]


async def test_a_listener_may_kill_the_actor_it_hears_about(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a"))

    def listener(event: Event) -> None:
        if isinstance(event, ActorCrashed):
            system.kill(ref)

    system.subscribe(listener)
    ref.tell(crash)
    await asyncio.sleep(1.0)
    assert await ref.ask(lambda self: "next", 1.0) == "next"


async def test_no_event_is_made_while_nobody_listens(
    system: System, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("an event was made")

    for module, names in (
        ("life", ["Started", "Stopped", "Restarted"]),
        ("mailbox", ["MailboxFull"]),
        ("nursery", ["Escalated"]),
        ("engine", ["ActorCrashed", "DeadLetter"]),
    ):
        for name in names:
            monkeypatch.setattr(f"actors.kernel.{module}.{name}", never)
    boss = system.spawn(spec("boss", intensity=Intensity(1, 60.0)))
    ref = await boss.ask(lambda self: self.context.spawn(spec("a", mailbox=Mailbox(capacity=1))), 1.0)
    for _ in range(5):
        ref.tell(crash)
        ref.tell(crash)
        await asyncio.sleep(1.0)
    assert not ref.alive
    assert engine_module is not None


async def test_the_picture_of_the_tree_shows_what_operators_ask_for(system: System, spec: Spec) -> None:
    async def busy(self: Any) -> None:
        await asyncio.sleep(10.0)

    await system.start(
        ChildSpec("root", lambda: Supervisor([spec("a"), spec("b")], Strategy.ONE_FOR_ONE, Intensity(5, 60.0)))
    )
    root = next(iter(system._guardian.children))
    a, b = root.lanes.children  # type: ignore[attr-defined]
    await asyncio.sleep(2.0)
    b.tell(crash)
    await asyncio.sleep(5.0)
    a.tell(busy)
    await asyncio.sleep(1.0)
    a.tell("first")
    await asyncio.sleep(2.0)
    a.tell("second")
    await asyncio.sleep(1.0)
    picture = system.snapshot()
    (seen_root,) = picture.children
    assert [child.path for child in seen_root.children] == ["/root/a", "/root/b"]
    seen_a, seen_b = seen_root.children
    assert (seen_a.state, seen_a.mailbox, seen_a.oldest_seconds, seen_a.age_seconds) == ("busy", 2, 3.0, 11.0)
    assert (seen_b.state, seen_b.restarts, seen_b.last_crash) == ("running", 1, "ValueError: crash")
    assert seen_b.age_seconds == 9.0
    assert seen_b.crash_seconds == 9.0
    assert (seen_root.last_crash, seen_root.crash_seconds) == ("", None)


async def test_a_picture_may_be_bounded_and_counts_what_it_leaves_out(system: System, spec: Spec) -> None:
    def crowd(self: Any) -> None:
        for number in range(5):
            self.context.spawn(spec(f"child-{number}"))

    system.spawn(spec("keeper", started=crowd))
    await asyncio.sleep(1.0)
    (whole,) = system.snapshot().children
    assert ([child.path for child in whole.children], whole.hidden) == ([f"/keeper/child-{n}" for n in range(5)], 0)
    (few,) = system.snapshot(most=2).children
    assert ([child.path for child in few.children], few.hidden) == (["/keeper/child-0", "/keeper/child-1"], 3)
    (low,) = system.snapshot(depth=1).children
    assert (low.children, low.hidden) == ((), 5)
    assert (system.snapshot(depth=0).children, system.snapshot(depth=0).hidden) == ((), 1)


async def test_the_picture_shows_actors_that_start_restart_and_stop(system: System, spec: Spec) -> None:
    from actors.kernel import Backoff

    async def slow(self: Any) -> None:
        await asyncio.sleep(100.0)

    system.spawn(spec("starting", started=slow, shutdown_seconds=0.0))
    stopping = system.spawn(spec("stopping", stopping=slow))
    ref = system.spawn(spec("restarting", backoff=Backoff(first_seconds=50.0, limit_seconds=50.0)))
    ref.tell(crash)
    await asyncio.sleep(1.0)
    system.stop_ref(stopping)
    await asyncio.sleep(1.0)
    assert [(child.path, child.state) for child in system.snapshot().children] == [
        ("/starting", "starting"),
        ("/stopping", "stopping"),
        ("/restarting", "restarting"),
    ]


async def test_released_is_called_once_for_every_incarnation(
    system: System, spec: Spec, events: list[Event], log: list[Any]
) -> None:
    ref = system.spawn(spec("a", released=lambda self: log.append(self), restart=Restart.PERMANENT))
    ref.tell(crash)
    await asyncio.sleep(1.0)
    system.kill(ref)
    await asyncio.sleep(1.0)
    system.stop_ref(ref)
    await asyncio.sleep(1.0)
    assert len(log) == len(set(map(id, log))) == 3 == len([e for e in events if isinstance(e, Started)])
