"""The gateway's own numbers: plain integers on the request path, read by the metrics page when it is asked for.

Invariant: however many paths, methods and statuses clients and scripts think of, there are never more than
`MOST_ROUTES` series of routes and `MOST_SERIES` of statuses; what comes later is counted as `(other)`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from gateway.visit import Visit
from protocol.observation.metrics import OTHER, Durations, Family, Summary, counter, gauge, histogram, quantiles

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MOST_ROUTES: Final = 300
"""Routes told apart, by method."""
MOST_SERIES: Final = 1_000
"""Statuses told apart, over all routes; from then on a new one is told as its class, such as `5xx`."""
LATEST: Final = 1_000
"""Requests that quantiles are made of."""
MOST_WAITING: Final = 256
"""Requests that are counted together: a crowd costs a third of what they cost one by one between other work."""

_OUTCOMES: Final = ("success", "error", "refused", "cancelled")


class RouteFigures:
    """What is counted of one route."""

    __slots__ = ("durations", "flows", "latest", "method", "route", "shown", "statuses", "workflow")

    def __init__(self, method: str, route: str, latest: deque[float], flows: deque[float] | None, shown: bool) -> None:
        self.method = method
        self.route = route
        self.latest = latest
        """Durations of the latest requests of this method."""
        self.flows = flows
        """Durations of the latest workflow requests; None: this is no workflow's."""
        self.workflow = flows is not None
        self.shown = shown
        self.statuses: dict[int, int] = {}
        """HTTP status → requests answered with it; below 0: a class of them."""
        self.durations = Durations()


class Figures:
    """What the gateway counts."""

    __slots__ = ("_latest", "_latest_flows", "_of", "_series", "_unseen", "_waiting", "active", "started_at")

    def __init__(self, started_at: float, unseen: Iterable[str] = ()) -> None:
        """`unseen`: routes that are not counted: the questions of monitoring itself."""
        self.started_at = started_at
        """Unix time the gateway began, seconds."""
        self.active = 0
        self._unseen = frozenset(unseen)
        self._of: dict[tuple[str, str, bool], RouteFigures] = {}
        self._latest: dict[str, deque[float]] = {}
        self._latest_flows: deque[float] = deque(maxlen=LATEST)
        self._series = 0
        self._waiting: list[tuple[tuple[str, str, bool], int, float]] = []

    def answered(self, visit: Visit, seconds: float) -> None:
        """One request is done."""
        waiting = self._waiting
        waiting.append(((visit.method, visit.route, visit.workflow), visit.status, seconds))
        if len(waiting) >= MOST_WAITING:
            self._count()

    def _count(self) -> None:
        """Count what waits."""
        waiting, self._waiting = self._waiting, []
        for key, status, seconds in waiting:
            mine = self._of.get(key)
            if mine is None:
                mine = self._route(*key)
            try:
                mine.statuses[status] += 1
            except KeyError:
                self._status(mine, status)
            mine.durations.add(seconds)
            mine.latest.append(seconds)
            if mine.flows is not None:
                mine.flows.append(seconds)

    def _route(self, method: str, route: str, workflow: bool) -> RouteFigures:
        if method not in METHODS:
            method = "OTHER"
        shown = route not in self._unseen
        if len(self._of) >= MOST_ROUTES and shown:
            route = OTHER
        key = method, route, workflow
        found = self._of.get(key)
        if found is None:
            latest = self._latest.setdefault(method, deque(maxlen=LATEST)) if shown else deque[float](maxlen=1)
            found = self._of[key] = RouteFigures(method, route, latest, self._latest_flows if workflow else None, shown)
        return found

    def _status(self, mine: RouteFigures, status: int) -> None:
        if self._series >= MOST_SERIES and status > 0:
            status = -(status // 100)
        if status not in mine.statuses:
            self._series += 1
        mine.statuses[status] = mine.statuses.get(status, 0) + 1

    # --- told ---

    @property
    def routes(self) -> list[RouteFigures]:
        """What was counted, of each route."""
        self._count()
        return [each for each in self._of.values() if each.shown]

    @property
    def requests(self) -> int:
        """Requests answered."""
        return sum(sum(each.statuses.values()) for each in self.routes)

    @property
    def errors(self) -> int:
        """Of these with a status of 400 or above."""
        return sum(count for each in self.routes for status, count in each.statuses.items() if _failed(status))

    @property
    def workflows(self) -> dict[str, int]:
        """Outcome → workflow requests: success, error, refused (429, 503) or cancelled (the client left)."""
        outcomes = dict.fromkeys(_OUTCOMES, 0)
        for each in self.routes:
            if each.workflow:
                for status, count in each.statuses.items():
                    outcomes[_outcome(status)] += count
        return outcomes

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        routes = self.routes
        yield gauge("nflow_requests_active", "HTTP requests being answered", self.active)
        yield Family(
            "nflow_requests", "counter", "HTTP requests answered", ("method", "path", "status"),
            [
                ((each.method, each.route, f"{-status}xx" if status < 0 else str(status)), count)
                for each in routes
                for status, count in sorted(each.statuses.items())
            ],
        )  # fmt: skip
        yield counter("nflow_requests_errors", "HTTP requests answered with status 400 or above", self.errors)
        yield Family(
            "nflow_requests_duration", "histogram", "Seconds from request to response, by route", ("method", "path"),
            [((each.method, each.route), each.durations) for each in routes],
        )  # fmt: skip
        yield from self._by_method(routes)
        yield from self._workflows(routes)

    def _by_method(self, routes: list[RouteFigures]) -> Iterable[Family]:
        merged: dict[str, Durations] = {}
        for each in routes:
            merged.setdefault(each.method, Durations()).merge(each.durations)
        yield Family(
            "nflow_requests_duration_seconds", "summary",
            f"Time from request to response; quantiles of the latest {LATEST} of each method", ("method",),
            [
                ((method,), Summary(durations.count, durations.total, quantiles(self._latest[method])))
                for method, durations in sorted(merged.items())
            ],
        )  # fmt: skip
        count = sum(durations.count for durations in merged.values())
        if count:
            mean = sum(durations.total for durations in merged.values()) / count
            yield gauge("nflow_request_duration_milliseconds", "Mean time of all requests so far", mean * 1000.0)

    def _workflows(self, routes: list[RouteFigures]) -> Iterable[Family]:
        outcomes = self.workflows
        yield Family(
            "nflow_workflows", "counter", "Workflow requests answered, by how they ended", ("status",),
            [((outcome,), count) for outcome, count in outcomes.items()],
        )  # fmt: skip
        failed = outcomes["error"] + outcomes["refused"]
        yield counter("nflow_workflows_errors", "Workflow requests answered with status 400 or above", failed)
        durations = Durations()
        for each in routes:
            if each.workflow:
                durations.merge(each.durations)
        yield histogram("nflow_workflow_duration_seconds", "Time from request to response of a workflow", durations)
        yield Family(
            "nflow_workflows_duration_seconds", "summary",
            f"Time from request to response of a workflow; quantiles of the latest {LATEST}", (),
            [((), Summary(durations.count, durations.total, quantiles(self._latest_flows)))],
        )  # fmt: skip


class Unwatched(Figures):
    """Of a gateway nobody watches: it counts nothing."""

    __slots__ = ()

    def answered(self, visit: Visit, seconds: float) -> None:
        """Nobody asks."""


def _failed(status: int) -> bool:
    return status >= 400 or status <= -4


def _outcome(status: int) -> str:
    if status == 499:
        return "cancelled"
    if status in (429, 503):
        return "refused"
    return "error" if _failed(status) else "success"
