"""What all actors of a system share: the ready queue, the clock, the dice, the event listeners, the count of dead
letters.

Invariant: at most one drain is scheduled on the loop, and each drain gives the loop back after a bounded time, so no
storm of messages keeps sockets and timers waiting. Cells queue themselves here; `System` owns it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from actors.kernel.deadlines import Addressee, Deadlines
from protocol.lifecycle import ActorCrashed, DeadLetter, Event, Started, Stopped
from protocol.refs import AnyRef

logger = logging.getLogger(__name__)

TURNS_PER_DRAIN = 256
"""Turns before the loop gets its chance, also on a clock that stands still."""
SECONDS_PER_DRAIN = 0.002
"""Time after which a drain gives way: well below the 20 ms of loop lag that operators would notice."""


class Runnable(Protocol):
    """Something that takes turns: a cell."""

    def turn(self) -> None: ...


class Registry:
    """Names of living actors: a dict per system, never a global."""

    __slots__ = ("_names", "_refs")

    def __init__(self) -> None:
        self._refs: dict[str, AnyRef] = {}
        self._names: dict[AnyRef, list[str]] = {}
        """The way back, so that the end of one actor does not have to look through all names."""

    def register(self, name: str, ref: AnyRef) -> None:
        """Raises ValueError when a living actor has that name. An actor that has ended gets none."""
        holder = self._refs.get(name)
        if holder is ref or not ref.alive:
            return
        if holder is not None:
            raise ValueError(f"the name {name!r} belongs to {holder.path}")
        self._refs[name] = ref
        self._names.setdefault(ref, []).append(name)

    def unregister(self, name: str) -> None:
        """Free a name. Unknown ones are ignored."""
        ref = self._refs.pop(name, None)
        if ref is not None:
            self._names[ref].remove(name)

    def lookup(self, name: str) -> AnyRef | None:
        """The actor of that name."""
        return self._refs.get(name)

    def forget(self, ref: AnyRef) -> None:
        """This actor takes no mail any more."""
        for name in self._names.pop(ref, ()):
            del self._refs[name]


class Engine:
    """One scheduler for all cells of a system."""

    __slots__ = (
        "abandoned",
        "current",
        "dead_letters",
        "deadlines",
        "dice",
        "listeners",
        "loop",
        "names",
        "now",
        "ready",
        "scheduled",
        "system",
        "threads",
        "variables",
        "witnesses",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, system: Any, seed: int | None) -> None:
        self.loop = loop
        self.system = system
        self.dice = random.Random(seed)
        self.deadlines = Deadlines(loop)
        self.now = loop.time()
        """Loop time when the current drain was scheduled or began: what mail is stamped with, never ahead of time."""
        self.ready: deque[Runnable] = deque()
        self.scheduled = False
        self.current: Runnable | None = None
        """The cell whose turn it is: code that runs now may be inside its handler."""
        self.dead_letters = 0
        self.listeners: tuple[Callable[[Event], object], ...] = ()
        self.witnesses: tuple[Callable[[Event], object], ...] = ()
        """The listeners that hear of births and deaths too."""
        self.names = Registry()
        self.abandoned: set[asyncio.Task[Any]] = set()
        """Tasks of killed handlers that ignore their cancellation."""
        self.threads: set[asyncio.Future[None]] = set()
        """One for each thread of a blocking actor, done when the thread has ended."""
        # Handlers run in a context of their own: the variables of whoever told first must not leak into them.
        self.variables = contextvars.Context()

    def schedule(self, cell: Runnable) -> None:
        """Give this cell a turn."""
        self.ready.append(cell)
        if not self.scheduled:
            self.now = self.loop.time()
            self.wake()

    def wake(self) -> None:
        """Schedule the drain. Only when it is not scheduled yet, and `now` is fresh."""
        self.scheduled = True
        self.loop.call_soon(self._drain, context=self.variables)

    def _drain(self) -> None:
        ready = self.ready
        time = self.loop.time
        self.now = time()
        until = self.now + SECONDS_PER_DRAIN
        turns = TURNS_PER_DRAIN
        try:
            while ready and turns:
                turns -= 1
                cell = self.current = ready.popleft()
                cell.turn()
                if not turns & 3 and time() > until:
                    break
        finally:
            self.current = None
            self.scheduled = False
            if ready:
                self.now = time()
                self.wake()

    def emit(self, event: Event) -> None:
        """Tell every listener. Callers ask `if listeners` first, so an event nobody reads is never made."""
        for listener in self.witnesses if isinstance(event, (Started, Stopped)) else self.listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on %r", event)

    def interrupt(self, error: KeyboardInterrupt) -> None:
        """Ctrl-C belongs to the program, not to the actor it hit by chance: raise it where the loop lets it out."""
        self.loop.call_soon(_raise, error)

    def dead_letter(self, addressee: Addressee, message: Any) -> None:
        """A message reached nobody."""
        self.dead_letters += 1
        if self.listeners:
            self.emit(DeadLetter(addressee.path, type(message).__name__))

    def crashed(self, path: str, cause: BaseException, message: str) -> None:
        """An incarnation ended with a bug. With no listener it is logged: a crash is never silent."""
        if self.listeners:
            self.emit(ActorCrashed(path, cause, message))
        else:
            logger.error("%s crashed on %s", path, message, exc_info=cause)


def _raise(error: BaseException) -> None:
    raise error
