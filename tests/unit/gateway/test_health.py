"""What health says, and how Go writes a duration."""

from __future__ import annotations

import pytest

from actors.runs.processes import Admission
from actors.sandbox.pool import PoolFigures
from gateway.monitoring.figures import Figures
from gateway.monitoring.health import HealthSources, go_duration, health
from protocol.sandbox import PoolState


def sources(*, store: str = "", size: int = 2, starting: int = 0, pool: bool = True, limit: int = 5) -> HealthSources:
    figures = PoolFigures()
    if pool:
        figures.read = lambda: PoolState(size, size - starting, 0, 0, 4, starting, 2, 0)
    return HealthSources(Figures(1000.0), Admission(limit), figures, lambda: store, lambda: 1063.25, "1.2")


def test_all_is_well() -> None:
    status, body = health(sources())
    assert status == 200
    assert (body["status"], body["timestamp"], body["uptime"], body["version"]) == ("healthy", 1063, "1m3.25s", "1.2")


@pytest.mark.parametrize(
    ("troubled", "component", "message"),
    [
        (sources(store="its disk is full"), "database", "its disk is full"),
        (sources(pool=False), "vm_pool", "no sandbox has been started yet"),
        (sources(size=2, starting=2), "vm_pool", "no sandbox is ready"),
        (sources(limit=0), "processes", "0 runs are active (server.max_processes)"),
    ],
)
def test_a_part_that_cannot_serve_makes_the_whole_degraded(
    troubled: HealthSources, component: str, message: str
) -> None:
    status, body = health(troubled)
    assert (status, body["status"]) == (503, "degraded")
    assert body["components"][component] == {"status": "unhealthy", "message": message}


def test_a_sandbox_that_starts_beside_one_that_is_ready_is_well() -> None:
    assert health(sources(size=2, starting=1))[0] == 200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (2.0, "2s"),
        (59.999, "1m0s"),
        (63.25, "1m3.25s"),
        (3600.0, "1h0m0s"),
        (90_061.5, "25h1m1.5s"),
    ],
)
def test_a_duration_is_written_as_go_writes_it(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
