"""Sessions on virtual time: a keeper over the store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from actors.kernel import ChildSpec, Intensity, ManualClock, Supervisor, System
from actors.sessions.session import SessionSettings
from actors.sessions.sessions import SessionKeeper, Sessions
from actors.sessions.stores.memory import MemoryCaps, MemorySessions
from actors.sessions.view import RunSession
from protocol.sessions import Changes, Maps

DAY = 86_400.0


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """Time is virtual here."""
    return {"manual": ManualClock}


class SlowSessions(MemorySessions):
    """A store in memory whose calls take a while, and that can be told to break in the middle of a save."""

    __slots__ = ("breaks", "closed", "loads", "saves", "seconds")

    def __init__(self, caps: MemoryCaps, wall: Callable[[], float]) -> None:
        super().__init__(caps, wall)
        self.seconds = 0.0
        self.closed = False
        self.loads = 0
        self.saves = 0
        self.breaks: BaseException | None = None
        """Raised by the next save, once it is written."""

    async def close(self) -> None:
        self.closed = True

    async def load(self, session: str) -> Maps | None:
        self.loads += 1
        await asyncio.sleep(self.seconds)
        return await super().load(session)

    async def save(self, session: str, changes: Changes, *, begin: bool = False, rename: str = "") -> None:
        self.saves += 1
        await asyncio.sleep(self.seconds)
        assert not self.closed
        await super().save(session, changes, begin=begin, rename=rename)
        if self.breaks is not None:
            error, self.breaks = self.breaks, None
            raise error


class Stage:
    """A running keeper, its door and its store."""

    def __init__(self, caps: MemoryCaps, settings: SessionSettings) -> None:
        self.system = System(seed=3)
        self.store = SlowSessions(caps, asyncio.get_running_loop().time)
        self.door = Sessions(self.store, settings)

    async def start(self) -> None:
        keeper = ChildSpec("sessions", lambda: SessionKeeper(self.door))
        await self.system.start(ChildSpec("root", lambda: Supervisor([keeper], intensity=Intensity(10, 1.0))))

    def view(self, session: str = "") -> RunSession:
        return RunSession(self.door, session)

    async def begun(self, **maps: Mapping[str, Any]) -> str:
        return await self.door.begin(Changes(maps))

    async def maps(self, session: str) -> Maps | None:
        """What the store holds, past the actors."""
        return await MemorySessions.load(self.store, session)


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Any]]:
    """`await make(idle_seconds=…, lifetime_seconds=…)`: a stage; stopped at the end, leaving no task and no timer."""
    stages: list[Stage] = []

    async def stage(**given: Any) -> Stage:
        caps = MemoryCaps(30 * DAY)
        caps = replace(caps, **{key: given.pop(key) for key in list(given) if key in MemoryCaps.__slots__})
        made = Stage(caps, SessionSettings(max_kb=caps.max_kb, **given))
        await made.start()
        stages.append(made)
        return made

    yield stage
    for made in stages:
        await made.system.stop(timeout=30.0)
        assert made.door.live == 0
    await asyncio.sleep(0)
    assert not asyncio.all_tasks() - {asyncio.current_task()}


@pytest.fixture
async def stage(make: Callable[..., Any]) -> Stage:
    """A stage with the settings by default."""
    made: Stage = await make()
    return made
