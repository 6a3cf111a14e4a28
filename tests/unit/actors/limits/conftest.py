"""Limits on virtual time: a keeper, its door, and whatever Redis is said to be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from actors.kernel import ActorRef, ChildSpec, Intensity, ManualClock, Supervisor, System
from actors.limits.keeper import LimitsKeeper
from actors.limits.limits import Limits, LimitSettings
from actors.limits.shared import SharedBuckets
from protocol.lifecycle import Event
from protocol.limits import Quota


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """Time is virtual here."""
    return {"manual": ManualClock}


class Stage:
    """A running keeper and its door."""

    def __init__(self, quota: Quota, most: int, redis: Any) -> None:
        self.system = System(seed=1)
        self.events: list[Event] = []
        self.system.subscribe(self.events.append)
        shared = SharedBuckets(redis, quota) if redis is not None else None
        self.limits = Limits(LimitSettings(quota, most, 60.0), asyncio.get_running_loop().time, shared)
        self.keeper: ActorRef

    async def start(self) -> None:
        keeper = ChildSpec("limits", lambda: LimitsKeeper(self.limits))
        root = Supervisor([keeper], intensity=Intensity(100, 1.0))
        await self.system.start(ChildSpec("root", lambda: root))
        (self.keeper,) = root.context.children  # type: ignore[assignment]

    async def allowed(self, key: str, times: int) -> int:
        """How many of so many requests at once are allowed."""
        return sum(taken.allowed for taken in await asyncio.gather(*(self.limits.take(key) for _ in range(times))))


Make = Callable[..., Any]


@pytest.fixture
async def stage() -> AsyncIterator[Make]:
    """Makes a stage: the quota, the most clients, a Redis."""
    stages: list[Stage] = []

    async def make(quota: Quota, most: int = 1000, redis: Any = None) -> Stage:
        stages.append(Stage(quota, most, redis))
        await stages[-1].start()
        return stages[-1]

    yield make
    for each in stages:
        await each.system.stop()
        assert not each.limits.live
