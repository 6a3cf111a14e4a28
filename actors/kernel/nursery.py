"""The children of one incarnation: who they are, what follows when one fails, how all of them end.

The decisions are OTP's: strategy, restart type, intensity per period, then escalation. A nursery is served in its
owner's turns, also while the owner's handler awaits (a handler may wait for the very child that has to be restarted),
and never calls into the owner's code. Invariants: children start in order and stop in reverse wherever order was
promised; no child is started twice; a restart never happens inside the failure that caused it, so a crash loop cannot
hold the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import Protocol

from actors.kernel.engine import Engine
from actors.kernel.life import Life
from actors.kernel.mailbox import CLOSED
from actors.kernel.spec import Intensity, Restart, Strategy
from actors.kernel.state import DOWN, ENDED, History
from protocol.errors import RestartsExhausted
from protocol.lifecycle import Escalated

logger = logging.getLogger(__name__)


class Owner(Protocol):
    """The supervising actor, as its nursery sees it."""

    engine: Engine

    @property
    def path(self) -> str: ...
    def turn(self) -> None: ...
    def run(self) -> None: ...
    def fall_on(self) -> None: ...
    def escalate(self, error: BaseException) -> None: ...


class Nursery:
    """Looks after the children of one incarnation."""

    __slots__ = (
        "_failures",
        "_given_up",
        "_group",
        "_intensity",
        "_leaving",
        "_line",
        "_ordered",
        "_owner",
        "_pause",
        "_stepping",
        "_strategy",
        "_timer",
        "_waiters",
        "children",
        "raising",
        "reports",
    )

    def __init__(self, owner: Owner, strategy: Strategy, intensity: Intensity, ordered: bool) -> None:
        self._owner = owner
        self._strategy = strategy
        self._intensity = intensity
        self._ordered = ordered or strategy is not Strategy.ONE_FOR_ONE
        self.children: dict[str, Life] = {}
        """By name, in start order."""
        self.reports: deque[Life] = deque()
        """Children whose end has not been decided upon."""
        self.raising = False
        """True while the owner waits for its static children."""
        self._line: deque[Life] = deque()
        """Children to be started one after the other; the first one is starting."""
        self._group: dict[Life, None] | None = None
        """Children being taken down together, to be started together."""
        self._pause = 0.0
        """Backoff before the group is started."""
        self._timer: asyncio.TimerHandle | None = None
        """Backoff of the group, or the common deadline of a parallel stop."""
        self._failures: deque[float] = deque()
        self._given_up = False
        self._leaving = False
        self._stepping = False
        self._waiters: list[asyncio.Future[None]] = []

    # ---- joining

    def adopt(self, child: Life) -> None:
        """Take in a dynamic child and start it. Raises ValueError when a living sibling has its name."""
        self._enter(child)
        child.begin()

    def raise_line(self, children: Sequence[Life]) -> None:
        """Take in static children and start them one after the other; then the owner runs."""
        for child in children:
            self._enter(child)
        self.raising = True
        self._start_line(children)

    def _enter(self, child: Life) -> None:
        older = self.children.get(child.name)
        if older is not None:
            if older.gate is not CLOSED:
                raise ValueError(f"{self._owner.path} has a child named {child.name!r} already")
            # The older one takes no mail any more and only finishes: a keeper need not wait to start its successor.
            del self.children[older.name]
            older.name = next(name for n in count(1) if (name := f"{child.name}~{n}") not in self.children)
            self.children[older.name] = older
        self.children[child.name] = child

    def _start_line(self, children: Sequence[Life]) -> None:
        self._line = deque(child for child in children if child.state is not ENDED)
        self._step_line()

    def _step_line(self) -> None:
        if self._line:
            if self._line[0].state is DOWN:
                self._line[0].begin()
        elif self.raising:
            self.raising = False
            self._owner.run()

    def running(self, child: Life) -> None:
        """This child has started."""
        if self._line and self._line[0] is child:
            self._line.popleft()
            self._step_line()

    # ---- failing

    def down(self, child: Life) -> None:
        """An incarnation of this child has ended, and its restart type asks for another."""
        self.reports.append(child)
        self._owner.engine.schedule(self._owner)

    def serve(self) -> None:
        """Decide about the children whose incarnations have ended."""
        while self.reports:
            child = self.reports.popleft()
            if self._group is not None and child in self._group:
                self._step_group()
            elif child.state is DOWN and self._leaving:
                child.finish()
            elif child.state is DOWN and not self._given_up:
                self._fail(child)

    def _fail(self, child: Life) -> None:
        history = child.history = child.history or History()
        if self._forgives(child):
            delay = 0.0
        else:
            if self._too_many():
                self._escalate(child)
                return
            delay = self._backoff(child, history)
        history.delay = delay
        if self._strategy is Strategy.ONE_FOR_ONE:
            if delay > 0:
                child.timer = self._owner.engine.loop.call_later(delay, child.begin)
            else:
                child.begin()
        else:
            self._take_down(child, delay)

    def _forgives(self, child: Life) -> bool:
        if not child.ran:
            return False  # a start that fails at once and is forgiven would be tried for ever without a pause
        try:
            return not child.spec.counts(child.cause)
        except Exception:
            logger.exception("the counts predicate of %s failed; the ending counts", child.path)
            return False

    def _too_many(self) -> bool:
        now = self._owner.engine.loop.time()
        failures = self._failures
        failures.append(now)
        while failures and failures[0] <= now - self._intensity.seconds:
            failures.popleft()
        return len(failures) > self._intensity.restarts

    def _backoff(self, child: Life, history: History) -> float:
        backoff = child.spec.backoff
        if backoff is None:
            return 0.0
        engine = self._owner.engine
        if child.ran and engine.loop.time() - child.born >= backoff.quiet:
            history.failures = 0
        delay = backoff.delay(history.failures, engine.dice)
        history.failures += 1
        return delay

    def _escalate(self, child: Life) -> None:
        owner = self._owner
        cause = child.cause
        if owner.engine.listeners:
            owner.engine.emit(Escalated(owner.path, cause))
        error = RestartsExhausted(
            f"{child.path} failed more than {self._intensity.restarts} times in {self._intensity.seconds:g} s"
        )
        error.__cause__ = cause
        self._given_up = True
        self._line.clear()  # or the end of the last child in line would let the owner run
        child.finish()
        owner.escalate(error)

    # ---- groups

    def _take_down(self, child: Life, delay: float) -> None:
        members = list(self.children.values())
        if self._strategy is Strategy.REST_FOR_ONE:
            members = members[members.index(child) :]
        self._disarm()
        self._line.clear()
        self._group = dict.fromkeys(members)
        self._pause = delay
        self._step_group()

    def _step_group(self) -> None:
        """Stop the last member that is up; when none is, pause, then start them all in order."""
        group = self._group
        if group is None or self._timer is not None:
            return
        for member in reversed(list(group)):
            if member.state is ENDED:
                del group[member]
            elif member.state is not DOWN:
                if member.exit is None or member.exit.passive:
                    member.stop_orderly(final=member.spec.restart is Restart.TEMPORARY)
                return
        if self._pause > 0:
            self._timer = self._owner.engine.loop.call_later(self._pause, self._start_group)
        else:
            self._start_group()

    def _start_group(self) -> None:
        self._timer = None
        group, self._group = self._group or {}, None
        # Members that ended while the last one was awaited are down, as they should be: their reports are no failures.
        self.reports = deque(child for child in self.reports if child not in group)
        self._start_line(list(group))

    # ---- leaving

    def gone(self, child: Life) -> None:
        """This child has ended for good."""
        if self.children.get(child.name) is child:
            del self.children[child.name]
        if self._leaving:
            if not self._stepping:
                self._step_leave()
                if not self.children:
                    self._disarm()
                    self._owner.fall_on()
        elif self._group is not None:
            self.down(child)
        elif child in self._line:
            head = self._line[0] is child
            self._line.remove(child)
            if head:
                self._step_line()
        if not self.children:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiters.clear()

    def leave(self, brutal: bool) -> bool:
        """End all children for good; True when there is none left."""
        if self._stepping:
            return False
        self._stepping = True
        if not self._leaving:
            self._leaving = True
            self.raising = False
            self._line.clear()
            self._group = None
            self._disarm()
            for child in reversed(list(self.children.values())):
                if child.state is DOWN:
                    child.finish()
            if not brutal and not self._ordered:
                self._stop_together()
        if brutal:
            for child in reversed(list(self.children.values())):
                child.kill(final=True)
        self._stepping = False
        self._step_leave()
        if not self.children:
            self._disarm()
        return not self.children

    def _stop_together(self) -> None:
        """Dynamic children stop in parallel under one deadline: the longest of theirs."""
        seconds = 0.0
        for child in reversed(list(self.children.values())):
            if child.spec.shutdown_seconds <= 0:
                child.kill(final=True)
            else:
                seconds = max(seconds, child.spec.shutdown_seconds)
                child.ask_to_stop(final=True, deadline=None)
        if self.children and seconds < float("inf"):
            self._timer = self._owner.engine.loop.call_later(seconds, self._cut_off)

    def _cut_off(self) -> None:
        self._timer = None
        for child in reversed(list(self.children.values())):
            child.cut_off()

    def _step_leave(self) -> None:
        """Where order was promised: stop the last child, once the one after it has ended."""
        self._stepping = True
        while self._ordered and self.children:
            last = next(reversed(self.children.values()))
            if last.exit is not None and last.exit.final and not last.exit.passive:
                break
            last.stop_orderly(final=True)
            if last.state is not ENDED:
                break
        self._stepping = False

    def drained(self) -> asyncio.Future[None]:
        """Done when there is no child."""
        waiter: asyncio.Future[None] = self._owner.engine.loop.create_future()
        if self.children:
            self._waiters.append(waiter)
        else:
            waiter.set_result(None)
        return waiter

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
