"""What the process takes of its machine, by the kernel's own accounting; Go's names for the nearest truth of ours.

Where the kernel does not tell (other systems than Linux), the number is 0 and nothing is said of a limit.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from actors.pulse import PulseFigures
from protocol.observation.metrics import Durations, Family, counter, gauge

_STATUS: Final = Path("/proc/self/status")
_CGROUP: Final = Path("/sys/fs/cgroup")
_V1: Final = _CGROUP / "memory"


class Memory(NamedTuple):
    """Bytes of this process."""

    resident: int
    anonymous: int
    data: int
    """Address space for data."""
    virtual: int


def memory() -> Memory:
    """As of now."""
    found = {}
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.startswith(("Vm", "Rss")):
                found[name] = int(value.split()[0]) << 10
    return Memory(*(found.get(name, 0) for name in ("VmRSS", "RssAnon", "VmData", "VmSize")))


class MemoryRoom(NamedTuple):
    """What of the memory there may be is taken. Bytes; limit 0: nobody knows."""

    used: int
    limit: int


def memory_room() -> MemoryRoom:
    """Of the container, all its processes counted and what can be taken back left out; else of the machine."""
    resident, machine = memory().resident, _machine()
    for used, limit, idle in (
        (_CGROUP / "memory.current", _CGROUP / "memory.max", "inactive_file "),
        (_V1 / "memory.usage_in_bytes", _V1 / "memory.limit_in_bytes", "total_inactive_file "),
    ):
        with suppress(OSError, ValueError):
            most = int(limit.read_text())  # "max" is no number: no limit
            taken = int(used.read_text()) - _entry(limit.with_name("memory.stat"), idle)
            if not machine or most < machine:
                return MemoryRoom(max(taken, resident), most)
    return MemoryRoom(resident, machine)


def _machine() -> int:
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 0


def _entry(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(name):
            return int(line[len(name) :])
    return 0


def tasks() -> int:
    """Asyncio tasks alive."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # not asked on the loop
        return 0


def collections() -> int:
    """Runs of the garbage collector since the program began."""
    return sum(each["collections"] for each in gc.get_stats())


class Machine:
    """The numbers of the process."""

    def __init__(self, pulse: PulseFigures, *, detailed: bool) -> None:
        self._pulse = pulse
        self._detailed = detailed

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        taken, alive, room = memory(), tasks(), memory_room()
        yield gauge("nflow_tasks", "Asyncio tasks alive", alive)
        yield gauge("nflow_memory_used_bytes", "Memory taken, of the container or by this process", room.used)
        yield gauge("nflow_memory_limit_bytes", "Memory there is, of the container or the machine", room.limit)
        yield gauge("nflow_go_goroutines", "Asyncio tasks alive (Go's name)", alive)
        yield gauge("nflow_go_memory_alloc_bytes", "Resident memory (Go's name)", taken.resident)
        yield gauge("nflow_go_memory_sys_bytes", "Virtual memory (Go's name)", taken.virtual)
        yield counter("nflow_go_gc_runs", "Runs of the garbage collector", collections())
        if self._detailed:
            yield from self._detail(taken)

    def _detail(self, taken: Memory) -> Iterable[Family]:
        yield gauge("nflow_go_memory_heap_alloc_bytes", "Anonymous resident memory", taken.anonymous)
        yield gauge("nflow_go_memory_heap_sys_bytes", "Address space for data", taken.data)
        idle = max(0, taken.data - taken.anonymous)
        yield gauge("nflow_go_memory_heap_idle_bytes", "Address space for data that is not resident", idle)
        yield gauge("nflow_go_memory_heap_inuse_bytes", "Anonymous resident memory", taken.anonymous)
        yield gauge("nflow_go_memory_heap_objects", "Blocks of memory Python has given out", sys.getallocatedblocks())
        yield gauge("nflow_go_gc_cpu_fraction", "Part of the CPU time that the garbage collector took",
                    self.gc_fraction)  # fmt: skip

    @property
    def gc_fraction(self) -> float:
        """0 to 1."""
        pauses: Durations = self._pulse.pauses
        used = os.times()
        return min(1.0, pauses.total / max(0.001, used.user + used.system))
