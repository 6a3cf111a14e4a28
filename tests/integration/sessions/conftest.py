"""The three stores of sessions, each as two servers would use it, with a way to let time pass."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actors.reach.redis_client import RedisDoor, RedisSettings
from actors.sessions.stores.memory import MemoryCaps, MemorySessions
from actors.sessions.stores.redis import RedisSessions
from actors.sessions.stores.store import SessionStore
from tests.integration.reach.conftest import RedisServer

LIFETIME_SECONDS = 1.0
MAX_KB = 64


@dataclass
class Bench:
    """Two servers over one store."""

    here: SessionStore
    there: SessionStore
    pass_time: Callable[[float], object]
    """Let that many seconds pass; awaited where it is real."""
    made: list[str] = field(default_factory=list)

    def new(self) -> str:
        """An id nobody has."""
        return secrets.token_urlsafe(24)

    async def later(self, seconds: float) -> None:
        passing = self.pass_time(seconds)
        if asyncio.iscoroutine(passing):
            await passing


@pytest.fixture(scope="module")
def session_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for the suite; it is never emptied, since ids are never used twice."""
    server = RedisServer(Path(tmp_path_factory.mktemp("redis")))
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["memory", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "memory":
        now = [1_000.0]

        def jump(seconds: float) -> None:
            now[0] += seconds

        store = MemorySessions(MemoryCaps(LIFETIME_SECONDS, MAX_KB), lambda: now[0])
        yield Bench(store, store, jump)
        return
    server: RedisServer = request.getfixturevalue("session_redis")
    doors = [RedisDoor(RedisSettings(f"127.0.0.1:{server.port}", seconds=5.0)) for _ in range(2)]
    for door in doors:
        await door.open()
    here, there = (RedisSessions(door, LIFETIME_SECONDS, MAX_KB) for door in doors)
    yield Bench(here, there, asyncio.sleep)
    for door in doors:
        await door.close()
