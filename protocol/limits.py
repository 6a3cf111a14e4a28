"""The conversation about rate limits: one more request of a client is counted, and what may still come is told.

A bucket is asked `Take`; where its state is shared between servers it answers `Counting`, whose future holds the
`Taken`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from protocol.refs import Ask


@dataclass(frozen=True, slots=True)
class Quota:
    """How much one client may ask."""

    limit: int
    """Requests in a window; what a client that is seen for the first time may send at once. 0: none, ever."""
    window_seconds: float
    burst: int = 0
    """Further requests a client may send at once after it was quiet."""
    rate: float = field(init=False)
    """Requests that come back in a second."""
    capacity: int = field(init=False)
    """Most requests at once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", self.limit / self.window_seconds)
        object.__setattr__(self, "capacity", self.limit + self.burst)


class Taken(NamedTuple):
    """What became of one request."""

    allowed: bool
    remaining: int
    """Requests the client could send at once now."""
    retry_seconds: float
    """Until the next request is allowed; 0 when this one was."""
    reset_seconds: float
    """Until `limit` requests are there again, if none comes before."""


class Counting(NamedTuple):
    """The count is under way elsewhere."""

    taken: Awaitable[Taken]
    """Comes in any case, within the deadline of the server that counts."""


@dataclass(frozen=True, slots=True)
class Take(Ask["Taken | Counting"]):
    """Count one more request of the client whose bucket this is."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Leave, unless mail waits."""


TAKE: Final = Take()
"""The message says nothing more, so one is enough."""
REST: Final = Rest()
