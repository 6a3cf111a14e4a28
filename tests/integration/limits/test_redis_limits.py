"""Limits that several servers share, in a real Redis: the same numbers as in memory, whatever happens to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.limits import gcra
from actors.limits.limits import Limits, LimitSettings
from actors.limits.shared import PROBE_SECONDS, SharedBuckets
from actors.reach.redis_client import RedisDoor, RedisSettings
from protocol.limits import Quota, Taken
from tests.servers.redis import Redis

QUOTA = Quota(50, 10.0, 5)
Servers = Callable[[], "OneServer"]


class OneServer:
    """What one of our servers has of the limits, but for the actors."""

    def __init__(self, address: str, quota: Quota = QUOTA) -> None:
        self.door = RedisDoor(
            RedisSettings(address, pool_size=2, seconds=0.08, breaker_failures=1, breaker_seconds=0.2)
        )
        self.shared = SharedBuckets(self.door, quota)
        self.limits = Limits(LimitSettings(quota), time.monotonic, self.shared)

    async def take(self, key: str, times: int = 1) -> int:
        """How many of so many requests at once are allowed."""
        counted = [self.shared.count(key) for _ in range(times)]
        return sum([(each if isinstance(each, Taken) else await each.taken).allowed for each in counted])

    async def probing(self) -> None:
        """What the keeper does."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            await self.shared.probe()


@pytest.fixture
async def servers(redis_server: Redis) -> AsyncIterator[Servers]:
    """Makes servers that share the Redis, which is empty."""
    made: list[OneServer] = []
    flusher = RedisDoor(RedisSettings(redis_server.address, seconds=2.0))
    await flusher.open()
    await flusher.call("FLUSHALL")

    def make() -> OneServer:
        made.append(OneServer(redis_server.address))
        return made[-1]

    yield make
    for each in made:
        each.shared.close()
        await each.door.close()
    await flusher.close()


async def opened(servers: Servers) -> OneServer:
    server = servers()
    await server.door.open()
    return server


async def test_servers_share_a_clients_bucket(servers: Servers) -> None:
    one, two = await opened(servers), await opened(servers)
    allowed = sum(await asyncio.gather(*(server.take("a", 40) for server in (one, two, one, two))))
    assert 50 <= allowed <= 51
    assert await one.take("b", 100) in (50, 51)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 300),
    st.sampled_from([0.05, 0.3, 7.3, 60.0]),
    st.integers(0, 20),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 40), st.sampled_from([0, 0, 0.001, 0.01])), max_size=25),
)
async def test_the_script_and_the_memory_count_the_same(
    servers: Servers, limit: int, window: float, burst: int, trace: list[tuple[str, int, float]]
) -> None:
    quota = Quota(limit, window, burst)
    server = await opened(servers)
    await server.door.call("FLUSHALL")
    server.shared.quota = quota
    rows: dict[str, float] = {}
    for key, wanted, pause in trace:
        await asyncio.sleep(pause)
        name = server.shared.name(key)
        now, granted, owed = await server.door.run(
            server.shared._script, [name], [repr(quota.rate), quota.limit, quota.burst, wanted], 2.0
        )
        expected = gcra.grant(quota, rows.get(key), float(now), wanted)
        if float(now) - rows.get(key, float("inf")) > quota.limit * 0.5:
            return  # so quiet that the key may have expired
        assert (granted, float(owed)) == expected
        rows[key] = float(now) + expected[1]


async def test_keys_expire_by_themselves(servers: Servers) -> None:
    server = await opened(servers)
    server.shared.quota = Quota(10, 0.2)
    assert await server.take("a", 5) == 5
    (key,) = await server.door.call("KEYS", "*")
    assert key == b"nflow:ratelimit:10+0/0.2s:a"
    assert 200 <= await server.door.call("PTTL", key) <= 400
    await asyncio.sleep(0.5)
    assert await server.door.call("KEYS", "*") == []


async def test_scripts_and_data_that_are_flushed_cost_no_answer(servers: Servers) -> None:
    server = await opened(servers)
    assert await server.take("a", 30) == 30
    await server.door.call("SCRIPT", "FLUSH")
    assert await server.take("a", 30) in (20, 21)
    await server.door.call("FLUSHALL")
    assert await server.take("a", 100) == 50
    assert server.limits.figures.fallbacks == 0


async def test_a_key_of_another_type_is_written_anew(servers: Servers) -> None:
    server = await opened(servers)
    await server.door.call("LPUSH", server.shared.name("a"), "x")
    assert await server.take("a", 100) == 50


async def test_a_killed_redis_is_found_again_within_two_seconds(servers: Servers, redis_server: Redis) -> None:
    server = await opened(servers)
    probing = asyncio.ensure_future(server.probing())
    try:
        assert await server.take("a", 30) == 30
        redis_server.kill()
        assert await server.take("a", 100) in (20, 21, 22), "the local bucket goes on where Redis was"
        redis_server.start()
        await asyncio.sleep(2.0)
        assert server.shared.reachable
        assert server.limits.figures.outages == 1
    finally:
        probing.cancel()
        if redis_server.process is None:
            redis_server.start()


async def test_a_silent_redis_holds_nobody_longer_than_100_ms(servers: Servers, redis_server: Redis) -> None:
    server = await opened(servers)
    probing = asyncio.ensure_future(server.probing())
    await server.take("warm")
    redis_server.freeze()
    try:
        waits = []
        for _ in range(200):
            began = time.monotonic()
            await server.take("a")
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.005)
    finally:
        redis_server.thaw()
    assert max(waits) < 0.2, "80 ms and the machine's own lag"
    assert sorted(waits)[int(len(waits) * 0.98)] < 0.02
    await asyncio.sleep(2.0)
    assert server.shared.reachable
    probing.cancel()


async def test_a_full_redis_is_one_that_is_down(servers: Servers) -> None:
    server = await opened(servers)
    await server.take("a")
    await server.door.call("CONFIG", "SET", "maxmemory", "1")
    try:
        assert await server.take("a", 100) in (49, 50)
        await server.shared.probe()
        assert not server.shared.reachable, "it answers reads, and that is not enough"
    finally:
        await server.door.call("CONFIG", "SET", "maxmemory", "0")
    await server.shared.probe()
    assert server.shared.reachable
