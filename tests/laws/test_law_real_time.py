"""Law 16 by the wall clock: slow handlers cannot hold the loop, and deadlines hold on real loops too."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import BlockingActor, ChildSpec, System
from protocol.errors import Expired

LAWS = (9, 16, 17)
LOOPS = ("asyncio", "uvloop")

Spec = Callable[..., ChildSpec]


async def test_slow_plain_handlers_give_the_loop_back_after_a_few_milliseconds(system: System, spec: Spec) -> None:
    refs = [system.spawn(spec(f"a{n}")) for n in range(50)]
    for ref in refs:
        await ref.ask(lambda self: None, 5.0)
    for ref in refs:
        ref.tell(lambda self: time.sleep(0.001))
    worst = 0.0
    while any(ref.lanes.mail for ref in refs):
        began = time.perf_counter()
        await asyncio.sleep(0.0)
        worst = max(worst, time.perf_counter() - began)
    assert worst < 0.04, "50 handlers of 1 ms in one go would be 50 ms"


async def test_no_ask_expires_early_by_the_wall_clock(system: System, spec: Spec) -> None:
    async def never(self: Any) -> None:
        await asyncio.sleep(3600.0)

    ref = system.spawn(spec("a", shutdown_seconds=0.0))
    ref.tell(never)
    loop = asyncio.get_running_loop()

    async def ask(timeout: float) -> float:
        began = loop.time()
        with pytest.raises(Expired):
            await ref.ask(lambda self: None, timeout)
        return loop.time() - began - timeout

    for _ in range(3):
        late = await asyncio.gather(*(ask(0.01 + n * 0.0013) for n in range(100)))
        assert min(late) >= 0.0
        assert sorted(late)[50] < 0.05


async def test_an_ask_expires_on_the_loop_while_the_thread_works(system: System) -> None:
    log: list[Any] = []

    class Worker(BlockingActor[Any]):
        def handle(self, message: Any) -> Any:
            return message() if callable(message) else message

    ref = system.spawn(ChildSpec("worker", Worker))
    await ref.ask("ready", 5.0)
    go = threading.Event()
    began = time.monotonic()
    with pytest.raises(Expired):
        await ref.ask(lambda: go.wait(5.0), 0.05)
    doomed = ref.ask(lambda: log.append("zombie work"), 0.05)
    with pytest.raises(Expired):
        await doomed
    assert time.monotonic() - began < 1.0
    go.set()
    assert await ref.ask("next", 5.0) == "next"
    assert "zombie work" not in log
