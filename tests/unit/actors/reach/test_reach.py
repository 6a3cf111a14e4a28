"""The ways out as part of a tree: open while it stands, closed when it falls, however it falls."""

from __future__ import annotations

import asyncio

import pytest

from actors.kernel import ChildSpec, Restart, Supervisor, System
from actors.reach.http_client import HttpSettings
from actors.reach.http_message import HttpRequest
from actors.reach.keeper import Keeper, kept
from actors.reach.reach import Reach, ReachSettings
from actors.reach.redis_client import RedisDoor, RedisSettings
from protocol.errors import BadDocument, CallRefused, Unavailable


class Door:
    def __init__(self) -> None:
        self.says: list[str] = []

    async def open(self) -> None:
        self.says.append("open")

    async def close(self) -> None:
        self.says.append("close")


async def test_a_door_is_open_as_long_as_its_keeper_lives() -> None:
    door = Door()
    system = System()
    await system.start(ChildSpec("keeper", lambda: Keeper(door)))
    assert door.says == ["open"]
    await system.stop()
    assert door.says == ["open", "close"]


async def test_a_killed_keeper_leaves_no_door_open() -> None:
    door = Door()
    system = System()
    root = Supervisor([ChildSpec("keeper", lambda: Keeper(door), restart=Restart.TEMPORARY)])
    await system.start(ChildSpec("root", lambda: root))
    system.kill(root.context.children[0])
    await asyncio.sleep(0.01)
    assert door.says == ["open", "close"]
    await system.stop()


async def test_a_restarted_keeper_opens_the_door_again() -> None:
    reach = Reach(ReachSettings(HttpSettings()))
    system = System()
    root = Supervisor([kept("http", reach.http)])
    await system.start(ChildSpec("root", lambda: root))
    system.kill(root.context.children[0])
    await asyncio.sleep(0.3)
    with pytest.raises(CallRefused, match="not allowed"):  # and not: not open
        await reach.http.fetch(HttpRequest("GET", "http://127.0.0.1:1/"))
    await system.stop()
    with pytest.raises(Unavailable, match="not open"):
        await reach.http.fetch(HttpRequest("GET", "http://127.0.0.1:1/"))


async def test_everything_starts_without_its_servers_and_stops_again() -> None:
    reach = Reach(ReachSettings(redis=RedisSettings(host="127.0.0.1:1")))
    before = asyncio.all_tasks()
    system = System()
    await system.start(ChildSpec("root", lambda: Supervisor(reach.children())))
    with pytest.raises(Unavailable):
        await reach.redis.call("PING")
    await system.stop()
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() <= before


def test_scripts_get_every_function_and_flows_every_kind() -> None:
    reach = Reach(ReachSettings())
    names = set(reach.functions(lambda source, data: source))
    verbs = {
        f"http_{verb}{tail}" for verb in ("get", "post", "put", "patch", "delete") for tail in ("", "_with_header")
    }
    mails = {"mail_config", "send_mail", "send_mail_async", "mail.send"}
    redis = {"redis_hset", "redis_hget", "redis_hdel", "redis_expire"}
    assert names == verbs | mails | redis | {"http.request", "openai", "gemini", "ollama", "send_otp", "check_otp"}
    assert set(reach.kinds()) == {"http", "mail"}


@pytest.mark.parametrize("host", ["http://x", "host:port", ":6379", "redis://", "redis://h:x/0"])
def test_a_redis_host_that_cannot_be_is_reported_with_its_key(host: str) -> None:
    with pytest.raises(BadDocument, match=r"redis\.host"):
        RedisDoor(RedisSettings(host=host))


@pytest.mark.parametrize("host", ["h", "h:1", "[::1]:6379", "[::1]", "redis://u:p%40@h:1/2", "rediss://h"])
def test_the_forms_of_a_redis_host_are_taken(host: str) -> None:
    assert RedisDoor(RedisSettings(host=host)).configured
