"""A cell: one actor taking its turns, and the `Context` its incarnations see.

Invariants: one message at a time; lanes are served stop, then system, then user; a turn handles a bounded number of
messages, then lets others go first. Plain handlers run right here, in the system's drain; only a handler that returns
something to await gets a task, for that one message. Between the layers: `mailbox` says what waits, `life` what state
it is in, `nursery` looks after the children.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable
from typing import Any

from actors.kernel.actor import Supervisor
from actors.kernel.context import ActorSystem
from actors.kernel.life import ENDED, FALLING, RUNNING, STARTING, STOPPING, Exit, Life, drop, raise_interrupt
from actors.kernel.mailbox import Envelope, fail
from actors.kernel.nursery import Nursery
from actors.kernel.ref import ActorRef
from actors.kernel.spec import ChildSpec, Restart
from actors.kernel.timer import Timer
from protocol.errors import Crashed, Gone, Refusal
from protocol.lifecycle import Down, Ending
from protocol.refs import AnyRef

MESSAGES_PER_TURN = 16
"""Fairness between actors: a flooded one lets all others that are ready go between two handfuls."""


class Cell(Life):
    """One actor of a system. Implements `Context`."""

    __slots__ = ()

    nursery: Nursery | None

    # ---- turns

    def turn(self) -> None:
        """Do what can be done now."""
        nursery = self.nursery
        if nursery is not None and nursery.reports:
            nursery.serve()
        if self.task is None:
            if self.state is RUNNING:
                self.work()
            elif self.state is STARTING:
                self.start_on()
            if self.state is STOPPING and self.task is None:
                self.empty()
        if self.state is FALLING:
            self.engine.current = None
            self.fall_on()

    def start_on(self) -> None:
        """Begin this incarnation, unless a stop came first."""
        if self.exit is None or self.exit.passive:
            if self.actor is None:
                self.start()
        elif self.actor is None:
            self.fall(Ending.STOPPED, None)
        else:
            self.begin_stop()

    def work(self) -> None:
        """Handle what waits, up to a handful of messages."""
        budget = MESSAGES_PER_TURN
        while self.state is RUNNING and self.task is None:
            if self.exit is not None:
                if not (self.exit.passive and self.waits()):
                    self.begin_stop()
                    return
                if budget:
                    self.exit = None  # mail came before the passivation: it is handled, the actor lives on
            if self.control:
                self.handle_control(self.control.popleft())
            elif mail := self.mail:
                if not budget:
                    self.engine.ready.append(self)
                    return
                budget -= 1
                envelope = mail.popleft()
                future = envelope[2]
                if future is None or (not future.done() and envelope[3] > self.engine.now):
                    self.handle(envelope)
            else:
                self.mail = None
                self.idle = True
                return

    def waits(self) -> bool:
        """Whether anything waits that will really be handled."""
        while self.control and isinstance(self.control[0], Timer) and not self.control[0].pending:
            self.control.popleft()
        return bool(self.control) or self.prune()

    def empty(self) -> None:
        """Stopping: handle the mail that is to be drained, then run the hook."""
        budget = MESSAGES_PER_TURN
        while self.state is STOPPING and self.task is None:
            if not self.mail or self.exit is None or not self.exit.final or self.exit.hooked:
                self.stop_on()
                return
            if not budget:
                self.engine.ready.append(self)
                return
            budget -= 1
            envelope = self.mail.popleft()
            future = envelope[2]
            if future is None or (not future.done() and envelope[3] > self.engine.now):
                self.handle(envelope)

    def handle_control(self, message: Any) -> None:
        """Handle one entry of the system lane."""
        if isinstance(message, Timer):
            if not message.pending:
                return
            message.cancel()
            if self.timers is not None:
                self.timers.pop(message, None)
            message = message.message
        self.handle((message, 0.0, None, 0.0, None))

    def handle(self, envelope: Envelope) -> None:
        """Run the handler on one message and answer the asker, if there is one."""
        self.asked = envelope
        try:
            result = self.receive(envelope[0])
        except BaseException as error:
            self.answer(None, error)
        else:
            if self.state is FALLING:
                drop(result)
                self.answer(None, Gone(f"{self.path} was killed"))
            elif result is not None and hasattr(result, "__await__"):
                self.attend(result)
            else:
                self.asked = None
                _, _, future, _, bucket = envelope
                if future is not None:
                    if not future.done():
                        future.set_result(result)
                    if bucket is not None:
                        bucket.pop(future, None)

    def answer(self, result: Any, error: BaseException | None) -> None:
        """The message in hand is done with: answer its asker; anything but a refusal is a crash."""
        asked, self.asked = self.asked, None
        if asked is None:
            return  # cut off meanwhile, and answered then
        message, _, future, _, bucket = asked
        crash = error is not None and not isinstance(error, Refusal) and self.state is not FALLING
        if future is not None:
            if error is not None:
                fail(future, bucket, Crashed(error, self.path) if crash else error)
            else:
                if not future.done():
                    future.set_result(result)
                if bucket is not None:
                    bucket.pop(future, None)
        if crash and error is not None:
            self.crash(error, type(message).__name__)
            raise_interrupt(error)

    def settled(self, result: Any, error: BaseException | None) -> None:
        """An awaited handler or hook has ended."""
        state = self.state
        if state is FALLING:
            self.disarm()
            self.fall_on()
        elif self.asked is not None:
            self.answer(result, error)
            self.engine.schedule(self)
        elif error is not None:
            self.crash(error, "started()" if state is STARTING else "stopping()")
        elif state is STARTING and self.exit is None:
            self.raise_brood()
        else:
            self.engine.schedule(self)

    # ---- children

    def raise_brood(self) -> None:
        actor = self.actor
        if isinstance(actor, Supervisor) and actor.children:
            self.brood().raise_line([Cell(self.engine, spec, self) for spec in actor.children])
        else:
            self.run()

    def brood(self) -> Nursery:
        """The nursery of this incarnation, made when the first child comes."""
        if self.nursery is None:
            actor = self.actor
            self.nursery = Nursery(self, actor.strategy, actor.intensity, isinstance(actor, Supervisor))
        return self.nursery

    def escalate(self, error: BaseException) -> None:
        """Too many children have failed: this actor crashes to its own parent."""
        if self.state in (STARTING, RUNNING, STOPPING):
            self.crash(error, "children")

    # ---- Context

    @property
    def system(self) -> ActorSystem:
        system: ActorSystem = self.engine.system
        return system

    @property
    def children(self) -> tuple[AnyRef, ...]:
        return () if self.nursery is None else tuple(child.ref for child in self.nursery.children.values())

    @property
    def deadline(self) -> float | None:
        return None if self.asked is None or self.asked[2] is None else self.asked[3]

    def now(self) -> float:
        return self.engine.loop.time()

    def spawn(self, spec: ChildSpec) -> ActorRef:
        if self.actor is None or self.state is FALLING:
            raise Gone(f"{self.path} has ended and can have no more children")
        child = Cell(self.engine, spec, self)
        self.brood().adopt(child)
        return child.ref

    def stop_child(self, ref: AnyRef) -> None:
        child = self.child(ref)
        if child is not None:
            child.stop_orderly(final=True)

    def kill_child(self, ref: AnyRef) -> None:
        child = self.child(ref)
        if child is not None:
            child.kill(final=True)

    def child(self, ref: AnyRef) -> Cell | None:
        cell = cell_of(ref)
        return cell if cell is not None and cell.parent is self else None

    def drained(self) -> Awaitable[None]:
        if self.nursery is not None:
            return self.nursery.drained()
        done = self.engine.loop.create_future()
        done.set_result(None)
        return done

    def watch(self, ref: AnyRef) -> None:
        target = cell_of(ref)
        if target is None:
            raise TypeError(f"{ref!r} is no actor of this kernel")
        if target.state is ENDED:
            self.signal(Down(ref, target.ending, target.cause))
            return
        if target.watchers is None:
            target.watchers = {}
        target.watchers[self] = self.signal
        if self.watching is None:
            self.watching = {}
        self.watching[target] = None

    def unwatch(self, ref: AnyRef) -> None:
        target = cell_of(ref)
        if target is None:
            return
        if target.watchers is not None:
            target.watchers.pop(self, None)
        if self.watching is not None:
            self.watching.pop(target, None)
        if self.control:
            self.control = deque(each for each in self.control if not (isinstance(each, Down) and each.ref is ref))

    def after(self, seconds: float, message: Any) -> Timer:
        timer = Timer(self, message)
        if self.actor is not None:
            if self.timers is None:
                self.timers = {}
            self.timers[timer] = None
            timer.arm(self.engine.loop, seconds)
        else:
            timer.cancel()
        return timer

    def due(self, timer: Timer) -> None:
        self.signal(timer)

    def stop(self) -> None:
        self.ask_to_stop(self.spec.restart is not Restart.PERMANENT, self.stop_deadline())

    def passivate(self) -> bool:
        if self.exit is None:
            self.exit = Exit(True, self.stop_deadline())
            self.exit.passive = True
        return not self.waits()


def cell_of(ref: AnyRef) -> Cell | None:
    """The cell behind a ref; None for recipients that are no actors of this kernel."""
    lanes = ref.lanes if isinstance(ref, ActorRef) else None
    return lanes if isinstance(lanes, Cell) else None
