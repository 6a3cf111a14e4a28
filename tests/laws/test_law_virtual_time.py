"""Law 18: on a manual clock time is virtual, everything is deterministic, and a stalled program says so."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import Backoff, ChildSpec, Intensity, ManualClock, System
from actors.kernel import clock as clock_module
from actors.kernel.clock import StalledError
from protocol.lifecycle import Event

LAWS = (18,)
LOOPS = ("asyncio",)

Spec = Callable[..., ChildSpec]


def run(main: Any) -> Any:
    """On a clock of its own, in a thread of its own: the tests of this file already have a loop."""
    return asyncio.to_thread(_run, main)


def _run(main: Any) -> Any:
    with ManualClock() as clock:
        return clock.run(main())


async def test_a_year_passes_in_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(365 * 86400.0)
        return asyncio.get_running_loop().time()

    began = time.perf_counter()
    assert await run(main) == 365 * 86400.0
    assert time.perf_counter() - began < 1.0


async def test_timers_ring_in_order_at_their_exact_times() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        rings: list[float] = []
        for delay in (0.3, 0.1, 0.2, 0.7, 1.1):
            loop.call_later(delay, lambda: rings.append(loop.time()))
        await asyncio.sleep(5.0)
        return rings

    assert await run(main) == [0.1, 0.2, 0.3, 0.7, 1.1]


async def test_two_runs_of_one_seed_are_the_same_to_the_last_event(spec: Spec) -> None:
    async def main() -> list[str]:
        system = System(seed=42)
        events: list[Event] = []
        system.subscribe(events.append)
        backoff = Backoff(first_seconds=0.1, limit_seconds=2.0, jitter=1.0)

        async def work(self: Any, message: Any) -> None:
            await asyncio.sleep(system.engine.dice.random())
            if system.engine.dice.random() < 0.2:
                raise ValueError(message)

        boss = system.spawn(spec("boss", intensity=Intensity(10_000, 1.0)))

        def raise_workers(self: Any) -> list[Any]:
            return [self.context.spawn(spec(f"w{n}", receive=work, backoff=backoff)) for n in range(20)]

        refs = await boss.ask(raise_workers, 1.0)
        for number in range(1000):
            refs[number % 20].tell(number)
        asks = [ref.ask("slow", 3.0) for ref in refs]
        results = await asyncio.gather(*asks, return_exceptions=True)
        await asyncio.sleep(100.0)
        await system.stop()
        return [*map(repr, events), *map(repr, results), repr(asyncio.get_running_loop().time())]

    first = await run(main)
    assert len(first) > 300
    assert first == await run(main)


async def test_a_program_that_waits_for_nothing_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "REAL_SECONDS", 0.05)

    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StalledError):
        await run(main)


async def test_threads_and_sockets_wake_a_clock_with_nothing_else_to_do() -> None:
    async def main() -> tuple[str, bytes]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()
        threading.Timer(0.02, lambda: loop.call_soon_threadsafe(done.set_result, "from the thread")).start()
        text = await done
        left, right = socket.socketpair()
        left.setblocking(False)
        threading.Timer(0.02, lambda: right.send(b"from the socket")).start()
        data = await loop.sock_recv(left, 100)
        left.close()
        right.close()
        return text, data

    assert await run(main) == ("from the thread", b"from the socket")


async def test_time_stands_still_while_work_is_outside() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ManualClock)
        done: asyncio.Future[None] = loop.create_future()
        loop.outside += 1
        threading.Timer(0.05, lambda: loop.call_soon_threadsafe(done.set_result, None)).start()
        rung: list[float] = []
        loop.call_later(3.0, lambda: rung.append(loop.time()))
        await done
        before = loop.time()
        loop.release()
        await asyncio.sleep(10.0)
        return before, rung[0]

    assert await run(main) == (0.0, 3.0)
