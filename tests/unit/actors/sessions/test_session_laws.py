"""Nothing acknowledged is lost, and nobody sees another one's session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from protocol.errors import CallRefused, Crashed, Overloaded, Unavailable
from protocol.sessions import Changes, SessionEnded
from tests.unit.actors.sessions.conftest import DAY, Stage

Make = Callable[..., Any]


async def test_two_runs_at_once_on_one_session_lose_nothing(stage: Stage) -> None:
    session = await stage.begun(cart={"items": 1}, old={"x": 1})
    stage.store.seconds = 0.5
    one, other = stage.view(session), stage.view(session)
    await one.write("cart", {"note": "gift"})
    await other.write("cart", {"coupon": "TEN"})
    await other.delete("old")
    await one.write("mine", {"a": [1]})
    assert await asyncio.gather(one.commit(), other.commit()) == ["", ""]
    assert await stage.maps(session) == {"cart": {"items": 1, "note": "gift", "coupon": "TEN"}, "mine": {"a": [1]}}


async def test_a_run_sees_one_moment_and_its_own_writes_only(stage: Stage) -> None:
    session = await stage.begun(a={"x": 1})
    run, other = stage.view(session), stage.view(session)
    assert await run.read("a") == {"x": 1}
    await other.write("a", {"x": 2})
    assert await run.read("a") == {"x": 1}
    await other.commit()
    assert await run.read("a") == {"x": 1}
    await run.write("a", {"y": 3})
    assert await run.read("a") == {"x": 1, "y": 3}
    assert await stage.view(session).read("a") == {"x": 2}


async def test_two_clients_never_share(stage: Stage) -> None:
    ana, bob = stage.view(), stage.view()
    await ana.write("auth_session", {"profile": "ana"})
    await bob.write("auth_session", {"profile": "bob"})
    first, second = await ana.commit(), await bob.commit()
    assert first != second
    assert min(len(first), len(second)) >= 32
    assert await stage.view(first).read("auth_session") == {"profile": "ana"}
    assert await stage.view(second).read("auth_session") == {"profile": "bob"}
    assert await stage.view().read("auth_session") == {}
    assert await stage.view(first[:-1] + "0").read("auth_session") == {}


async def test_passivation_keeps_the_state(make: Make) -> None:
    stage: Stage = await make(idle_seconds=60.0)
    session = await stage.begun(a={"x": {"nested": [1, 2]}})
    await asyncio.sleep(59)
    assert stage.door.live == 1
    await stage.view(session).read("a")
    await asyncio.sleep(59)
    assert stage.door.live == 1
    await asyncio.sleep(2)
    assert stage.door.live == 0
    assert await stage.view(session).read("a") == {"x": {"nested": [1, 2]}}


async def test_a_session_in_memory_is_loaded_once_and_saved_before_its_answer(stage: Stage) -> None:
    session = await stage.begun(a={"x": 0})
    for n in range(1, 4):
        view = stage.view(session)
        assert await view.read("a") == {"x": n - 1}
        await view.write("a", {"x": n})
        await view.commit()
        assert await stage.maps(session) == {"a": {"x": n}}
    assert stage.store.loads == 0


async def test_a_large_session_is_kept_by_its_store_alone(stage: Stage) -> None:
    session = await stage.begun(shop={"k": "x" * 100_000})
    for loads in (1, 2):
        assert (await stage.door.open(session)).maps["shop"]["k"] == "x" * 100_000
        assert stage.store.loads == loads
    await stage.door.save(session, Changes({"shop": {"k": "small"}}))
    for _ in range(2):
        assert (await stage.door.open(session)).maps == {"shop": {"k": "small"}}
    assert stage.store.loads == 3


async def test_a_crash_of_the_actor_loses_nothing_acknowledged(stage: Stage) -> None:
    session = await stage.begun(a={"x": 1})
    for n in range(20):
        stage.store.breaks = RuntimeError("a bug")
        with pytest.raises(Crashed):
            await stage.door.save(session, Changes({"a": {f"unsure{n}": n}}))
        await stage.door.save(session, Changes({"a": {f"sure{n}": n}}))
    found = await stage.view(session).read("a")
    assert {"x": 1, **{f"sure{n}": n for n in range(20)}}.items() <= found.items()
    assert found == (await stage.maps(session) or {})["a"]
    other = await stage.begun(b={"y": 1})
    assert await stage.view(other).read("b") == {"y": 1}


async def test_mail_behind_a_crash_is_still_answered(stage: Stage) -> None:
    session = await stage.begun(a={"x": 1})
    stage.store.seconds = 0.1
    stage.store.breaks = RuntimeError("a bug")
    saves = [stage.door.save(session, Changes({"a": {f"k{n}": n}})) for n in range(5)]
    outcomes = await asyncio.gather(*saves, return_exceptions=True)
    assert [type(each) for each in outcomes] == [Crashed, *[type(None)] * 4]
    found = await stage.view(session).read("a")
    assert {"x": 1, "k1": 1, "k2": 2, "k3": 3, "k4": 4}.items() <= found.items()


async def test_an_outage_is_unavailable_and_nothing_acknowledged_is_lost(stage: Stage) -> None:
    session = await stage.begun(a={"x": 1})
    view = stage.view(session)
    await view.write("a", {"x": 2})
    stage.store.outage = Unavailable("the store is away")
    with pytest.raises(Unavailable, match="away"):
        await view.commit()
    with pytest.raises(Unavailable):
        await stage.view(session).read("a")
    with pytest.raises(Unavailable):
        await stage.begun(b={"y": 1})
    assert not stage.door.state.available
    stage.store.outage = None
    assert await stage.view(session).read("a") == {"x": 1}
    assert stage.door.state.available
    await view.commit()
    assert await stage.view(session).read("a") == {"x": 2}


async def test_a_save_whose_outcome_is_unknown_is_looked_up_again(stage: Stage) -> None:
    session = await stage.begun(a={"x": 1})
    assert await stage.view(session).read("a") == {"x": 1}
    stage.store.breaks = Unavailable("cut off after it was written")
    with pytest.raises(Unavailable):
        await stage.door.save(session, Changes({"a": {"x": 2}}))
    assert await stage.view(session).read("a") == {"x": 2}


async def test_a_store_that_hangs_is_unavailable_at_the_deadline(make: Make) -> None:
    stage: Stage = await make(call_seconds=2.0)
    session = await stage.begun(a={"x": 1})
    stage.store.seconds = 100.0
    began = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable):
        await stage.door.save(session, Changes({"a": {"x": 2}}))
    assert asyncio.get_running_loop().time() - began < 2.1
    stage.store.seconds = 0.0
    assert await stage.view(session).read("a") == {"x": 1}


async def test_an_expired_session_is_gone_also_for_those_who_know_its_id(make: Make) -> None:
    stage: Stage = await make(lifetime_seconds=2 * DAY)
    unused, used = await stage.begun(a={"x": 1}), await stage.begun(a={"x": 2})
    for _ in range(3):
        await asyncio.sleep(DAY)
        assert await stage.view(used).read("a") == {"x": 2}
    assert len(stage.store) == 1  # swept, though nobody asked for it
    view = stage.view(unused)
    assert await view.read("a") == {}
    assert view.id == ""
    await view.write("a", {"y": 1})
    assert await view.commit() not in ("", unused)


async def test_a_planted_id_is_never_taken_over(stage: Stage) -> None:
    planted = "A" * 32
    view = stage.view(planted)
    await view.write("a", {"x": 1})
    assert await view.commit() not in ("", planted)
    assert await stage.maps(planted) is None


async def test_a_login_gives_a_new_id_and_ends_the_old_one(stage: Stage) -> None:
    old = await stage.begun(cart={"items": 3}, auth_session={})
    late = stage.view(old)
    await late.write("cart", {"items": 4})
    view = stage.view(old)
    await view.rotate()
    await view.write("auth_session", {"profile": "ana"})
    new = await view.commit()
    assert new not in ("", old)
    assert view.id == new
    assert await stage.view(new).read("cart") == {"items": 3}
    assert await stage.view(new).read("auth_session") == {"profile": "ana"}
    assert await stage.view(old).read("cart") == {}
    with pytest.raises(SessionEnded):  # whoever holds the old id changes nothing in the new session
        await late.commit()
    assert await view.commit() == ""


async def test_nothing_is_written_when_nothing_changed(stage: Stage) -> None:
    session = await stage.begun(a={"x": 1, "y": [True]})
    before = stage.store.saves
    view = stage.view(session)
    await view.write("a", {"x": 1, "y": [True]})
    await view.delete("none")
    await view.remove("a", ["none"])
    await view.write("b", {})
    assert not view.changed
    assert await view.commit() == ""
    assert stage.store.saves == before
    await view.write("a", {"x": True})  # for Python they are equal
    await view.commit()
    assert stage.store.saves == before + 1
    fresh = stage.view()
    await fresh.rotate()
    await fresh.delete("a")
    assert await fresh.commit() == ""
    assert len(stage.store) == 1


async def test_all_changes_of_a_run_are_one_message(stage: Stage) -> None:
    session = await stage.begun(a={"x": 1}, b={"y": 1, "z": 1})
    before = stage.store.saves
    view = stage.view(session)
    await view.write("a", {"x": 2})
    await view.delete("a")
    await view.write("a", {"w": 1})
    await view.remove("b", ["y"])
    await view.write("b", {"y": 2})
    await view.write("c", {"gone": 1, "left": 1})
    await view.remove("c", ["gone"])
    await view.remove("b", ["z"])
    expected = {"a": {"w": 1}, "b": {"y": 2}, "c": {"left": 1}}
    assert {name: await view.read(name) for name in "abc"} == expected
    await view.commit()
    assert await stage.maps(session) == expected
    assert stage.store.saves == before + 1


async def test_what_grows_too_large_is_refused_at_once_and_the_rest_is_kept(make: Make) -> None:
    stage: Stage = await make(max_kb=8)
    view = stage.view()
    await view.write("a", {"x": "kept"})
    with pytest.raises(CallRefused, match=r"8 KiB \(session\.max_kb = 8\)"):
        await view.write("a", {"big": "b" * 9_000})
    await view.write("a", {"half": "b" * 5_000})
    with pytest.raises(CallRefused, match=r"session\.max_kb"):
        await view.write("c", {"half": "b" * 5_000})
    for _ in range(50):  # the same key again and again is no growth
        await view.write("a", {"half": "b" * 4_000})
        await view.write("a", {"half": "b" * 4_001})
    session = await view.commit()
    assert await stage.maps(session) == {"a": {"x": "kept", "half": "b" * 4_001}}
    one, other = stage.view(session), stage.view(session)
    await one.write("c", {"y": "c" * 3_000})
    await other.write("d", {"y": "d" * 3_000})
    await one.commit()
    with pytest.raises(CallRefused, match=r"session\.max_kb"):  # each fits, both do not
        await other.commit()
    assert "d" not in (await stage.maps(session) or {})


async def test_state_beyond_a_cookie_survives_nested(stage: Stage) -> None:
    state = {"rows": [{"n": n, "cells": [{"v": "x" * 20}] * 5} for n in range(500)]}
    view = stage.view()
    await view.write("nflow_form", state)
    session = await view.commit()
    await asyncio.sleep(DAY)
    assert await stage.view(session).read("nflow_form") == state


@pytest.mark.parametrize("value", [float("1e400"), 2**70, "\ud800", object()])
async def test_what_is_no_json_never_reaches_the_store(stage: Stage, value: Any) -> None:
    view = stage.view()
    if value == float("inf"):
        await view.write("a", {"x": value})
        assert await stage.maps(await view.commit()) == {"a": {"x": None}}
        return
    with pytest.raises(CallRefused) as refused:
        await view.write("a", {"x": value})
    assert refused.value.name == "TypeError"
    assert await view.commit() == ""


async def test_what_is_nested_too_deeply_to_be_read_back_is_refused(stage: Stage) -> None:
    value: Any = "leaf"
    for _ in range(199):
        value = [value]
    view = stage.view()
    with pytest.raises(CallRefused, match="nested deeper"):
        await view.write("a", {"x": value})
    await view.write("a", {"x": value[0][0]})
    session = await view.commit()
    await asyncio.sleep(DAY)
    assert await stage.view(session).read("a") == {"x": value[0][0]}


async def test_the_longest_unused_goes_first_when_memory_is_full(make: Make) -> None:
    stage: Stage = await make(max_sessions=3, max_memory_mb=1)
    first, second, third = [await stage.begun(a={"n": n}) for n in range(3)]
    await stage.view(first).read("a")
    fourth = await stage.begun(a={"n": 4})
    found = [await stage.view(each).read("a") for each in (first, second, third, fourth)]
    assert found == [{"n": 0}, {}, {"n": 2}, {"n": 4}]
    assert stage.store.evicted == 1
    large = [await stage.begun(a={"x": "b" * 600_000}) for _ in range(2)]
    assert await stage.view(large[0]).read("a") == {}
    assert len((await stage.view(large[1]).read("a"))["x"]) == 600_000
    assert len(stage.store) == 1


async def test_live_sessions_are_bounded_and_idle_ones_make_room(make: Make) -> None:
    stage: Stage = await make(most_live=8, idle_seconds=10 * DAY)
    for n in range(100):
        await stage.begun(a={"n": n})
        await asyncio.sleep(0.001)
    assert stage.door.live <= 8
    stage.store.seconds = 1.0
    outcomes = await asyncio.gather(*(stage.begun(a={"n": n}) for n in range(20)), return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, Overloaded)]
    assert 12 <= len(refused) < 20
    assert stage.door.refused == len(refused)


async def test_a_stop_finishes_what_was_asked_and_then_refuses(stage: Stage) -> None:
    session = await stage.begun(a={"x": 1})
    stage.store.seconds = 0.2
    saves = [asyncio.ensure_future(stage.door.save(session, Changes({"a": {f"k{n}": n}}))) for n in range(5)]
    await asyncio.sleep(0.1)
    await stage.system.stop(timeout=30.0)
    outcomes = await asyncio.gather(*saves, return_exceptions=True)
    found = (await stage.maps(session) or {})["a"]
    assert {f"k{n}" for n, each in enumerate(outcomes) if each is None} == found.keys() - {"x"}
    assert outcomes == [None] * 5
    assert stage.store.closed
    with pytest.raises(Unavailable):
        await stage.door.open(session)


async def test_the_names_of_actors_do_not_tell_the_ids(stage: Stage) -> None:
    session = await stage.begun(a={"x": 1})
    assert session not in repr(stage.system.snapshot())


@pytest.mark.parametrize("text", ["", "x", "../../etc/passwd", "a" * 65, "'" * 32, "ä" * 32, "a" * 31 + "\n"])
async def test_an_id_that_cannot_be_one_is_never_looked_up(stage: Stage, text: str) -> None:
    assert not (await stage.door.open(text)).found
    await stage.door.end(text)
    assert stage.store.loads == 0


async def test_a_cleared_session_is_gone_though_its_actor_remembered_it(stage: Stage) -> None:
    session = await stage.begun(a={"x": 1})
    assert await stage.view(session).read("a") == {"x": 1}
    run = stage.view(session)
    await run.write("a", {"x": 2})
    assert (await stage.door.count(), await stage.door.clear(), await stage.door.count()) == (1, 1, 0)
    assert await stage.view(session).read("a") == {}
    with pytest.raises(SessionEnded):
        await run.commit()
