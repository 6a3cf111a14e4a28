"""A thousand of the same bad request, and what the server holds before and after: nothing may stay behind."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from loadtests.server import descendants
from tests.acceptance.servers import Answer, Server, total, until

CLIENTS = 24
MEMORY_MB = 40
"""A thousand runs that stay behind hold more; what the allocator keeps to itself is less."""
CHECKED_EACH = 4
"""After every fourth bad request the same client sends a good one."""


@dataclass(frozen=True)
class Bad:
    """One bad request, and what it is answered."""

    path: str
    status: int
    words: str
    """In the body."""
    method: str = "GET"
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def answered(self, answer: Answer) -> bool:
        return answer.status == self.status and self.words in answer.text


@dataclass(frozen=True)
class Held:
    """What a server holds while nobody asks anything of it."""

    descriptors: int
    processes: int
    memory_mb: float
    numbers: Mapping[str, float]

    GAUGES = (
        "nflow_actors", "nflow_tasks", "nflow_processes_active", "nflow_vm_pool_size", "nflow_vm_pool_active",
        "nflow_vm_pool_waiting", "nflow_vm_pool_starting", "nflow_vm_pool_breakers_open",
    )  # fmt: skip
    COUNTERS = ("nflow_actor_crashes_total", "nflow_actor_escalations_total", "nflow_mailbox_overflows_total")


def held(server: Server) -> Held:
    """Counted now."""
    pid, shown = server.process.pid, server.metrics()
    waiting = total(shown, "nflow_mailbox_depth")
    wanted = (*Held.GAUGES, *Held.COUNTERS, "nflow_vm_pool_lost_total", "nflow_sessions_active")
    numbers = {name: total(shown, name) for name in wanted}
    # A sandbox whose script is stopped ends by a crash, as it must, and is replaced.
    numbers["nflow_actor_crashes_total"] -= numbers["nflow_vm_pool_lost_total"]
    numbers["nflow_actors"] -= numbers["nflow_sessions_active"]  # those stay for a minute, on purpose
    numbers = {name: numbers[name] for name in (*Held.GAUGES, *Held.COUNTERS)} | {"mailboxes": waiting}
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return Held(sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()), len(descendants(pid)), resident / 1024, numbers)


def more_than(before: Held, after: Held) -> dict[str, tuple[float, float]]:
    """What grew, beyond what counting itself and idle connections can explain."""
    grown: dict[str, tuple[float, float]] = {
        name: (before.numbers[name], value)
        for name, value in after.numbers.items()
        if value > before.numbers[name] + (1 if name in {"nflow_tasks", "nflow_actors"} else 0)
    }
    if after.descriptors > before.descriptors + 3:
        grown["descriptors"] = (before.descriptors, after.descriptors)
    if after.processes > before.processes:
        grown["processes"] = (before.processes, after.processes)
    if after.memory_mb > before.memory_mb + MEMORY_MB:
        grown["memory"] = (before.memory_mb, after.memory_mb)
    return grown


def settled(server: Server, before: Held) -> dict[str, tuple[float, float]]:
    """What is still more than before, after the time that keep-alive and clean-up may take."""
    left: list[dict[str, tuple[float, float]]] = [{}]

    def calm() -> bool:
        left[0] = more_than(before, held(server))
        return not left[0]

    until(calm, 15)
    return left[0]


def many(server: Server, bads: list[Bad], count: int, good: Callable[[Callable[..., Answer]], Any]) -> list[str]:
    """Send `count` of them from several clients at once; what was answered otherwise, and what came after."""
    wrong: list[str] = []
    local, opened = threading.local(), ExitStack()

    def ask(path: str, method: str = "GET", body: str | None = None, headers: Any = None) -> Answer:
        connection: http.client.HTTPConnection | None = getattr(local, "connection", None)
        if connection is None:
            connection = local.connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
            opened.callback(connection.close)
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def one(numbered: tuple[int, Bad]) -> None:
        number, bad = numbered
        answer = ask(bad.path, bad.method, bad.body, bad.headers)
        if not bad.answered(answer):
            wrong.append(f"{bad.path}: {answer.status} {answer.text[:300]}")
        if number % CHECKED_EACH == 0 and not good(ask):
            wrong.append(f"after {bad.path}: the next request went wrong")

    with opened, ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(one, enumerate(islice(cycle(bads), count))))
    return wrong
