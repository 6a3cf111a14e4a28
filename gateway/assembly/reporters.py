"""Log lines with numbers: the pool's (`vm_pool.enable_metrics`) and the tracker's (`tracker.stats_interval`)."""

from __future__ import annotations

from collections.abc import Callable

from actors.kernel import ChildSpec
from actors.reporter import Reporter
from actors.tracker import Trackers
from actors.tree import Parts
from protocol.settings import Settings

POOL_SECONDS = 30.0


def reporters(settings: Settings, parts: Callable[[], Parts]) -> tuple[ChildSpec, ...]:
    """Who writes them, for a one_for_one supervisor. `parts`: asked once the tree is up."""
    found = []
    if settings.vm_pool.enable_metrics:
        found.append(ChildSpec("pool-reporter", lambda: Reporter(POOL_SECONDS, lambda: pool_line(parts()))))
    tracker = settings.tracker
    if tracker.enabled and tracker.stats_interval > 0:
        found.append(
            ChildSpec("tracker-reporter", lambda: Reporter(tracker.stats_interval, lambda: tracker_line(parts())))
        )
    return tuple(found)


def pool_line(parts: Parts) -> str:
    """The pool's numbers; empty while it is not up."""
    figures = parts.pool_figures
    if figures.read is None:
        return ""
    state = figures.read()
    return (
        f"sandboxes: {state.size} of {state.limit}, {state.busy} busy, {state.idle} idle, {state.starting} starting, "
        f"{state.waiting} scripts waiting, {state.created} made, {state.lost} lost"
    )


def tracker_line(parts: Parts) -> str:
    """The numbers of each tracker."""
    tracker = parts.tracker
    if tracker is None:
        return ""
    states = tracker.states if isinstance(tracker, Trackers) else (tracker.state,)
    lines = [
        f"{state.stored} rows stored, {state.dropped} dropped, {state.waiting} waiting, "
        f"{state.failed_batches} batches failed"
        for state in states
    ]
    return f"tracker: {'; nFlow table: '.join(lines)}"
