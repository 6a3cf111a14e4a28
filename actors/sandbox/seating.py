"""Which sandbox takes which script, and how soon one is free: the state and choices of a pool, without actors or time.

Invariant: every seat is either idle, or has a run, or is being started; a run is at one seat at most, and a sandbox
serves one tenant for life. The choice goes to the most recently used seat that already holds the flow, then to one of
the tenant, then to one that has served nobody yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from protocol.refs import Ref
from protocol.sandbox import RunScript


class Seat:
    """What is known of one sandbox."""

    __slots__ = ("busy_since", "flows", "idle_since", "ref", "run", "started", "tenant")

    def __init__(self, ref: Ref[Any]) -> None:
        self.ref = ref
        self.tenant: str | None = None
        self.flows: set[str] = set()
        self.run: RunScript | None = None
        self.started = False
        self.idle_since = 0.0
        self.busy_since = 0.0


class Seating:
    """All sandboxes of a pool."""

    __slots__ = ("busy", "idle", "seats")

    def __init__(self) -> None:
        self.seats: dict[Ref[Any], Seat] = {}
        self.idle: list[Seat] = []
        """Ready and without a run, the most recently used last."""
        self.busy: dict[int, Seat] = {}
        """Run number → where it runs."""

    @property
    def starting(self) -> int:
        """Sandboxes not ready yet, or again."""
        return sum(1 for seat in self.seats.values() if not seat.started)

    def add(self, ref: Ref[Any]) -> None:
        """A sandbox has been spawned; it is not ready."""
        self.seats[ref] = Seat(ref)

    def remove(self, seat: Seat) -> None:
        """A sandbox is gone for good."""
        self.seats.pop(seat.ref, None)
        if seat in self.idle:
            self.idle.remove(seat)
        if seat.run is not None:
            self.busy.pop(seat.run.run, None)

    def choose(self, tenant: str, flow: str) -> Seat | None:
        """Take the idle seat that fits best off the idle list; None when none may serve this tenant."""
        same_tenant = blank = -1
        for index in range(len(self.idle) - 1, -1, -1):
            seat = self.idle[index]
            if seat.tenant == tenant:
                if flow in seat.flows:
                    return self.idle.pop(index)
                if same_tenant < 0:
                    same_tenant = index
            elif seat.tenant is None and blank < 0:
                blank = index
        fallback = same_tenant if same_tenant >= 0 else blank
        return self.idle.pop(fallback) if fallback >= 0 else None

    def assign(self, seat: Seat, script: RunScript, now: float) -> None:
        """The seat has this run now."""
        seat.busy_since = now
        seat.tenant = script.tenant
        seat.flows.add(script.flow)
        seat.run = script
        self.busy[script.run] = seat

    def free(self, ref: Ref[Any], run: int, now: float) -> RunScript | None:
        """The run ended well and its seat is idle. None when that was no longer so."""
        seat = self.busy.pop(run, None)
        if seat is None or seat.ref is not ref:
            return None
        script, seat.run = seat.run, None
        seat.idle_since = now
        self.idle.append(seat)
        return script

    def ready(self, ref: Ref[Any], now: float) -> bool:
        """A new process stands behind this ref. True when the seat is idle now."""
        seat = self.seats.get(ref)
        if seat is None:
            return False
        seat.started = True
        if seat.run is not None:
            # Handed over while the old process was dying: it lay in the mailbox, which survives, and runs now.
            seat.tenant, seat.flows = seat.run.tenant, {seat.run.flow}
            return False
        seat.tenant, seat.flows, seat.idle_since = None, set(), now
        if seat not in self.idle:  # it is when its process was replaced while it had nothing to do
            self.idle.append(seat)
        return True

    def lost(self, ref: Ref[Any], run: int | None) -> None:
        """The process behind this ref is dead, and with it this run; None: it had none in hand."""
        seat = self.seats.get(ref)
        if seat is None:
            return
        seat.started = False
        if seat in self.idle:
            self.idle.remove(seat)
        if run is not None and seat.run is not None and seat.run.run == run:
            seat.run = None
            self.busy.pop(run, None)

    def busy_since_before(self, time: float) -> int:
        """Seats that have had their run since before `time`."""
        return sum(1 for seat in self.busy.values() if seat.busy_since <= time)

    def idle_longer_than(self, since: float) -> Iterable[Seat]:
        """Idle seats not used after `since`."""
        return [seat for seat in self.idle if seat.idle_since <= since]


_REMEMBERED: Final = 128
_ENOUGH: Final = 8
_ENOUGH_SECONDS: Final = 0.5


class Pace:
    """How fast sandboxes become free while scripts wait for one: a queue is worked off at this pace.

    A few are no pace yet: nothing is said before each seat was free twice, or half a second is over. The longer nobody
    is free, the longer a lease is taken to be.
    """

    __slots__ = ("_freed",)

    def __init__(self) -> None:
        self._freed: deque[float] = deque(maxlen=_REMEMBERED)

    def begin(self, now: float) -> None:
        """Scripts wait, maybe since now."""
        if not self._freed:
            self._freed.append(now)

    def end(self) -> None:
        """Nobody waits any more."""
        self._freed.clear()

    def freed(self, now: float) -> None:
        """A sandbox has become free, and somebody waits for it."""
        self._freed.append(now)

    def seconds(self, seats: int, now: float) -> float:
        """Between two sandboxes becoming free; 0: not known yet. `seats`: sandboxes there are.

        Each seat counts as one script about to end, so that a few long ones at once do not look like a standstill.
        """
        if not self._freed:
            return 0.0
        seats, freed, passed = max(1, seats), len(self._freed) - 1, now - self._freed[0]
        if freed < min(_ENOUGH + 2 * seats, _REMEMBERED - 1) and passed < _ENOUGH_SECONDS:
            return 0.0
        return passed / (freed + seats)
