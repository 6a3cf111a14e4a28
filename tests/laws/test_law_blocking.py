"""Law 17: a blocking actor is an actor like any other, on a thread: same ref, same crashes; no ask is ever lost."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actors.kernel import BlockingActor, ChildSpec, Intensity, Mailbox, Probe, Restart, System
from protocol.errors import Crashed, Gone, Refusal
from protocol.lifecycle import ActorCrashed, Down, Ending, Event

LAWS = (17,)
LOOPS = ("manual", "asyncio", "uvloop")

Spec = Callable[..., ChildSpec]


class Worker(BlockingActor[Any]):
    """Does what it is told on its thread, and says when it opens and closes."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        self.thread = 0

    def setup(self) -> None:
        self.thread = threading.get_ident()
        self.log.append("setup")

    def handle(self, message: Any) -> Any:
        assert threading.get_ident() == self.thread
        return message(self) if callable(message) else message

    def teardown(self) -> None:
        assert threading.get_ident() == self.thread
        self.log.append("teardown")


def worker(log: list[Any], **given: Any) -> ChildSpec:
    return ChildSpec("worker", lambda: Worker(log), **given)


def crash(self: Any) -> None:
    raise ValueError("crash")


def refuse(self: Any) -> None:
    raise Refusal("no")


def actor_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "Worker" in thread.name or "Actor" in thread.name]


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Every law ends without a thread of an actor."""
    yield
    deadline = time.monotonic() + 2.0
    while actor_threads() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not actor_threads()


async def test_work_is_done_on_one_thread_that_is_not_the_loops(system: System, log: list[Any]) -> None:
    ref = system.spawn(worker(log))
    idents = {await ref.ask(lambda self: threading.get_ident(), 5.0) for _ in range(10)}
    assert len(idents) == 1
    assert threading.get_ident() not in idents
    await system.stop()
    assert log == ["setup", "teardown"]


async def test_the_loop_goes_on_while_the_thread_works(system: System, log: list[Any]) -> None:
    ref = system.spawn(worker(log))
    go = threading.Event()
    answer = ref.ask(lambda self: go.wait(5.0), 10.0)
    ticks = 0
    while ticks < 100:
        ticks += 1
        await asyncio.sleep(0.0)
    go.set()
    assert await answer is True


async def test_mail_is_handled_in_order_one_by_one(system: System, log: list[Any]) -> None:
    ref = system.spawn(worker(log))
    for number in range(100):
        ref.tell(lambda self, number=number: self.log.append(number))
    await ref.ask(lambda self: None, 5.0)
    assert log == ["setup", *range(100)]


async def test_a_refusal_is_an_answer_and_the_thread_goes_on(system: System, log: list[Any]) -> None:
    ref = system.spawn(worker(log))
    before = await ref.ask(lambda self: threading.get_ident(), 5.0)
    with pytest.raises(Refusal):
        await ref.ask(refuse, 5.0)
    assert await ref.ask(lambda self: threading.get_ident(), 5.0) == before
    assert log == ["setup"]


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), StopIteration()], ids=repr)
async def test_a_crash_is_a_new_incarnation_on_a_new_thread_after_the_teardown(
    system: System, log: list[Any], events: list[Event], error: BaseException
) -> None:
    def fail(self: Any) -> None:
        raise error

    ref = system.spawn(worker(log))
    bystander = system.spawn(worker(log)._replace(name="bystander"))
    first = await ref.ask(lambda self: self, 5.0)
    assert await bystander.ask("alive", 5.0) == "alive"
    log.clear()
    with pytest.raises(Crashed):
        await ref.ask(fail, 5.0)
    assert log[0] == "teardown"
    assert await ref.ask(lambda self: self, 5.0) is not first
    assert log == ["teardown", "setup"]
    assert [event.path for event in events if isinstance(event, ActorCrashed)] == ["/worker"]
    assert await bystander.ask("alive", 5.0) == "alive"


async def test_nobody_hears_of_a_crash_before_the_teardown_is_over(system: System, log: list[Any]) -> None:
    class Slow(Worker):
        def teardown(self) -> None:
            time.sleep(0.03)
            super().teardown()

    ref = system.spawn(ChildSpec("worker", lambda: Slow(log)))
    with pytest.raises(Crashed):
        await ref.ask(crash, 5.0)
    assert log == ["setup", "teardown"]


async def test_a_told_message_that_fails_is_a_crash_as_well(system: System, log: list[Any]) -> None:
    ref = system.spawn(worker(log))
    ref.tell(crash)
    await ref.ask("next", 5.0)
    assert log == ["setup", "teardown", "setup"]


async def test_a_setup_that_fails_is_a_failed_start_and_is_torn_down(
    system: System, spec: Spec, events: list[Event]
) -> None:
    log: list[Any] = []

    class Broken(Worker):
        def setup(self) -> None:
            super().setup()
            raise OSError("no such file")

    boss = system.spawn(spec("boss", intensity=Intensity(1, 60.0), restart=Restart.TEMPORARY))
    probe = Probe(system)
    probe.watch(boss)
    await boss.ask(lambda self: self.context.spawn(ChildSpec("worker", lambda: Broken(log))), 5.0)
    down = await probe.expect(Down, 5.0)
    assert down.ending is Ending.CRASHED
    assert log == ["setup", "teardown", "setup", "teardown"]
    assert [event.message for event in events if isinstance(event, ActorCrashed)][:2] == ["started()", "started()"]


async def test_a_stop_waits_for_the_work_in_hand_and_the_teardown(system: System, log: list[Any]) -> None:
    def work(self: Any) -> None:
        time.sleep(0.05)
        self.log.append("worked")

    probe = Probe(system)
    ref = system.spawn(worker(log))
    probe.watch(ref)
    await ref.ask("ready", 5.0)
    answer = ref.ask(work, 5.0)
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    system.stop_ref(ref)
    assert (await probe.expect(Down, 5.0)).ending is Ending.STOPPED
    await answer
    assert log == ["setup", "worked", "teardown"]
    assert not actor_threads()


async def test_a_teardown_that_fails_on_a_stop_is_a_crash(system: System, events: list[Event], log: list[Any]) -> None:
    class Sticky(Worker):
        def teardown(self) -> None:
            raise OSError("disk full")

    probe = Probe(system)
    ref = system.spawn(ChildSpec("worker", lambda: Sticky(log)))
    probe.watch(ref)
    await ref.ask("ready", 5.0)
    system.stop_ref(ref)
    down = await probe.expect(Down, 5.0)
    assert isinstance(down.cause, OSError)
    assert [event.message for event in events if isinstance(event, ActorCrashed)] == ["stopping()"]


async def test_a_killed_actor_leaves_its_thread_to_finish_alone_and_the_stop_waits_for_it(log: list[Any]) -> None:
    system = System()
    ref = system.spawn(worker(log))
    await ref.ask("ready", 5.0)
    go = threading.Event()
    answer = ref.ask(lambda self: go.wait(5.0), 60.0)
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    system.kill(ref)
    with pytest.raises(Gone):
        await answer
    assert await ref.ask("the next one", 60.0) == "the next one"
    assert log == ["setup", "setup"]
    go.set()
    await system.stop()
    assert log == ["setup", "setup", "teardown", "teardown"]
    assert not actor_threads()


async def test_mail_survives_the_crash_of_the_thread(system: System, log: list[Any]) -> None:
    ref = system.spawn(worker(log, counts=lambda cause: False))
    answers = [ref.ask(crash if number % 3 == 0 else number, 30.0) for number in range(30)]
    results = await asyncio.gather(*answers, return_exceptions=True)
    for number, result in enumerate(results):
        assert isinstance(result, Crashed) if number % 3 == 0 else result == number


async def test_a_bounded_draining_mailbox_works_for_threads_too(system: System, log: list[Any]) -> None:
    ref = system.spawn(worker(log, mailbox=Mailbox(capacity=5, policy="drop_oldest", drain=True)))
    await ref.ask("ready", 5.0)
    go = threading.Event()
    ref.tell(lambda self: go.wait(5.0))
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    for number in range(10):
        ref.tell(lambda self, number=number: self.log.append(number))
    system.stop_ref(ref)
    go.set()
    await system.stop()
    assert log == ["setup", 5, 6, 7, 8, 9, "teardown"]


async def test_work_handed_over_ahead_is_answered_when_the_thread_crashes_on_an_earlier_piece(
    system: System, log: list[Any]
) -> None:
    futures: list[Any] = []

    class Ahead(Worker):
        async def receive(self, message: Any) -> Any:
            futures.extend(self.hand_over(work) for work in message)
            await asyncio.wait(futures)
            futures.append(self.hand_over("too late"))
            return await futures[1]

    ref = system.spawn(ChildSpec("worker", lambda: Ahead(log)))
    with pytest.raises(Crashed):
        await ref.ask(["fine", crash, "never", "never"], 5.0)
    assert futures[0].result() == "fine"
    assert [type(future.exception()) for future in futures[1:]] == [ValueError, Gone, Gone, Gone]


async def test_work_that_lands_behind_the_stop_of_the_thread_is_answered(system: System, log: list[Any]) -> None:
    ref = system.spawn(worker(log))
    actor = await ref.ask(lambda self: self, 5.0)
    go = threading.Event()
    first = actor.hand_over(lambda self: go.wait(5.0))
    actor.released()
    behind = actor.hand_over("too late")
    go.set()
    assert await first is True
    with pytest.raises(Gone):
        await behind


async def test_no_ask_is_ever_lost_whatever_ends_the_thread(log: list[Any]) -> None:
    """The race that pykka itself loses: mail that lands while the thread ends. The switch interval is a microsecond."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        system = System()
        asks: list[Any] = []
        for round_ in range(60):
            refs = [
                system.spawn(worker(log, counts=lambda cause: False)._replace(name=f"w{round_}-{n}")) for n in range(4)
            ]
            for number in range(100):
                for ref in refs:
                    asks.append(ref.ask(crash if number in (20, 21, 60) else number, 120.0))
            await asyncio.gather(*asks[-40:-20], return_exceptions=True)
            for n, ref in enumerate(refs):
                (system.stop_ref if n % 2 else system.kill)(ref)
        results = await asyncio.wait_for(asyncio.gather(*asks, return_exceptions=True), 100.0)
        assert len(results) == 24_000
        assert {type(result) for result in results} <= {int, Crashed, Gone}
        await system.stop()
    finally:
        sys.setswitchinterval(before)
    assert not actor_threads()


async def test_the_inbox_itself_never_strands_work_put_while_it_closes() -> None:
    """Threads put as fast as they can while another one closes: each put is read, returned by `close`, or refused."""
    from pykka import ActorDeadError

    from actors.kernel.threads import Inbox

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def one_round() -> tuple[int, int]:
        inbox, accepted, read = Inbox(), [0, 0, 0], 0

        def put(index: int) -> None:
            try:
                while True:
                    inbox.put(index)
                    accepted[index] += 1
            except ActorDeadError:
                return

        putters = [threading.Thread(target=put, args=(index,)) for index in range(3)]
        for putter in putters:
            putter.start()
        while sum(accepted) < 100:
            if not inbox.empty():
                inbox.get()
                read += 1
        rest = len(inbox.close())
        for putter in putters:
            putter.join()
        return sum(accepted), read + rest + inbox._queue.qsize() * 10**6

    try:
        for _ in range(100):
            accepted, found = await asyncio.to_thread(one_round)
            assert accepted == found
    finally:
        sys.setswitchinterval(before)
