"""The three stores of sessions, each as two servers would use it, with a way to let time pass."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from actors.databases.connection import DatabaseOptions, make_database
from actors.databases.database import Database
from actors.guards.encryption import NO_KEYS, Keyring
from actors.reach.redis_client import RedisDoor, RedisSettings
from actors.sessions.stores.memory import MemoryCaps, MemorySessions
from actors.sessions.stores.postgres import PostgresSessions
from actors.sessions.stores.redis import RedisSessions
from actors.sessions.stores.store import SessionStore
from tests.servers.fixtures import pgbouncer_server, postgres_server, redis_server
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

__all__ = ["pgbouncer_server", "postgres_server", "redis_server"]
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


@pytest.fixture(params=["memory", "redis", "postgres", "pgbouncer", "redis encrypted", "postgres encrypted"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "memory":
        now = [1_000.0]

        def jump(seconds: float) -> None:
            now[0] += seconds

        store = MemorySessions(MemoryCaps(LIFETIME_SECONDS, MAX_KB), lambda: now[0])
        yield Bench(store, store, jump)
        return
    # The servers are never emptied: ids are not used twice.
    kind, _, encrypted = request.param.partition(" ")
    keys = Keyring("the key of these tests", "k1") if encrypted else NO_KEYS
    if kind == "redis":
        doors = [redis_door(request.getfixturevalue("redis_server")) for _ in range(2)]
        for door in doors:
            await door.open()
        here, there = (RedisSessions(door, LIFETIME_SECONDS, MAX_KB, keys=keys) for door in doors)
        yield Bench(here, there, asyncio.sleep)
        for door in doors:
            await door.close()
        return
    server = request.getfixturevalue(f"{kind}_server")
    stores = [PostgresSessions(database(server), LIFETIME_SECONDS, MAX_KB, keys) for _ in range(2)]
    for store in stores:
        await store.open()
    yield Bench(*stores, asyncio.sleep)
    for store in stores:
        await store.close()


def redis_door(server: Redis) -> RedisDoor:
    """A door to it, patient with a machine that does other things too."""
    return RedisDoor(RedisSettings(server.address, seconds=5.0))


def database(server: Postgres | PgBouncer) -> Database:
    """A database of its own for a store, as `[pg_session]` makes it."""
    return make_database("postgres", server.dsn(), DatabaseOptions(pgbouncer=isinstance(server, PgBouncer)))
