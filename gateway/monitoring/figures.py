"""The gateway's own numbers: plain integers on the request path, read by the metrics collector at scrape."""

from __future__ import annotations

from bisect import bisect_left

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds: a trivial flow takes one millisecond, a limit is hit at thirty seconds."""


class Durations:
    """A histogram without labels."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class Figures:
    """What the gateway counts."""

    __slots__ = ("active", "by_status", "durations", "started_at", "workflows")

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        """Unix time the gateway began, seconds."""
        self.active = 0
        self.by_status: dict[int, int] = {}
        """HTTP status → requests answered with it."""
        self.workflows: dict[int, int] = {}
        """HTTP status → workflow requests answered with it."""
        self.durations = Durations()

    def answered(self, status: int, *, workflow: bool, seconds: float) -> None:
        """One request is done."""
        self.by_status[status] = self.by_status.get(status, 0) + 1
        if workflow:
            self.workflows[status] = self.workflows.get(status, 0) + 1
            self.durations.add(seconds)
