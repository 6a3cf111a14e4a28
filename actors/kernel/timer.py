"""A message an actor sends itself later.

A timer belongs to the incarnation that set it and dies with it; it travels on the system lane, because a flush tick
that a full mailbox refuses, or drops as its oldest message, would never come again.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol


class TimerOwner(Protocol):
    """What a timer needs of the actor that set it."""

    def due(self, timer: Timer) -> None:
        """The time has come: put the timer on the system lane."""

    def forget_timer(self, timer: Timer) -> None:
        """The timer is cancelled, or its message is being handled."""


class Timer:
    """A message on its way through time. Made by `context.after`."""

    __slots__ = ("_handle", "_owner", "message")

    def __init__(self, owner: TimerOwner, message: Any) -> None:
        self._owner: TimerOwner | None = owner
        self._handle: asyncio.TimerHandle | None = None
        self.message = message

    def arm(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Start the clock. The kernel calls this once."""
        self._handle = loop.call_later(seconds, self._ring)

    @property
    def pending(self) -> bool:
        """True until the message was handled or the timer cancelled."""
        return self._owner is not None

    def cancel(self) -> None:
        """Never deliver the message, not even if it is due and waiting already. Idempotent."""
        owner, self._owner = self._owner, None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if owner is not None:
            owner.forget_timer(self)

    def _ring(self) -> None:
        self._handle = None
        if self._owner is not None:
            self._owner.due(self)
