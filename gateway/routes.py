"""The table of fixed endpoints: what this server answers by itself. Everything else is looked up in the flows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from actors.catalogue import Catalogue
from actors.functions.caller import SessionView
from actors.library.versions import Versions
from actors.runs.processes import Admission
from gateway.api.administration import Administration
from gateway.api.execution import Executions
from gateway.api.monitoring import Monitoring
from gateway.api.openapi import Documentation
from gateway.api.plugins import PluginActions, PluginEndpoints
from gateway.api.processes import Journal, Processes
from gateway.api.table import Route, Routes
from gateway.api.workflows import Workflows
from gateway.exchange import Exchanges
from gateway.session_cookie import SessionCookie
from protocol.errors import BadDocument, Problem
from protocol.flow import Durability, Flow
from protocol.settings.engine import Api, Monitor


@dataclass(frozen=True, slots=True)
class ApiParts:
    """Whom the API talks to."""

    catalogue: Catalogue
    admission: Admission
    exchanges: Exchanges
    executions: Executions
    cookie: SessionCookie
    session: Callable[[str], SessionView]
    new_wid: Callable[[], str]
    durability: Durability
    versions: Versions | None
    journal: Journal | None
    plugins: PluginActions | None


def routes(
    monitor: Monitor,
    api: Api,
    parts: ApiParts,
    monitoring: Monitoring,
    base: str,
    *,
    port: bool,
    debug: Sequence[Route] = (),
) -> Routes:
    """The table. `base`: the path below which all of it is served; empty: the root. `port`: metrics have their own.
    `debug`: the debug endpoints, where they are on."""
    found: list[Route] = []
    if api.enabled:
        processes = Processes(
            parts.admission, parts.journal, parts.catalogue, parts.exchanges, parts.cookie, parts.session,
            parts.new_wid, parts.durability,
        )  # fmt: skip
        found += Workflows(parts.executions, parts.cookie).routes()
        found += Administration(parts.catalogue, parts.versions).routes()
        found += processes.routes()
        found += PluginEndpoints(parts.plugins).routes()
    if monitor.enabled:
        found += monitoring.health_routes()
        if not port:
            found.append(monitoring.metrics_route())
    found += debug
    if api.enabled and api.docs:
        found += Documentation(
            tuple(found), base, parts.plugins.actions if parts.plugins is not None else tuple
        ).routes()
    paths = [route.path for route in found]
    for key in ("health_check_path", "metrics_path"):
        if monitor.enabled and paths.count(getattr(monitor, key)) > 1:
            raise BadDocument([Problem(f"monitor.{key}", "is the path of another endpoint of the server")])
    return Routes(found)


def hidden(table: Routes, flows: Iterable[Flow]) -> list[Problem]:
    """Warnings: starts of flows that are never reached, because a fixed endpoint has their path."""
    return [
        Problem(
            f"{flow.name}.{start.node}",
            f"{start.method} {start.pattern} is never reached: the server answers this path itself",
            fatal=False,
        )
        for flow in flows
        for start in flow.starts
        if table.find(start.pattern) is not None
    ]
