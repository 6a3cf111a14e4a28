"""The table of fixed endpoints: path → what answers it. Everything else is looked up in the flows."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from gateway.monitoring.health import HealthSources, health
from gateway.monitoring.metrics import CONTENT_TYPE, Metrics
from gateway.server import Endpoint
from protocol.codec import go_json
from protocol.settings.engine import Monitor


def endpoints(monitor: Monitor, sources: HealthSources, metrics: Metrics) -> Mapping[str, Endpoint]:
    """What this server answers by itself."""

    async def show_health(request: web.BaseRequest) -> web.Response:
        status, body = health(sources)
        return web.Response(status=status, body=go_json(body), content_type="application/json")

    async def show_metrics(request: web.BaseRequest) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    if not monitor.enabled:
        return {}
    return {monitor.health_check_path: show_health, monitor.metrics_path: show_metrics}
