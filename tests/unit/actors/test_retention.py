"""Old rows go in small bites, with rests between them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from actors.kernel import ChildSpec, ManualClock, System
from actors.retention import Retention
from actors.stores.memory import MemoryStore
from protocol.errors import Unavailable
from protocol.storage import Pruned, RetentionDays


class Bites(MemoryStore):
    """A store with so many bites to take, each of which takes a while."""

    def __init__(self, left: int, seconds: float) -> None:
        super().__init__()
        self.left = left
        self.seconds = seconds
        self.calls: list[tuple[float, RetentionDays, float]] = []

    async def prune(self, days: RetentionDays, now: float) -> Pruned:
        self.calls.append((asyncio.get_running_loop().time(), days, now))
        await asyncio.sleep(self.seconds)
        if self.outage is not None:
            raise self.outage
        self.left -= 1
        return Pruned(0, 0, 1, more=self.left > 0)


def play(scene: Coroutine[Any, Any, None]) -> None:
    with ManualClock() as clock:
        clock.run(scene)


async def started(store: Bites, days: RetentionDays, pause: float) -> System:
    system = System()
    loop = asyncio.get_running_loop()
    await system.start(ChildSpec("retention", lambda: Retention(store, days, pause, lambda: 1e9 + loop.time())))
    return system


def test_a_round_takes_bite_after_bite_and_a_tenth_of_the_time() -> None:
    async def scene() -> None:
        store = Bites(left=3, seconds=1.0)
        days = RetentionDays(1, 2, 3)
        system = await started(store, days, pause=3600)
        await asyncio.sleep(5000)
        assert [at for at, _, _ in store.calls] == [60, 70, 80, 3681]
        assert store.calls[0][1:] == (days, 1e9 + 60)
        await system.stop()

    play(scene())


def test_an_outage_is_waited_out() -> None:
    async def scene() -> None:
        store = Bites(left=1, seconds=0.0)
        store.outage = Unavailable("away")
        system = await started(store, RetentionDays(), pause=30)
        await asyncio.sleep(100)
        store.outage = None
        await asyncio.sleep(30)
        assert [at for at, _, _ in store.calls] == [30, 60, 90, 120]
        assert store.left == 0
        await system.stop()

    play(scene())


def test_nothing_is_asked_of_the_store_when_everything_is_kept() -> None:
    async def scene() -> None:
        store = Bites(left=1, seconds=0.0)
        system = await started(store, RetentionDays(0, 0, 0), pause=30)
        await asyncio.sleep(1000)
        assert store.calls == []
        await system.stop()

    play(scene())
