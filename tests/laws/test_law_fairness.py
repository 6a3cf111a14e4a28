"""Law 16: a flood neither starves other actors nor the loop; handlers run in variables of their own."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from actors.kernel import ChildSpec, System

LAWS = (16,)
LOOPS = ("manual", "uvloop")

Spec = Callable[..., ChildSpec]

REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("REQUEST", default="none")


async def test_a_flooded_actor_lets_others_have_their_turn(system: System, spec: Spec, log: list[Any]) -> None:
    flooded = system.spawn(spec("flooded", receive=lambda self, message: log.append(message)))
    quiet = system.spawn(spec("quiet"))
    for number in range(10_000):
        flooded.tell(number)
    assert await quiet.ask(lambda self: len(log), 1.0) <= 100
    await flooded.ask(lambda self: None, 10.0)
    assert log == list(range(10_000))


async def test_two_actors_that_tell_each_other_for_ever_do_not_stop_the_loop(system: System, spec: Spec) -> None:
    other: dict[str, Any] = {}
    balls = 0

    def play(self: Any, message: Any) -> None:
        nonlocal balls
        balls += 1
        other[self.context.path].tell(message)

    ping, pong = system.spawn(spec("ping", receive=play)), system.spawn(spec("pong", receive=play))
    other.update({"/ping": pong, "/pong": ping})
    ping.tell("ball")
    for _ in range(20):
        await asyncio.sleep(0.0)
    assert balls > 20
    for ref in (ping, pong):
        system.stop_ref(ref)


async def test_news_that_beget_news_cannot_hold_the_loop_either(system: System, spec: Spec) -> None:
    dead = system.spawn(spec("dead"))
    system.stop_ref(dead)
    await asyncio.sleep(0.0)
    heard = 0

    def receive(self: Any, message: Any) -> None:
        nonlocal heard
        heard += 1
        self.context.watch(dead)

    ref = system.spawn(spec("a", receive=receive))
    ref.tell("begin")
    for _ in range(10):
        await asyncio.sleep(0.0)
    assert heard > 10
    system.kill(ref)


async def test_the_variables_of_a_sender_do_not_leak_into_actors(system: System, spec: Spec) -> None:
    async def later(self: Any) -> str:
        await asyncio.sleep(0.0)
        return REQUEST.get()

    ref = system.spawn(spec("a"))
    REQUEST.set("request 1")
    assert await ref.ask(lambda self: REQUEST.get(), 1.0) == "none"
    assert await ref.ask(later, 1.0) == "none"


async def test_what_one_handler_sets_is_gone_for_the_next_async_one(system: System, spec: Spec) -> None:
    async def set_it(self: Any) -> str:
        REQUEST.set("mine")
        await asyncio.sleep(0.0)
        return REQUEST.get()

    async def read_it(self: Any) -> str:
        return REQUEST.get()

    ref = system.spawn(spec("a"))
    assert await ref.ask(set_it, 1.0) == "mine"
    assert await ref.ask(read_it, 1.0) == "none"
