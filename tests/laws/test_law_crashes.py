"""Law 3: any exception except Refusal is a crash, asked or told. Law 4: a Refusal is an answer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import ChildSpec, Intensity, ManualClock, Restart, System
from protocol.errors import Crashed, Overloaded, Refusal
from protocol.lifecycle import ActorCrashed, Event, Restarted

LAWS = (3, 4)

Spec = Callable[..., ChildSpec]


class OwnBaseError(BaseException):
    """Not even an Exception."""


def raise_it(self: Any, message: Any) -> Any:
    if isinstance(message, BaseException):
        raise message
    return message


def raise_it_later(self: Any, message: Any) -> Any:
    async def later() -> Any:
        await asyncio.sleep(0.1)
        return raise_it(self, message)

    return later()


CRASHES = [
    ValueError("x"),
    asyncio.CancelledError(),
    SystemExit(3),
    StopAsyncIteration(),
    GeneratorExit(),
    OwnBaseError(),
    TimeoutError(),
    AssertionError("x"),
    Crashed(ValueError("of another actor")),
]


@pytest.mark.parametrize("cause", CRASHES, ids=lambda cause: type(cause).__name__)
@pytest.mark.parametrize("handler", [raise_it, raise_it_later], ids=["plain", "async"])
@pytest.mark.parametrize("asked", [True, False], ids=["asked", "told"])
async def test_whatever_leaves_a_handler_but_a_refusal_is_a_crash(
    system: System, spec: Spec, events: list[Event], cause: BaseException, handler: Any, asked: bool
) -> None:
    ref = system.spawn(spec("a", receive=handler))
    bystander = system.spawn(spec("b"))
    if asked:
        with pytest.raises(Crashed) as caught:
            await ref.ask(cause, 1.0)
        assert caught.value.cause is cause
    else:
        ref.tell(cause)
    await asyncio.sleep(1.0)
    (crash,) = [event for event in events if isinstance(event, ActorCrashed)]
    assert crash.cause is cause
    assert (crash.path, crash.message) == ("/a", type(cause).__name__)
    assert len([event for event in events if isinstance(event, Restarted)]) == 1
    assert await ref.ask("alive", 1.0) == "alive"
    assert await bystander.ask(lambda self: "untouched", 1.0) == "untouched"


@pytest.mark.parametrize("handler", [raise_it, raise_it_later], ids=["plain", "async"])
@pytest.mark.parametrize("refusal", [Refusal("no"), Overloaded("full", retry_after=3.0)], ids=["plain", "overloaded"])
async def test_a_refusal_is_an_answer_and_the_actor_lives_on(
    system: System, spec: Spec, events: list[Event], handler: Any, refusal: Refusal
) -> None:
    ref = system.spawn(spec("a", receive=handler))
    same = await ref.ask(lambda self: id(self), 1.0)
    with pytest.raises(type(refusal)) as caught:
        await ref.ask(refusal, 1.0)
    assert caught.value is refusal
    ref.tell(refusal)
    assert await ref.ask(lambda self: id(self), 1.0) == same
    assert not [event for event in events if isinstance(event, ActorCrashed)]


async def test_a_refusal_from_started_is_a_failed_start(system: System, spec: Spec, events: list[Event]) -> None:
    def refuse(self: Any) -> None:
        raise Refusal("not today")

    system.spawn(spec("boss", started=lambda self: self.context.spawn(spec("a", started=refuse))))
    await asyncio.sleep(1.0)
    crash = next(event for event in events if isinstance(event, ActorCrashed))
    assert crash.message == "started()"


async def test_ctrl_c_in_a_handler_ends_the_program_not_only_the_actor(spec: Spec) -> None:
    def main() -> None:
        with ManualClock() as clock:

            async def program() -> None:
                system = System()
                system.spawn(spec("a", receive=raise_it)).tell(KeyboardInterrupt())
                await asyncio.sleep(1.0)

            task = clock.create_task(program())
            try:
                clock.run_until_complete(task)
            finally:
                task.cancel()
                clock.run_until_complete(asyncio.gather(task, return_exceptions=True))

    with pytest.raises(KeyboardInterrupt):
        await asyncio.to_thread(main)


async def test_a_crash_without_listeners_is_logged(
    system: System, spec: Spec, caplog: pytest.LogCaptureFixture
) -> None:
    system.spawn(spec("a", receive=raise_it)).tell(ValueError("seen"))
    await asyncio.sleep(0.1)
    assert "/a crashed on ValueError" in caplog.text
    assert "seen" in caplog.text


async def test_what_released_raises_is_reported_and_harmless(system: System, spec: Spec, events: list[Event]) -> None:
    def released(self: Any) -> None:
        raise OSError("close failed")

    boss = system.spawn(spec("boss", intensity=Intensity(0, 1.0)))
    child = await boss.ask(lambda self: self.context.spawn(spec("a", released=released)), 1.0)
    await boss.ask(lambda self: self.context.stop_child(child), 1.0)
    await asyncio.sleep(0.1)
    assert [event.message for event in events if isinstance(event, ActorCrashed)] == ["released()"]
    assert not child.alive


async def test_a_stop_iteration_is_a_crash_like_any_other(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a", receive=raise_it))
    with pytest.raises(Crashed) as caught:
        await ref.ask(StopIteration(), 1.0)  # type: ignore[arg-type]
    assert isinstance(caught.value.cause, StopIteration)


@pytest.mark.parametrize("handler", [raise_it, raise_it_later], ids=["plain", "async"])
async def test_refusals_make_no_work_for_the_garbage_collector(system: System, spec: Spec, handler: Any) -> None:
    ref = system.spawn(spec("a", receive=handler))
    await ref.ask("warm", 1.0)

    async def refused() -> None:
        with contextlib.suppress(Refusal):
            await ref.ask(Refusal("no"), 1.0)

    await refused()
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            await refused()
        assert gc.collect() < 20
    finally:
        gc.enable()


async def test_short_lives_make_no_work_for_the_garbage_collector(system: System, spec: Spec, parent: Any) -> None:
    boss, _ = await parent()
    brief = spec("brief", restart=Restart.TEMPORARY)

    def spawn(self: Any) -> Any:
        return self.context.spawn(brief)

    async def live() -> None:
        child = await boss.ask(spawn, 1.0)
        await child.ask(lambda self: self.context.stop(), 1.0)
        await asyncio.sleep(0.0)
        assert not child.alive

    await live()
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            await live()
        assert gc.collect() < 20
    finally:
        gc.enable()
