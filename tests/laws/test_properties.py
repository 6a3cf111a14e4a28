"""Laws under any history: order, conservation of mail, intensity, bounds, group restarts, against small models."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import (
    Actor,
    Backoff,
    ChildSpec,
    Intensity,
    Mailbox,
    ManualClock,
    Restart,
    Strategy,
    Supervisor,
    System,
)
from protocol.errors import AskError, Overloaded
from protocol.lifecycle import Escalated, Event, Started
from protocol.refs import AnyRef

LAWS = (2, 6, 7, 10, 14)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with ManualClock() as clock:
        clock.run(main())
        clock.run(asyncio.sleep(0.0))
        assert not asyncio.all_tasks(clock)
        assert not [timer for timer in clock._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]


class Boss(Actor[Any]):
    """Spawns what it is told to."""

    intensity = Intensity(10**9, 1.0)

    def receive(self, message: ChildSpec) -> Any:
        return self.context.spawn(message)


# ---- order and conservation of mail

STEPS = st.lists(
    st.tuples(
        st.sampled_from("abc"),  # sender
        st.sampled_from(["plain", "async", "crash", "late crash", "kill"]),
        st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3]),  # pause of the sender before
        st.booleans(),  # asked or told
    ),
    max_size=40,
)


class Scribe(Actor[Any]):
    """Writes down each message as its handler begins; some make it end."""

    def __init__(self, book: list[Any]) -> None:
        self.book = book

    def receive(self, message: Any) -> Any:
        self.book.append(message)
        kind = message[2]
        if kind == "crash":
            raise ValueError
        if kind == "kill":
            self.context.system.kill(self.context.ref)
        return self.later(kind) if kind in ("async", "late crash") else message

    async def later(self, kind: str) -> None:
        await asyncio.sleep(0.05)
        if kind == "late crash":
            raise ValueError


@given(STEPS, st.sampled_from([None, Backoff(first_seconds=0.2, limit_seconds=1.0)]))
def test_each_message_is_handled_once_and_in_its_senders_order_over_all_restarts(
    steps: list[Any], backoff: Backoff | None
) -> None:
    book: list[Any] = []

    async def main() -> None:
        system = System(seed=1)
        system.subscribe(lambda event: None)
        boss = system.spawn(ChildSpec("boss", Boss))
        ref = await boss.ask(ChildSpec("scribe", lambda: Scribe(book), backoff=backoff), 1.0)  # type: ignore[arg-type]

        async def send(sender: str) -> None:
            for number, (who, kind, pause, asked) in enumerate(steps):
                if who == sender:
                    await asyncio.sleep(pause)
                    if asked:
                        asks.append(ref.ask((sender, number, kind), 1000.0))
                    else:
                        ref.tell((sender, number, kind))

        asks: list[Any] = []
        await asyncio.gather(*map(send, "abc"))
        results = await asyncio.gather(*asks, return_exceptions=True)
        assert all(not isinstance(result, BaseException) or isinstance(result, AskError) for result in results)
        await asyncio.sleep(100.0)
        assert system.dead_letters == 0
        await system.stop()

    run(main)
    for sender in "abc":
        sent = [(who, number, kind) for number, (who, kind, _, _) in enumerate(steps) if who == sender]
        assert [message for message in book if message[0] == sender] == sent


# ---- intensity


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=30),
    st.integers(0, 5),
    st.integers(1, 100),
)
def test_a_supervisor_gives_up_exactly_when_its_window_overflows(gaps: list[int], restarts: int, eighths: int) -> None:
    """The model: keep the times of failures within the period; more than `restarts` of them is the end."""
    period = eighths / 8
    window: deque[int] = deque()
    expected, now = None, 0
    for gap in gaps:
        now += gap
        window.append(now)
        while window and window[0] <= now - eighths:
            window.popleft()
        if len(window) > restarts:
            expected = now
            break
    events: list[tuple[float, Event]] = []

    async def main() -> None:
        system = System()
        loop = asyncio.get_running_loop()
        system.subscribe(lambda event: events.append((loop.time(), event)))

        class Fragile(Actor[Any]):
            def receive(self, message: Any) -> None:
                raise ValueError

        class Parent(Actor[Any]):
            intensity = Intensity(restarts, period)

            def started(self) -> None:
                child = self.context.spawn(ChildSpec("child", Fragile))
                self.context.system.register("child", child)

        system.spawn(ChildSpec("parent", Parent, restart=Restart.TEMPORARY))
        await asyncio.sleep(0.0)
        child = system.lookup("child")
        assert child is not None
        for gap in gaps:
            await asyncio.sleep(gap / 8)
            child.tell("fail")
        await asyncio.sleep(0.01)
        await system.stop()

    run(main)
    # Eighths of a second are exact in floats, so no rounding decides whether a failure is just within the period.
    given_up = [time for time, event in events if isinstance(event, Escalated)]
    assert [round(time * 8) for time in given_up] == ([] if expected is None else [expected])


# ---- bounds


@given(
    st.lists(st.one_of(st.integers(1, 12).map(lambda n: ("put", n)), st.integers(1, 12).map(lambda n: ("take", n)))),
    st.integers(1, 8),
    st.sampled_from(["refuse", "drop_oldest"]),
    st.booleans(),
)
def test_a_bounded_mailbox_holds_what_its_policy_says(
    steps: list[tuple[str, int]], capacity: int, policy: str, asked: bool
) -> None:
    model: deque[int] = deque()
    expected: list[int] = []
    lost: list[int] = []
    handled: list[int] = []
    refused: list[int] = []
    number = 0

    async def main() -> None:
        nonlocal number
        system = System()
        permits = asyncio.Semaphore(0)

        class Slow(Actor[Any]):
            async def receive(self, message: int) -> None:
                await permits.acquire()
                handled.append(message)

        ref = system.spawn(ChildSpec("slow", Slow, mailbox=Mailbox(capacity, policy), shutdown_seconds=0.0))
        ref.tell(-1)  # in hand until the first permit: not in the mailbox
        await asyncio.sleep(0.1)
        in_hand: list[int] = [-1]
        asks: list[tuple[int, Any]] = []
        for what, count in steps:
            for _ in range(count):
                if what == "put":
                    if asked:
                        asks.append((number, ref.ask(number, 10_000.0)))  # type: ignore[arg-type, type-var]
                    else:
                        ref.tell(number)
                    if not in_hand:
                        in_hand.append(number)
                    elif len(model) < capacity:
                        model.append(number)
                    elif policy == "refuse":
                        lost.append(number)
                    else:
                        lost.append(model.popleft())
                        model.append(number)
                    number += 1
                elif in_hand:
                    permits.release()
                    expected.append(in_hand.pop())
                    if model:
                        in_hand.append(model.popleft())
                await asyncio.sleep(0.001)
        assert system.snapshot().children[0].mailbox == len(model)
        assert system.snapshot().children[0].lost == len(lost)
        system.kill(ref)
        for each, answer in asks:
            try:
                await answer
            except Overloaded:
                refused.append(each)
            except AskError:
                pass
        await system.stop()

    run(main)
    assert handled == expected
    if asked:
        assert sorted(refused) == sorted(lost)


# ---- groups

CRASHES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), min_size=1, max_size=8)


class Member(Actor[Any]):
    """Slow to start and to stop; proves that it never lives twice at once."""

    def __init__(self, name: str, living: set[str], diary: list[tuple[str, str]]) -> None:
        self.name, self.living, self.diary = name, living, diary

    async def started(self) -> None:
        assert self.name not in self.living, "two incarnations at once"
        self.living.add(self.name)
        self.diary.append(("up", self.name))
        await asyncio.sleep(0.3)

    def receive(self, message: Any) -> None:
        raise ValueError

    async def stopping(self) -> None:
        await asyncio.sleep(0.2)

    def released(self) -> None:
        self.living.discard(self.name)
        self.diary.append(("down", self.name))


@given(CRASHES, st.sampled_from(list(Strategy)), st.sampled_from([None, Backoff(first_seconds=0.5, limit_seconds=0.5)]))
def test_after_any_crashes_all_members_live_again_once_each_and_groups_came_up_in_order(
    crashes: list[tuple[int, int]], strategy: Strategy, backoff: Backoff | None
) -> None:
    names = "abcde"
    living: set[str] = set()
    diary: list[tuple[str, str]] = []

    async def main() -> None:
        system = System(seed=3)
        system.subscribe(lambda event: None)
        children = [
            ChildSpec(name, lambda name=name: Member(name, living, diary), backoff=backoff)  # type: ignore[misc]
            for name in names
        ]
        await system.start(ChildSpec("root", lambda: Supervisor(children, strategy, Intensity(1000, 1.0))))
        root = system._guardian.nursery.children["root"]  # type: ignore[union-attr]
        refs = root.children  # type: ignore[attr-defined]
        began = len(diary)
        for who, tenths in crashes:
            await asyncio.sleep(tenths / 10)
            refs[who].tell("crash")
        await asyncio.sleep(1000.0)
        assert living == set(names)
        assert all(state.state == "running" for state in system.snapshot().children[0].children)
        if strategy is Strategy.ONE_FOR_ALL:
            assert diary[-5:] == [("up", name) for name in names]
        if strategy is Strategy.REST_FOR_ONE:
            last = [name for what, name in diary[began:] if what == "up"]
            assert last[-1] == "e"
            assert "".join(last[last.index(min(last)) :])[-1] == "e"
        await system.stop()
        assert [name for what, name in diary[-5:]] == list(reversed(names))

    run(main)
    assert not living


# ---- storms


class World:
    """What the storm's actors share: dice, what they did, and who lives, to catch any breach on the spot."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.told: list[Any] = []
        self.living: dict[AnyRef, AnyRef | None] = {}
        """Each one's parent."""
        self.breaches: list[str] = []


class Chaotic(Actor[Any]):
    """Does something else each time."""

    intensity = Intensity(3, 1.0)

    def __init__(self, world: World, depth: int) -> None:
        self.world, self.dice, self.depth = world, world.dice, depth
        self.strategy = world.dice.choice(list(Strategy))
        self.busy = False

    def started(self) -> Any:
        if self.context.ref in self.world.living:
            self.world.breaches.append(f"two incarnations of {self.context.path} at once")
        self.world.living[self.context.ref] = self.context.parent
        for n in range(self.dice.randrange(3) if self.depth else 0):
            self.context.spawn(chaotic_spec(f"{n}", self.world, self.depth - 1))
        if self.dice.random() < 0.1:
            raise OSError
        return asyncio.sleep(0.1) if self.dice.random() < 0.3 else None

    def receive(self, message: Any) -> Any:
        if self.busy:
            self.world.breaches.append(f"{self.context.path} handles two messages at once")
        self.world.told.append(message if isinstance(message, int | str) else type(message).__name__)
        what = self.dice.randrange(14)
        if what == 0:
            raise ValueError
        if what == 1:
            self.context.stop()
        if what == 2:
            self.context.passivate()
        if what == 3:
            self.context.system.kill(self.context.ref)
        if what == 4 and self.context.parent is not None:
            self.context.watch(self.context.parent)
        if what == 5:
            self.context.after(self.dice.random(), "tick")
        for child in self.context.children:
            if what == 6:
                self.context.kill_child(child)
            elif what == 7:
                self.context.stop_child(child)
            else:
                child.tell(message)
        return self.later(what) if what > 8 else message

    async def later(self, what: int) -> None:
        self.busy = True
        try:
            await asyncio.sleep(self.dice.random())
            if what == 9:
                raise ValueError
            if what == 10 and self.context.children:
                await self.dice.choice(self.context.children).ask("from above", self.dice.random() * 3.0)  # type: ignore[arg-type, type-var]
        finally:
            self.busy = False

    def stopping(self) -> Any:
        return asyncio.sleep(self.dice.random() * 3.0) if self.dice.random() < 0.3 else None

    def released(self) -> None:
        me = self.context.ref
        if me not in self.world.living:
            self.world.breaches.append(f"{self.context.path} was released twice")
        self.world.living.pop(me, None)
        if me in self.world.living.values():
            self.world.breaches.append(f"{self.context.path} ended before its children")


class Sky(Boss):
    """Above the storm: never gives up."""


def chaotic_spec(name: str, world: World, depth: int) -> ChildSpec:
    dice = world.dice
    return ChildSpec(
        name,
        lambda: Chaotic(world, depth),
        restart=dice.choice(list(Restart)),
        shutdown_seconds=dice.choice([0.0, 1.0, 5.0]),
        mailbox=Mailbox(dice.choice([None, 2, 10]), dice.choice(["refuse", "drop_oldest"]), dice.random() < 0.3),
        backoff=dice.choice([None, Backoff(first_seconds=0.1, limit_seconds=1.0)]),
        counts=dice.choice([lambda cause: True, lambda cause: False]),
    )


@given(st.integers(0, 10**9))
def test_whatever_happens_every_ask_is_answered_and_a_stop_leaves_nothing(seed: int) -> None:
    histories = []
    for _ in range(2):
        events: list[Event] = []
        world = World(seed)

        async def main(events: list[Event] = events, world: World = world) -> None:
            dice = world.dice
            system = System(seed=seed)
            system.subscribe(events.append)
            sky = system.spawn(ChildSpec("sky", Sky))
            tops: list[Any] = [
                await sky.ask(chaotic_spec(f"t{n}", world, 2), 1.0)  # type: ignore[arg-type]
                for n in range(3)
            ]
            asks = []
            for number in range(80):
                n = dice.randrange(3)
                if not tops[n].alive:
                    tops[n] = await sky.ask(chaotic_spec(f"t{n}", world, 2), 1.0)  # type: ignore[arg-type]
                asks.append(tops[n].ask(number, dice.random() * 20.0))
                await asyncio.sleep(dice.random() * 0.3)
            await system.stop(timeout=dice.choice([0.5, 60.0]))
            results = await asyncio.gather(*asks, return_exceptions=True)
            assert all(
                not isinstance(each, BaseException) or isinstance(each, AskError | Overloaded) for each in results
            )
            world.told.extend(type(each).__name__ for each in results)
            assert not any(top.alive for top in tops)
            assert not world.living

        run(main)
        assert not world.breaches
        paths = [event.path for event in events if isinstance(event, Started)]
        histories.append((paths, len(events), world.told))
    assert histories[0] == histories[1], "the same seed gives the same history"
