"""A thread for an object that is no actor: one call after the other, and an answer for every one."""

from __future__ import annotations

import asyncio
import threading

import pytest

from actors.kernel.threads import Thread
from protocol.errors import Gone, Refusal


async def test_calls_are_made_in_order_on_one_thread_that_is_not_the_loop_s() -> None:
    seen: list[tuple[int, int]] = []
    thread = Thread(lambda: seen.append((-1, threading.get_ident())))
    calls = [thread.call(lambda n=n: seen.append((n, threading.get_ident()))) for n in range(100)]
    await asyncio.gather(*calls)
    await thread.end()
    assert [number for number, _ in seen] == [*range(100), -1]
    [used] = {identity for _, identity in seen}
    assert used != threading.get_ident()


async def test_a_refusal_is_an_answer_and_anything_else_ends_the_thread() -> None:
    torn: list[bool] = []
    thread = Thread(lambda: torn.append(True))

    def refuse() -> None:
        raise Refusal("no")

    with pytest.raises(Refusal, match="no"):
        await thread.call(refuse)
    assert await thread.call(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await thread.call(lambda: 1 // 0)
    await thread.end()
    assert torn == [True]
    assert not thread.alive
    with pytest.raises(Gone):
        await thread.call(lambda: 5)


async def test_every_call_is_answered_also_when_the_thread_ends_at_that_moment() -> None:
    for _ in range(50):
        thread = Thread(lambda: None)
        calls = [thread.call(lambda: 5) for _ in range(20)]
        ended = thread.end()
        calls += [thread.call(lambda: 5) for _ in range(5)]
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*calls, return_exceptions=True)
            await ended
        assert all(answer == 5 or isinstance(answer, Gone) for answer in answers)


async def test_a_call_given_up_is_made_all_the_same() -> None:
    made = threading.Event()
    go_on = threading.Event()
    thread = Thread(lambda: None)
    call = thread.call(lambda: (go_on.wait(5), made.set()))
    call.cancel()
    go_on.set()
    assert await thread.call(lambda: made.is_set())
    await thread.end()
