"""`/health`: may this instance be sent requests? Shape of the Go program: status, components, uptime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.runs.processes import Admission
from actors.sandbox.pool import PoolFigures
from gateway.monitoring.figures import Figures


@dataclass(frozen=True, slots=True)
class HealthSources:
    """What is looked at."""

    figures: Figures
    admission: Admission
    pool: PoolFigures
    store: Callable[[], str]
    """Empty when the store answers; else why not."""
    wall: Callable[[], float]
    version: str


def health(sources: HealthSources) -> tuple[int, dict[str, Any]]:
    """(HTTP status, body). 503 when a component that requests need does not work."""
    components = {
        "database": _store(sources),
        "vm_pool": _pool(sources),
        "processes": _processes(sources),
    }
    healthy = all(component["status"] == "healthy" for component in components.values())
    body = {
        "status": "healthy" if healthy else "degraded",
        "timestamp": int(sources.wall()),
        "uptime": go_duration(sources.wall() - sources.figures.started_at),
        "version": sources.version,
        "components": components,
    }
    return (200 if healthy else 503), body


def go_duration(seconds: float) -> str:
    """A duration as Go prints it, to the hundredth: `1h2m3.25s`."""
    whole = round(seconds, 2)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{rest:.2f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours:.0f}h{minutes:.0f}m{text}"
    return f"{minutes:.0f}m{text}" if minutes else text


def _store(sources: HealthSources) -> dict[str, str]:
    problem = sources.store()
    return {"status": "unhealthy", "message": problem} if problem else {"status": "healthy"}


def _pool(sources: HealthSources) -> dict[str, str]:
    if sources.pool.read is None:
        return {"status": "unhealthy", "message": "no sandbox has been started yet"}
    state = sources.pool.read()
    if state.size == state.starting:
        return {"status": "unhealthy", "message": "no sandbox is ready"}
    return {"status": "healthy"}


def _processes(sources: HealthSources) -> dict[str, str]:
    admission = sources.admission
    if len(admission.active) >= admission.limit:
        return {"status": "unhealthy", "message": f"{admission.limit} runs are active (server.max_processes)"}
    return {"status": "healthy"}
