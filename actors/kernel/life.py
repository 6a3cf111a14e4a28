"""The life of one actor: the states of an incarnation and every way from one to the next.

    DOWN ─begin→ STARTING ─→ RUNNING ─stop→ STOPPING ─→ FALLING ─→ DOWN ─(restart: begin again)
                    └────────── crash, kill, cut off ──────↗         └─(for good)→ ENDED

Invariants: `released()` is called once for every incarnation that was made; an actor's own code and its children have
ended before its incarnation has; the mailbox closes, and all that waits in it is answered for, exactly once, when the
actor ends for good. The cell takes the turns; the nursery of the parent hears of each end and decides what follows.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Protocol

from actors.kernel.actor import Actor
from actors.kernel.engine import Engine
from actors.kernel.mailbox import Bounded, Envelope, Lanes, fail
from actors.kernel.ref import ActorRef
from actors.kernel.spec import ChildSpec, Restart
from actors.kernel.timer import Timer
from protocol.errors import Crashed, Gone
from protocol.lifecycle import Down, Ending, Restarted, Started, Stopped

logger = logging.getLogger(__name__)

CANCEL_SECONDS = 1.0
"""How long a cancelled handler may still run its `finally` blocks before it is abandoned."""


class State(Enum):
    """Where an actor stands."""

    DOWN = "restarting"
    """No incarnation: not begun yet, or between two."""
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    """A stop was asked for: its own code finishes."""
    FALLING = "ending"
    """Its own code is over or cut off; children end."""
    ENDED = "ended"
    """Over for good."""


DOWN, STARTING, RUNNING, STOPPING, FALLING, ENDED = State


class Exit:
    """The stop lane: what was asked for about the end of this incarnation."""

    __slots__ = ("brutal", "deadline", "final", "hooked", "passive")

    def __init__(self, final: bool, deadline: float | None) -> None:
        self.final = final
        """True: for good. False: the supervisor starts it again."""
        self.deadline = deadline
        """Loop time at which its own code is cut off; None: never, or the parent watches the time for it."""
        self.brutal = False
        """True: children are killed, not stopped."""
        self.hooked = False
        """True: `stopping()` was called."""
        self.passive = False
        """True: only if no mail comes before the stop is served."""


class History:
    """What a supervisor remembers about an actor that has failed."""

    __slots__ = ("delay", "failures", "last_crash")

    def __init__(self) -> None:
        self.failures = 0
        """Failures in a row, for the backoff."""
        self.delay = 0.0
        """The pause before the current incarnation."""
        self.last_crash = ""


class Brood(Protocol):
    """The children of one incarnation, as its own life sees them: the nursery."""

    def leave(self, brutal: bool) -> bool:
        """End all children; True when there is none left. Reports to the owner's `fall_on` when the last has ended."""

    def running(self, child: Life) -> None:
        """This child has started."""

    def down(self, child: Life) -> None:
        """An incarnation of this child has ended, and its restart type asks for another."""

    def gone(self, child: Life) -> None:
        """This child has ended for good."""


class Life(Lanes):
    """One actor over all its incarnations."""

    __slots__ = (
        "actor",
        "asked",
        "born",
        "cause",
        "ending",
        "exit",
        "history",
        "incarnation",
        "nursery",
        "ran",
        "receive",
        "ref",
        "spec",
        "state",
        "task",
        "timer",
        "timers",
        "unbegun",
        "watchers",
        "watching",
    )

    parent: Life | None

    def __init__(self, engine: Engine, spec: ChildSpec, parent: Life | None) -> None:
        super().__init__(engine, spec.name, parent)
        self.spec = spec
        self.state = DOWN
        self.ref = ActorRef(self)
        self.actor: Any = None
        self.receive: Callable[[Any], Any] = nobody
        """The bound method of the incarnation; looking it up for every message costs as much as a queue operation."""
        self.task: asyncio.Task[None] | None = None
        """What awaits the result of a handler or hook, if it has to be awaited."""
        self.unbegun: Awaitable[Any] | None = None
        """What that task is to await, until its first step: a task cancelled before then never runs."""
        self.asked: Envelope | None = None
        """The message in hand."""
        self.nursery: Brood | None = None
        self.watchers: dict[Any, Callable[[Down], None]] | None = None
        self.watching: dict[Life, None] | None = None
        self.timers: dict[Timer, None] | None = None
        self.exit: Exit | None = None
        self.history: History | None = None
        self.incarnation = 0
        self.ran = False
        """True once this incarnation has completed its start."""
        self.born = engine.now
        self.ending = Ending.STOPPED
        self.cause: BaseException | None = None
        self.timer: asyncio.TimerHandle | None = None
        """The one clock that runs over a life: stop deadline, grace of a cancelled task, or pause before a restart."""
        if spec.mailbox.capacity is not None:
            self.gate = Bounded(spec.mailbox.capacity, spec.mailbox.policy)

    # ---- beginning

    def begin(self) -> None:
        """Start an incarnation in the next turn. From DOWN only."""
        self.disarm()
        self.state = STARTING
        self.ran = False
        self.incarnation += 1
        self.engine.schedule(self)

    def start(self) -> None:
        """Make the incarnation and let it start."""
        self.born = self.engine.now
        try:
            actor = self.actor = self.spec.factory()
            actor.context = self
            self.receive = actor.receive
            result = actor.started()
        except BaseException as error:
            self.crash(error, "started()")
            raise_interrupt(error)
            return
        if self.state is not STARTING:
            drop(result)  # killed by something it called itself
        elif result is not None and inspect.isawaitable(result):
            self.attend(result)
        else:
            self.raise_brood()

    def raise_brood(self) -> None:
        """Start static children, if there are any, before running. The cell knows what a supervisor is."""
        raise NotImplementedError

    def run(self) -> None:
        """The start is complete: take mail."""
        self.state = RUNNING
        self.ran = True
        engine = self.engine
        self.born = engine.now
        if engine.listeners:
            engine.emit(Started(self.path, self.incarnation))
            if self.incarnation > 1:
                delay = self.history.delay if self.history is not None else 0.0
                engine.emit(Restarted(self.path, self.incarnation, delay))
        if self.parent is not None and self.parent.nursery is not None:
            self.parent.nursery.running(self)
        engine.schedule(self)

    # ---- awaiting

    def attend(self, awaitable: Awaitable[Any]) -> None:
        """Await the result of a handler or hook in a task; meanwhile the mailbox waits."""
        self.unbegun = awaitable
        self.task = self.engine.loop.create_task(self._attend(awaitable))
        if self.exit is not None:
            self.arm()

    async def _attend(self, awaitable: Awaitable[Any]) -> None:
        self.unbegun = None
        task = self.task
        result: Any = None
        error: BaseException | None = None
        try:
            result = await awaitable
        except BaseException as raised:
            error = raised
        if self.task is not task:
            return  # abandoned: another incarnation lives here now
        self.task = None
        self.settled(result, error)
        if error is not None:
            raise_interrupt(error)

    def settled(self, result: Any, error: BaseException | None) -> None:
        """An awaited handler or hook has ended. The cell answers askers and goes on."""
        raise NotImplementedError

    # ---- stopping

    def stop_orderly(self, final: bool) -> None:
        """Stop under its own deadline; a deadline of no time at all is a kill."""
        if self.spec.shutdown_seconds <= 0:
            self.kill(final)
        else:
            self.ask_to_stop(final, self.stop_deadline())

    def stop_deadline(self) -> float | None:
        """Loop time at which a stop that begins now has taken too long."""
        seconds = self.spec.shutdown_seconds
        return None if seconds == math.inf else self.engine.loop.time() + seconds

    def ask_to_stop(self, final: bool, deadline: float | None) -> None:
        """Ask for a graceful end. `deadline`: loop time at which to cut it off, None if the caller watches the time."""
        if self.state is ENDED:
            return
        if self.state is DOWN:
            if final:
                self.finish()
            return
        if self.exit is not None:
            if self.exit.passive:
                self.exit.passive = False
                self.exit.final = final
                self.exit.deadline = deadline
            if final and not self.exit.final:
                self.exit.final = True
                if self.state in (STOPPING, FALLING):
                    self.shut()
            return
        self.exit = Exit(final, deadline)
        if self.task is not None:
            self.arm()
        self.idle = False
        self.engine.schedule(self)

    def begin_stop(self) -> None:
        """Nothing runs now: serve the stop lane."""
        self.state = STOPPING
        if self.exit is not None and self.exit.final:
            self.shut()
        self.stop_on()

    def shut(self) -> None:
        """Take no more mail. What waits is discarded, unless the mailbox is to be drained first."""
        self.close()
        if not (self.spec.mailbox.drain and self.state is STOPPING):
            self.discard()

    def stop_on(self) -> None:
        """Mail is done with: run the stopping hook, then fall."""
        if self.exit is not None and not self.exit.hooked:
            self.exit.hooked = True
            if self.actor is not None and type(self.actor).stopping is not Actor.stopping:
                try:
                    result = self.actor.stopping()
                except BaseException as error:
                    self.crash(error, "stopping()")
                    raise_interrupt(error)
                    return
                if self.state is not STOPPING:
                    drop(result)
                    return
                if result is not None and inspect.isawaitable(result):
                    self.attend(result)
                    return
        self.fall(Ending.STOPPED, None)

    def arm(self) -> None:
        """Start the stop deadline's clock: there is code to wait for."""
        if self.timer is None and self.exit is not None and self.exit.deadline is not None:
            self.timer = self.engine.loop.call_at(self.exit.deadline, self.cut_off)

    def disarm(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def cut_off(self) -> None:
        """The stop deadline has passed: its own code ends here, its children still stop in order."""
        if self.state in (STARTING, RUNNING, STOPPING):
            self.fall(Ending.KILLED, None)

    def kill(self, final: bool) -> None:
        """End this actor and all below it at once. It handles nothing more from here on."""
        if self.state is ENDED:
            return
        if self.state is DOWN:
            if final:
                self.finish()
            return
        if self.exit is None:
            self.exit = Exit(final, None)
        self.exit.final |= final
        self.exit.brutal = True
        if self.state is FALLING:
            self.fall_on()
        else:
            self.fall(Ending.KILLED, None)

    # ---- ending

    def crash(self, error: BaseException, message: str) -> None:
        """A handler or hook raised something that is no answer."""
        if self.state is FALLING:
            return
        if self.history is None:
            self.history = History()
        self.history.last_crash = f"{type(error).__name__}: {error}"
        self.fall(Ending.CRASHED, error, message)

    def fall(self, ending: Ending, cause: BaseException | None, message: str = "") -> None:
        """This incarnation ends: cut off what runs, then end the children, then end it."""
        self.state = FALLING
        self.idle = False
        self.ending = ending
        self.cause = cause
        self.disarm()
        if cause is not None:
            self.engine.crashed(self.path, cause, message)
        if self.exit is not None and self.exit.final:
            self.shut()
        if self.task is not None:
            self.cut(self.task)
        self.fall_on()

    def cut(self, task: asyncio.Task[None]) -> None:
        """Cancel the awaited handler and answer its asker."""
        asked, self.asked = self.asked, None
        if asked is not None and asked[2] is not None:
            error = Gone(f"{self.path} was cut off") if self.cause is None else Crashed(self.cause, self.path)
            fail(asked[2], asked[4], error)
        task.cancel()
        if self.unbegun is not None:
            drop(self.unbegun)
            self.unbegun = None
            self.task = None
        else:
            self.timer = self.engine.loop.call_later(CANCEL_SECONDS, self.abandon)

    def abandon(self) -> None:
        """The cancelled handler will not end: go on without it."""
        self.timer = None
        task, self.task = self.task, None
        if task is not None:
            logger.error("a handler of %s ignores its cancellation and was abandoned", self.path)
            self.engine.abandoned.add(task)
            task.add_done_callback(self.engine.abandoned.discard)
        self.fall_on()

    def fall_on(self) -> None:
        """Take the next step of the fall, if nothing is left to wait for."""
        if self.state is not FALLING or self.task is not None or self.engine.current is self:
            return  # in its own turn it may be inside its handler: the turn takes this step when that has returned
        if self.nursery is not None and not self.nursery.leave(self.exit is not None and self.exit.brutal):
            return
        self.end()

    def end(self) -> None:
        """This incarnation is over."""
        self.disarm()
        self.release()
        self.receive = nobody
        self.nursery = None
        self.control = None
        self.forget()
        exit_, self.exit = self.exit, None
        self.state = DOWN
        parent = self.parent
        restart = self.spec.restart
        wanted = restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and self.ending is not Ending.STOPPED)
        if (exit_ is not None and exit_.final) or not wanted or parent is None or parent.nursery is None:
            self.finish()
        else:
            parent.nursery.down(self)

    def release(self) -> None:
        """Call `released()`. It is too late to crash: what it raises is only reported."""
        actor, self.actor = self.actor, None
        engine = self.engine
        outer, engine.current = engine.current, self  # a kill from inside it must not end the incarnation twice
        try:
            if actor is not None:
                actor.released()
        except BaseException as error:
            engine.crashed(self.path, error, "released()")
            raise_interrupt(error)
        finally:
            engine.current = outer

    def forget(self) -> None:
        """Drop the timers and watches of this incarnation."""
        for timer in tuple(self.timers or ()):
            timer.cancel()
        self.timers = None
        for target in self.watching or ():
            if target.watchers is not None:
                target.watchers.pop(self, None)
        self.watching = None

    def finish(self) -> None:
        """Over for good: answer for the mail, tell the watchers, leave the tree."""
        self.disarm()
        self.state = ENDED
        self.idle = False
        self.close()
        self.discard()
        engine = self.engine
        if engine.names:
            engine.forget(self.ref)
        if engine.listeners:
            engine.emit(Stopped(self.path, self.ending))
        watchers, self.watchers = self.watchers, None
        if watchers:
            down = Down(self.ref, self.ending, self.cause)
            for notify in tuple(watchers.values()):
                notify(down)
        del (
            self.ref
        )  # ref and life point at each other: without this every ended actor is work for the garbage collector
        if self.parent is not None and self.parent.nursery is not None:
            self.parent.nursery.gone(self)


def nobody(message: Any) -> Any:
    """The handler of an actor between two incarnations: never called."""
    raise AssertionError(message)


def drop(result: Any) -> None:
    """Nobody will await this result."""
    if inspect.iscoroutine(result):
        result.close()


def raise_interrupt(error: BaseException) -> None:
    """Ctrl-C belongs to the program, not to the actor it happened to hit."""
    if isinstance(error, KeyboardInterrupt):
        raise error
