"""Health, liveness, readiness, metrics: the paths are configured, the words are those of the Go program.

`pages` is the same for a port of their own (`gateway/monitoring/port.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.api.call import ApiAnswer
from gateway.api.table import Auth, Handler, Route
from gateway.monitoring.exposition import CONTENT_TYPE
from gateway.monitoring.health import Health
from gateway.monitoring.metrics import Metrics
from protocol.codec import go_json

Page = Callable[[], Awaitable[ApiAnswer]]


class Monitoring:
    """The family of monitoring."""

    def __init__(self, health_path: str, metrics_path: str, health: Health, metrics: Metrics) -> None:
        below = health_path.rstrip("/")
        self.paths = health_path, f"{below}/live", f"{below}/ready", metrics_path
        self._health = health
        self._metrics = metrics

    @property
    def pages(self) -> Mapping[str, Page]:
        """What is served, by path."""
        return dict(zip(self.paths, (self.health, self.live, self.ready, self.metrics), strict=True))

    def health_routes(self) -> tuple[Route, ...]:
        """Health, live and ready."""
        health, live, ready, _ = self.paths
        return (
            _route(health, "getHealth", "May this instance be sent requests?", _handler(self.health), {
                200: ("What requests need works", "Health"), 503: ("Something that requests need does not", "Health"),
            }),
            _route(live, "getLiveness", "Does this instance answer?", _handler(self.live), {200: ("It does", "Alive")}),
            _route(ready, "getReadiness", "Can this instance take requests now?", _handler(self.ready), {
                200: ("It can", "Ready"), 503: ("It starts, stops, or lacks something", "Ready"),
            }),
        )  # fmt: skip

    def metrics_route(self) -> Route:
        """The metrics."""
        return _route(
            self.paths[-1], "getMetrics", "Prometheus metrics", _handler(self.metrics),
            {200: ("The exposition", None)}, media="text/plain",
        )  # fmt: skip

    async def health(self) -> ApiAnswer:
        """Look at every component."""
        return _json(await self._health.report())

    async def live(self) -> ApiAnswer:
        """The loop answers."""
        return _json(self._health.live())

    async def ready(self) -> ApiAnswer:
        """Requests can be taken."""
        return _json(await self._health.ready())

    async def metrics(self) -> ApiAnswer:
        """Read every number."""
        return ApiAnswer(200, await self._metrics.text(), content_type=CONTENT_TYPE)


def _json(told: tuple[int, dict[str, Any]]) -> ApiAnswer:
    status, body = told
    return ApiAnswer(status, go_json(body), (("Cache-Control", "no-store"),))


def _handler(page: Page) -> Handler:
    return lambda call: page()


def _route(
    path: str, name: str, summary: str, handler: Handler, answers: Mapping[int, tuple[str, Any]],
    *, media: str = "application/json",
) -> Route:  # fmt: skip
    return Route("GET", path, name, summary, handler, "monitoring", Auth.NOBODY_ASKED, answers, media=media)
