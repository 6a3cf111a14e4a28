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

from actors.kernel.actor import ActorSystem, Supervisor
from actors.kernel.attendance import drop
from actors.kernel.life import Life
from actors.kernel.mailbox import Envelope, fail
from actors.kernel.nursery import Nursery
from actors.kernel.ref import ActorRef
from actors.kernel.spec import ChildSpec, Restart
from actors.kernel.state import ENDED, FALLING, RUNNING, STARTING, STOPPING, Exit
from actors.kernel.timer import Timer
from protocol.errors import Crashed, Gone, Refusal
from protocol.lifecycle import Down, Ending
from protocol.refs import AnyRef, Recipient

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
            if self.state is STARTING:
                self.start_on()
            if self.state is RUNNING:
                self.work()
            elif self.state is STOPPING:
                self.stop_on()
        if self.state is FALLING:
            self.engine.current = None
            self.fall_on()

    def start_on(self) -> None:
        """Begin this incarnation, unless a stop came first. If it waits for its children, go on waiting."""
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
            exit_ = self.exit
            if exit_ is not None and not (exit_.passive and self.waits()):
                self.begin_stop()
                return
            control = self.control
            mail = self.mail
            if not (control or mail):
                self.mail = self.control = None
                self.idle = True
                return
            if not budget:
                self.engine.ready.append(self)
                return
            budget -= 1
            if exit_ is not None:
                self.exit = None  # mail came before the passivation was served: the actor lives on
            if control:
                self.handle_control(control.popleft())
            elif mail:
                envelope = mail.popleft()
                future = envelope[2]
                if future is None or (not future.done() and envelope[3] > self.engine.now):
                    self.handle(envelope)

    def waits(self) -> bool:
        """Whether anything waits that will really be handled."""
        while self.control and isinstance(self.control[0], Timer) and not self.control[0].pending:
            self.control.popleft()
        return bool(self.control) or self.prune()

    def stop_on(self) -> None:
        budget = MESSAGES_PER_TURN
        while self.state is STOPPING and self.task is None:
            if not self.mail or self.exit is None or not self.exit.final or self.exit.hooked:
                self.call_stopping()
                return
            if not budget:
                self.engine.ready.append(self)
                return
            budget -= 1
            envelope = self.mail.popleft()
            if not self.stale(envelope):
                self.handle(envelope)

    def handle_control(self, message: Any) -> None:
        """Handle one entry of the system lane."""
        if isinstance(message, Timer):
            if not message.pending:
                return
            message.cancel()
            message = message.message
        self.handle((message, 0.0, None, 0.0, None))

    def handle(self, envelope: Envelope) -> None:
        """Run the handler on one message and answer the asker, if there is one."""
        self.asked = envelope
        try:
            result = self.actor.receive(envelope[0])
        except BaseException as error:
            self.answer(None, error)
            return
        if result is not None and hasattr(result, "__await__"):
            if self.state is FALLING:
                drop(result)
                self.answer(None, None)
            else:
                self.attend(result)
        else:
            self.answer(result, None)

    def answer(self, result: Any, error: BaseException | None) -> None:
        """The message in hand is done with: answer its asker. Any error but a refusal is a crash."""
        asked = self.asked
        if asked is None:
            return  # cut off meanwhile, and answered then
        self.asked = None
        message, _, future, _, bucket = asked
        if self.state is FALLING:
            error = Gone(f"{self.path} was killed")  # by something its handler called
        elif isinstance(error, Refusal):
            error.__traceback__ = (
                None  # an answer needs none, and its frames would hold the future that holds the answer
            )
        elif error is not None:
            self.crash(error, type(message).__name__)
            error = Crashed(error, self.path)
        if future is None:
            return
        if error is not None:
            fail(future, bucket, error)
            return
        if not future.done():
            future.set_result(result)
        if bucket is not None:
            bucket.pop(future, None)

    def settled(self, result: Any, error: BaseException | None) -> None:
        state = self.state
        if state is FALLING:
            self.disarm()
            self.fall_on()
        elif self.asked is not None:
            self.answer(result, error)
            if self.state is not FALLING:
                self.engine.schedule(self)
        elif error is not None:
            self.crash(error, "started()" if state is STARTING else "stopping()")
        elif state is STARTING and (self.exit is None or self.exit.passive):
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
        if self.actor is not None:
            self.observe(target, ref)

    def observe(self, target: Cell, ref: AnyRef) -> None:
        """Put a `Down` on the system lane when the target ends for good, or at once if it has."""
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

    def forget_timer(self, timer: Timer) -> None:
        if self.timers is not None:
            self.timers.pop(timer, None)

    def stop(self) -> None:
        self.ask_to_stop(self.spec.restart is not Restart.PERMANENT, self.stop_deadline())

    def passivate(self) -> bool:
        if self.exit is None and self.actor is not None:
            self.exit = Exit(final=True, deadline=None)
            self.exit.passive = True
        return not self.waits()


def cell_of(ref: Recipient[Any]) -> Cell | None:
    """The cell behind a ref; None for recipients that are no actors of this kernel."""
    lanes = ref.lanes if isinstance(ref, ActorRef) else None
    return lanes if isinstance(lanes, Cell) else None
