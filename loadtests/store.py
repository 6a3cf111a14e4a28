"""What the embedded store costs: python -m loadtests.store [seconds]

1. The file alone: CPU per tracker row and per journal record for several batch sizes, on an idle machine.
2. The same rows by the two rejected ways (`executemany`, one JSON document through `json_each`).
3. Beside a busy loop: a line server with 64 clients in another process answers as fast as it can, with nothing stored,
   with one tracker row per answer, and with one durable record per answer. The difference of CPU per answer is what a
   row costs in truth, waiting for the interpreter lock included; the longest step of the loop is what others feel.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from actors.journal import Journal
from actors.kernel import ChildSpec, ReplySlot, Supervisor, System
from actors.stores.columns import tracker_columns
from actors.stores.sqlite import SqliteFile, SqliteSettings
from actors.stores.sqlite_store import SqliteStore
from actors.tracker import Tracker, TrackerSettings
from protocol.tracking import ProcessRecord, Record, StepRecord, TrackerRow

CLIENTS = 64
PAYLOAD = json.dumps({"n": 1, "text": "hello world, this is a payload", "list": [1, 2, 3]}).encode()
ROW = TrackerRow(
    "0192f7a0-1111-7abc-8def-000000000001", "node-1", "Trivial JSON", "js", "/bench/echo/1", "", "node-9", 1.25,
    1_700_000_000.0, 1, PAYLOAD, "127.0.0.1:54321", "127.0.0.1", "wrk/4.1.0 (Linux)", "q=1", "bench-host",
    "127.0.0.1:8080",
)  # fmt: skip
RUN = ProcessRecord("w", "t", "bench", "trivial", "0" * 64, PAYLOAD, "run", "me", 1, None, 1.0, 1.0)
STEP = StepRecord("w", "node-1", 1, 1, "output_1", PAYLOAD, 1.0, 2.0)


def cpu_per_row(work: Callable[[], int]) -> float:
    """Microseconds of this thread's CPU per row, the median of five."""
    costs = []
    for _ in range(5):
        began, rows = time.thread_time(), 0
        while rows < 10_000:
            rows += work()
        costs.append((time.thread_time() - began) / rows * 1e6)
    return statistics.median(costs)


def file_alone(folder: Path) -> None:
    file = SqliteFile(SqliteSettings(str(folder / "alone.sqlite")))
    file.connect()
    print("the file alone: us of CPU per row")
    for size in (1, 10, 100, 512):
        rows = [ROW] * size
        print(f"  tracker rows, batches of {size:3}: {cpu_per_row(partial(file.track, rows)):6.2f}")
    secret = [ROW._replace(payload=b'{"user":{"name":"ana","password":"x"},"list":[1,2,3]}')] * 100
    print(f"  tracker rows with a secret  100: {cpu_per_row(partial(file.track, secret)):6.2f}")
    numbers = iter(range(10**9))

    def commit(size: int) -> int:
        wids = [f"{next(numbers):012x}" for _ in range(size)]
        file.commit([replace(RUN, wid=wid) for wid in wids], [replace(STEP, wid=wid) for wid in wids])
        return size

    for size in (1, 10, 100):
        print(f"  journal records, {size:3} a commit : {cpu_per_row(partial(commit, size)):6.2f}")
    file.close()


def rejected_ways(folder: Path) -> None:
    """The same table and rows, written as the store does not."""
    path = folder / "rejected.sqlite"
    file = SqliteFile(SqliteSettings(str(path)))
    file.connect()
    file.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma synchronous = normal")
    names = [column[1] for column in connection.execute("pragma table_info(tracker)")][1:]
    insert = f"insert into tracker ({', '.join(names)}) "
    marks = ", ".join(
        {
            "duration": "cast(? as integer) || 'm'",
            "created": "strftime('%Y-%m-%d %H:%M:%f', ?, 'unixepoch')",
        }.get(name, "?")
        for name in names
    )
    picks = ", ".join(f"value ->> {index}" for index in range(len(names)))
    rows = [ROW] * 100
    texts = [[value.decode() if isinstance(value, bytes) else value for value in row] for row in tracker_columns(rows)]

    def many() -> int:
        connection.execute("begin")
        connection.executemany(f"{insert} values ({marks})", tracker_columns(rows))
        connection.execute("commit")
        return 100

    def document() -> int:
        connection.execute(f"{insert} select {picks} from json_each(?)", (json.dumps(texts),))
        return 100

    print("rejected ways, batches of 100: us of CPU per row")
    print(f"  executemany       : {cpu_per_row(many):6.2f}")
    print(f"  json_each         : {cpu_per_row(document):6.2f}")
    connection.close()


@dataclass
class Meter:
    """Answers given and how long the loop's steps took."""

    answers: int = 0
    waits: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)


class Line(asyncio.Protocol):
    """Answers each line; `work` gives an awaitable when the answer has to wait."""

    def __init__(self, work: Callable[[], Any], meter: Meter) -> None:
        self._work = work
        self._meter = meter

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        sum(range(1500))  # about what the gateway does for a request, twenty to thirty microseconds
        waiting = self._work()
        if waiting is None:
            self._answer()
        else:
            began = time.perf_counter()
            waiting.add_done_callback(lambda _: self._answer(began))

    def _answer(self, began: float | None = None) -> None:
        self._meter.answers += 1
        if began is not None:
            self._meter.waits.append(time.perf_counter() - began)
        self._transport.write(b"yes\n")


def clients(port: int, seconds: float) -> None:
    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            writer.write(b"go\n")
            await reader.readline()
        writer.close()

    async def crowd() -> None:
        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    end = time.perf_counter() + seconds
    uvloop.run(crowd())


async def watch(meter: Meter) -> None:
    """How late the loop comes back to somebody who asked for a millisecond."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        meter.steps.append(time.perf_counter() - began - 0.001)


async def busy(folder: Path, what: str, seconds: float) -> float:
    """CPU per answer, in microseconds."""
    path = Path(tempfile.mkdtemp(dir=folder)) / "busy.sqlite"
    store = SqliteStore(SqliteSettings(str(path)))
    await store.open()
    tracker = Tracker(store, TrackerSettings())
    system = System()
    specs = [*store.children(), ChildSpec("journal", lambda: Journal(store)), *tracker.children()]
    await system.start(ChildSpec("root", lambda: Supervisor(specs)))
    journal = system.lookup("journal")
    assert journal is not None
    meter = Meter()

    def track() -> None:
        tracker.track(ROW)

    def record() -> Any:
        slot = ReplySlot[Any]()
        wid = f"{meter.answers + len(meter.waits):012x}-{id(slot):x}"
        journal.tell(Record(meter.answers, replace(RUN, wid=wid), (replace(STEP, wid=wid),), slot))
        return asyncio.ensure_future(slot)

    work = {"nothing": lambda: None, "tracker row": track, "durable record": record}[what]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Line(work, meter), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    crowd = multiprocessing.get_context("spawn").Process(target=clients, args=(port, seconds))
    crowd.start()
    watcher = asyncio.ensure_future(watch(meter))
    cpu, wall = time.process_time(), time.perf_counter()
    await loop.run_in_executor(None, crowd.join)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    watcher.cancel()
    server.close()
    await system.stop()
    steps, waits = sorted(meter.steps), sorted(meter.waits)
    line = f"  {what:15}: {meter.answers / seconds:7.0f} answers/s, {cpu / meter.answers * 1e6:6.1f} us of CPU each, "
    line += f"loop late p99 {steps[len(steps) * 99 // 100] * 1e3:5.2f} ms, max {steps[-1] * 1e3:5.2f} ms"
    if waits:
        median, late = waits[len(waits) // 2] * 1e3, waits[len(waits) * 99 // 100] * 1e3
        line += f"; recorded after p50 {median:.2f} ms, p99 {late:.2f} ms"
    state = tracker.state
    if state.stored:
        line += f"; rows stored {state.stored} = answers {meter.answers}, dropped {state.dropped}"
    print(line)
    return cpu / meter.answers * 1e6


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file_alone(folder)
        rejected_ways(folder)
        print(f"beside a busy loop, {CLIENTS} clients")
        for _ in range(2):
            for what in ("nothing", "tracker row", "durable record"):
                uvloop.run(busy(folder, what, seconds))


if __name__ == "__main__":
    main()
