"""Laws run on virtual time: no law sleeps, and hours pass in milliseconds. A module may name other loops in `LOOPS`.

Every law that uses the `system` fixture also proves, at its end, that a stopped system leaves no task and no timer
behind.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, settings

from actors.kernel import Actor, ActorRef, ChildSpec, Intensity, ManualClock, Strategy, System
from protocol.lifecycle import Event

settings.register_profile("laws", deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
settings.register_profile("mutants", deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
PROFILE = os.environ.get("LAWS_PROFILE", "laws")
settings.load_profile(PROFILE)

LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "manual": ManualClock,
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """The loops this law has to hold on."""
    names = getattr(item.module, "LOOPS", ("manual",))  # type: ignore[attr-defined]
    return {name: LOOPS[name] for name in (names[:1] if PROFILE == "mutants" else names)}


class Puppet(Actor[Any]):
    """An actor whose hooks are given as functions of (self) or (self, message)."""

    def __init__(self, hooks: Mapping[str, Callable[..., Any]]) -> None:
        self.hooks = hooks
        self.strategy = hooks.get("strategy", Strategy.ONE_FOR_ONE)  # type: ignore[assignment]
        self.intensity = hooks.get("intensity", Intensity(1, 5.0))  # type: ignore[assignment]

    def started(self) -> Any:
        return self.hooks["started"](self) if "started" in self.hooks else None

    def receive(self, message: Any) -> Any:
        if callable(message):
            return message(self)
        return self.hooks["receive"](self, message) if "receive" in self.hooks else None

    def stopping(self) -> Any:
        return self.hooks["stopping"](self) if "stopping" in self.hooks else None

    def released(self) -> None:
        if "released" in self.hooks:
            self.hooks["released"](self)


HOOKS = ("receive", "started", "stopping", "released", "strategy", "intensity")


@pytest.fixture
def spec() -> Callable[..., ChildSpec]:
    """`spec("a", receive=…, restart=…)`: a puppet that also does what it is told as a function of itself."""

    def make(name: str, **given: Any) -> ChildSpec:
        hooks = {key: given.pop(key) for key in HOOKS if key in given}
        return ChildSpec(name, lambda: Puppet(hooks), **given)

    return make


@pytest.fixture
async def system() -> AsyncIterator[System]:
    """A system; when the law is over it is stopped and must leave nothing behind."""
    system = System(seed=7)
    yield system
    await system.stop(timeout=30.0)
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not others, f"tasks left behind: {others}"
    if isinstance(loop, ManualClock):
        timers = [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        assert not timers, f"timers left behind: {timers}"
    assert not system.engine.ready


@pytest.fixture
def events(system: System) -> list[Event]:
    """Every kernel event, as it comes."""
    seen: list[Event] = []
    system.subscribe(seen.append)
    return seen


@pytest.fixture
def log() -> list[Any]:
    """What happened, in order."""
    return []


@pytest.fixture
def parent(system: System, spec: Callable[..., ChildSpec]) -> Callable[..., Any]:
    """`await parent(spec, …, strategy=…)`: an actor with these dynamic children; gives (its ref, their refs)."""

    async def make(*children: ChildSpec, **given: Any) -> tuple[ActorRef, tuple[ActorRef, ...]]:
        ref = system.spawn(spec("parent", **given))
        refs = await ref.ask(lambda self: tuple(self.context.spawn(child) for child in children), 1.0)  # type: ignore[arg-type]
        return ref, refs

    return make


@pytest.fixture(autouse=True)
def no_garbage_in_the_loop(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """asyncio logs lost exceptions and coroutines nobody awaited when they are collected: none may be there."""
    yield
    gc.collect()
    complaints = [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.ERROR]
    assert not complaints, [record.getMessage() for record in complaints]
