"""The chain of the audit's lines: each carries the SHA-256 of the line before it, so a cut or an edit shows.

A line is one JSON object. `prev` is the digest of the bytes of the line before, without its line end, and `seq` counts
from 1; the first line of all has a `prev` of zeros. A file that was rotated away goes on in the next one. What a crash
left unfinished stays, is ended, and is part of the chain like any line.

The chain has no key: who may write the file may write it anew as a whole, and may take away its last lines. Therefore
the head, the digest of the last line, is told to the ordinary log now and then; `verify` compares it when it is given.
Pure functions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from protocol.codec import dumps
from protocol.observation.auditing import AuditEvent

NOTHING_BEFORE: Final = "0" * 64
MOST_CHARACTERS: Final = 500
"""Of one text of an event: who is refused chooses some of them."""
MOST_DETAILS: Final = 20
MOST_PROBLEMS: Final = 20
"""Told of one file: behind the first break, everything may be one."""


@dataclass(slots=True)
class Head:
    """The end of a chain."""

    seq: int = 0
    digest: str = NOTHING_BEFORE

    def add(self, line: bytes, seq: int) -> None:
        """This line is the last one now."""
        self.seq, self.digest = seq, digest(line)


def digest(line: bytes) -> str:
    """Of one line, without its end."""
    return hashlib.sha256(line).hexdigest()


def written(event: AuditEvent, head: Head, clean: Callable[[str], str]) -> bytes:
    """The line of an event, without its end; `head` moves on to it. `clean` masks configured secrets."""
    seq = head.seq + 1
    told: dict[str, Any] = {
        "seq": seq,
        "time": datetime.fromtimestamp(event.time, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "kind": event.kind.value,
        "outcome": event.outcome.value,
        "what": _text(event.what, clean),
    }
    for name in ("who", "where", "request", "wid"):
        if value := getattr(event, name):
            told[name] = _text(value, clean)
    if event.details:
        told["details"] = {
            _text(name, clean): _text(value, clean) if isinstance(value, str) else value
            for name, value in list(event.details.items())[:MOST_DETAILS]
        }
    told["prev"] = head.digest
    line = dumps(told)
    head.add(line, seq)
    return line


def _text(text: str, clean: Callable[[str], str]) -> str:
    text = clean(text.encode("utf-8", "replace").decode())
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"


@dataclass(slots=True)
class Findings:
    """What was found in one file."""

    lines: int = 0
    begins: str = ""
    """`prev` of the first line: zeros, or the head of the file before."""
    head: Head = field(default_factory=Head)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is odd, and no break."""


def verify(lines: Iterable[bytes], before: str | None = None) -> Findings:
    """Follow the chain. `lines` without their ends; `before`: head of the file before, where there is one to follow."""
    found = Findings()
    expected, seq = before, None
    for number, line in enumerate(lines, 1):
        found.lines = number
        told = _object(line)
        if told is None:
            found.notes.append(f"line {number} is no event; a crash may have cut it while it was written")
            if number == 1:
                found.begins = expected or NOTHING_BEFORE
        else:
            if number == 1:
                found.begins = str(told["prev"])
            _follow(found, number, told, expected, seq)
            seq = told["seq"]
            found.head.seq = seq
        expected = found.head.digest = digest(line)
        if len(found.problems) >= MOST_PROBLEMS:
            break
    return found


def _follow(found: Findings, number: int, told: dict[str, Any], expected: str | None, seq: int | None) -> None:
    if expected is not None and told["prev"] != expected:
        found.problems.append(f"line {number} does not follow the line before it: something was changed, cut or put in")
    elif expected is None and number == 1 and told["prev"] == NOTHING_BEFORE and told["seq"] != 1:
        found.problems.append("line 1 claims to be the first of all, but is not numbered 1")
    elif seq is not None and told["seq"] != seq + 1:
        found.problems.append(f"line {number} is numbered {told['seq']} behind {seq}")


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    good = isinstance(told, dict) and type(told.get("seq")) is int and isinstance(told.get("prev"), str)
    return told if good else None


def end_of(tail: bytes, whole: bool) -> tuple[Head, bool]:
    """The head that the end of a file leads to, and whether its last line was left unfinished.

    `tail`: the last bytes of the file; `whole`: they are all of it. A line without a number takes that of the last one
    that has one.
    """
    torn = bool(tail) and not tail.endswith(b"\n")
    lines = tail.split(b"\n")
    if not torn:
        lines.pop()  # what is behind the last line end
    if not whole and lines:
        del lines[0]  # its beginning is missing
    seq = next((told["seq"] for line in reversed(lines) if (told := _object(line)) is not None), 0)
    return (Head(seq, digest(lines[-1])) if lines else Head()), torn
