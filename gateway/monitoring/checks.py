"""What is asked of each part of the runtime, and when it is not well.

Needed by requests (503 without them): the store, the sandboxes, room for runs, the sessions, flows to serve, the tree.
Not needed, so told but no reason to be sent no requests: nFlow's database once its flows are known, the database of
scripts and Redis (whose users are told themselves), plugins, and memory that runs short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from actors.catalogue import Catalogue
from actors.databases.database import Database
from actors.kernel import ActorState, System
from actors.plugins.plugins import Plugins
from actors.reach.redis_client import RedisDoor
from actors.runs.processes import Admission
from actors.sandbox.pool import PoolFigures
from actors.sessions.sessions import Sessions
from actors.stores.store import Store
from gateway.monitoring.health import WELL, Check, Finding
from gateway.monitoring.kernel_figures import KernelFigures
from gateway.monitoring.machine import MemoryRoom, memory_room

FULL: Final = 0.9
"""Of the memory, or of the room for runs: from here on it is a warning."""
_NOBODY: Final = "health"
"""No session has this id."""
_AFTER_ALL: Final = 1 << 62
"""No tracker row has a higher number."""


def store(of: Store) -> Check:
    """Both threads of the store answer."""

    async def look() -> Finding:
        lost = await of.record((), ())
        await of.rows(_AFTER_ALL, 1)
        return WELL if not lost else Finding("warning", "another instance writes to it")

    return Check("database", look, needed=True, far=True)


def database(name: str, of: Database) -> Check:
    """The server answers a statement."""

    async def look() -> Finding:
        await of.query("SELECT 1")
        return WELL

    return Check(name, look, needed=False, far=True)


def sessions(of: Sessions) -> Check:
    """The session store can be asked."""

    async def look() -> Finding:
        await of.store.load(_NOBODY)
        return WELL

    return Check("sessions", look, needed=True, far=True)


def redis(of: RedisDoor) -> Check:
    """Redis answers PING."""

    async def look() -> Finding:
        await of.call("PING")
        return WELL

    return Check("redis", look, needed=False, far=True)


def vm_pool(of: PoolFigures) -> Check:
    """There is a sandbox that can run scripts."""

    async def look() -> Finding:
        if of.read is None:
            return Finding("unhealthy", "no sandbox has been started yet")
        state = of.read()
        if state.size == state.starting:
            return Finding("unhealthy", "no sandbox is ready")
        return WELL

    return Check("vm_pool", look, needed=True)


def processes(of: Admission) -> Check:
    """There is room for a run."""

    async def look() -> Finding:
        active, limit = len(of.active), of.limit
        if not of.opened:
            return Finding("unhealthy", "no run is begun: it is starting or stopping")
        if active >= limit:
            return Finding("unhealthy", f"{limit} runs are active (server.max_processes)")
        if active >= FULL * limit:
            return Finding("warning", f"{active} of {limit} runs are active (server.max_processes)")
        return WELL

    return Check("processes", look, needed=True)


def memory(room: Callable[[], MemoryRoom] = memory_room) -> Check:
    """There is memory left."""

    async def look() -> Finding:
        used, limit = room()
        if limit and used >= FULL * limit:
            return Finding("warning", f"{used >> 20} of {limit >> 20} MiB are used")
        return WELL

    return Check("memory", look, needed=False)


def flows(of: Catalogue, source: Any) -> Check:
    """There is something to serve. `source`: nFlow's database; None: there is none."""

    async def look() -> Finding:
        if of.keeper is None:
            return Finding("unhealthy", "the flows have not been read yet")
        if source is not None and not of.flows and source.numbers.out_of_reach:
            return Finding("unhealthy", "no flow could be read yet: nFlow's database is out of reach")
        return WELL

    return Check("flows", look, needed=True)


def tree(system: System, events: KernelFigures) -> Check:
    """Every branch runs, and nothing was restarted lately."""

    async def look() -> Finding:
        if system.failed.done():
            return Finding("unhealthy", "the tree has given up")
        down = list(_down(system.snapshot(depth=3, most=64)))
        if down:
            return Finding("unhealthy", f"not running: {', '.join(down[:5])}")
        lately = events.lately
        if lately.escalations:
            return Finding("warning", f"gave up and began anew in the last minute: {_names(lately.escalations)}")
        if lately.restarts:
            return Finding("warning", f"restarted in the last minute: {_names(lately.restarts)}")
        return WELL

    return Check("tree", look, needed=True)


def plugins(of: Plugins) -> Check:
    """Every plugin can be called."""

    async def look() -> Finding:
        down = [state.name for state in of.states if state.trouble]
        return Finding("unhealthy", f"not available: {', '.join(down)}") if down else WELL

    return Check("plugins", look, needed=False)


def _down(state: ActorState) -> Sequence[str]:
    """Paths of branches, the root's children, that are between two lives."""
    roots = [child for child in state.children if child.path == "/root"]
    return [
        branch.path for root in roots for branch in (root, *root.children) if branch.state in ("restarting", "ending")
    ]


def _names(paths: Sequence[str]) -> str:
    return ", ".join(sorted(set(paths))[:5])
