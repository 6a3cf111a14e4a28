"""An event loop whose time is virtual: when nothing is ready it jumps to the next timer.

A shipped part: whatever takes hours takes milliseconds on it, and always in the same order. `asyncio.sleep`,
deadlines, backoff and timers all follow it, because they all read `loop.time()`. Threads do not: while work is
outside (see `outside`) the clock stands still and really waits for it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")

REAL_SECONDS = 10.0
"""How long a loop with nothing to do waits for a socket or thread before it says so."""


class StalledError(RuntimeError):
    """Nothing is ready, no timer is set and no thread or socket stirs: the program would wait for ever."""


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the clock to it."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if timeout is None or self._clock.outside:
            events = super().select(REAL_SECONDS)
            if not events:
                raise StalledError(f"nothing happened for {REAL_SECONDS:g} s of real time")
            return events
        self._clock.jump(timeout)
        return events


class ManualClock(asyncio.SelectorEventLoop):
    """The loop: `clock.run(main())`, then `clock.close()`; or use it as a context manager."""

    def __init__(self) -> None:
        self._now = 0.0
        self.outside = 0
        """Pieces of work that threads do for the loop now; whoever hands work out counts it here."""
        super().__init__(_JumpingSelector(self))
        # asyncio runs timers that are due within one tick of the clock. After months of virtual time a float cannot
        # express the nanosecond it takes for the tick, and a timer due exactly now would never be due.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Let time pass at once. Rounded to the nanosecond, so that sums of decimal durations come out even."""
        self._now = round(self._now + seconds, 9)

    def release(self) -> None:
        """One piece of work outside has come back."""
        self.outside -= 1

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run to completion, as `asyncio.run` does, but keep the loop open."""
        return self.run_until_complete(main)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
