"""Where an actor stands, what was asked for about its end, and what is remembered of its failures.

    DOWN ─begin→ STARTING ─→ RUNNING ─stop→ STOPPING ─→ FALLING ─→ DOWN ─(restart: begin again)
                    └────────── crash, kill, cut off ──────↗         └─(for good)→ ENDED

`life` makes the moves; `cell` and `nursery` only read where it stands.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where an actor stands. The values are the words operators read."""

    DOWN = "restarting"
    """No incarnation: not begun yet, or between two."""
    STARTING = "starting"
    """`started()` runs, or static children start."""
    RUNNING = "running"
    """It takes mail."""
    STOPPING = "stopping"
    """A stop was asked for: its own code finishes."""
    FALLING = "ending"
    """Its own code is over or cut off; its children end."""
    ENDED = "ended"
    """Over for good."""


# Bare names: an enum member costs two look-ups, and states are compared several times for every message.
DOWN, STARTING, RUNNING, STOPPING, FALLING, ENDED = State


class Exit:
    """The stop lane: what was asked for about the end of this incarnation."""

    __slots__ = ("brutal", "deadline", "final", "hooked", "passive")

    def __init__(self, final: bool, deadline: float | None) -> None:
        self.final = final
        """True: for good. False: the supervisor starts it again."""
        self.deadline = deadline
        """Loop time at which its own code is cut off; None: never, or the parent watches the time for it."""
        self.brutal = False
        """True: children are killed, not stopped."""
        self.hooked = False
        """True: `stopping()` was called."""
        self.passive = False
        """True: a passivation, which gives way to mail that comes before it is served."""


class History:
    """What is remembered about an actor that has failed."""

    __slots__ = ("crashed_at", "delay", "failures", "last_crash")

    def __init__(self) -> None:
        self.failures = 0
        """Failures in a row, for the backoff."""
        self.delay = 0.0
        """The pause before the current incarnation, in seconds."""
        self.last_crash = ""
        """Type and text only: an exception would keep the frames, and so the actor, of a dead incarnation."""
        self.crashed_at = 0.0
        """Loop time of that crash."""
