"""Runs and rows while the real file is out of reach: answers, no crash, and back to work by itself."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.journal import Journal
from actors.kernel import ChildSpec, Probe, Supervisor, System
from actors.stores.sqlite import SqliteSettings
from actors.stores.sqlite_store import SqliteStore
from actors.tracker import Tracker, TrackerSettings
from protocol.errors import UnusableStore
from protocol.lifecycle import ActorCrashed
from protocol.tracking import NotRecorded, ProcessRecord, Record, Recorded, StepRecord, TrackerRow

ROOT = Path(__file__).parents[3]
RUN = ProcessRecord("w1", "t", "a", "f", "h", b"{}", "run", "me", 1, None, 1.0, 1.0)
STEP = StepRecord("w1", "n1", 1, 1, "output_1", b"{}", 1.0, 2.0)
ROW = TrackerRow("log", "n", "N", "js", "/x", "", "", 1.0, 1.7e9, 0, b"{}", "", "", "", "", "", "")


class Stage:
    """The embedded store with its journal and tracker."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(SqliteSettings(str(path), lock_seconds=0.05))
        self.tracker = Tracker(self.store, TrackerSettings(flush_seconds=0.01, retry_seconds=(0.05, 0.1, 0.2)))
        self.system = System()
        self.run = Probe(self.system, "run")
        self.crashes: list[Any] = []
        self.system.subscribe(lambda event: self.crashes.append(event) if isinstance(event, ActorCrashed) else None)
        self.number = 0

    async def start(self) -> None:
        await self.store.open()
        specs = [*self.store.children(), ChildSpec("journal", lambda: Journal(self.store)), *self.tracker.children()]
        await self.system.start(ChildSpec("root", lambda: Supervisor(specs)))

    async def record(self) -> Any:
        self.number += 1
        journal = self.system.lookup("journal")
        assert journal is not None
        journal.tell(Record(self.number, RUN, (replace(STEP, visit=self.number),), self.run.ref))
        return await self.run.receive(10)

    async def record_until(self, kind: type) -> Any:
        for _ in range(100):
            answer = await self.record()
            if isinstance(answer, kind):
                return answer
            await asyncio.sleep(0.05)
        raise AssertionError(f"never {kind.__name__}, last {answer!r}")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path / "s.sqlite")
    yield made
    await made.system.stop()
    assert made.crashes == []


async def test_a_locked_file_refuses_records_keeps_rows_and_goes_on(stage: Stage, tmp_path: Path) -> None:
    await stage.start()
    assert await stage.record() == Recorded(1)
    other = sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None)
    other.execute("begin immediate")
    assert await stage.record() == NotRecorded(2, "the store is out of reach: it is locked by another program")
    assert not stage.store.state.available
    stage.tracker.track(ROW)
    await asyncio.sleep(0.1)
    other.execute("commit")
    other.close()
    assert await stage.record_until(Recorded)
    await asyncio.sleep(0.5)
    assert (stage.tracker.state.stored, stage.tracker.state.dropped) == (1, 0)
    assert stage.store.state.available


async def test_a_store_that_is_away_at_the_start_is_used_as_soon_as_it_is_there(stage: Stage, tmp_path: Path) -> None:
    stage.store = SqliteStore(SqliteSettings(str(tmp_path / "later" / "s.sqlite")))
    stage.tracker = Tracker(stage.store, TrackerSettings(flush_seconds=0.01))
    await stage.start()
    assert not stage.store.state.available
    answer = await stage.record()
    assert isinstance(answer, NotRecorded)
    assert str(tmp_path) not in answer.reason  # reasons end up in answers to callers
    (tmp_path / "later").mkdir()
    assert await stage.record_until(Recorded)
    assert await stage.store.process("w1") == RUN


async def test_a_file_that_must_not_be_used_stops_the_start(stage: Stage, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "s.sqlite") as other:
        other.execute("create table users (id integer primary key)")
    other.close()
    with pytest.raises(UnusableStore, match="another program"):
        await stage.start()


async def test_before_the_start_and_after_the_stop_the_store_is_out_of_reach(stage: Stage) -> None:
    from protocol.errors import Unavailable

    with pytest.raises(Unavailable, match="has not been started"):
        await stage.store.counts()
    await stage.start()
    await stage.store.counts()
    await stage.system.stop()
    with pytest.raises(Unavailable):
        await stage.store.counts()


FULL = """
import asyncio, json, resource, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_sqlite_outage import ROW, Stage
from protocol.tracking import NotRecorded, Recorded
from dataclasses import replace

async def main():
    stage = Stage(Path(sys.argv[1]))
    await stage.start()
    assert isinstance(await stage.record(), Recorded)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, most))
    for _ in range(200):
        stage.tracker.track(ROW._replace(payload=b"x" * 5000))
    refused = await stage.record_until(NotRecorded)
    read = await stage.store.process("w1") is not None
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    recorded = await stage.record_until(Recorded)
    for _ in range(50):
        await asyncio.sleep(0.1)
        if stage.tracker.state.waiting == 0:
            break
    await stage.system.stop()
    state = stage.tracker.state
    print(json.dumps([refused.reason, read, state.stored + state.dropped, state.waiting, len(stage.crashes)]))

asyncio.run(main())
"""


def test_a_file_that_may_not_grow_refuses_serves_reads_and_recovers(tmp_path: Path) -> None:
    """The kernel's own limit on file sizes: the write fails in the middle, as on a full disk."""
    program = FULL.format(tests=str(Path(__file__).parent))
    command = [sys.executable, "-c", program, str(tmp_path / "s.sqlite")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    reason, read, accounted, waiting, crashes = json.loads(done.stdout.splitlines()[-1])
    assert reason.startswith("the store is out of reach: ")
    assert (read, accounted, waiting, crashes) == (True, 200, 0, 0)
    with sqlite3.connect(tmp_path / "s.sqlite") as look:
        assert look.execute("pragma integrity_check").fetchone() == ("ok",)
    look.close()
