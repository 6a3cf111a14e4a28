"""Lines are written behind the back of who says them, and none is lost without being counted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import structlog

from gateway import logs
from gateway.logs.outputs import RotatedFile
from gateway.logs.writer import Writer


class Paper:
    """Where lines go. `full`: nothing can be written."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.free = threading.Event()
        self.free.set()
        self.full = False

    def write(self, data: bytes) -> None:
        self.free.wait(5)
        if self.full:
            raise OSError(28, "No space left on device")
        self.lines += data.decode().splitlines()

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        pass


def made(batch: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in batch).encode()


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def writer(paper: Paper) -> Iterator[Writer[str]]:
    writer = Writer[str](made, paper, most=100)
    writer.start(lambda lost: f"lost {lost}")
    yield writer
    paper.free.set()
    writer.close()


def test_lines_come_in_the_order_in_which_they_were_said(writer: Writer[str], paper: Paper) -> None:
    said = [str(number) for number in range(90)]
    for line in said:
        writer.put(line)
    assert writer.flush()
    assert paper.lines == said
    assert (writer.written, writer.dropped, writer.failed) == (90, 0, 0)


def test_a_line_comes_without_anybody_asking(writer: Writer[str], paper: Paper) -> None:
    writer.put("one")
    until = time.monotonic() + 5
    while not paper.lines and time.monotonic() < until:
        time.sleep(0.005)
    assert paper.lines == ["one"]


def test_who_says_a_line_never_waits_and_what_finds_no_room_is_counted_and_told(
    writer: Writer[str], paper: Paper
) -> None:
    paper.free.clear()
    for number in range(1_000):
        writer.put(str(number))
    assert not writer.flush(0.05)
    assert len(writer.queue) <= 101
    dropped = writer.dropped
    assert dropped >= 700
    paper.free.set()
    assert writer.flush()
    assert paper.lines[0] == "0"
    assert f"lost {dropped}" in paper.lines
    assert writer.written == 1_000 - dropped + 1


def test_a_full_disk_loses_lines_and_nothing_else(writer: Writer[str], paper: Paper) -> None:
    paper.full = True
    writer.put("lost")
    assert writer.flush()
    paper.full = False
    writer.put("kept")
    assert writer.flush()
    assert paper.lines == ["kept", "lost 1"]
    assert writer.failed == 1


def test_after_the_close_whoever_says_a_line_writes_it(writer: Writer[str], paper: Paper) -> None:
    writer.put("before")
    writer.close()
    writer.put("after")
    assert paper.lines == ["before", "after"]


def test_a_reader_who_stopped_reading_does_not_keep_the_program_from_ending(writer: Writer[str], paper: Paper) -> None:
    paper.free.clear()
    writer.put("stuck")
    began = time.monotonic()
    writer.close(0.1)
    writer.put("too late")
    assert time.monotonic() - began < 2


def test_a_file_is_rotated_at_its_size_and_so_many_are_kept(tmp_path: Path) -> None:
    file = RotatedFile(str(tmp_path / "log"), 100, 2)
    for number in range(10):
        file.write(f"{number}".encode() * 39 + b"\n")
    file.close()
    assert {path.name: path.read_text()[0::40] for path in tmp_path.iterdir()} == {
        "log": "89",
        "log.1": "67",
        "log.2": "45",
    }
    assert (tmp_path / "log").stat().st_mode & 0o777 & ~0o640 == 0


def test_none_kept_begins_the_file_anew(tmp_path: Path) -> None:
    file = RotatedFile(str(tmp_path / "log"), 10, 0)
    file.write(b"first....\n")
    file.write(b"second...\n")
    file.close()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"second...\n"]


def test_a_file_that_was_renamed_or_removed_is_followed_by_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = RotatedFile(str(path), 1_000, 2)
    file.write(b"one\n")
    path.rename(tmp_path / "old")
    file.write(b"two\n")
    path.unlink()
    file.write(b"three\n")
    file.close()
    assert (tmp_path / "old").read_text() == "one\n"
    assert path.read_text() == "three\n"


def test_what_is_no_ordinary_file_is_written_and_left_alone() -> None:
    file = RotatedFile(os.devnull, 1, 2)
    file.write(b"one\n")
    file.write(b"two\n")
    file.close()
    assert not Path(f"{os.devnull}.1").exists()


def test_the_output_can_change_and_no_line_is_lost_or_doubled(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    logs.configure(logs.LogSettings(output=str(first)))
    log = structlog.get_logger()
    log.info("one")
    logs.configure(logs.LogSettings(output=str(second), format="json"))
    log.info("two")
    logs.flush()
    assert first.read_text().split()[2:] == ["[INFO]", "one"]
    assert '"msg":"two"' in second.read_text()
