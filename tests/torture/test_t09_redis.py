"""T9: Redis is killed, silent, full and emptied under load; requests are limited all the same, and hardly wait for it.

The oracle is the clients: they always ask for more than they have, count what they are let, and how long each answer
took. After an outage begins, requests may wait up to 100 ms until it is noticed, then not at all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, until
from tests.servers.redis import Redis
from tests.torture.keep_alive import answered
from tests.torture.row import LONG, tell

LIMIT, BURST, WINDOW = 100, 10, 6.0
RATE = LIMIT / WINDOW
CLIENTS = 16
SECONDS = 60.0 if LONG else 2.5
NOTICED = 0.3
"""Seconds after which an outage is known."""
SLACK = 0.02 if LONG else 0.06
"""The suite shares its cores with whatever else runs."""
CONFIG = f"""[server]
access_log = false
[redis]
host = "%s"
[rate_limit]
enabled = true
backend = "redis"
ip_rate_limit = {LIMIT}
ip_burst_size = {BURST}
ip_window_minutes = {WINDOW / 60}
excluded_paths = "/metrics,/health"
"""


@dataclass
class Load:
    """What the clients saw: when, how long it took, which client, whether it was let in."""

    seen: list[tuple[float, float, int, bool]] = field(default_factory=list)
    odd: list[int] = field(default_factory=list)
    going: bool = True

    async def run(self, server: Server) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._client(server, number))

    async def _client(self, server: Server, number: int) -> None:
        address = f"127.70.0.{number + 1}"
        reader, writer = await asyncio.open_connection(server.host, server.port, local_addr=(address, 0))
        while self.going:
            began = time.monotonic()
            status = await answered(reader, writer, "/nowhere")
            ended = time.monotonic()
            self.seen.append((ended, ended - began, number, status == 404))
            if status not in (404, 429):
                self.odd.append(status)
        writer.close()

    def waits(self, begin: float, end: float) -> list[float]:
        return sorted(took for at, took, _, _ in self.seen if begin <= at < end)

    def allowed(self, begin: float, end: float) -> list[int]:
        counts = [0] * CLIENTS
        for at, _, number, let in self.seen:
            counts[number] += let and begin <= at < end
        return counts


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    server = Redis()
    server.start()
    yield server
    server.remove()


def command(redis: Redis, *words: str) -> None:
    redis.run([redis.command()[0].replace("redis-server", "redis-cli"), "-p", str(redis.port), *words])


def shared(server: Server) -> bool:
    return server.metric("nflow_rate_limit_shared") == 1


TROUBLE: dict[str, tuple[Callable[[Redis], None], Callable[[Redis], None] | None]] = {
    "killed": (Redis.kill, Redis.start),
    "silent": (Redis.freeze, Redis.thaw),
    "full": (
        lambda redis: command(redis, "config", "set", "maxmemory", "1"),
        lambda redis: command(redis, "config", "set", "maxmemory", "0"),
    ),
    "scripts flushed": (lambda redis: command(redis, "script", "flush"), None),
    "all flushed": (lambda redis: command(redis, "flushall"), None),
}


async def endure(server: Server, redis: Redis, load: Load) -> dict[str, tuple[float, float, float]]:
    """Every trouble under load. For each: when it began, when it ended, how long until limits were shared again."""
    running = asyncio.create_task(load.run(server))
    await asyncio.sleep(SECONDS)
    times = {"none": (time.monotonic() - SECONDS + 0.5, time.monotonic(), 0.0)}
    for name, (harm, mend) in TROUBLE.items():
        began = time.monotonic()
        await asyncio.to_thread(harm, redis)
        await asyncio.sleep(SECONDS)
        if mend is not None:
            assert not await asyncio.to_thread(shared, server), name
            await asyncio.to_thread(mend, redis)
        mended = time.monotonic()
        assert await asyncio.to_thread(until, lambda: shared(server)), name
        times[name] = began, mended, time.monotonic() - mended
    load.going = False
    await running
    return times


def test_requests_are_limited_and_hardly_wait_whatever_redis_does(launch: Launch, redis: Redis) -> None:
    server, load = launch(playbook(chain("/ok", "c.JSON(200, {})")), CONFIG % redis.address), Load()
    times = asyncio.run(endure(server, redis, load))
    usual = load.waits(*times["none"][:2])
    base = usual[int(len(usual) * 0.99)]
    rate = len(usual) / (times["none"][1] - times["none"][0])
    tell("T9", "Redis well", f"{rate:.0f} requests/s, p99 {base * 1e3:.1f} ms")
    assert not load.odd
    for name, (began, mended, back) in times.items():
        first, then = load.waits(began, began + NOTICED), load.waits(began + NOTICED, mended)
        added = then[int(len(then) * 0.99)] - base
        allowed, due = load.allowed(began, mended), RATE * (mended - began)
        said = f"worst {first[-1] * 1e3:.0f} ms at first, then p99 {added * 1e3:+.1f} ms, back in {back:.1f} s"
        tell("T9", name, f"{said}, allowed {min(allowed)} to {max(allowed)} of {due:.0f}")
        assert first[-1] <= 0.1 + base + 5 * SLACK, name
        assert added <= 0.02 + SLACK, name
        assert back <= 2.0 + SLACK, name
        assert max(allowed) <= LIMIT + BURST + due + 2, "at most the limit once more"
        assert min(allowed) >= due - RATE * 0.2 - 2, "nobody is starved"
