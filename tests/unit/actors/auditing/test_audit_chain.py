"""Nothing can be changed, cut out of or put into the audit's file without showing."""

from __future__ import annotations

import fcntl
import json
import os
import random
from pathlib import Path

import pytest

from actors.auditing.chain import NOTHING_BEFORE, digest, verify
from actors.auditing.ledger import Ledger
from protocol.observation.auditing import AuditEvent, AuditKind, Outcome


def event(number: int = 0) -> AuditEvent:
    return AuditEvent(AuditKind.LOGIN, f"login {number}", who="ana\n", where="192.0.2.1", request="r1", time=1.5)


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def ledger(path: Path) -> Ledger:
    return Ledger(str(path), lambda text: text.replace("secret", "***"))


def test_a_line_says_who_did_what_from_where_and_how_it_came_out(path: Path, ledger: Ledger) -> None:
    told = AuditEvent(
        AuditKind.FLOW,
        "install secret",
        Outcome.FAILED,
        "admin",
        "192.0.2.1",
        "r1",
        "w1",
        {"size": 3, "of": "secret"},
        1.5,
    )
    ledger.append([told])
    assert json.loads(path.read_bytes()) == {
        "seq": 1, "time": "1970-01-01T00:00:01.500000Z", "kind": "flow", "outcome": "failed", "what": "install ***",
        "who": "admin", "where": "192.0.2.1", "request": "r1", "wid": "w1", "details": {"size": 3, "of": "***"},
        "prev": NOTHING_BEFORE,
    }  # fmt: skip
    assert path.stat().st_mode & 0o777 == 0o600


def test_texts_are_bounded(path: Path, ledger: Ledger) -> None:
    ledger.append([AuditEvent(AuditKind.LOGIN, "x" * 100_000, who="\ud800" * 1_000, details={"a": "y" * 9_999})])
    assert len(path.read_bytes()) < 5_000


def test_a_whole_file_is_found_whole_however_it_was_written(path: Path) -> None:
    for number in range(5):
        ledger = Ledger(str(path), str)
        ledger.append([event(number), event()])
        ledger.append([event()])
        ledger.close()
    found = verify(lines(path))
    assert not found.problems
    assert (found.lines, found.head.seq, found.head.digest) == (15, 15, digest(lines(path)[-1]))


def test_every_change_of_any_line_but_the_last_shows(path: Path, ledger: Ledger) -> None:
    ledger.append([event(number) for number in range(20)])
    whole, dice = lines(path), random.Random(1)
    for at in range(19):
        changed = bytearray(whole[at])
        changed[dice.randrange(len(changed))] ^= 1
        assert verify([*whole[:at], bytes(changed), *whole[at + 1 :]]).problems
        assert at == 0 or verify([*whole[:at], *whole[at + 1 :]]).problems, "a line was taken out"
        assert verify([*whole[: at + 1], whole[at], *whole[at + 1 :]]).problems, "a line was put in"
        assert verify([*whole[:at], whole[at + 1], whole[at], *whole[at + 2 :]]).problems, "two lines changed places"


def test_missing_first_lines_are_told_by_where_the_file_begins_and_missing_last_ones_by_the_head(
    path: Path, ledger: Ledger
) -> None:
    ledger.append([event(number) for number in range(3)])
    whole = lines(path)
    assert verify(whole).begins == NOTHING_BEFORE
    assert verify(whole[1:]).begins == digest(whole[0])
    assert verify(whole[:-1]).head.digest != ledger.head.digest


def test_several_processes_write_one_chain(path: Path) -> None:
    one, two = Ledger(str(path), str), Ledger(str(path), str)
    for number in range(10):
        (one, two)[number % 2].append([event(number)])
    assert not verify(lines(path)).problems
    assert len(lines(path)) == 10


def test_a_file_that_was_renamed_away_goes_on_in_the_next(path: Path, ledger: Ledger) -> None:
    ledger.append([event()])
    path.rename(path.with_suffix(".1"))
    ledger.append([event(), event()])
    first = verify(lines(path.with_suffix(".1")))
    second = verify(lines(path), first.head.digest)
    assert not second.problems
    assert second.head.seq == 3


def test_lines_that_somebody_cuts_off_while_we_write_show(path: Path, ledger: Ledger) -> None:
    ledger.append([event(number) for number in range(3)])
    kept = b"\n".join(lines(path)[:2]) + b"\n"
    os.truncate(path, len(kept))
    ledger.append([event()])
    assert verify(lines(path)).problems


def test_a_line_that_a_crash_left_unfinished_is_ended_and_the_chain_goes_on(path: Path, ledger: Ledger) -> None:
    ledger.append([event(), event()])
    ledger.close()
    os.truncate(path, path.stat().st_size - 7)
    Ledger(str(path), str).append([event()])
    found = verify(lines(path))
    assert not found.problems
    assert found.notes == ["line 2 is no event; a crash may have cut it while it was written"]


def test_what_cannot_be_written_whole_leaves_nothing(
    path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.append([event()])
    before, write, calls = path.read_bytes(), os.write, [0]

    def full(file: int, data: bytes) -> int:
        calls[0] += 1
        if calls[0] > 1:
            raise OSError(28, "No space left on device")
        return write(file, bytes(data)[:10])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        ledger.append([event()])
    monkeypatch.undo()
    assert path.read_bytes() == before
    ledger.append([event()])
    assert not verify(lines(path)).problems


def test_a_lock_that_is_not_let_go_is_an_error_and_no_wait_for_ever(path: Path, ledger: Ledger) -> None:
    ledger.append([event()])
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="locked"):
            ledger.append([event()])


def test_no_link_is_followed(path: Path, ledger: Ledger, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        ledger.append([event()])
    assert not (tmp_path / "elsewhere").exists()
