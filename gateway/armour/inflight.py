"""How many bytes of bodies are held at once, by all requests together.

Invariant: no byte of a body is kept that was not reserved before; what a request announces is reserved before its first
byte is read, so a crowd of large uploads is refused at the door and not when memory is gone. What is reserved is given
back when the request has its answer.
"""

from __future__ import annotations

from gateway.visit import Visit
from protocol.errors import Overloaded

_WEIGHT = 0.2
"""Of the newest observation in the mean time a body is held."""


class InFlight:
    """The bodies being held."""

    __slots__ = ("_limit", "_mean_seconds", "held", "refused")

    def __init__(self, limit: int) -> None:
        """`limit`: bytes (`server.max_inflight_mb`)."""
        self._limit = limit
        self._mean_seconds = 0.0
        self.held = 0
        """Bytes now."""
        self.refused = 0

    def reserve(self, visit: Visit, size: int) -> None:
        """Let this request hold `size` bytes in all. Raises Overloaded when there is no room."""
        more = size - visit.held
        if more <= 0:
            return
        if self.held + more > self._limit:
            self.refused += 1
            raise Overloaded(
                f"bodies of {self._limit >> 20} MiB are being received (server.max_inflight_mb)",
                retry_after=max(1.0, self._mean_seconds),
            )
        self.held += more
        visit.held = size

    def release(self, visit: Visit, seconds: float) -> None:
        """The request is answered; it took so long."""
        self.held -= visit.held
        visit.held = 0
        self._mean_seconds += (seconds - self._mean_seconds) * _WEIGHT
