"""The rule about servers' logs notices what it is there for."""

from __future__ import annotations

import pytest

from tests.server_log import unannounced

QUIET = """\
2026-01-15 10:30:45 [INFO] request method=GET path=/a status=500 client=127.0.0.1
2026-01-15 10:30:45 [WARN] mailbox full actor=/root/x
2026-01-15 10:30:46 [ERROR] Shop failed: Error: boom app=shop flow=Shop node=n1 wid=018f
{"time":"2026-01-15T10:30:45.123Z","level":"error","msg":"Shop failed","wid":"018f","node":"n1"}
"""


def test_what_is_ordinary_and_what_an_author_did_is_let_pass() -> None:
    assert unannounced(QUIET) == []


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-15 10:30:45 [ERROR] actor crashed actor=/root/x handling=Y",
        "2026-01-15 10:30:45 [CRITICAL] the program ends: nobody caught an exception",
        '{"time":"2026-01-15T10:30:45.123Z","level":"error","msg":"actor crashed"}',
        "sys:1: RuntimeWarning: coroutine 'f' was never awaited",
        "x.py:3: ResourceWarning: unclosed <socket.socket fd=7>",
        "Traceback (most recent call last):",
        "2026-01-15 10:30:45 [ERROR] Task exception was never retrieved",
        "2026-01-15 10:30:45 [ERROR] host function failed function=f wid=018f node=n1",
    ],
)
def test_what_is_a_bug_of_ours_is_found_unless_it_was_announced(line: str) -> None:
    assert unannounced(f"{QUIET}{line}\n{QUIET}") == [line]
    assert unannounced(line, ["nothing like it"]) == [line]
    assert unannounced(line, [r"crashed|ends|awaited|unclosed|Traceback|retrieved|host function"]) == []


def test_a_traceback_belongs_to_its_line() -> None:
    event = "2026-01-15 10:30:45 [ERROR] actor crashed\n  | Traceback (most recent call last):\n  | ValueError: x"
    assert unannounced(event) == [event]
    assert unannounced(event, ["actor crashed"]) == []
