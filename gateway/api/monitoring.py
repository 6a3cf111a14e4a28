"""`/health` and `/metrics`: the paths are configured, the words are those of the Go program."""

from __future__ import annotations

from gateway.api.call import ApiAnswer, Call
from gateway.api.table import Auth, Route
from gateway.monitoring.health import HealthSources, health
from gateway.monitoring.metrics import CONTENT_TYPE, Metrics
from protocol.codec import go_json


class Monitoring:
    """The family of monitoring."""

    def __init__(self, health_path: str, metrics_path: str, sources: HealthSources, metrics: Metrics) -> None:
        self._paths = health_path, metrics_path
        self._sources = sources
        self._metrics = metrics

    def routes(self) -> tuple[Route, ...]:
        """Its routes."""
        return (
            Route(
                "GET", self._paths[0], "getHealth", "May this instance be sent requests?", self.health, "monitoring",
                Auth.NOBODY_ASKED, {200: ("All is well", "Health"), 503: ("Some component does not work", "Health")},
            ),
            Route(
                "GET", self._paths[1], "getMetrics", "Prometheus metrics", self.metrics, "monitoring",
                Auth.NOBODY_ASKED, {200: ("The exposition", None)}, media="text/plain",
            ),
        )  # fmt: skip

    async def health(self, call: Call) -> ApiAnswer:
        """Look at every component."""
        status, body = health(self._sources)
        return ApiAnswer(status, go_json(body))

    async def metrics(self, call: Call) -> ApiAnswer:
        """Read every number."""
        return ApiAnswer(200, self._metrics.text(), content_type=CONTENT_TYPE)
