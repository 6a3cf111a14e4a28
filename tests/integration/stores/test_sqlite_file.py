"""The embedded store's file against the real disk: locks, limits, damage, other programs' files."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from actors.stores.schema import Schema
from actors.stores.sqlite import SqliteFile, SqliteSettings, embedded_schema
from protocol.errors import Refusal, Unavailable, UnusableStore
from protocol.tracking import ProcessRecord, StepRecord, TrackerRow


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def opened(path: Path, clock: Clock, *, schema: Schema | None = None) -> SqliteFile:
    file = SqliteFile(SqliteSettings(str(path), lock_seconds=0.05), schema=schema, clock=clock)
    file.connect()
    return file


def run(wid: str, **changes: object) -> ProcessRecord:
    fields = {
        "wid": wid, "tenant": "t", "app": "a", "flow": "f", "flow_hash": "h", "input": b"{}", "state": "run",
        "owner": "me", "epoch": 1, "wake_at": None, "created": 1.0, "updated": 1.0,
    }  # fmt: skip
    return ProcessRecord(**{**fields, **changes})  # type: ignore[arg-type]


def step(wid: str, node: str = "n", visit: int = 1, output: bytes = b"1") -> StepRecord:
    return StepRecord(wid, node, visit, 1, "output_1", output, 1.0, 2.0)


def row(number: int = 0, **changes: object) -> TrackerRow:
    fields = {
        "log_id": f"log-{number}", "box_id": "n", "box_name": "N", "box_type": "js", "url": "/x", "username": "",
        "connection_next": "", "duration_ms": 67.9, "created": 1_700_000_000.1239, "order_box": number,
        "payload": b"{}", "ip": "", "real_ip": "", "user_agent": "", "query_param": "", "hostname": "", "host": "",
    }  # fmt: skip
    return TrackerRow(**{**fields, **changes})  # type: ignore[arg-type]


def test_any_number_of_rows_is_stored_in_order(path: Path, clock: Clock) -> None:
    file = opened(path, clock)
    total = 0
    for size in (0, 1, 2, 5, 7, 100, 101, 511, 512, 513, 1100):
        assert file.track([row(total + number) for number in range(size)]) == size
        total += size
    stored = file.rows(0, total + 1)
    assert [found.order_box for found in stored] == list(range(total))
    assert [found.id for found in stored] == list(range(1, total + 1))


def test_the_file_is_for_its_owner_only(path: Path, clock: Clock) -> None:
    file = opened(path, clock)
    file.track([row()])
    assert {stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()} == {0o600}
    file.close()
    assert [found.name for found in path.parent.iterdir()] == ["store.sqlite"]


def test_a_row_no_table_can_hold_does_not_take_its_neighbours_with_it(path: Path, clock: Clock) -> None:
    file = opened(path, clock)
    rows = [row(1), row(2, user_agent="raw \udcff bytes"), row(2**70), row(4, payload={"not": "bytes"}), row(5)]
    rows[3] = row(4, ip=object())
    assert file.track(rows) == 3
    assert [(found.order_box, found.user_agent) for found in file.rows(0, 9)] == [(1, ""), (2, "raw � bytes"), (5, "")]


def test_a_record_no_table_can_hold_is_refused_whole(path: Path, clock: Clock) -> None:
    file = opened(path, clock)
    with pytest.raises(Refusal, match="no table can hold") as refused:
        file.commit([run("w1"), run("w2", flow="\ud800")], [step("w1")])
    assert not isinstance(refused.value, Unavailable)
    assert file.counts().processes == 0
    file.commit([run("w1")], [step("w1")])
    assert file.counts().steps == 1


def test_a_run_taken_over_is_named_and_nothing_of_it_is_written(path: Path, clock: Clock) -> None:
    file = opened(path, clock)
    file.commit([run("w1", owner="other", epoch=2), run("w3", owner="other", epoch=1)], [])
    lost = file.commit([run("w1"), run("w2"), run("w3")], [step("w1"), step("w2"), step("w3")])
    assert lost == {"w1", "w3"}
    assert (file.steps("w1"), len(file.steps("w2")), file.steps("w3")) == ((), 1, ())
    assert file.process("w1") == run("w1", owner="other", epoch=2)


# --- whose file is it ---


def test_the_file_of_another_program_is_not_touched(path: Path, clock: Clock) -> None:
    with sqlite3.connect(path) as other:
        other.execute("create table tracker (id integer primary key)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(UnusableStore, match="another program"):
        opened(path, clock)
    assert path.read_bytes() == before


def test_a_newer_version_of_the_file_is_refused_by_name(path: Path, clock: Clock) -> None:
    newer = Schema((*embedded_schema().migrations, "create table more (id integer);"))
    opened(path, clock, schema=newer).close()
    with pytest.raises(UnusableStore, match="it has schema 3, this version knows up to 2"):
        opened(path, clock)


def test_an_older_version_of_the_file_is_brought_up_with_its_rows(path: Path, clock: Clock) -> None:
    old = opened(path, clock)
    old.commit([run("w1")], [step("w1")])
    old.close()
    addition = "-- a column\nalter table step add column note text default ';';\ncreate index noted on step (note);"
    newer = Schema((*embedded_schema().migrations, addition))
    file = opened(path, clock, schema=newer)
    assert file.steps("w1") == (step("w1"),)
    with sqlite3.connect(path) as look:
        assert look.execute("select note from step").fetchall() == [(";",)]
        assert look.execute("pragma user_version").fetchone() == (3,)
    look.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, clock: Clock) -> None:
    opened(path, clock).close()
    broken = Schema((*embedded_schema().migrations, "create table more (id);\ncreate table step (id);"))
    with pytest.raises(Unavailable, match="already exists"):
        opened(path, clock, schema=broken)
    file = opened(path, clock)
    assert file.track([row()]) == 1


# --- outages ---


def test_a_lock_of_another_program_is_waited_for_and_then_reported(path: Path, clock: Clock) -> None:
    file = opened(path, clock)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(Unavailable, match="locked by another program"):
        file.commit([run("w1")], [step("w1")])
    with pytest.raises(Unavailable, match="locked by another program"):
        file.track([row()])
    other.execute("commit")
    other.close()
    assert file.commit([run("w1")], [step("w1")]) == frozenset()
    assert file.track([row()]) == 1
    assert (file.counts().processes, file.counts().steps, file.counts().rows) == (1, 1, 1)


def test_a_full_disk_refuses_writes_and_serves_reads_until_there_is_room(path: Path, clock: Clock) -> None:
    file = opened(path, clock)
    file.commit([run("w0")], [step("w0")])
    pages = file._connection.execute("pragma page_count").fetchone()[0]  # type: ignore[union-attr]
    file._connection.execute(f"pragma max_page_count = {pages + 2}")  # type: ignore[union-attr]
    big = b"x" * 100_000
    with pytest.raises(Unavailable, match="the disk is full"):
        file.commit([run("w1")], [step("w1", output=big)])
    with pytest.raises(Unavailable, match="the disk is full"):
        file.track([row(payload=big)])
    assert file.process("w1") is None
    assert file.steps("w0") == (step("w0"),)
    file._connection.execute("pragma max_page_count = 100000")  # type: ignore[union-attr]
    file.commit([run("w1")], [step("w1", output=big)])
    assert file.track([row(payload=big)]) == 1


def test_a_missing_folder_is_tried_again_with_growing_pauses(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "later"
    file = SqliteFile(SqliteSettings(str(folder / "store.sqlite")), clock=clock)
    with pytest.raises(Unavailable, match="No such file or directory"):
        file.connect()
    pauses = []
    for _ in range(8):
        pauses.append(file._retry_at - clock.now)
        with pytest.raises(Unavailable):
            file.counts()  # within the pause: not even tried
        clock.now = file._retry_at
        with pytest.raises(Unavailable):
            file.counts()
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    folder.mkdir()
    clock.now = file._retry_at
    assert file.counts().rows == 0


def test_a_damaged_file_is_an_outage_and_not_a_crash(path: Path, clock: Clock) -> None:
    file = opened(path, clock)
    for number in range(20):
        file.track([row(number, payload=os.urandom(3000)) for _ in range(50)])
    file.close()
    with path.open("r+b") as raw:  # the first pages hold the schema: without it the file could not even be opened
        for page in range(50, path.stat().st_size // 4096):
            raw.seek(page * 4096)
            raw.write(b"\xff" * 512)
    file = opened(path, clock)
    with pytest.raises(Unavailable, match="damaged"):
        file.track([row(payload=b"x" * 9000) for _ in range(100)])
    clock.now += 10
    with pytest.raises(Unavailable):
        file.track([row()])


def test_a_file_that_is_no_database_is_an_outage(path: Path, clock: Clock) -> None:
    path.write_bytes(b"no database at all " * 1000)
    with pytest.raises(Unavailable, match="no database"):
        opened(path, clock)


def test_a_read_only_file_is_an_outage(path: Path, clock: Clock) -> None:
    file = opened(path, clock)
    file._connection.execute("pragma query_only = on")  # type: ignore[union-attr]
    with pytest.raises(Unavailable, match="may not be written to"):
        file.track([row()])
    clock.now += 1
    assert file.track([row()]) == 1  # a new connection


def test_a_file_moved_away_is_noticed(path: Path, clock: Clock) -> None:
    file = opened(path, clock)
    file.track([row(1)])
    path.rename(path.with_name("moved.sqlite"))
    clock.now += 2.0
    file.track([row(2)])
    assert [found.order_box for found in opened(path, clock).rows(0, 9)] == [2]


def test_one_reader_and_one_writer_do_not_wait_for_each_other(path: Path, clock: Clock) -> None:
    writer, reader = opened(path, clock), opened(path, clock)
    writer.commit([run("w1")], [])
    writer._connection.execute("begin immediate")  # type: ignore[union-attr]
    assert reader.process("w1") == run("w1")
    writer._connection.execute("rollback")  # type: ignore[union-attr]
