"""A store that dies: 503 while it is away, and all that was acknowledged is there when it is back."""

from __future__ import annotations

import asyncio

import pytest

from actors.kernel import ChildSpec, System
from actors.sessions.session import SessionSettings
from actors.sessions.sessions import SessionKeeper, Sessions
from actors.sessions.stores.postgres import PostgresSessions
from actors.sessions.stores.redis import RedisSessions
from actors.sessions.stores.store import SessionStore
from actors.sessions.view import RunSession
from protocol.errors import Overloaded, Unavailable
from protocol.sessions import Changes
from tests.integration.sessions.conftest import database, redis_door
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis


async def keeper(store: SessionStore) -> tuple[System, Sessions]:
    door = Sessions(store, SessionSettings(call_seconds=3.0))
    system = System()
    await system.start(ChildSpec("sessions", lambda: SessionKeeper(door)))
    return system, door


async def back(door: Sessions, session: str) -> None:
    """Until the store is found again, which it is by itself."""
    async with asyncio.timeout(30.0):
        while True:
            try:
                await door.open(session)
                return
            except (Unavailable, Overloaded):
                await asyncio.sleep(0.1)


async def test_an_outage_of_postgresql_loses_nothing_acknowledged(postgres_server: Postgres) -> None:
    system, door = await keeper(PostgresSessions(database(postgres_server), 3_600.0, 64))
    session = await door.begin(Changes({"a": {"n": -1}}))
    acknowledged = -1
    for n in range(60):
        if n == 20:
            postgres_server.kill()
        if n == 40:
            postgres_server.start()
            await back(door, session)
        try:
            await door.save(session, Changes({"a": {"n": n, f"k{n}": n}}))
            acknowledged = n
            assert not 20 <= n < 40
        except Unavailable:
            assert 20 <= n < 40
            assert not door.state.available
    found = (await RunSession(door, session).read("a")).items()
    assert {"n": acknowledged, **{f"k{n}": n for n in (*range(20), *range(40, 60))}}.items() <= found
    assert door.state.available
    await system.stop()


async def test_a_server_that_starts_before_its_store_serves_once_it_is_there(postgres_server: Postgres) -> None:
    postgres_server.kill()
    try:
        system, door = await keeper(PostgresSessions(database(postgres_server), 3_600.0, 64))
        with pytest.raises(Unavailable):
            await door.begin(Changes({"a": {"x": 1}}))
    finally:
        postgres_server.start()
    await back(door, "A" * 32)
    session = await door.begin(Changes({"a": {"x": 1}}))
    assert (await door.open(session)).maps == {"a": {"x": 1}}
    await system.stop()


async def test_an_outage_of_redis_is_unavailable_and_passes(redis_server: Redis) -> None:
    redis = redis_door(redis_server)
    await redis.open()
    system, door = await keeper(RedisSessions(redis, 3_600.0, 64))
    session = await door.begin(Changes({"a": {"x": 1}}))
    redis_server.kill()
    for _ in range(5):
        with pytest.raises(Unavailable):
            await door.save(session, Changes({"a": {"x": 2}}))
    redis_server.start()  # it keeps nothing over its end, as it is configured here
    await back(door, session)
    assert not (await door.open(session)).found
    assert await door.begin(Changes({"a": {"x": 1}}))
    await system.stop()
    await redis.close()
