"""A flow's breaker: three faults of its own in 60 s open it, ten seconds later one run may try.

A fault is a sandbox the flow's script killed, or that had to be killed under it: each costs a process and up to a whole
deadline of one core, so a flow that keeps doing it is refused for a while. Pure: the caller brings the time.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import Enum


class BreakerState(Enum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(slots=True)
class Breaker:
    """State of one flow. Times are seconds of one steady clock."""

    faults_allowed: int = 3
    window_seconds: float = 60.0
    open_seconds: float = 10.0
    state: BreakerState = BreakerState.CLOSED
    opened_at: float = 0.0
    faults: deque[float] = field(default_factory=deque)

    def admits(self, now: float) -> bool:
        """May a run begin? The first one after the wait is the probe; until it ends the others are refused."""
        match self.state:
            case BreakerState.CLOSED:
                return True
            case BreakerState.OPEN if now >= self.opened_at + self.open_seconds:
                self.state = BreakerState.HALF_OPEN
                self.opened_at = now
                return True
            case BreakerState.HALF_OPEN if now >= self.opened_at + self.open_seconds:
                # The probe never came back (its client left while it waited): let another one try.
                self.opened_at = now
                return True
            case _:
                return False

    def retry_after(self, now: float) -> float:
        """Seconds until a run may try again."""
        return max(0.0, self.opened_at + self.open_seconds - now)

    def fault(self, now: float) -> bool:
        """A run of the flow killed its sandbox. True when this opened the breaker."""
        if self.state is BreakerState.HALF_OPEN:
            self.state, self.opened_at = BreakerState.OPEN, now
            return True
        self.faults.append(now)
        while self.faults and self.faults[0] <= now - self.window_seconds:
            self.faults.popleft()
        if self.state is BreakerState.CLOSED and len(self.faults) >= self.faults_allowed:
            self.state, self.opened_at = BreakerState.OPEN, now
            self.faults.clear()
            return True
        return False

    def success(self) -> None:
        """A run ended without a fault."""
        if self.state is BreakerState.HALF_OPEN:
            self.state = BreakerState.CLOSED
            self.faults.clear()

    def idle(self, now: float) -> bool:
        """Nothing left to remember."""
        return self.state is BreakerState.CLOSED and (not self.faults or self.faults[-1] <= now - self.window_seconds)


MAX_BREAKERS = 10_000


class Breakers:
    """The breakers of all flows that have one: made by the first fault, forgotten when there is nothing to remember."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: OrderedDict[tuple[str, str], Breaker] = OrderedDict()

    def __len__(self) -> int:
        return len(self._of)

    def refusal(self, tenant: str, flow: str, now: float) -> tuple[str, float] | None:
        """None when a run may begin, else (why not, seconds until one may)."""
        breaker = self._of.get((tenant, flow))
        if breaker is None or breaker.admits(now):
            return None
        wait = breaker.retry_after(now)
        times = breaker.faults_allowed
        return f"scripts of this flow killed their sandbox {times} times; it is refused for {wait:.0f} s more", wait

    def fault(self, tenant: str, flow: str, now: float) -> None:
        """A run of this flow killed its sandbox."""
        key = (tenant, flow)
        self._of.setdefault(key, Breaker()).fault(now)
        self._of.move_to_end(key)
        if len(self._of) > MAX_BREAKERS:
            self._of.popitem(last=False)

    def success(self, tenant: str, flow: str) -> None:
        """A run of this flow ended without a fault."""
        breaker = self._of.get((tenant, flow))
        if breaker is not None:
            breaker.success()

    def forget(self, now: float) -> None:
        """Drop those with nothing to remember."""
        for key in [key for key, breaker in self._of.items() if breaker.idle(now)]:
            del self._of[key]

    def not_closed(self) -> dict[str, str]:
        """`tenant/flow` → state, of every breaker operators should see."""
        return {
            f"{tenant}/{flow}": breaker.state.value
            for (tenant, flow), breaker in self._of.items()
            if breaker.state is not BreakerState.CLOSED
        }
