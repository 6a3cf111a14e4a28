"""How an actor is to be kept: child specs as data, after OTP's supervisor.

A spec is immutable and holds no live object, so a restart reads the same words as the first start did. Its readers
are `life` (deadlines, restart types), `nursery` (strategies, intensity, backoff) and `gate` (mailbox bounds).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol


class Behaviour(Protocol):
    """What a factory makes: an `Actor`. Structural, so that specs do not have to know actors."""

    context: Any

    def started(self) -> Awaitable[None] | None: ...
    def receive(self, message: Any) -> Any: ...
    def stopping(self) -> Awaitable[None] | None: ...
    def released(self) -> None: ...


class Restart(Enum):
    """Whether an actor whose incarnation ended is started again (OTP's restart types)."""

    PERMANENT = "permanent"
    """Always, even when it stopped by itself."""
    TRANSIENT = "transient"
    """Only after a crash or a kill."""
    TEMPORARY = "temporary"
    """Never."""


class Strategy(Enum):
    """Which children are restarted when one of them fails."""

    ONE_FOR_ONE = "one_for_one"
    """The failed one."""
    REST_FOR_ONE = "rest_for_one"
    """The failed one and those started after it."""
    ONE_FOR_ALL = "one_for_all"
    """All of them."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """How many restarts a supervisor makes before it gives up: more than `restarts` within `seconds` escalate."""

    restarts: int = 1
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pause before a restart: it doubles with every failure and falls back after a quiet time (Akka's rule)."""

    first_seconds: float = 0.1
    limit_seconds: float = 5.0
    factor: float = 2.0
    jitter: float = 0.2
    """The pause is longer by a random share of at most this, so that a herd does not come back at once."""
    quiet_seconds: float | None = None
    """An incarnation that lived this long resets the pause. None: `limit_seconds`."""

    def delay(self, failures: int, dice: random.Random) -> float:
        """Seconds to wait after the given number of earlier failures in a row."""
        # The exponent is capped: 2.0 ** 1024 raises OverflowError, and no pause grows that long.
        pause = min(self.limit_seconds, self.first_seconds * self.factor ** min(failures, 64))
        return pause * (1.0 + self.jitter * dice.random())

    @property
    def quiet(self) -> float:
        """Seconds of life after which earlier failures are forgotten."""
        return self.limit_seconds if self.quiet_seconds is None else self.quiet_seconds


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The policy of the user lane. The stop and system lanes, and an actor's own timers, are never refused."""

    capacity: int | None = None
    """Messages that may wait; None: no bound."""
    policy: str = "refuse"
    """`"refuse"`: the new message is refused; `"drop_oldest"`: the oldest one makes room."""
    drain: bool = False
    """True: an actor that is stopped for good first handles the mail that already waits, within its stop deadline."""

    def __post_init__(self) -> None:
        if self.policy not in ("refuse", "drop_oldest"):
            raise ValueError(f"mailbox policy {self.policy!r}: must be 'refuse' or 'drop_oldest'")
        if self.capacity is not None and self.capacity < 1:
            raise ValueError(f"mailbox capacity {self.capacity}: must be at least 1, or None for no bound")


UNBOUNDED = Mailbox()


def every_ending_counts(cause: BaseException | None) -> bool:
    """The default of `ChildSpec.counts`: every ending that leads to a restart counts toward the intensity."""
    return True


class ChildSpec(NamedTuple):
    """One child: how to make it, how long it may take to stop, what happens when it ends.

    A named tuple rather than a frozen dataclass because one is made for every dynamic child, and a frozen dataclass of
    eight fields costs 0.8 us, as much as the rest of a spawn.
    """

    name: str
    """Its last path segment, unique among its living siblings."""
    factory: Callable[[], Behaviour]
    """Makes a new incarnation; called once for each start. What it raises is a failed start."""
    restart: Restart = Restart.PERMANENT
    shutdown_seconds: float = 5.0
    """How long its own code may go on after a stop: the current message, `stopping()`. Then it is cut off, its children
    still stop under their own deadlines. 0: killed at once. `math.inf`: no deadline."""
    mailbox: Mailbox = UNBOUNDED
    backoff: Backoff | None = None
    """None: restarts happen at once."""
    counts: Callable[[BaseException | None], bool] = every_ending_counts
    """Given the cause of an ending (None: not a crash). False: restart at once, with no backoff, and do not count it
    toward the intensity. A failed start always counts."""
