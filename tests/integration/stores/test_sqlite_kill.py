"""kill -9 of the program in mid-batch: all that was acknowledged is there, and what is there is a prefix."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROUNDS = 20

WRITER = """
import asyncio, os, sys
from dataclasses import replace
from actors.journal import Journal
from actors.kernel import ChildSpec, Supervisor, System
from actors.stores.sqlite import SqliteSettings
from actors.stores.sqlite_store import SqliteStore
from actors.tracker import Tracker, TrackerSettings
from protocol.tracking import ProcessRecord, Record, Recorded, StepRecord, TrackerRow

RUN = ProcessRecord("", "t", "a", "f", "h", b"{}", "run", "me", 1, None, 1.0, 1.0)
ROW = TrackerRow("log", "n", "N", "js", "/x", "", "", 1.0, 1.7e9, 0, b"{}", "", "", "", "", "", "")

class Run:
    # Goes on to its next step only once the last one is recorded, and says so on standard output.
    def __init__(self, wid, journal, track):
        self.wid, self.journal, self.track, self.visit = wid, journal, track, 0
    def tell(self, answer):
        assert isinstance(answer, Recorded), answer
        os.write(1, f"{self.wid} {answer.number}\\n".encode())
        self.go()
    def go(self):
        self.visit += 1
        step = StepRecord(self.wid, "n", self.visit, 1, "output_1", b"x" * 300, 1.0, 2.0)
        self.track(ROW._replace(log_id=self.wid, order_box=self.visit))
        self.journal.tell(Record(self.visit, replace(RUN, wid=self.wid, updated=float(self.visit)), (step,), self))

async def main(path, round_):
    store = SqliteStore(SqliteSettings(path))
    await store.open()
    tracker = Tracker(store, TrackerSettings(flush_seconds=0.005))
    system = System()
    specs = [*store.children(), ChildSpec("journal", lambda: Journal(store)), *tracker.children()]
    await system.start(ChildSpec("root", lambda: Supervisor(specs)))
    for number in range(16):
        Run(f"r{round_}-{number}", system.lookup("journal"), tracker.track).go()
    await asyncio.Event().wait()

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def killed_in_mid_batch(path: Path, number: int, dice: random.Random) -> dict[str, int]:
    """The last step of each run that the program said was recorded."""
    command = [sys.executable, "-c", WRITER, str(path), str(number)]
    program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert program.stdout is not None
    seen = program.stdout.read(1)  # it has begun to record
    time.sleep(0.02 + dice.random() * 0.1)
    os.kill(program.pid, signal.SIGKILL)
    said = (seen + program.stdout.read()).decode()
    program.wait()
    program.stdout.close()
    last: dict[str, int] = {}
    for line in said.splitlines(keepends=True):
        if line.endswith("\n"):
            wid, visit = line.split()
            last[wid] = int(visit)
    return last


def test_acknowledged_records_survive_and_the_rest_is_a_prefix(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    dice = random.Random(20)
    said: dict[str, int] = {}
    for number in range(ROUNDS):
        said |= killed_in_mid_batch(path, number, dice)
        # Judged through a connection of its own: the code under test is not asked how well it did.
        with sqlite3.connect(path) as look:
            assert look.execute("pragma integrity_check").fetchone() == ("ok",)
            steps = dict(look.execute("select wid, max(visit) from step group by wid having count(*) = max(visit)"))
            runs = dict(look.execute("select wid, updated from process"))
            gaps = look.execute("select count(*) from step group by wid having count(*) <> max(visit)").fetchall()
            rows = look.execute("select log_id, group_concat(order_box) from tracker group by log_id").fetchall()
        look.close()
        assert gaps == []
        for wid, visit in said.items():  # a run waits for each answer, so at most one commit was not told of
            assert visit <= steps.get(wid, 0) <= visit + 1
        # A step and the state of its run were committed together.
        assert runs == {wid: float(visit) for wid, visit in steps.items()}
        for _, visits in rows:
            numbers = [int(visit) for visit in visits.split(",")]
            assert numbers == list(range(1, len(numbers) + 1))
    assert len(said) == ROUNDS * 16
    assert sum(said.values()) > ROUNDS * 16 * 3
