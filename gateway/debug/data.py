"""`/debug/database/…`, `/debug/tracker/stats`, `/debug/slow-queries`: where data goes, and how long that takes."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from actors.databases.pooled import PooledDatabase
from actors.tracker import Trackers
from gateway.api.call import ApiAnswer, Call
from gateway.api.schemas import COUNT, TEXT, a_list, an_object
from gateway.api.table import Route
from gateway.debug.parts import DebugParts, debug_route
from protocol.errors import Refusal
from protocol.tracking import TrackerState

_PROBE_SECONDS: Final = 2.0


class DataPages:
    """The family of databases."""

    def __init__(self, parts: DebugParts) -> None:
        self._parts = parts

    def routes(self) -> tuple[Route, ...]:
        """Its routes."""
        numbers = {"open_connections": COUNT, "in_use": COUNT, "idle": COUNT, "max_open_connections": COUNT}
        first = "nFlow's database, without one ours; and each"
        told = {"connected": {"type": "boolean"}, "driver": TEXT}
        slow = an_object(
            {"sql": TEXT, "milliseconds": {"type": "number"}, "ended": {"type": "number"}, "database": TEXT}
        )
        return (
            debug_route("GET", "database/stats", "debugDatabases", "The pools of connections", self.pools,
                        (first, an_object({**numbers, "databases": {"type": "object"}}))),
            debug_route("GET", "database/connections", "debugConnections", "Can each database be reached?",
                        self.connections, (first, an_object(told, error=TEXT))),
            debug_route("GET", "tracker/stats", "debugTracker", "Numbers of the tracker", self.tracker,
                        ("Each row is stored, dropped or waiting", an_object({"enabled": {"type": "boolean"}}))),
            debug_route("GET", "slow-queries", "debugSlowQueries",
                        "Statements that took longer than debug.slow_query_ms, without their values",
                        self.slow, ("The newest first", an_object({"total": COUNT, "queries": a_list(slow)}))),
        )  # fmt: skip

    async def pools(self, call: Call) -> ApiAnswer:
        """Open, used, idle, waited for."""
        pools = {name: _pool(database) for name, database in self._parts.databases.items()}
        return ApiAnswer.of({**next(iter(pools.values())), "databases": pools})

    async def connections(self, call: Call) -> ApiAnswer:
        """Ask each; what a driver says may hold addresses and users, but no secrets."""
        names = list(self._parts.databases)
        told = await asyncio.gather(*map(self._reached, self._parts.databases.values()))
        store = self._parts.store()
        writer = {
            "connected": store.available,
            "driver": "sqlite3",
            **({"error": store.reason} if store.reason else {}),
        }
        return ApiAnswer.of({**told[0], "databases": {**dict(zip(names, told, strict=True)), "journal": writer}})

    async def tracker(self, call: Call) -> ApiAnswer:
        """Of each table that rows go to."""
        tracker = self._parts.tracker
        if tracker is None:
            return ApiAnswer.of({"enabled": False})
        states = tracker.states if isinstance(tracker, Trackers) else (tracker.state,)
        names = ("store", "database_nflow")
        tables = {name: _rows(state) for name, state in zip(names, states, strict=False)}
        return ApiAnswer.of({"enabled": True, **_rows(states[0]), "tables": tables})

    async def slow(self, call: Call) -> ApiAnswer:
        """What took long."""
        slow = self._parts.slow
        listed = slow.listing() if slow is not None else []
        queries = [
            {
                "database": each.database, "sql": self._parts.mask(each.sql),
                "milliseconds": round(each.seconds * 1000, 3), "ended": round(each.ended, 3),
            }
            for each in listed
        ]  # fmt: skip
        threshold = slow.seconds * 1000 if slow is not None else 0
        return ApiAnswer.of(
            {"slow_query_ms": threshold, "total": slow.counted if slow is not None else 0, "queries": queries}
        )

    async def _reached(self, database: PooledDatabase) -> dict[str, Any]:
        told: dict[str, Any] = {"connected": True, "driver": database.driver}
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await database.query("select 1")
        except TimeoutError:
            told |= {"connected": False, "error": f"it did not answer within {_PROBE_SECONDS:g} s"}
        except Refusal as error:
            told |= {"connected": False, "error": self._parts.mask(str(error))}
        return told


def _pool(database: PooledDatabase) -> dict[str, Any]:
    numbers = database.numbers
    return {
        "driver": database.driver, "max_open_connections": numbers.max_open, "open_connections": numbers.open,
        "in_use": numbers.in_use, "idle": numbers.idle, "waiting": numbers.waiting,
        "reachable": not numbers.out_of_reach,
    }  # fmt: skip


def _rows(state: TrackerState) -> dict[str, int]:
    return {
        "stored": state.stored, "dropped": state.dropped, "waiting": state.waiting,
        "failed_batches": state.failed_batches,
    }  # fmt: skip
