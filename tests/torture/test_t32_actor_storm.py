"""T32: actors that crash at random, poisoned mail, a flooded mailbox, supervisors that give up: nothing is stuck.

The oracle is arithmetic: what was sent is what was handled, crashed on or refused, and each sender's numbers rise.
"""

from __future__ import annotations

import asyncio
import random
import resource
import time
from collections import Counter
from typing import Any

import pytest
import uvloop

from actors.kernel import Actor, ActorState, ChildSpec, Intensity, Mailbox, Strategy, Supervisor, System
from protocol.errors import AskError, Crashed, Overloaded
from protocol.lifecycle import ActorCrashed, Escalated, Event, Restarted
from tests.torture.row import LONG, tell

SECONDS = 600.0 if LONG else 6.0
WORKERS, SENDERS, CAPACITY = 20, 8, 20
CRASHES = 0.01
OLDEST_SECONDS = 5.0
FLOOD = 100_000
ENDLESS = Intensity(10**9, 1.0)


def pytest_asyncio_loop_factories() -> Any:
    """The loop the server runs on."""
    return {"uvloop": uvloop.new_event_loop}


class Ledger:
    """What the workers of one storm saw; it outlives them."""

    def __init__(self) -> None:
        self.handled = self.poisoned = 0
        self.last: dict[tuple[str, int], int] = {}
        self.disorder: list[tuple[str, int, int, int]] = []
        self.oldest = 0.0

    def see(self, path: str, sender: int, number: int, sent: float) -> None:
        before = self.last.get((path, sender), -1)
        if number <= before:
            self.disorder.append((path, sender, before, number))
        self.last[path, sender] = number
        self.oldest = max(self.oldest, time.monotonic() - sent)


class Worker(Actor[Any]):
    """Handles (sender, number, when it was sent); one message in a hundred, and every poisoned one, is too much."""

    def __init__(self, ledger: Ledger, dice: random.Random) -> None:
        self.ledger = ledger
        self.dice = dice

    def started(self) -> None:
        self.context.system.register(self.context.path.rpartition("/")[2], self.context.ref)

    def receive(self, message: Any) -> Any:
        sender, number, sent = message
        self.ledger.see(self.context.path, sender, number, sent)
        if sender < 0:
            self.ledger.poisoned += 1
            raise MemoryError("poison")
        chance = self.dice.random()
        if chance < CRASHES:
            raise self.dice.choice([ValueError, KeyError, RecursionError, OSError, ZeroDivisionError])("storm")
        if chance < 2 * CRASHES:
            return self.slow(number)
        self.ledger.handled += 1
        return number

    async def slow(self, number: int) -> int:
        await asyncio.sleep(0.001)
        self.ledger.handled += 1
        return number


def deepest(state: ActorState) -> int:
    return max([state.mailbox, *(deepest(child) for child in state.children)])


async def sender(name: int, refs: list[Any], until: float, dice: random.Random, sums: Counter[str]) -> None:
    """Asks and tells without pause, one number after the other; waits a moment where it is refused."""
    number = 0
    while time.monotonic() < until:
        ref, number = dice.choice(refs), number + 1
        message = (name, number, time.monotonic())
        sums["sent"] += 1
        if dice.random() < 0.7:
            ref.tell(message)
            if number % 50 == 0:
                await asyncio.sleep(0)
            continue
        try:
            assert await ref.ask(message, 10.0) == number
            sums["answered"] += 1
        except Overloaded:
            sums["refused asks"] += 1
            await asyncio.sleep(0.001)
        except Crashed:
            sums["crashed asks"] += 1
        except AskError as error:
            sums[type(error).__name__] += 1


async def test_a_storm_of_crashes_loses_nothing_and_leaves_nothing_stuck() -> None:
    seed = random.SystemRandom().randrange(2**32)
    dice, ledger, events = random.Random(seed), Ledger(), Counter[str]()
    system = System("storm")

    def hear(event: Event) -> None:
        events[type(event).__name__] += 1
        if isinstance(event, ActorCrashed):
            events["poison" if isinstance(event.cause, MemoryError) else "chance"] += 1

    system.subscribe(hear, lives=False)
    box = Mailbox(CAPACITY)
    children = [ChildSpec(f"w{n}", lambda: Worker(ledger, dice), mailbox=box) for n in range(WORKERS)]
    await system.start(ChildSpec("root", lambda: Supervisor(children, Strategy.ONE_FOR_ONE, ENDLESS)))
    refs: list[Any] = [system.lookup(f"w{n}") for n in range(WORKERS)]
    until, sums, deepest_box = time.monotonic() + SECONDS, Counter[str](), 0
    senders = [asyncio.ensure_future(sender(n, refs, until, random.Random(seed + n), sums)) for n in range(SENDERS)]
    poison = 0
    while time.monotonic() < until:
        await asyncio.sleep(0.05)
        poison += 1
        dice.choice(refs).tell((-1 - poison, 1, time.monotonic()))
        deepest_box = max(deepest_box, deepest(system.snapshot()))
    await asyncio.gather(*senders)
    for ref in refs:  # whatever still waits is handled before these
        while True:
            try:
                await ref.ask((-(10**6), 10**9 + 1, time.monotonic()), 10.0)
            except Crashed:
                break
            except Overloaded:
                await asyncio.sleep(0.01)
    await system.stop(10.0)
    numbers = f"{sums['sent']} sent, {events['chance']} crashed, {poison} poisoned, deepest mailbox {deepest_box}"
    tell("T32", "storm", f"{numbers}, oldest message {ledger.oldest:.2f} s, seed {seed}")
    assert ledger.disorder == []
    assert ledger.oldest < OLDEST_SECONDS
    assert deepest_box <= CAPACITY
    assert events["Escalated"] == 0
    assert sums["Expired"] == sums["Gone"] == 0
    assert ledger.handled >= sums["answered"] > 0
    refused = sums["sent"] + poison - ledger.handled - events["chance"] - (events["poison"] - len(refs))
    assert refused >= sums["refused asks"]
    if not events["MailboxFull"]:
        assert refused == 0
    assert events["chance"] > sums["sent"] * CRASHES / 4
    assert events["Restarted"] == events["chance"] + events["poison"]


class Counting(Actor[Any]):
    """Adds up what it is told, in order."""

    def __init__(self, seen: list[int]) -> None:
        self.seen = seen

    def started(self) -> None:
        self.context.system.register(self.context.path.rpartition("/")[2], self.context.ref)

    def receive(self, message: int) -> int:
        self.seen.append(message)
        return len(self.seen)


async def test_a_hundred_thousand_messages_to_one_mailbox_are_handled_in_order_beside_others() -> None:
    system, flooded, beside = System("flood"), list[int](), list[int]()
    await system.start(
        ChildSpec(
            "root",
            lambda: Supervisor(
                [ChildSpec("flooded", lambda: Counting(flooded)), ChildSpec("beside", lambda: Counting(beside))],
                Strategy.ONE_FOR_ONE,
                ENDLESS,
            ),
        )
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    flood, other = refs_below(system)
    began = time.monotonic()
    for number in range(FLOOD):
        flood.tell(number)
    waits = []
    while len(flooded) < FLOOD:
        asked = time.monotonic()
        await other.ask(1, OLDEST_SECONDS)
        waits.append(time.monotonic() - asked)
    took = time.monotonic() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    await system.stop(5.0)
    tell("T32", "flood", f"{FLOOD} messages in {took:.2f} s, +{grown:.0f} MB, another actor waited {max(waits):.3f} s")
    assert flooded == list(range(FLOOD))
    assert max(waits) < OLDEST_SECONDS


@pytest.mark.parametrize(("crashes", "gives_up"), [(5, False), (6, True)])
async def test_a_supervisor_gives_up_at_the_failure_it_is_told_and_not_before(crashes: int, gives_up: bool) -> None:
    system, events = System("limits"), list[Event]()
    system.subscribe(events.append, lives=False)
    ledger = Ledger()
    inner = ChildSpec(
        "inner",
        lambda: Supervisor(
            [ChildSpec("w0", lambda: Worker(ledger, random.Random(1)))], Strategy.ONE_FOR_ONE, Intensity(5, 60.0)
        ),
    )
    await system.start(ChildSpec("root", lambda: Supervisor([inner], Strategy.ONE_FOR_ONE, Intensity(3, 60.0))))
    for number in range(crashes):
        with pytest.raises(Crashed):
            await system.lookup("w0").ask((-1, number, time.monotonic()), 5.0)  # type: ignore[union-attr]
    await asyncio.sleep(0.05)
    gone_up = [event for event in events if isinstance(event, Escalated)]
    assert [event.path for event in gone_up] == (["/root/inner"] if gives_up else [])
    assert sum(isinstance(event, Restarted) for event in events) >= 5
    alive = system.lookup("w0")  # one floor up, everything begins anew
    assert alive is not None
    with pytest.raises(Crashed):
        await alive.ask((-1, 10**6, time.monotonic()), 5.0)
    await system.stop(5.0)


def refs_below(system: System) -> list[Any]:
    return [system.lookup(name) for name in ("flooded", "beside")]
