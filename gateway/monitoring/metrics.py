"""Prometheus metrics: one collector that reads everybody's plain numbers at scrape.

Nothing is counted here, so a scrape costs the request path nothing. Names of the Go program are kept where it has them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from actors.kernel import ActorState, System
from actors.runs.processes import Admission
from actors.sandbox.forker import ForkerFigures
from actors.sandbox.pool import PoolFigures
from gateway.monitoring.figures import BUCKETS, Figures
from gateway.monitoring.kernel_figures import KernelFigures
from protocol.tracking import TrackerState

RUNS = "/root/processes/"
SESSIONS = "/root/services/sessions/"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sources:
    """Whose numbers are shown."""

    system: System
    figures: Figures
    admission: Admission
    pool: PoolFigures
    forker: ForkerFigures
    events: KernelFigures
    tracker: Callable[[], TrackerState] | None
    wall: Callable[[], float]


class Metrics(Collector):
    """All metrics of the runtime."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """The exposition, as of now."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """Read every source once."""
        yield from self._requests()
        yield from self._processes()
        yield from self._pool()
        yield from self._actors()
        yield from self._tracker()

    def _requests(self) -> Iterator[Metric]:
        figures = self._sources.figures
        yield GaugeMetricFamily("nflow_up", "1 while the runtime runs", 1)
        yield CounterMetricFamily(
            "nflow_uptime_seconds", "Seconds since the gateway began", self._sources.wall() - figures.started_at
        )
        requests = CounterMetricFamily("nflow_requests", "HTTP requests answered", labels=["status"])
        for status, count in sorted(figures.by_status.items()):
            requests.add_metric([str(status)], count)
        yield requests
        errors = sum(count for status, count in figures.by_status.items() if status >= 400)
        yield CounterMetricFamily("nflow_requests_errors", "HTTP requests answered with status 400 or above", errors)
        yield GaugeMetricFamily("nflow_requests_active", "HTTP requests being answered", figures.active)
        workflows = CounterMetricFamily("nflow_workflows", "Workflow requests answered", labels=["status"])
        for status, count in sorted(figures.workflows.items()):
            workflows.add_metric([str(status)], count)
        yield workflows
        failed = sum(count for status, count in figures.workflows.items() if status >= 400)
        yield CounterMetricFamily(
            "nflow_workflows_errors", "Workflow requests answered with status 400 or above", failed
        )
        durations, total = figures.durations, 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), durations.counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        yield HistogramMetricFamily(
            "nflow_workflow_duration_seconds", "Time from request to response of a workflow", buckets, durations.total
        )

    def _processes(self) -> Iterator[Metric]:
        admission = self._sources.admission
        yield GaugeMetricFamily("nflow_processes_active", "Runs under way", len(admission.active))
        yield GaugeMetricFamily("nflow_processes_limit", "Runs that may be under way at once", admission.limit)
        yield CounterMetricFamily("nflow_processes", "Runs begun", admission.admitted)
        yield CounterMetricFamily("nflow_processes_failed", "Runs that did not end well", admission.failed)
        yield CounterMetricFamily("nflow_processes_refused", "Runs not begun for lack of room", admission.refused)

    def _pool(self) -> Iterator[Metric]:
        figures, forker = self._sources.pool, self._sources.forker
        if figures.read is not None:
            state = figures.read()
            yield GaugeMetricFamily("nflow_vm_pool_size", "Sandboxes that exist", state.size)
            yield GaugeMetricFamily("nflow_vm_pool_limit", "Sandboxes there may be", state.limit)
            yield GaugeMetricFamily("nflow_vm_pool_active", "Sandboxes running a script", state.busy)
            yield GaugeMetricFamily("nflow_vm_pool_available", "Idle sandboxes", state.idle)
            yield GaugeMetricFamily("nflow_vm_pool_starting", "Sandboxes being forked", state.starting)
            yield GaugeMetricFamily("nflow_vm_pool_waiting", "Scripts that wait for a sandbox", state.waiting)
        yield CounterMetricFamily("nflow_vm_pool_created", "Sandboxes that became ready", figures.created)
        yield CounterMetricFamily("nflow_vm_pool_lost", "Sandboxes that died or were discarded", figures.lost)
        yield CounterMetricFamily("nflow_vm_pool_faults", "Scripts that killed their sandbox", figures.faults)
        yield GaugeMetricFamily(
            "nflow_vm_pool_breakers_open", "Flows whose breaker is not closed", len(figures.breakers())
        )
        yield CounterMetricFamily("nflow_zygotes_lost", "Zygotes that died", forker.zygotes_lost)

    def _actors(self) -> Iterator[Metric]:
        system, events = self._sources.system, self._sources.events
        lasting = [state for state in flatten(system.snapshot()) if not state.path.startswith(RUNS)]
        # No series for each client: there is no end of those.
        resident = [state for state in lasting if not state.path.startswith(SESSIONS)]
        yield GaugeMetricFamily("nflow_actors", "Actors alive", len(lasting) + len(self._sources.admission.active))
        yield GaugeMetricFamily("nflow_sessions_active", "Sessions in use, an actor each", len(lasting) - len(resident))
        yield GaugeMetricFamily("nflow_tasks", "Asyncio tasks alive", _tasks())
        yield CounterMetricFamily("nflow_actor_crashes", "Incarnations that ended with an exception", events.crashes)
        yield CounterMetricFamily(
            "nflow_actor_restarts", "Incarnations that took the place of another", events.restarts
        )
        yield CounterMetricFamily("nflow_actor_escalations", "Supervisors that gave up", events.escalations)
        yield CounterMetricFamily("nflow_mailbox_overflows", "Episodes of a full mailbox", events.overflows)
        yield CounterMetricFamily("nflow_dead_letters", "Messages that reached nobody", system.dead_letters)
        depth = GaugeMetricFamily("nflow_mailbox_depth", "Messages waiting, by resident actor", labels=["actor"])
        for state in resident:
            depth.add_metric([state.path], state.mailbox)
        yield depth

    def _tracker(self) -> Iterator[Metric]:
        if self._sources.tracker is None:
            return
        state = self._sources.tracker()
        yield CounterMetricFamily("nflow_tracker_stored", "Tracker rows stored", state.stored)
        yield CounterMetricFamily("nflow_tracker_dropped", "Tracker rows dropped", state.dropped)
        yield GaugeMetricFamily("nflow_tracker_waiting", "Tracker rows not yet stored", state.waiting)
        yield CounterMetricFamily(
            "nflow_tracker_failed_batches", "Tracker batches the store did not take", state.failed_batches
        )


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # not asked on the loop
        return 0


def flatten(state: ActorState) -> Iterator[ActorState]:
    """An actor and all below it."""
    yield state
    for child in state.children:
        yield from flatten(child)
