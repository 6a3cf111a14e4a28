"""The keeper of all runs, and the door through which they are admitted.

`Admission.start` is a call, not an ask: the gateway hands over a `StartProcess` and has the run's ref at once, or an
`Overloaded` when the house is full, draining or not yet open. The keeper owns the process actors as temporary children;
when it is stopped it closes the door and waits for the runs still going, no longer than the drain takes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from actors.kernel import Actor, ChildSpec, Restart
from actors.runs.process import ProcessActor
from actors.runs.services import Services
from actors.tracing import Tracing
from protocol.errors import Overloaded
from protocol.process import CancelProcess, RunExpired, StartProcess
from protocol.refs import Ref


class Admission:
    """Who may come in, and who is in."""

    __slots__ = (
        "_spawn", "active", "admitted", "drain_until", "ended", "failed", "limit", "refused", "tracing", "waiting",
        "when_empty",
    )  # fmt: skip

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Runs that may be active at once (`server.max_processes`)."""
        self.active: dict[str, tuple[Ref[Any], float]] = {}
        """Process id → (ref, loop time it began) of every run that has not ended, the oldest first."""
        self.admitted = 0
        self.refused = 0
        self.ended = 0
        self.failed = 0
        self.waiting: set[str] = set()
        """Ids of runs that wait for something outside (state `wait`): at most half of `limit`."""
        self.when_empty: asyncio.Event | None = None
        self.drain_until: float | None = None
        """Loop time at which the drain is over; set by who begins it. None: nobody said."""
        self.tracing: Tracing | None = None
        """Who traces runs; None: nobody."""
        self._spawn: Callable[[StartProcess], Ref[Any]] | None = None

    def open(self, spawn: Callable[[StartProcess], Ref[Any]]) -> None:
        """The keeper is ready: from now on runs are admitted."""
        self._spawn = spawn

    @property
    def opened(self) -> bool:
        """Whether runs are admitted."""
        return self._spawn is not None and self.drain_until is None

    def close(self) -> None:
        """Admit nobody from now on."""
        self._spawn = None

    def start(self, start: StartProcess) -> Ref[Any]:
        """Begin a run. Raises Overloaded with an honest retry_after."""
        if self._spawn is None:
            self.refused += 1
            raise Overloaded("the runtime is starting or stopping; no new run is begun", retry_after=2.0)
        if len(self.active) >= self.limit:
            self.refused += 1
            raise Overloaded(f"{self.limit} runs are active (server.max_processes = {self.limit})")
        if start.waits:
            most = max(1, self.limit // 2)
            if len(self.waiting) >= most:
                self.refused += 1
                raise Overloaded(f"{most} runs are waiting (half of server.max_processes = {self.limit})")
            self.waiting.add(start.wid)
        self.admitted += 1
        if self.tracing is not None:
            self.tracing.begin(start)
        return self._spawn(start)

    def left(self, wid: str, *, well: bool) -> None:
        """A run has ended, however it did."""
        if self.active.pop(wid, None) is None:
            return
        self.ended += 1
        self.waiting.discard(wid)
        if not well:
            self.failed += 1
        if not self.active and self.when_empty is not None:
            self.when_empty.set()

    def cancel(self, wid: str, reason: str) -> bool:
        """Ask the run to end. False when there is none of this id."""
        run = self.active.get(wid)
        if run is None:
            return False
        run[0].tell(CancelProcess(reason))
        return True


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Look for runs that have taken too long."""


class Processes(Actor[_Sweep]):
    """Keeper of the runs.

    It keeps their deadline too: one look at the oldest runs every second, instead of a timer for each.
    """

    def __init__(self, admission: Admission, services: Services) -> None:
        self._admission = admission
        self._services = services
        self._look_seconds = min(1.0, services.settings.process_seconds / 10)

    def started(self) -> None:
        """Open the door."""
        self._admission.active.clear()
        self._admission.waiting.clear()
        self._admission.open(self._begin)
        self.context.after(self._look_seconds, _Sweep())

    def _begin(self, start: StartProcess) -> Ref[Any]:
        admission, services = self._admission, self._services
        ref = self.context.spawn(
            ChildSpec(
                start.wid,
                lambda: ProcessActor(start, services, admission),
                restart=Restart.TEMPORARY,
                shutdown_seconds=0,
            )
        )
        admission.active[start.wid] = ref, self.context.now()
        return ref

    def receive(self, message: _Sweep) -> None:
        """Tell the runs that have been going for too long."""
        before = self.context.now() - self._services.settings.process_seconds
        for ref, _ in list(takewhile(lambda run: run[1] <= before, self._admission.active.values())):
            ref.tell(RunExpired())
        self.context.after(self._look_seconds, message)

    async def stopping(self) -> None:
        """Drain: no new runs, and those under way may end. The spec's stop deadline bounds the wait."""
        self._admission.close()
        for wid in tuple(self._admission.waiting):  # what they wait for may come in hours
            self._admission.cancel(wid, "the runtime is stopping")
        if self._admission.active:
            self._admission.when_empty = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._admission.drain_until):
                    await self._admission.when_empty.wait()

    def released(self) -> None:
        """Nobody gets in once the keeper is gone."""
        self._admission.close()
