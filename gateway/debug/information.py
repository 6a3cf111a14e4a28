"""`/debug/info`, `/debug/config`, `/debug/runtime`, `/debug/memory`, `/debug/gc`: the program and its numbers.

Keys are the Go program's, where it has them: `goroutines` are asyncio tasks, `go_version` is Python's. Bytes are bytes.
"""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import sys
import threading
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

from gateway.api.call import ApiAnswer, ApiError, Call
from gateway.api.schemas import COUNT, TEXT, an_object
from gateway.api.table import Route
from gateway.debug.parts import DebugParts, debug_route, operated
from gateway.monitoring.health import go_duration

HIDDEN: Final = "***"
_OBJECT: Final = {"type": "object"}
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Information:
    """The family of the program itself."""

    def __init__(self, parts: DebugParts) -> None:
        self._parts = parts
        self._collecting = False

    def routes(self) -> tuple[Route, ...]:
        """Its routes."""
        number = {"type": "number"}
        info = an_object(
            {
                "service": TEXT, "version": TEXT, "go_version": TEXT, "os": TEXT, "arch": TEXT, "cpus": COUNT,
                "goroutines": COUNT, "timestamp": COUNT, "uptime": TEXT,
            },
            pid=COUNT,
        )  # fmt: skip
        runtime = an_object(
            {"goroutines": COUNT, "cpus": COUNT, "threads": COUNT, "gc_runs": COUNT}, cpu_seconds=number
        )
        memory = an_object({"rss_bytes": COUNT, "sys_bytes": COUNT, "gc_runs": COUNT, "sandboxes_rss_bytes": COUNT})
        collected = an_object(
            {"message": TEXT, "collected": COUNT, "rss_bytes_before": COUNT, "rss_bytes_after": COUNT}
        )
        return (
            debug_route("GET", "info", "debugInfo", "The program and the machine", self.info, ("Both", info)),
            debug_route(
                "GET", "config", "debugConfig", "The configuration in force, secrets masked", self.config,
                ("Section → key → value", _OBJECT),
            ),
            debug_route("GET", "runtime", "debugRuntime", "Numbers of the interpreter", self.runtime, ("Now", runtime)),
            debug_route("GET", "memory", "debugMemory", "Memory of the server and its sandboxes", self.memory,
                        ("Now", memory)),
            debug_route("POST", "gc", "collectGarbage", "Run a full garbage collection, on a thread", self.collect,
                        ("It has run", collected), (409,)),
        )  # fmt: skip

    async def info(self, call: Call) -> ApiAnswer:
        """What runs where."""
        parts = self._parts
        return ApiAnswer.of(
            {
                "service": "nflow-runtime",
                "version": parts.version,
                "go_version": f"python {platform.python_version()}",
                "os": sys.platform,
                "arch": platform.machine(),
                "cpus": _cpus(),
                "goroutines": len(asyncio.all_tasks()),
                "timestamp": int(parts.wall()),
                "uptime": go_duration(parts.wall() - parts.started_at),
                "pid": os.getpid(),
            }
        )

    async def config(self, call: Call) -> ApiAnswer:
        """Every section; what may be a secret is so by its type, whatever its name is."""
        settings = self._parts.settings()
        told = {name: self._shown(getattr(settings, name)) for name in type(settings).model_fields}
        told["database"]["driver"] = settings.database.driver or settings.database_nflow.driver
        told["redis"]["configured"] = bool(settings.redis.host)
        return ApiAnswer.of(told)

    async def runtime(self, call: Call) -> ApiAnswer:
        """Tasks, threads, collections, CPU."""
        own, children = os.times()[0:2], os.times()[2:4]
        return ApiAnswer.of(
            {
                "goroutines": len(asyncio.all_tasks()),
                "cpus": _cpus(),
                "threads": threading.active_count(),
                "gc_runs": _collections(),
                "gc_objects_tracked": gc.get_count()[0],
                "gc_frozen": gc.get_freeze_count(),
                "cpu_seconds": round(sum(own), 3),
                "sandboxes_cpu_seconds": round(sum(children), 3),
                "event_loop": type(asyncio.get_running_loop()).__module__,
                "python": platform.python_version(),
            }
        )

    async def memory(self, call: Call) -> ApiAnswer:
        """What the operating system gave us."""
        size, resident = _memory(os.getpid())
        sandboxes = await asyncio.to_thread(_below, os.getpid())
        return ApiAnswer.of(
            {
                "rss_bytes": resident,
                "sys_bytes": size,
                "gc_runs": _collections(),
                "sandboxes": len(sandboxes),
                "sandboxes_rss_bytes": sum(sandboxes),
            }
        )

    async def collect(self, call: Call) -> ApiAnswer:
        """On a thread, so that the loop gets its turns; one at a time."""
        if self._collecting:
            raise ApiError(409, "a collection is running")
        operated(self._parts, call, "collect garbage")
        self._collecting = True
        try:
            before = _memory(os.getpid())[1]
            found = await asyncio.to_thread(gc.collect)
        finally:
            self._collecting = False
        after = _memory(os.getpid())[1]
        told = {"message": "Garbage collected", "collected": found}
        return ApiAnswer.of({**told, "rss_bytes_before": before, "rss_bytes_after": after})

    def _shown(self, value: Any) -> Any:
        """A section, or what it holds. Texts in a table of free names may be anything, and so are hidden."""
        if hasattr(value, "get_secret_value"):
            return HIDDEN if value.get_secret_value() else ""
        if hasattr(type(value), "model_fields"):
            fields = type(value).model_fields.items()
            told = {field.alias or name: self._shown(getattr(value, name)) for name, field in fields}
            return {**told, **{name: _hidden(free) for name, free in (value.model_extra or {}).items()}}
        match value:
            case Mapping():
                return {name: _hidden(free) for name, free in value.items()}
            case Enum():
                return value.value
            case list() | tuple():
                return [self._shown(each) for each in value]
            case str():
                return self._parts.mask(value)
            case _:
                return value


def _hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _hidden(free) for name, free in value.items()}
    return value if isinstance(value, bool | int | float) else HIDDEN if value else ""


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _collections() -> int:
    return sum(int(each["collections"]) for each in gc.get_stats())


def _memory(pid: int) -> tuple[int, int]:
    """(virtual size, resident) in bytes; zeros where the system does not tell."""
    try:
        size, resident = Path(f"/proc/{pid}/statm").read_text().split()[:2]
    except (OSError, ValueError):
        return 0, 0
    return int(size) * _PAGE, int(resident) * _PAGE


def _below(pid: int) -> list[int]:
    """Resident bytes of every process below this one: the zygotes and their sandboxes."""
    found, todo = [], [pid]
    while todo:
        try:
            tasks = list(Path(f"/proc/{todo.pop()}/task").iterdir())
            children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except (OSError, ValueError):
            continue
        found += [_memory(child)[1] for child in children]
        todo += children
    return found
