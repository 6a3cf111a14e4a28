"""One bucket actor for each client, alive while it has mail, whatever happens to it or its keeper."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.kernel import ManualClock
from actors.limits.limits import CROWD
from protocol.lifecycle import Started, Stopped
from protocol.limits import Quota
from tests.unit.actors.limits.conftest import Stage

QUOTA = Quota(10, 60.0, 2)


async def test_a_thousand_requests_of_one_client_at_once_are_counted_one_after_the_other(stage: Any) -> None:
    ready = await stage(QUOTA)
    assert await ready.allowed("a", 1000) == 10
    assert await ready.allowed("b", 1000) == 10


async def test_a_bucket_lives_while_it_has_mail_and_its_state_stays(stage: Any) -> None:
    ready = await stage(QUOTA)
    lives: list[Any] = []
    ready.system.subscribe(lives.append)
    await ready.allowed("a", 5)
    await asyncio.sleep(1.1)
    assert ready.limits.live == 0
    assert [type(event) for event in lives if event.path == "/root/limits/a"] == [Started, Stopped]
    assert ready.limits.figures.keys == 1
    assert await ready.allowed("a", 20) == 5


async def test_in_a_crowd_a_bucket_leaves_at_once(stage: Any) -> None:
    ready = await stage(QUOTA, most=5000)
    await asyncio.gather(*(ready.limits.take(str(number)) for number in range(3000)))
    await asyncio.sleep(0)
    assert ready.limits.live == CROWD
    assert ready.limits.figures.keys == 3000
    await asyncio.sleep(1.1)
    assert ready.limits.live == 0


async def test_a_killed_bucket_costs_nobody_an_answer(stage: Any) -> None:
    ready = await stage(QUOTA)
    takes = [asyncio.ensure_future(ready.limits.take("a")) for _ in range(100)]
    await asyncio.sleep(0)
    ready.system.kill(ready.limits._live["a"])
    assert sum(taken.allowed for taken in await asyncio.gather(*takes)) == 10


async def test_a_killed_keeper_costs_nobody_an_answer_and_forgets_nothing(stage: Any) -> None:
    ready = await stage(QUOTA)
    assert await ready.allowed("a", 4) == 4
    takes = [asyncio.ensure_future(ready.limits.take("a")) for _ in range(100)]
    await asyncio.sleep(0)
    ready.system.kill(ready.keeper)
    assert sum(taken.allowed for taken in await asyncio.gather(*takes)) == 6
    await asyncio.sleep(1.0)
    assert await ready.allowed("a", 10) == 0
    await asyncio.sleep(6.0)
    assert await ready.allowed("a", 10) == 1


async def test_a_limit_of_nothing_lets_nobody_in(stage: Any) -> None:
    ready = await stage(Quota(0, 60.0, 10))
    taken = await ready.limits.take("a")
    assert (taken.allowed, taken.remaining, taken.retry_seconds) == (False, 0, 60.0)
    assert ready.limits.figures.keys == 0


async def test_buckets_that_say_nothing_are_swept_away(stage: Any) -> None:
    ready = await stage(QUOTA)
    await ready.allowed("a", 10)
    await asyncio.sleep(119.0)
    assert ready.limits.figures.keys == 1, "it is full, and has not been for a whole window"
    await asyncio.sleep(62.0)
    assert ready.limits.figures.keys == 0


async def test_another_quota_is_obeyed_at_once(stage: Any) -> None:
    ready = await stage(QUOTA)
    assert await ready.allowed("a", 20) == 10
    ready.limits.obey(Quota(3, 60.0))
    assert await ready.allowed("a", 20) == 3


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 9), st.integers(1, 5)), max_size=60))
def test_each_client_gets_what_is_its_own_whatever_the_others_do(uses: list[tuple[str, float, int]]) -> None:
    async def main() -> None:
        ready = Stage(QUOTA, 1000, None)
        await ready.start()
        tokens, seen, loop = dict[str, float](), dict[str, float](), asyncio.get_running_loop()
        for key, pause, times in uses:
            await asyncio.sleep(pause)
            now = loop.time()
            back = (now - seen.get(key, now)) / 6.0
            there = min(12.0, tokens.get(key, 10.0) + back)
            allowed = await ready.allowed(key, times)
            if abs(there - round(there)) > 1e-3 or there == 10.0:
                assert allowed == min(times, int(there))
            tokens[key], seen[key] = there - allowed, now
        await ready.system.stop()

    with ManualClock() as clock:
        clock.run(main())
