"""Actors that block: the one room of pykka. `setup`, `handle` and `teardown` run on a thread of their own.

The address, the mailbox, supervision and deadlines are the loop's as for any actor: its messages wait on the loop,
and go to the thread one by one, so an ask can expire while the thread works. Invariants: every piece of work handed
over is answered, also when the thread ends at that very moment (the inbox refuses once closed; pykka's own lets work
in that nobody will read); `teardown` runs on every way out before the loop hears of the end; a crash is a new thread,
never a reused one. A thread cannot be killed: after a kill it goes on with the work in hand, unheard, tears down and
ends.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pykka

from actors.kernel.actor import Actor
from actors.kernel.clock import ManualClock
from protocol.errors import Gone, Refusal

logger = logging.getLogger(__name__)

M = TypeVar("M")


class Inbox:
    """A thread's inbox that refuses once closed. Structurally pykka's `ActorInbox`."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False

    def put(self, envelope: Any, /) -> None:
        """Raises ActorDeadError once closed. Check and put are one step, so nothing comes in behind the last get."""
        with self._lock:
            if self._closed:
                raise pykka.ActorDeadError("the thread has ended")
            self._queue.put(envelope)

    def get(self) -> Any:
        return self._queue.get()

    def empty(self) -> bool:
        return self._queue.empty()

    def close(self) -> list[Any]:
        """Refuse from now on; returns what was let in and not read."""
        with self._lock:
            self._closed = True
        rest = []
        while not self._queue.empty():
            rest.append(self._queue.get())
        return rest


class Bridge:
    """A future on the loop that is completed from a thread."""

    __slots__ = ("_loop", "future")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()

    def done(self, result: Any, error: BaseException | None) -> None:
        """Report from the thread. The loop may be closed by now, if it left the thread behind."""
        try:
            self._loop.call_soon_threadsafe(self.settle, result, error)
        except RuntimeError:
            return

    def settle(self, result: Any, error: BaseException | None) -> None:
        """Complete the future, unless nobody waits any more. On the loop."""
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        elif isinstance(error, StopIteration):
            self.future.set_exception(RuntimeError("the handler raised StopIteration"))  # futures refuse the original
        else:
            self.future.set_exception(error)

    def hold(self) -> None:
        """A virtual clock must not run ahead of the thread."""
        loop = self._loop
        if isinstance(loop, ManualClock):
            loop.outside += 1
            self.future.add_done_callback(lambda _: loop.release())


class Ended(Bridge):
    """Completed when a thread is over; not before the operating system's thread is, too."""

    __slots__ = ("thread",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.thread: threading.Thread | None = None

    def settle(self, result: Any, error: BaseException | None) -> None:
        if self.thread is not None:
            self.thread.join(1.0)  # reporting was its last deed, so this takes microseconds
        super().settle(result, error)


class Work:
    """One call to make on the thread."""

    __slots__ = ("bridge", "call")

    def __init__(self, call: Callable[[], Any], bridge: Bridge) -> None:
        self.call = call
        self.bridge = bridge


class Worker(pykka.ThreadingActor):
    """The thread of one incarnation. It ends after the first call that raises anything but a refusal."""

    use_daemon_thread = True  # a driver that hangs for ever must not keep the interpreter from exiting

    def __init__(self, teardown: Callable[[], None], ended: Ended) -> None:
        super().__init__()
        self._inbox: Inbox = self.actor_inbox  # type: ignore[assignment]  # ours, see _create_actor_inbox
        self._teardown = teardown
        self._ended = ended
        self._fatal: tuple[Work, BaseException] | None = None

    @staticmethod
    def _create_actor_inbox() -> Any:
        return Inbox()

    def _actor_loop(self) -> None:
        self._ended.thread = threading.current_thread()
        super()._actor_loop()

    def _actor_loop_teardown(self) -> None:
        # pykka's own teardown empties the inbox and leaves it open: work that it does not know, or that comes later,
        # would hang.
        error: BaseException | None = None
        try:
            self._teardown()
        except BaseException as raised:
            error = raised
        for envelope in self._inbox.close():
            if isinstance(envelope.message, Work):
                envelope.message.bridge.done(None, Gone("the thread has ended"))
        if self._fatal is not None:
            work, cause = self._fatal
            if error is not None:
                logger.error("teardown failed after a crash", exc_info=error)
                error = None
            work.bridge.done(None, cause)
        self._ended.done(None, error)

    def on_receive(self, message: Any) -> None:
        """Make one call and report. Nothing may be raised here: pykka would stop every actor of the program."""
        work: Work = message
        if self._fatal is not None:  # handed over ahead of time, behind the work that failed
            work.bridge.done(None, Gone("the thread has crashed"))
            return
        try:
            result = work.call()
        except Refusal as refusal:
            work.bridge.done(None, refusal)
        except BaseException as error:
            self._fatal = (work, error)
            self.stop()
        else:
            work.bridge.done(result, None)


class BlockingActor(Actor[M]):
    """An actor whose work blocks: subclasses write `setup`, `handle` and `teardown`, which share one thread.

    The fields of the actor belong to that thread. `handle` returns the reply or raises a `Refusal`; anything else is a
    crash.
    """

    _worker: pykka.ActorRef[Worker]
    _ended: Ended
    _leaving = False

    def setup(self) -> None:
        """The thread begins: open what it needs."""

    def handle(self, message: M) -> Any:
        """Handle one message; what it returns answers an ask."""
        raise NotImplementedError(f"{type(self).__name__} takes no messages, got {type(message).__name__}")

    def teardown(self) -> None:
        """The thread ends, after a stop, a crash, a kill or a failed `setup`: close what is open."""

    def started(self) -> Awaitable[None]:
        loop = asyncio.get_running_loop()
        self._ended = Ended(loop)
        self._worker = Worker.start(self.teardown, self._ended)
        self.context.system.wait_on_stop(self._ended.future)
        return self._call(self.setup)

    def receive(self, message: M) -> Any:
        return self.hand_over(message)

    def hand_over(self, message: M) -> asyncio.Future[Any]:
        """Let the thread handle this message; the future is for the loop. For actors that override `receive`."""
        return self._call(lambda: self.handle(message))

    def stopping(self) -> Awaitable[None] | None:
        self._leave()
        return self._ended.future

    def released(self) -> None:
        self._leave()

    def _call(self, call: Callable[[], Any]) -> asyncio.Future[Any]:
        bridge = Bridge(asyncio.get_running_loop())
        bridge.hold()
        try:
            self._worker.tell(Work(call, bridge))
        except pykka.ActorDeadError:
            bridge.settle(None, Gone("the thread has ended"))
        return bridge.future

    def _leave(self) -> None:
        if self._leaving:
            return
        self._leaving = True
        if not self._ended.future.done():
            self._ended.hold()
            self._worker.stop(block=False)


class Thread:
    """A thread for an object that is no actor, such as one connection of many: calls are made on it one by one.

    It ends after the first call that raises anything but a refusal, and then answers `Gone`.
    """

    def __init__(self, teardown: Callable[[], None]) -> None:
        """`teardown` runs on the thread, on every way out."""
        self._ended = Ended(asyncio.get_running_loop())
        self._worker = Worker.start(teardown, self._ended)
        self._leaving = False

    @property
    def alive(self) -> bool:
        """False once it has ended, or will."""
        return not self._leaving and not self._ended.future.done()

    def call(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Have it call `work`; the future completes on the loop. Giving up the future does not stop the work."""
        bridge = Bridge(asyncio.get_running_loop())
        bridge.hold()
        try:
            self._worker.tell(Work(work, bridge))
        except pykka.ActorDeadError:
            bridge.settle(None, Gone("the thread has ended"))
        return bridge.future

    def end(self) -> asyncio.Future[Any]:
        """Have it end after the work in hand; completes when the thread is over."""
        if not self._leaving:
            self._leaving = True
            if not self._ended.future.done():
                self._ended.hold()
                self._worker.stop(block=False)
        return self._ended.future
