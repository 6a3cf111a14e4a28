"""Commands to a real Redis: replies, refusals, and every way it can be gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.reach.redis_client import RedisDoor, RedisScript, RedisSettings
from protocol.errors import CallRefused, Overloaded, Unavailable
from tests.integration.reach.conftest import RedisServer

INCREASE = RedisScript("return redis.call('INCRBY', KEYS[1], ARGV[1])")


@pytest.fixture
async def door(redis_server: RedisServer) -> AsyncIterator[RedisDoor]:
    door = RedisDoor(RedisSettings(host=f"127.0.0.1:{redis_server.port}", pool_size=4))
    await door.open()
    yield door
    await door.close()


async def test_replies_come_as_bytes_numbers_none_and_lists(door: RedisDoor) -> None:
    assert await door.call("HSET", "k", "f", "grüße") == 1
    assert await door.call("HGET", "k", "f") == "grüße".encode()
    assert await door.call("HGET", "k", "none") is None
    assert await door.call("HGETALL", "k") == [b"f", "grüße".encode()]
    assert await door.call("SET", "n", 7) == b"OK"


async def test_what_redis_says_no_to_is_refused_and_the_connection_goes_on(door: RedisDoor) -> None:
    await door.call("SET", "text", "x")
    with pytest.raises(CallRefused, match="WRONGTYPE") as refused:
        await door.call("HGET", "text", "f")
    assert refused.value.name == "RedisError"
    assert await door.call("GET", "text") == b"x"


async def test_a_script_survives_that_the_server_forgets_it(door: RedisDoor) -> None:
    assert await door.run(INCREASE, ["n"], [2]) == 2
    await door.call("SCRIPT", "FLUSH")
    assert await door.run(INCREASE, ["n"], [3]) == 5


async def test_the_database_number_counts(redis_server: RedisServer) -> None:
    first = RedisDoor(RedisSettings(host=f"127.0.0.1:{redis_server.port}"))
    second = RedisDoor(RedisSettings(host=f"redis://127.0.0.1:{redis_server.port}/3"))
    await first.open()
    await second.open()
    await second.call("SET", "k", "v")
    assert await first.call("GET", "k") is None
    await first.close()
    await second.close()


async def test_a_wrong_password_is_an_outage_that_does_not_show_it(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, "--requirepass", "right")
    server.start()
    door = RedisDoor(RedisSettings(host=f"127.0.0.1:{server.port}", password="wrong-one"))
    await door.open()
    try:
        with pytest.raises(Unavailable) as refused:
            await door.call("PING")
        assert "wrong-one" not in str(refused.value)
        good = RedisDoor(RedisSettings(host=f"127.0.0.1:{server.port}", password="right"))
        await good.open()
        assert await good.call("PING") == b"PONG"
        await good.close()
    finally:
        await door.close()
        server.kill()


async def test_a_dead_redis_answers_within_200_ms_and_is_found_again(
    door: RedisDoor, redis_server: RedisServer
) -> None:
    await door.call("PING")
    redis_server.kill()
    for _ in range(10):
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            await door.call("PING")
        assert time.monotonic() - begun < 0.2
    assert not door.reachable
    redis_server.start()
    await _until_it_answers(door)
    assert door.reachable


async def test_a_silent_redis_answers_within_200_ms_and_its_late_replies_reach_nobody(
    door: RedisDoor, redis_server: RedisServer
) -> None:
    await door.call("SET", "k", "old")
    redis_server.silence()
    for number in range(8):
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            await door.call("GET", f"other-{number}")
        assert time.monotonic() - begun < 0.25
    redis_server.wake()
    await _until_it_answers(door)
    assert await asyncio.gather(*(door.call("ECHO", str(n)) for n in range(20))) == [str(n).encode() for n in range(20)]


async def test_cancelled_calls_neither_mix_up_replies_nor_use_up_connections(door: RedisDoor) -> None:
    for number in range(200):
        call = asyncio.ensure_future(door.call("ECHO", f"lost-{number}"))
        await asyncio.sleep(0 if number % 3 else 0.0005)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    assert await asyncio.gather(*(door.call("ECHO", str(n)) for n in range(50))) == [str(n).encode() for n in range(50)]


async def test_busy_connections_are_no_outage(door: RedisDoor) -> None:
    waiting = [asyncio.ensure_future(door.call("BLPOP", "nothing", 1, seconds=2.0)) for _ in range(4)]
    await asyncio.sleep(0.05)
    with pytest.raises(Overloaded):
        await door.call("PING")
    assert door.reachable
    await asyncio.gather(*waiting)
    assert await door.call("PING") == b"PONG"


async def test_closing_ends_what_is_under_way(door: RedisDoor) -> None:
    waiting = [asyncio.ensure_future(door.call("BLPOP", "nothing", 5, seconds=6.0)) for _ in range(4)]
    await asyncio.sleep(0.1)
    await door.close()
    results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 2)
    assert {type(result) for result in results} == {Unavailable}


async def test_without_redis_and_before_it_is_open_the_answer_says_so() -> None:
    with pytest.raises(Unavailable, match=r"set \[redis\] host"):
        await RedisDoor(RedisSettings()).call("PING")
    with pytest.raises(Unavailable, match="not open"):
        await RedisDoor(RedisSettings(host="127.0.0.1:1")).call("PING")


async def _until_it_answers(door: RedisDoor) -> None:
    async with asyncio.timeout(3):
        while True:
            try:
                await door.call("PING")
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return
