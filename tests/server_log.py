"""What a server's log may not hold unless a test announces it: errors of ours, tracebacks, Python's own complaints.

A run that failed by its author's script is no error of ours: its line names the run and the node. An error that a test
provokes is announced with a pattern, where the server is started (`launch(…, expects=[…])`) or later
(`server.expect(…)`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_ERROR = re.compile(r"\[(?:ERROR|CRITICAL)\]|\"level\": ?\"(?:error|critical)\"")
_OF_A_RUN = re.compile(r"\bwid(?:=|\": ?\").*\bnode(?:=|\": ?\")|\bnode(?:=|\": ?\").*\bwid(?:=|\": ?\")")
_BUGS = re.compile(
    r"never awaited|never retrieved|ResourceWarning|Traceback \(most recent call last\)|host function failed"
)
_MORE = "  | "
"""Begins the further lines of an event: its traceback."""


def unannounced(log: str, expected: Iterable[str] = ()) -> list[str]:
    """The events of the log nobody announced, each as one text."""
    patterns = [re.compile(pattern) for pattern in expected]
    return [
        event for event in _events(log) if _is_error(event) and not any(pattern.search(event) for pattern in patterns)
    ]


def _events(log: str) -> list[str]:
    events: list[str] = []
    for line in log.splitlines():
        if events and line.startswith(_MORE):
            events[-1] += "\n" + line
        else:
            events.append(line)
    return events


def _is_error(event: str) -> bool:
    if _BUGS.search(event):
        return True
    return bool(_ERROR.search(event)) and not _OF_A_RUN.search(event)
