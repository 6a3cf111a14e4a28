"""A circuit breaker per server: who fails several times in a row is not asked for a while, then one call may try.

Only what says that the server is not there counts: transport errors, its timeouts, 502, 503 and 504. What a call was
refused for, or got as an ordinary answer, does not. Pure: the caller brings the time, in seconds of one steady clock.
Invariant: the table never holds more than its bound, and a circuit whose probe never came back tries another one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum

from protocol.errors import Unavailable


class CircuitState(Enum):
    """Where a circuit stands."""

    CLOSED = "closed"
    """Calls go through."""
    OPEN = "open"
    """Calls are refused."""
    HALF_OPEN = "half_open"
    """One call tries; the others are refused until it is back."""


@dataclass(slots=True)
class Circuit:
    """The breaker of one server."""

    failures_allowed: int = 5
    """This many in a row open it."""
    open_seconds: float = 10.0
    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    since: float = 0.0
    """When it opened, or its probe began."""
    reason: str = ""
    """The last failure."""

    def admits(self, now: float) -> bool:
        """May a call begin? The first one after the wait is the probe."""
        if self.state is CircuitState.CLOSED:
            return True
        if now < self.since + self.open_seconds:
            return False
        self.state, self.since = CircuitState.HALF_OPEN, now
        return True

    def retry_after(self, now: float) -> float:
        """Seconds until a call may try."""
        return max(0.0, self.since + self.open_seconds - now)

    def failed(self, now: float, reason: str) -> None:
        """A call did not reach the server, or the server is not there. Calls begun before it opened change nothing."""
        self.reason = reason
        match self.state:
            case CircuitState.HALF_OPEN:
                self.state, self.since = CircuitState.OPEN, now
            case CircuitState.CLOSED:
                self.failures += 1
                if self.failures >= self.failures_allowed:
                    self.state, self.since = CircuitState.OPEN, now
            case CircuitState.OPEN:
                pass

    def succeeded(self) -> None:
        """A call was answered: the server is there, whatever went before."""
        self.state, self.failures, self.reason = CircuitState.CLOSED, 0, ""

    def check(self, now: float, name: str, place: str = "") -> None:
        """Raises Unavailable, with the time to wait, when a call may not begin. Whoever asked is told `name`; `place`
        and the last failure are for the log."""
        if not self.admits(now):
            wait = self.retry_after(now)
            raise Unavailable(
                f"{name} is not asked for {max(wait, 0.1):.1f} s more:"
                f" it failed {self.failures_allowed} times in a row",
                retry_after=max(wait, 0.1),
                detail=f"{place or name}, last with: {self.reason}",
            )


class Circuits:
    """The circuits of all servers that have failed lately; a server that answers is forgotten."""

    __slots__ = ("_failures", "_most", "_of", "_seconds")

    def __init__(self, failures: int, seconds: float, most: int = 10_000) -> None:
        self._failures = failures
        self._seconds = seconds
        self._most = most
        self._of: OrderedDict[Hashable, Circuit] = OrderedDict()

    def __len__(self) -> int:
        return len(self._of)

    def check(self, key: Hashable, now: float, name: str, place: str = "") -> None:
        """Raises Unavailable when the server of this key is not to be asked now."""
        circuit = self._of.get(key)
        if circuit is not None:
            circuit.check(now, name, place)

    def failed(self, key: Hashable, now: float, reason: str) -> bool:
        """A call to it failed in a way that counts. Whether it is left alone from now on."""
        circuit = self._of.get(key)
        if circuit is None:
            circuit = self._of[key] = Circuit(self._failures, self._seconds)
        closed = circuit.state is CircuitState.CLOSED
        circuit.failed(now, reason)
        self._of.move_to_end(key)
        if len(self._of) > self._most:
            self._of.popitem(last=False)
        return closed and circuit.state is CircuitState.OPEN

    def succeeded(self, key: Hashable) -> None:
        """A call to it was answered."""
        self._of.pop(key, None)

    def not_closed(self) -> dict[str, str]:
        """Key as text → state, of those operators should see."""
        return {str(key): c.state.value for key, c in self._of.items() if c.state is not CircuitState.CLOSED}
