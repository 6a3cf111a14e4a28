"""Who watches the runtime, made from settings: numbers, health, traces, and the actors they need.

What is switched off is not made: without `monitor.enabled` nobody counts, without `otel.enabled` nobody traces. A room
joins the metrics page with its `families()` among `sources`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

from actors.auditing.trail import AuditTrail
from actors.guards.analysis.inspector import Inspector
from actors.kernel import Backoff, ChildSpec, System
from actors.plugins.plugins import Plugins
from actors.pulse import Pulse, PulseFigures
from actors.reach.keeper import kept
from actors.reach.reach import Reach
from actors.runs.figures import RunFigures
from actors.runs.processes import Admission
from actors.tracing import Tracing, TracingSettings
from actors.tree import Parts
from gateway import logs
from gateway.api.monitoring import Monitoring
from gateway.assembly.data import Data
from gateway.assembly.encryption import EncryptionParts
from gateway.monitoring import checks
from gateway.monitoring.figures import Figures, Unwatched
from gateway.monitoring.health import Check, Health
from gateway.monitoring.house import House
from gateway.monitoring.kernel_figures import KernelFigures
from gateway.monitoring.machine import Machine, collections, memory, tasks
from gateway.monitoring.metrics import Metrics
from gateway.monitoring.port import MonitoringPort
from gateway.monitoring.surroundings import Surroundings
from gateway.version import VERSION
from protocol.errors import BadDocument, Problem
from protocol.observation.metrics import Families, Family, counter, gauge
from protocol.settings import Settings


class Assembled(Protocol):
    """What is looked at of an `Assembly`."""

    parts: Parts
    data: Data
    reach: Reach
    plugins: Plugins
    encryption: EncryptionParts
    inspector: Inspector | None
    trail: AuditTrail


class Watching:
    """Everything that watches. `watch` is called once the parts of the tree are there."""

    def __init__(self, settings: Settings, *, listen: bool = True) -> None:
        """`listen` False: no port is opened. Raises BadDocument for `[otel]` without its extra."""
        monitor = self._monitor = settings.monitor
        self._settings = settings
        self.port = int(monitor.metrics_port) if monitor.enabled and monitor.metrics_port and listen else None
        """Of the monitoring pages; None: they are the server's."""
        started = time.time()
        self.figures = Figures(started, self._paths()) if monitor.enabled else Unwatched(started)
        self.runs = RunFigures() if monitor.enabled else None
        self.kernel = KernelFigures()
        self.pulse = PulseFigures()
        self.tracing = Tracing(_tracing(settings)) if settings.otel.enabled else None
        self.bound = 0
        """The port the pages are served on, once they are."""
        self._monitoring: Monitoring | None = None

    @property
    def monitoring(self) -> Monitoring:
        """The pages."""
        if self._monitoring is None:
            raise RuntimeError("nobody watches yet")
        return self._monitoring

    # --- for the tree ---

    def doors(self) -> tuple[ChildSpec, ...]:
        """Who starts first and ends last."""
        return (kept("tracing", self.tracing),) if self.tracing is not None else ()

    def services(self) -> tuple[ChildSpec, ...]:
        """The pulse and the port."""
        if not self._monitor.enabled:
            return ()
        host, backoff = self._settings.server.host, Backoff(0.1, 5.0)
        found = [ChildSpec("pulse", lambda: Pulse(self.pulse), backoff=backoff)]
        if (port := self.port) is not None:
            found.append(ChildSpec(
                "monitoring", lambda: MonitoringPort(host, port, lambda: self.monitoring.pages, self._listens),
                backoff=backoff,
            ))  # fmt: skip
        return tuple(found)

    def _listens(self, port: int) -> None:
        self.bound = port

    # --- for operators ---

    def watch(
        self, system: System, admission: Admission, assembly: Assembled, further: tuple[Families, ...] = ()
    ) -> Monitoring:
        """Begin to watch the parts of an `Assembly`. `further`: sources of rooms beside it."""
        parts, data, monitor = assembly.parts, assembly.data, self._monitor
        detailed = monitor.enable_detailed_metrics
        house = House(system, admission, parts.pool_figures, parts.forker_figures, parts.results)
        around = _surroundings(assembly)
        machine = Machine(self.pulse, detailed=detailed)
        sources: list[Families] = [
            self._self, self.figures.families, house.families, self.kernel.families, around.families,
            machine.families, self.pulse.families, assembly.encryption.figures.families,
            assembly.trail.families, *further,
        ]  # fmt: skip
        if assembly.inspector is not None:
            sources.append(assembly.inspector.families)
        if self.runs is not None:
            sources.append(self.runs.families)
        if self.tracing is not None:
            sources.append(self.tracing.families)
        found = _checks(system, admission, assembly, self.kernel)
        details = (lambda: self._details(admission, data)) if detailed else None
        health = Health(found, lambda: admission.opened, time.time, self.figures.started_at, VERSION, details)
        made = self._monitoring = Monitoring(
            monitor.health_check_path, monitor.metrics_path, health, Metrics(sources)
        )  # fmt: skip
        return made

    def _paths(self) -> tuple[str, ...]:
        monitor = self._monitor
        health = monitor.health_check_path
        return health, f"{health.rstrip('/')}/live", f"{health.rstrip('/')}/ready", monitor.metrics_path

    def _self(self) -> tuple[Family, ...]:
        return (
            gauge("nflow_up", "1 while the runtime runs", 1),
            gauge("nflow_uptime_seconds", "Seconds since the gateway began", time.time() - self.figures.started_at),
            Family("nflow_build_info", "gauge", "What runs", ("version", "python"),
                   [((VERSION, sys.version.split()[0]), 1)]),
            counter("nflow_log_lines_dropped", "Log lines that were lost", _lines_dropped()),
        )  # fmt: skip

    def _details(self, admission: Admission, data: Data) -> Mapping[str, Any]:
        """What Go's health page tells in detail."""
        figures, taken = self.figures, memory()
        pools = [database.numbers for database in data.databases.values()]
        outcomes = figures.workflows
        return {
            "requests": {"total": figures.requests, "errors": figures.errors, "active": figures.active},
            "workflows": {"total": sum(outcomes.values()), "errors": outcomes["error"] + outcomes["refused"]},
            "processes": {"active": len(admission.active), "total": admission.admitted},
            "database": {
                "connections_open": sum(pool.open for pool in pools),
                "connections_in_use": sum(pool.in_use for pool in pools),
                "connections_idle": sum(pool.idle for pool in pools),
            },
            "memory": {
                "alloc_mb": taken.resident >> 20, "sys_mb": taken.virtual >> 20,
                "heap_alloc_mb": taken.anonymous >> 20, "gc_runs": collections(),
            },
            "runtime": {"goroutines": tasks(), "cpus": os.cpu_count() or 1},
        }  # fmt: skip


def _lines_dropped() -> int:
    log = logs.in_force()  # None: the program that embeds us has its own
    return log.writer.dropped + log.writer.failed if log is not None else 0


def _surroundings(assembly: Assembled) -> Surroundings:
    parts, data, store = assembly.parts, assembly.data, assembly.parts.store
    tracker = parts.tracker
    return Surroundings(
        (lambda: store.state) if store is not None else None,
        parts.journal_figures,
        (lambda: getattr(tracker, "states", None) or (tracker.state,)) if tracker is not None else tuple,
        data.databases, data.sessions, assembly.reach, assembly.plugins,
    )  # fmt: skip


def _checks(system: System, admission: Admission, assembly: Assembled, kernel: KernelFigures) -> list[Check]:
    parts, data, reach, plugins = assembly.parts, assembly.data, assembly.reach, assembly.plugins
    outside = data.databases.get("nflow")
    found = [
        *([checks.store(parts.store)] if parts.store is not None else ()),
        checks.vm_pool(parts.pool_figures),
        checks.processes(admission),
        checks.sessions(data.sessions),
        checks.flows(parts.catalogue, outside),
        checks.tree(system, kernel),
        checks.memory(),
    ]
    found += [checks.database(f"{name}_database", data.databases[name]) for name in ("nflow", "scripts")
              if name in data.databases]  # fmt: skip
    if reach.redis.configured:
        found.append(checks.redis(reach.redis))
    if plugins.names:
        found.append(checks.plugins(plugins))
    return found


def _tracing(settings: Settings) -> TracingSettings:
    otel = settings.otel
    headers = {}
    for line in filter(None, map(str.strip, otel.headers.get_secret_value().split(","))):
        name, marked, value = line.partition("=")
        if not marked or not name.strip():
            raise BadDocument([Problem("otel.headers", "must be name=value, separated by commas")])
        headers[name.strip()] = value.strip()
    if not otel.endpoint.startswith(("http://", "https://")):
        raise BadDocument([Problem("otel.endpoint", "must begin with http:// or https://")])
    if not 0 <= otel.sample_ratio <= 1:
        raise BadDocument([Problem("otel.sample_ratio", "must be from 0 to 1")])
    return TracingSettings(otel.endpoint, headers, otel.service_name, VERSION, otel.sample_ratio)
