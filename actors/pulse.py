"""The pulse of the event loop: how late it comes to what is due, and how long the garbage collector stops it.

A timer due every 100 ms tells both for everybody who shares the loop: what is late here was late for every request. The
numbers outlive the incarnations of the actor that counts them. Invariant: the collector's hook, which Python keeps for
the whole program, is there only while the actor lives.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Final

from actors.kernel import Actor
from protocol.observation.metrics import Durations, Family, gauge, histogram

BEAT_SECONDS: Final = 0.1
LAGS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Bounds of the histogram: 20 ms and 250 ms are what the loop promises for 99 % of its turns and for all of them."""
_SHOWN_BEATS: Final = 600


class PulseFigures:
    """What the pulse has counted."""

    __slots__ = ("_beats", "_before", "_now", "collections", "lag", "pauses")

    def __init__(self) -> None:
        self.lag = Durations(LAGS)
        self.pauses = Durations(LAGS)
        """Of the garbage collector."""
        self.collections = 0
        self._beats = 0
        self._now = self._before = 0.0

    def beat(self, late: float) -> None:
        """One beat came so many seconds late."""
        self.lag.add(late)
        self._now = max(self._now, late)
        self._beats += 1
        if self._beats % _SHOWN_BEATS == 0:
            self._before, self._now = self._now, 0.0

    @property
    def worst(self) -> float:
        """The longest lag of the last minute or two."""
        return max(self._before, self._now)

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        yield histogram("nflow_event_loop_lag_seconds", "How late the event loop came, looked at ten times a second",
                        self.lag)  # fmt: skip
        yield gauge("nflow_event_loop_lag_max_seconds", "The longest lag of the last one to two minutes", self.worst)
        yield histogram("nflow_gc_pause_seconds", "How long the garbage collector stopped everything", self.pauses)


class Pulse(Actor[float]):
    """Measures. A message is the loop time at which it was due."""

    __slots__ = ("_figures", "_stopped")

    def __init__(self, figures: PulseFigures) -> None:
        self._figures = figures
        self._stopped = 0.0

    def started(self) -> None:
        """The first beat, and the collector's hook."""
        gc.callbacks.append(self._collecting)
        self._next(self.context.now())

    def receive(self, message: float) -> None:
        """A beat. What was missed meanwhile is one long lag, not many beats at once."""
        now = self.context.now()
        self._figures.beat(max(0.0, now - message))
        self._next(now)

    def released(self) -> None:
        """The hook goes with the actor."""
        if self._collecting in gc.callbacks:
            gc.callbacks.remove(self._collecting)

    def _next(self, now: float) -> None:
        self.context.after(BEAT_SECONDS, now + BEAT_SECONDS)

    def _collecting(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._stopped = perf_counter()
        else:
            self._figures.pauses.add(perf_counter() - self._stopped)
            self._figures.collections += 1
