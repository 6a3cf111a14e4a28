"""What the kernel costs, on uvloop: `python loadtests/kernel.py [actors]` prints one table.

Each number is the median of several rounds, with the best round beside it: on a shared machine the best says what the
code costs, the median what it cost today. Memory is the growth of the process's resident set per actor.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from actors.kernel import Actor, BlockingActor, ChildSpec, Restart, System

ROUNDS = 5
PAGE = os.sysconf("SC_PAGE_SIZE")


class Echo(Actor[Any]):
    """Answers at once."""

    def receive(self, message: Any) -> Any:
        return message


class Later(Actor[Any]):
    """Answers from a coroutine: one task a message."""

    async def receive(self, message: Any) -> Any:
        return message


class Blocking(BlockingActor[Any]):
    """Answers from a thread."""

    def handle(self, message: Any) -> Any:
        return message


class Keeper(Actor[Any]):
    """Owns all the others; hands itself out, because a benchmark spawns from outside."""

    def receive(self, message: Any) -> Keeper:
        return self


class Table:
    """Collects rounds and prints them."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, list[float], str, str]] = []

    def add(self, what: str, values: list[float], unit: str, target: str = "") -> None:
        self.rows.append((what, values, unit, target))

    def print(self) -> None:
        print(f"{'':<52}{'median':>12}{'best':>12}  {'':<9}{'target':<8}")
        for what, values, unit, target in self.rows:
            best = max(values) if unit.endswith("/s") else min(values)
            median = statistics.median(values)
            shape = ",.0f" if median >= 1000 else ".2f"
            print(f"{what:<52}{median:>12{shape}}{best:>12{shape}}  {unit:<9}{target:<8}")


@contextmanager
def quiet_collector() -> Iterator[None]:
    """What a server does after boot: freeze what is there, so that collections only look at what is new."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def resident() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


async def seconds(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def settle(system: System) -> None:
    """Until every actor has had its turn."""
    while system.engine.ready:  # noqa: ASYNC110  # the point is to go round the loop until there is nothing to do
        await asyncio.sleep(0)


async def spawning(table: Table, system: System, keeper: Keeper, count: int) -> list[Any]:
    """A crowd in one go: the call, and the call with the turn in which the actor starts; and what it weighs."""
    gc.collect()
    before = resident()
    refs: list[Any] = []
    calls, whole = [], []
    for first in range(0, count, count // ROUNDS):
        names = [f"actor-{number}" for number in range(first, first + count // ROUNDS)]
        with quiet_collector():
            began = time.perf_counter()
            refs += [keeper.context.spawn(ChildSpec(name, Echo)) for name in names]
            called = time.perf_counter()
            await settle(system)
            done = time.perf_counter()
        calls.append((called - began) / len(names) * 1e6)
        whole.append((done - began) / len(names) * 1e6)
    gc.collect()
    fresh = resident() - before
    for ref in refs:
        await ref.ask(1, 5.0)
    gc.collect()
    table.add("spawn: the call", calls, "us", "<= 3")
    table.add("spawn: until it runs", whole, "us")
    table.add(f"an idle actor, never used ({count:,} of them)", [fresh / count], "bytes")
    table.add("an idle actor after one ask", [(resident() - before) / count], "bytes", "<= 2048")
    return refs


async def asking(table: Table, ref: Any, title: str, times: int, target: str = "") -> None:
    """One asker, one ask after the other, each with a deadline."""
    medians, rates = [], []
    for _ in range(ROUNDS):
        durations = []
        clock = time.perf_counter
        began = clock()
        for _ in range(times):
            before = clock()
            await ref.ask(1, 5.0)
            durations.append(clock() - before)
        rates.append(times / (clock() - began))
        medians.append(statistics.median(durations) * 1e6)
    table.add(f"{title}: p50", medians, "us", target)
    table.add(f"{title}: one asker", rates, "asks/s")


async def crowd(table: Table, ref: Any) -> None:
    """A thousand askers at once, and a flood of tells."""

    async def asker() -> None:
        for _ in range(100):
            await ref.ask(1, 5.0)

    async def thousand() -> None:
        await asyncio.gather(*(asker() for _ in range(1000)))

    async def flood() -> None:
        for _ in range(200_000):
            ref.tell(1)
        await ref.ask(1, 60.0)

    table.add("ask: a thousand askers", [100_000 / await seconds(thousand) for _ in range(ROUNDS)], "asks/s")
    table.add("tell: a flood to one actor", [200_000 / await seconds(flood) for _ in range(ROUNDS)], "tells/s")


async def living(table: Table, keeper: Keeper, count: int) -> None:
    """Short lives amid the crowd: spawn, one ask, stop."""
    times = 10_000
    spent = []
    for round_ in range(ROUNDS):
        began = time.perf_counter()
        for number in range(times):
            ref = keeper.context.spawn(ChildSpec(f"brief-{round_}-{number}", Echo, restart=Restart.TEMPORARY))
            await ref.ask(1, 5.0)  # type: ignore[arg-type, type-var]
            keeper.context.stop_child(ref)
        spent.append((time.perf_counter() - began) / times * 1e6)
    table.add(f"a life amid {count:,} actors: spawn, ask, stop", spent, "us")


async def main(count: int) -> None:
    table = Table()
    system = System()
    keeper = await (await system.start(ChildSpec("root", Keeper))).ask(1, 1.0)  # type: ignore[arg-type, type-var]
    refs = await spawning(table, system, keeper, count)
    later = keeper.context.spawn(ChildSpec("later", Later))
    blocking = keeper.context.spawn(ChildSpec("blocking", Blocking))
    with quiet_collector():
        await asking(table, refs[count // 2], "ask a plain handler", 20_000, "<= 5")
        await asking(table, later, "ask an async handler", 10_000)
        await asking(table, blocking, "ask a blocking actor", 2_000)
        await crowd(table, refs[count // 2])
        await living(table, keeper, count)
        began = time.perf_counter()
        await system.stop()
        table.add(f"stop of the whole system of {count:,}", [(time.perf_counter() - began) * 1e3], "ms")
    table.print()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
