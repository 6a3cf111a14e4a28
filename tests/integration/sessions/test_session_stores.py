"""The laws of `SessionStore`, held against every store that ships, on real servers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.sessions.state import applied
from protocol.errors import CallRefused
from protocol.sessions import Changes, Maps, SessionEnded
from tests.integration.sessions.conftest import LIFETIME_SECONDS, MAX_KB, Bench

HOSTILE = (
    "", " ", "-", "0:", "3:abc", "1:a", ":", "'; drop table nflow_session; --", '"', "\\", "\\u0000", "\x00", "a\x00b",
    "$1", "%s", "{}", "[]", "null", "__proto__", "constructor", "ñandú", "💥", "\u2028", "a" * 200, "\r\n*1\r\n",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.5, 1e300, 2**53, -(2**63), "", "text", "\x00", "💥", [], {}, [[]], [{}], {"a": []},
    {"a": {"b": [1, {"c": None}]}}, ["1", "2"], list(range(100)),
)  # fmt: skip


async def begun(bench: Bench, maps: Maps) -> str:
    session = bench.new()
    await bench.here.save(session, Changes(maps), begin=True)
    return session


async def test_what_was_saved_is_read_back_as_it_was(bench: Bench) -> None:
    maps = {"values": {str(n): value for n, value in enumerate(VALUES)}, "other": {"k": "v"}}
    session = await begun(bench, maps)
    assert await bench.here.load(session) == maps
    assert await bench.there.load(session) == maps


async def test_names_and_keys_may_be_any_text(bench: Bench) -> None:
    maps = {name: {key: f"{name}/{key}" for key in HOSTILE} for name in HOSTILE[:16]}
    session = await begun(bench, {})
    for name, values in maps.items():
        await bench.here.save(session, Changes({name: values}, removals={"x": frozenset(HOSTILE)}))
    assert await bench.there.load(session) == maps
    await bench.here.save(session, Changes(deletions=frozenset(HOSTILE[:15])))
    assert await bench.there.load(session) == {HOSTILE[15]: maps[HOSTILE[15]]}


async def test_changes_are_deletions_then_removals_then_merges(bench: Bench) -> None:
    before = {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}, "c": {"x": 1}, "ab": {"x": 1}}
    changes = Changes(
        {"a": {"z": 3}, "b": {"x": 9, "w": 4}}, {"b": frozenset("xy"), "c": frozenset("xq")}, frozenset("a")
    )
    session = await begun(bench, before)
    await bench.here.save(session, changes)
    after = {"a": {"z": 3}, "b": {"x": 9, "w": 4}, "ab": {"x": 1}}
    assert await bench.here.load(session) == after == applied(before, changes)


async def test_an_empty_session_is_a_session(bench: Bench) -> None:
    session = await begun(bench, {"a": {"x": 1}})
    await bench.here.save(session, Changes(deletions=frozenset("a")))
    assert await bench.here.load(session) == {}
    await bench.here.save(session, Changes({"a": {"y": 1}}))
    assert await bench.here.load(session) == {"a": {"y": 1}}


async def test_sessions_share_nothing(bench: Bench) -> None:
    one, other = await begun(bench, {"a": {"x": 1}}), await begun(bench, {"a": {"x": 2}})
    await bench.here.save(one, Changes({"a": {"y": 3}}))
    assert await bench.here.load(other) == {"a": {"x": 2}}
    assert await bench.here.load(bench.new()) is None


async def test_merges_of_two_servers_at_once_lose_nothing(bench: Bench) -> None:
    session = await begun(bench, {"a": {"x": 0}})
    stores = (bench.here, bench.there)
    await asyncio.gather(
        *(stores[n % 2].save(session, Changes({f"map{n % 3}": {f"k{n}": n}, "all": {"last": n}})) for n in range(40))
    )
    found = await bench.there.load(session)
    assert found is not None
    assert {key for name in ("map0", "map1", "map2") for key in found[name]} == {f"k{n}" for n in range(40)}
    assert found["all"]["last"] in range(40)


async def test_too_large_is_refused_whole_and_names_the_key(bench: Bench) -> None:
    session = await begun(bench, {"a": {"x": "kept"}})
    await bench.here.save(session, Changes({"a": {"big": "b" * (MAX_KB * 1024 - 200)}}))
    with pytest.raises(CallRefused, match=r"session\.max_kb = 64"):
        await bench.here.save(session, Changes({"a": {"x": "lost", "more": "b" * 400}}))
    found = await bench.here.load(session)
    assert found is not None
    assert found["a"]["x"] == "kept"
    assert "more" not in found["a"]
    await bench.here.save(session, Changes({"a": {"more": "b" * 400}}, {"a": frozenset(("big",))}))
    assert await bench.there.load(session) == {"a": {"x": "kept", "more": "b" * 400}}
    with pytest.raises(CallRefused, match=r"session\.max_kb"):
        await begun(bench, {"a": {"x": "b" * (MAX_KB * 1024 + 1)}})


async def test_a_renamed_session_is_known_by_its_new_id_only(bench: Bench) -> None:
    session, new = await begun(bench, {"a": {"x": 1}, "b": {"y": 2}}), bench.new()
    await bench.here.save(session, Changes({"a": {"z": 3}}, deletions=frozenset("b")), rename=new)
    assert await bench.there.load(session) is None
    assert await bench.there.load(new) == {"a": {"x": 1, "z": 3}}
    with pytest.raises(SessionEnded):
        await bench.there.save(session, Changes({"a": {"x": 5}}))


async def test_nobody_brings_back_a_session_that_ended(bench: Bench) -> None:
    session = await begun(bench, {"a": {"x": 1}})
    await bench.there.end(session)
    await bench.there.end(session)
    assert await bench.here.load(session) is None
    assert not bench.here.touch(session)
    with pytest.raises(SessionEnded):
        await bench.here.save(session, Changes({"a": {"x": 1}}))
    with pytest.raises(SessionEnded):
        await bench.here.save(session, Changes({"a": {"x": 1}}), rename=bench.new())
    assert await bench.here.load(session) is None


async def test_a_session_lives_for_its_lifetime_after_each_use(bench: Bench) -> None:
    read, saved, unused = [await begun(bench, {"a": {"x": 1}}) for _ in range(3)]
    for _ in range(3):
        await bench.later(LIFETIME_SECONDS * 0.6)
        assert await bench.there.load(read) == {"a": {"x": 1}}
        await bench.there.save(saved, Changes({"a": {"x": 1}}))
    assert await bench.here.load(unused) is None
    with pytest.raises(SessionEnded):
        await bench.here.save(unused, Changes({"a": {"x": 1}}))
    await bench.later(LIFETIME_SECONDS * 1.1)
    while await bench.here.sweep():
        pass
    assert [await bench.here.load(each) for each in (read, saved, unused)] == [None] * 3


async def test_a_thousand_keys_and_deep_values_survive(bench: Bench) -> None:
    deep: Any = "leaf"
    for _ in range(150):
        deep = [deep]
    maps = {"many": {f"key {n}": {"n": n, "list": ["a"]} for n in range(1_000)}, "deep": {"value": deep}}
    session = await begun(bench, maps)
    assert await bench.there.load(session) == maps


async def test_clearing_ends_every_session_for_every_server_and_new_ones_can_begin(bench: Bench) -> None:
    old = [await begun(bench, {"a": {"n": n}}) for n in range(3)]
    counted = await bench.there.count()
    assert counted is None or counted >= 3
    assert await bench.here.clear() >= 3
    assert [await bench.there.load(session) for session in old] == [None] * 3
    with pytest.raises(SessionEnded):
        await bench.there.save(old[0], Changes({"a": {"n": 9}}))
    assert await bench.there.count() in (None, 0)
    new = await begun(bench, {"a": {"n": 1}})
    assert await bench.there.load(new) == {"a": {"n": 1}}
    assert await bench.here.count() in (None, 1)
    assert await bench.here.clear() == 1
    assert await bench.here.clear() == 0
