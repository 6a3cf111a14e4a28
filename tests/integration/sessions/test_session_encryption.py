"""Sessions at rest: what their servers hold is not to be read, and what was kept before there was a key still is."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from actors.guards.encryption import NO_KEYS, Keyring
from actors.sessions.stores.postgres import PostgresSessions
from actors.sessions.stores.redis import RedisSessions
from protocol.errors import Unavailable
from protocol.sessions import Changes
from tests.integration.sessions.conftest import database, redis_door

ONE, TWO = Keyring("the first of the keys", "k1"), Keyring("the second of the keys", "k2", "k1:the-wrong-one")


@pytest.fixture(params=["redis", "postgres"])
async def kept(request: pytest.FixtureRequest) -> Any:
    """Makes a store with these keys, and tells what its server holds of a session."""
    opened: list[Any] = []
    server = request.getfixturevalue(f"{request.param}_server")
    door, rows = redis_door(server) if request.param == "redis" else None, None
    if door is not None:
        await door.open()
    else:
        rows = database(server)
        await rows.open()

    async def make(keys: Keyring) -> Any:
        if door is not None:
            return RedisSessions(door, 3_600.0, 64, keys=keys)
        store = PostgresSessions(database(server), 3_600.0, 64, keys)
        await store.open()
        opened.append(store)
        return store

    async def raw(session: str) -> str:
        if door is not None:
            return str(await door.call("HGETALL", f"nflow:session:{session}"))
        return str((await rows.query("select maps from nflow_session where id = $1", [session])).rows)

    yield make, raw
    for store in opened:
        await store.close()
    await (door or rows).close()


async def test_a_session_is_not_to_be_read_where_it_is_kept(kept: Any) -> None:
    make, raw = kept
    store, session = await make(ONE), secrets.token_urlsafe(24)
    await store.save(session, Changes({"cart": {"card": "c4n4ry"}}), begin=True)
    assert "c4n4ry" not in await raw(session)
    assert await store.load(session) == {"cart": {"card": "c4n4ry"}}
    renamed = secrets.token_urlsafe(24)
    await store.save(session, Changes({"cart": {"more": 1}}), rename=renamed)
    assert await store.load(renamed) == {"cart": {"card": "c4n4ry", "more": 1}}


async def test_a_session_of_before_there_was_a_key_goes_on_and_is_encrypted_as_it_changes(kept: Any) -> None:
    make, raw = kept
    session = secrets.token_urlsafe(24)
    await (await make(NO_KEYS)).save(session, Changes({"cart": {"n": "0ld"}}), begin=True)
    assert "0ld" in await raw(session)
    store = await make(ONE)
    await store.save(session, Changes({"cart": {"n": "n3w"}}))
    assert await store.load(session) == {"cart": {"n": "n3w"}}
    assert "n3w" not in await raw(session)


async def test_a_session_under_a_lost_key_is_out_of_reach_and_says_which(kept: Any) -> None:
    make, _ = kept
    session = secrets.token_urlsafe(24)
    await (await make(ONE)).save(session, Changes({"cart": {"n": 1}}), begin=True)
    with pytest.raises(Unavailable, match="'k1'"):
        await (await make(Keyring("another key, of another name", "k3"))).load(session)
    with pytest.raises(Unavailable, match="decryption failed"):
        await (await make(TWO)).load(session)
