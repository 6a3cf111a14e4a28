"""One tree of actors on one event loop: how a program starts it, looks into it and ends it.

Nothing is global: two systems in one program share nothing. Invariant: when `stop` has returned, the system has left
no task, no timer and no thread behind (a handler that ignores its cancellation for seconds is named in the log).
Actors see the system as `context.system`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from actors.kernel.actor import Actor
from actors.kernel.cell import Cell, cell_of
from actors.kernel.engine import Engine
from actors.kernel.ref import ActorRef, ReplySlot
from actors.kernel.spec import ChildSpec, Intensity, Restart
from actors.kernel.state import ENDED, RUNNING, STARTING
from protocol.errors import Crashed, Gone
from protocol.lifecycle import Down, Ending, Escalated, Event
from protocol.refs import AnyRef, Recipient

logger = logging.getLogger(__name__)

CLEANUP_SECONDS = 2.0
"""How long `stop` waits for killed handlers and threads that are still on their way out."""


@dataclass(frozen=True, slots=True)
class ActorState:
    """One actor and what is below it."""

    path: str
    state: str
    """`starting`, `running`, `busy` (its handler awaits), `stopping`, `ending`, `restarting` (between incarnations)."""
    mailbox: int
    """Messages that wait."""
    oldest_seconds: float
    """How long the oldest of them has waited; 0 when none does."""
    lost: int
    """Messages its bounded mailbox refused or dropped so far."""
    restarts: int
    last_crash: str
    """`ValueError: …`; empty when it never crashed."""
    age_seconds: float
    """Age of the current incarnation."""
    children: tuple[ActorState, ...]
    crash_seconds: float | None = None
    """How long ago the last crash was; None: it never crashed."""
    hidden: int = 0
    """Children that a bounded snapshot left out."""


class Guardian(Actor[Any]):
    """Above the root: supervises what has no other parent."""

    intensity = Intensity(3, 5.0)

    def receive(self, message: Any) -> None:
        """Nobody has its address."""


class Root(Cell):
    """The cell of the root: says when it runs."""

    __slots__ = ("runs",)

    runs: asyncio.Future[None]

    def run(self) -> None:
        super().run()
        if not self.runs.done():
            self.runs.set_result(None)


class System:
    """A supervision tree and its scheduler. To be made, started and stopped on one running loop."""

    def __init__(self, name: str = "system", seed: int | None = None) -> None:
        """`seed` fixes the jitter of all backoffs, for simulations."""
        self.name = name
        loop = asyncio.get_running_loop()
        self.engine = Engine(loop, self, seed)
        self.failed: asyncio.Future[Escalated] = loop.create_future()
        """Set when the tree gives up: its root has crashed, or was killed. The program should exit non-zero."""
        self._ended: asyncio.Future[None] = loop.create_future()
        spec = ChildSpec("", Guardian, restart=Restart.TEMPORARY, shutdown_seconds=math.inf)
        self._guardian = Cell(self.engine, spec, None)
        self._guardian.watchers = {self: self._guardian_ended}
        self._guardian.state = STARTING
        self._guardian.incarnation = 1
        self._guardian.start()

    # ---- beginning and end

    async def start(self, root: ChildSpec) -> ActorRef:
        """Start the tree; returns when the root and all its static children run.

        The root's own restart type is not used: nothing is left above it to start it again.
        Raises Crashed when it gives up before it runs, Gone when it is stopped before it runs.
        """
        cell = Root(self.engine, root._replace(restart=Restart.TEMPORARY), self._guardian)
        cell.runs = self.engine.loop.create_future()
        ref = cell.ref

        def ended(down: Down) -> None:
            if not cell.runs.done():
                error = Gone(f"{ref.path} ended before it ran") if down.cause is None else Crashed(down.cause, ref.path)
                cell.runs.set_exception(error)
            if down.ending is not Ending.STOPPED:
                self._fail(down)

        cell.watchers = {self: ended}
        self._guardian.brood().adopt(cell)
        await asyncio.shield(cell.runs)
        return ref

    def spawn(self, spec: ChildSpec) -> ActorRef:
        """Start one more actor at the top, beside the root: for embedding programs and tests."""
        return self._guardian.spawn(spec)

    async def stop(self, timeout: float = 60.0) -> None:
        """Stop the whole tree in order; kill what is left of it after `timeout` seconds. Idempotent."""
        loop = self.engine.loop
        if self._guardian.state is not ENDED:
            self._guardian.ask_to_stop(final=True, deadline=None)
            killer = loop.call_later(timeout, self._guardian.kill, True)
            self._ended.add_done_callback(lambda _: killer.cancel())
            await asyncio.shield(self._ended)
        self.engine.deadlines.close()
        for task in self.engine.abandoned:
            task.cancel()
        leaving = [*self.engine.abandoned, *self.engine.threads]
        if leaving:
            _, late = await asyncio.wait(leaving, timeout=CLEANUP_SECONDS)
            for straggler in late:
                logger.error("left behind by the stop of %s: %r", self.name, straggler)

    def _guardian_ended(self, down: Down) -> None:
        self._ended.set_result(None)
        if down.ending is Ending.CRASHED:
            self._fail(down)

    def _fail(self, down: Down) -> None:
        if not self.failed.done():
            self.failed.set_result(Escalated(down.ref.path, down.cause))

    # ---- reaching into the tree

    def stop_ref(self, ref: AnyRef) -> None:
        """Stop an actor for good, whatever its restart type, under its stop deadline."""
        cell = cell_of(ref)
        if cell is not None:
            cell.stop_orderly(final=True)

    def kill(self, ref: AnyRef) -> None:
        """End this incarnation, and all below it, at once. An abnormal end: the restart type decides what follows."""
        cell = cell_of(ref)
        if cell is not None:
            cell.kill(final=False)

    def watch(self, ref: AnyRef, recipient: Recipient[Any]) -> None:
        """Tell `recipient` (a reply slot, or a ref) one `Down` when the actor ends for good: at once if it has."""
        cell = cell_of(ref)
        if cell is None:
            raise TypeError(f"{ref!r} is no actor of this kernel")
        watcher = cell_of(recipient)
        if watcher is not None:
            watcher.observe(cell, ref)
        elif cell.state is ENDED:
            recipient.tell(Down(ref, cell.ending, cell.cause))
        elif cell.watchers is None:
            cell.watchers = {recipient: recipient.tell}
        else:
            cell.watchers[recipient] = recipient.tell

    def slot(self) -> ReplySlot[Any]:
        """A fresh reply slot whose late messages are counted as dead letters of this system."""
        return ReplySlot(self.engine)

    def wait_on_stop(self, leaving: asyncio.Future[Any]) -> None:
        """Something outside the tree that `stop` must not leave behind: the future says when it has ended."""
        self.engine.threads.add(leaving)
        leaving.add_done_callback(self.engine.threads.discard)

    # ---- names

    def register(self, name: str, ref: AnyRef) -> None:
        """Make the actor known by name until it ends for good. Raises ValueError when a living actor has that name."""
        self.engine.names.register(name, ref)

    def unregister(self, name: str) -> None:
        """Free a name; unknown ones are ignored."""
        self.engine.names.unregister(name)

    def lookup(self, name: str) -> AnyRef | None:
        """The living actor known by that name, or None."""
        return self.engine.names.lookup(name)

    # ---- watching over the tree

    @property
    def dead_letters(self) -> int:
        """Messages that reached nobody since the system was made."""
        return self.engine.dead_letters

    def subscribe(self, listener: Callable[[Event], object], *, lives: bool = True) -> Callable[[], None]:
        """Call `listener` with every kernel event, at once and in order; returns what ends the subscription.

        `lives=False`: without Started and Stopped, which cost something where actors are born for every request.
        Listeners run inside the kernel: they may count, log and tell, and must be quick. What they raise is logged.
        """
        engine = self.engine
        engine.listeners = (*engine.listeners, listener)
        if lives:
            engine.witnesses = (*engine.witnesses, listener)

        def unsubscribe() -> None:
            engine.listeners = tuple(each for each in engine.listeners if each is not listener)
            engine.witnesses = tuple(each for each in engine.witnesses if each is not listener)

        return unsubscribe

    def snapshot(self, depth: int | None = None, most: int | None = None) -> ActorState:
        """The tree as it stands, for operators. `depth`: storeys below the top that are shown; `most`: children shown
        of each actor, the oldest first. What is left out is counted, so a look at a crowded tree costs no more."""
        return portray(self._guardian, self.engine.loop.time(), depth, most)


def portray(cell: Cell, now: float, depth: int | None = None, most: int | None = None) -> ActorState:
    """The state of a cell and its children at loop time `now`; see `System.snapshot`."""
    mail, history = cell.mail, cell.history
    born = cell.nursery.children.values() if cell.nursery is not None else ()
    shown = list(islice(born, 0 if depth == 0 else most))
    below = None if depth is None else depth - 1
    return ActorState(
        path=cell.path,
        state="busy" if cell.state is RUNNING and cell.task is not None else cell.state.value,
        mailbox=len(mail) if mail else 0,
        oldest_seconds=max(0.0, now - mail[0][1]) if mail else 0.0,
        lost=cell.gate.lost if cell.gate is not None else 0,
        restarts=max(0, cell.incarnation - 1),
        last_crash=history.last_crash if history is not None else "",
        age_seconds=max(0.0, now - cell.born),
        children=tuple(portray(child, now, below, most) for child in shown if isinstance(child, Cell)),
        crash_seconds=now - history.crashed_at if history is not None and history.last_crash else None,
        hidden=len(born) - len(shown),
    )
