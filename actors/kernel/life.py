"""The life of one actor: every way from one state to the next (drawn in `state`).

Invariants: `released()` is called once for every incarnation that was made; an actor's own code and its children have
ended before its incarnation has; the mailbox closes, and all that waits in it is answered for, exactly once, when the
actor ends for good. The cell takes the turns; the nursery of the parent hears of each end and decides what follows.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from actors.kernel.actor import Actor
from actors.kernel.attendance import Attendance, drop
from actors.kernel.engine import Engine
from actors.kernel.mailbox import Bounded
from actors.kernel.ref import ActorRef
from actors.kernel.spec import ChildSpec, Restart
from actors.kernel.state import DOWN, ENDED, FALLING, RUNNING, STARTING, STOPPING, Exit, History
from actors.kernel.timer import Timer
from protocol.errors import Crashed, Gone
from protocol.lifecycle import Down, Ending, Restarted, Started, Stopped


class Brood(Protocol):
    """The children of one incarnation, as its own life sees them: the nursery."""

    def leave(self, brutal: bool) -> bool:
        """End all children; True when there is none left. Calls the owner's `fall_on` when the last ends later."""

    def running(self, child: Life) -> None:
        """This child has started."""

    def down(self, child: Life) -> None:
        """An incarnation of this child has ended, and its restart type asks for another."""

    def gone(self, child: Life) -> None:
        """This child has ended for good."""


class Life(Attendance):
    """One actor over all its incarnations."""

    __slots__ = (
        "actor",
        "born",
        "cause",
        "ending",
        "exit",
        "history",
        "incarnation",
        "nursery",
        "ran",
        "ref",
        "spec",
        "state",
        "timers",
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
        """How the last incarnation ended."""
        self.cause: BaseException | None = None
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
            result = actor.started()
        except BaseException as error:
            self.crash(error, "started()")
            return
        if self.state is not STARTING:
            drop(result)  # killed by something it called itself
        elif result is not None and inspect.isawaitable(result):
            self.attend(result)
        else:
            self.raise_brood()

    def raise_brood(self) -> None:
        """Start the static children, if there are any; then run."""
        raise NotImplementedError

    def run(self) -> None:
        """The start is complete: take mail."""
        self.state = RUNNING
        self.ran = True
        engine = self.engine
        self.born = engine.now
        if engine.witnesses:
            engine.emit(Started(self.path, self.incarnation))
        if self.incarnation > 1 and engine.listeners:
            delay = self.history.delay if self.history is not None else 0.0
            engine.emit(Restarted(self.path, self.incarnation, delay))
        if self.parent is not None and self.parent.nursery is not None:
            self.parent.nursery.running(self)
        if engine.current is not self:
            engine.schedule(self)

    def attend(self, awaitable: Awaitable[Any]) -> None:
        super().attend(awaitable)
        self.arm()

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
        if self.state is DOWN or self.state is ENDED:
            if final:
                self.finish()
            return
        if self.exit is None or self.exit.passive:
            self.exit = Exit(final, deadline)
            self.arm()
            self.idle = False
            self.engine.schedule(self)
        elif final:
            self.exit.final = True
        if final:
            self.shut()

    def begin_stop(self) -> None:
        """Nothing runs now: serve the stop lane."""
        self.state = STOPPING
        exit_ = self.exit
        if exit_ is not None and exit_.passive:
            exit_.passive = False
            exit_.deadline = self.stop_deadline()
        if exit_ is not None and exit_.final:
            self.shut()
        self.stop_on()

    def shut(self) -> None:
        """Take no more mail. What waits is discarded, unless the mailbox is to be drained first."""
        self.close()
        self.engine.names.forget(self.ref)
        if not self.spec.mailbox.drain or self.state in (FALLING, DOWN, ENDED):
            self.discard()

    def stop_on(self) -> None:
        """Do the next part of the stop, as far as it goes without awaiting: drain, run the hook, fall."""
        raise NotImplementedError

    def call_stopping(self) -> None:
        """Run the `stopping()` hook, if there is one, and fall when it is done."""
        if self.exit is not None and not self.exit.hooked and type(self.actor).stopping is not Actor.stopping:
            self.exit.hooked = True
            try:
                result = self.actor.stopping()
            except BaseException as error:
                self.crash(error, "stopping()")
                return
            if self.state is not STOPPING:
                drop(result)
                return
            if result is not None and inspect.isawaitable(result):
                self.attend(result)
                return
        self.fall(Ending.STOPPED, None)

    def arm(self) -> None:
        """Start the clock of the stop deadline, if there is code to wait for."""
        exit_ = self.exit
        if self.task is not None and self.timer is None and exit_ is not None and exit_.deadline is not None:
            self.timer = self.engine.loop.call_at(exit_.deadline, self.cut_off)

    def cut_off(self) -> None:
        """The stop deadline has passed: its own code ends here, its children still stop in order."""
        if self.state is STARTING or self.state is RUNNING or self.state is STOPPING:
            self.fall(Ending.KILLED, None)

    def kill(self, final: bool) -> None:
        """End this actor and all below it at once. It handles nothing more from here on."""
        if self.state is DOWN or self.state is ENDED:
            if final:
                self.finish()
            return
        if self.exit is None or self.exit.passive:
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
        if self.state is not FALLING:
            if self.history is None:
                self.history = History()
            self.history.last_crash = f"{type(error).__name__}: {error}"
            self.history.crashed_at = self.engine.loop.time()
            self.fall(Ending.CRASHED, error, message)
        if isinstance(error, KeyboardInterrupt):
            self.engine.interrupt(error)

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
            self.cut(self.task, Gone(f"{self.path} was cut off") if cause is None else Crashed(cause, self.path))
            if self.exit is not None and self.exit.brutal and self.nursery is not None:
                self.nursery.leave(True)  # children do not get the time that a cancelled handler takes to clean up
        self.fall_on()

    def fall_on(self) -> None:
        """Take the next step of the fall, if nothing is left to wait for."""
        if self.state is not FALLING or self.task is not None or self.engine.current is self:
            return  # in its own turn it may be inside its handler: the turn takes this step when that has returned
        if self.nursery is None or self.nursery.leave(self.exit is not None and self.exit.brutal):
            self.end()

    def end(self) -> None:
        """This incarnation is over."""
        self.disarm()
        self.release()
        self.nursery = None
        self.control = None
        self.forget()
        exit_, self.exit = self.exit, None
        self.state = DOWN
        parent = self.parent
        if (
            parent is None
            or parent.nursery is None
            or self.spec.restart is Restart.TEMPORARY
            or (exit_ is not None and exit_.final)
        ):
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
        """Over for good, from DOWN: answer for the mail, tell the watchers, leave the tree."""
        if self.state is ENDED:
            return
        self.disarm()
        self.state = ENDED
        self.shut()
        engine = self.engine
        if engine.witnesses:
            engine.emit(Stopped(self.path, self.ending))
        watchers, self.watchers = self.watchers, None
        if watchers:
            down = Down(self.ref, self.ending, self.cause)
            for notify in tuple(watchers.values()):
                notify(down)
        # Ref and life point at each other: left so, every ended actor would be work for the garbage collector.
        del self.ref
        if self.parent is not None and self.parent.nursery is not None:
            self.parent.nursery.gone(self)
