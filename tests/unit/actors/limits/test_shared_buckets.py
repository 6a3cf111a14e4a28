"""Where Redis counts: requests travel together, and whatever Redis does, everybody is answered in time."""

from __future__ import annotations

import asyncio
from typing import Any

from actors.limits import gcra
from protocol.errors import CallRefused, Unavailable
from protocol.limits import Quota

QUOTA = Quota(10, 60.0, 2)


class Redis:
    """Counts as the script does, after a while; or is down."""

    def __init__(self) -> None:
        self.seconds = 0.001
        self.down: Exception | None = None
        self.answer: Any = None
        self.buckets: dict[str, float] = {}
        self.calls: list[int] = []
        """Requests each call was for."""

    async def run(self, script: Any, keys: Any, arguments: Any, seconds: float) -> Any:
        wanted = [int(each) for each in arguments[3:]]
        self.calls.append(sum(wanted))
        await asyncio.sleep(min(self.seconds, seconds))
        if self.seconds > seconds:
            raise Unavailable("it did not answer in time")
        if self.down is not None:
            raise self.down
        if self.answer is not None:
            return self.answer
        now = asyncio.get_running_loop().time() * QUOTA.rate
        told: list[Any] = [b"%.17g" % now]
        for key, many in zip(keys, wanted, strict=True):
            granted, owed = gcra.grant(QUOTA, self.buckets.get(key), now, many)
            self.buckets[key] = now + owed
            told += [granted, b"%.17g" % owed]
        return told


async def test_requests_that_come_meanwhile_travel_together(stage: Any) -> None:
    redis = Redis()
    ready = await stage(QUOTA, redis=redis)
    takes = [ready.limits.take(key) for key in "abcd" for _ in range(50)]
    taken = await asyncio.gather(*takes)
    assert sum(each.allowed for each in taken) == 40
    assert len(redis.calls) <= 3
    assert sum(redis.calls) == 200
    assert sorted(each.remaining for each in taken[:50])[-10:] == list(range(10))


async def test_the_local_buckets_go_on_where_redis_was(stage: Any) -> None:
    redis = Redis()
    ready = await stage(QUOTA, redis=redis)
    assert await ready.allowed("a", 7) == 7
    redis.down = Unavailable("gone")
    assert await ready.allowed("a", 50) == 3
    assert ready.limits.figures.fallbacks == 50
    assert ready.limits.figures.outages == 1


async def test_a_silent_redis_holds_requests_for_one_deadline_then_for_nothing(stage: Any) -> None:
    redis = Redis()
    ready = await stage(QUOTA, redis=redis)
    redis.seconds = 100.0
    loop = asyncio.get_running_loop()

    async def timed(pause: float) -> float:
        await asyncio.sleep(pause)
        began = loop.time()
        await ready.limits.take("a")
        return loop.time() - began

    waits = await asyncio.gather(*(timed(number / 1000) for number in range(3000)))
    assert max(waits) <= 0.1
    assert max(waits[90:]) == 0.0, "no request waits for the looks whether it is back"


async def test_it_is_shared_again_soon_after_redis_is_back(stage: Any) -> None:
    redis = Redis()
    ready = await stage(QUOTA, redis=redis)
    redis.down = Unavailable("gone")
    await ready.allowed("a", 3)
    await asyncio.sleep(5.0)
    assert not ready.limits.shared.reachable
    redis.down = None
    await asyncio.sleep(0.6)
    assert ready.limits.shared.reachable
    assert await ready.allowed("b", 20) == 10
    assert ready.limits.figures.fallbacks == 3


async def test_a_redis_that_refuses_or_talks_nonsense_is_one_that_is_down(stage: Any) -> None:
    for down, answer in (
        (CallRefused("OOM command not allowed"), None),
        (None, [b"1"]),
        (None, b"?"),
        (None, [1, b"x", 2]),
    ):
        redis = Redis()
        redis.down, redis.answer = down, answer
        ready = await stage(QUOTA, redis=redis)
        assert await ready.allowed("a", 50) == 10
        assert not ready.limits.shared.reachable


async def test_a_keeper_that_is_killed_leaves_nobody_waiting(stage: Any) -> None:
    redis = Redis()
    redis.seconds = 0.05
    ready = await stage(QUOTA, redis=redis)
    takes = [asyncio.ensure_future(ready.limits.take("a")) for _ in range(30)]
    await asyncio.sleep(0.01)
    ready.system.kill(ready.keeper)
    assert sum(taken.allowed for taken in await asyncio.gather(*takes)) == 10
    await asyncio.sleep(1.0)
    assert await ready.allowed("b", 20) == 10, "the next keeper's buckets count as ever"


async def test_clients_that_left_do_not_hold_up_the_others(stage: Any) -> None:
    ready = await stage(QUOTA, redis=Redis())
    takes = [asyncio.ensure_future(ready.limits.take("a")) for _ in range(5)]
    await asyncio.sleep(0.0005)
    for take in takes[:3]:
        take.cancel()
    assert [taken.allowed for taken in await asyncio.gather(*takes[3:])] == [True, True]
