"""One event, one line, nothing in it that must not be there."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from actors.guards.sanitizer import SanitizerSettings
from gateway import logs
from gateway.logs.lines import Lines
from gateway.logs.said import Said
from gateway.visit import Visit

Capture = pytest.CaptureFixture[str]
CANARY = "canary-7f3a-secret"


def err(capsys: Capture) -> str:
    logs.flush()
    return capsys.readouterr().err


def test_a_line_of_text_is_as_in_the_manuals(capsys: Capture) -> None:
    logs.configure()
    structlog.get_logger().info("Started nFlow Runtime")
    structlog.get_logger().warning("Security: blocked script", flow="shop", n=1, yes=True, none=None, path="/a b")
    first, second = err(capsys).splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[INFO\] Started nFlow Runtime", first)
    assert second[19:] == ' [WARN] Security: blocked script flow=shop n=1 yes=true none=null path="/a b"'


def test_a_line_of_json_is_one_object_with_the_manual_s_names(capsys: Capture) -> None:
    logs.configure(logs.LogSettings(format="json"))
    structlog.get_logger().info(
        "Workflow executed", workflow_id="abc123", duration_ms=125, msg="mine", sep="\u2028\x9b"
    )
    structlog.get_logger().error("broke", exc_info=ValueError("why\nthat"))
    first, second = err(capsys).split("\n")[:2]
    told = json.loads(first)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told.pop("time"))
    assert told == {
        "level": "info", "msg": "Workflow executed", "workflow_id": "abc123", "duration_ms": 125, "msg_": "mine",
        "sep": "\u2028\x9b",
    }  # fmt: skip
    assert not {"\u2028", "\x9b"} & set(first)
    assert json.loads(second)["exception"] == "ValueError: why\nthat"


def test_control_characters_of_any_text_are_written_as_escapes(capsys: Capture) -> None:
    logs.configure()
    structlog.get_logger().info("a\nb", path="/x\r\n2026 [ERROR] forged", esc="\x1b[2J\x9b\u2028", plain="ñ😀")
    out = err(capsys)
    assert len(out.splitlines()) == 1
    assert "a\\nb" in out
    assert "\\x1b[2J\\x9b\\u2028" in out
    assert "plain=ñ😀" in out


def test_lines_of_a_traceback_stand_behind_a_bar_and_hold_no_local_values(capsys: Capture) -> None:
    def fails(password: str) -> None:
        raise ValueError("why\n2026-01-01 00:00:00 [ERROR] forged")

    logs.configure()
    try:
        fails(CANARY)
    except ValueError:
        structlog.get_logger().exception("crashed")
    first, *rest = err(capsys).splitlines()
    assert first.endswith("[ERROR] crashed")
    assert all(line.startswith("  | ") for line in rest)
    assert "  | ValueError: why" in rest
    assert not [line for line in rest if CANARY in line]


@pytest.mark.parametrize(
    ("level", "told"),
    [(logging.WARNING, "WARN"), (logging.ERROR, "ERROR"), (logging.CRITICAL, "CRITICAL"), (35, "WARN")],
)
def test_what_is_said_by_python_s_own_logging_is_a_line_like_any_other(capsys: Capture, level: int, told: str) -> None:
    logs.configure()
    logs.configure()
    logging.getLogger("some.library").log(level, "the server said: %s", "no\n2026 [error] forged")
    (line,) = err(capsys).splitlines()
    assert f"[{told}] the server said: no\\n2026 [error] forged logger=some.library" in line


def test_a_library_s_crash_is_told_with_its_traceback_and_its_mistakes_are_harmless(capsys: Capture) -> None:
    logging.getLogger().handlers.clear()  # pytest's own, which raises for such mistakes
    logs.configure(verbose=True)
    logging.getLogger("some.library").error("crashed", exc_info=ValueError("why"))
    logging.getLogger("some.library").error("%d of %d", "x")
    logging.getLogger("some.library").info("not for us")
    out = err(capsys)
    assert "ValueError: why" in out
    assert "%d of %d" in out
    assert "not for us" not in out


def test_warnings_and_what_nobody_caught_are_lines_too(capsys: Capture) -> None:
    logs.configure().hooks.set()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old, password=hunter2", DeprecationWarning, stacklevel=1)

    def fails() -> None:
        raise ValueError("mail a@b.co")

    thread = threading.Thread(target=fails, name="worker")
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError("token=abcdef"), None)
    out = err(capsys)
    assert "DeprecationWarning: old, [REDACTED:password]" in out
    assert "[ERROR] a thread ended: nobody caught an exception thread=worker" in out
    assert "  | ValueError: mail [REDACTED:email]" in out
    assert "[CRITICAL] the program ends: nobody caught an exception" in out
    assert "  | ValueError: token=[REDACTED:secret]" in out


@pytest.mark.parametrize(("verbose", "shown"), [(False, ["back"]), (True, ["back", "cut", "detail"])])
def test_debug_lines_are_shown_when_asked_for(capsys: Capture, verbose: bool, shown: list[str]) -> None:
    logs.configure(verbose=verbose)
    logging.getLogger("actors.databases.pool").info("back")
    logging.getLogger("actors.databases.postgres").debug("cut")
    structlog.get_logger().debug("detail")
    said = err(capsys).split()
    assert [word for word in ("back", "cut", "detail") if word in said] == shown


def test_the_level_can_change_for_loggers_that_were_used_before(capsys: Capture) -> None:
    logs.configure()
    log = structlog.get_logger("early")
    log.debug("one")
    logs.configure(logs.LogSettings("debug"))
    log.debug("two")
    logs.configure(logs.LogSettings("error"))
    log.warning("three")
    assert "two" in (out := err(capsys))
    assert not {"one", "three"} & set(out.split())


@pytest.mark.parametrize("name", ["log", "info", "warn", "error", "debug"])
def test_every_function_of_console_has_a_level(name: str) -> None:
    assert logs.LOG_LEVELS[name] in {10, 20, 30, 40}


def test_values_of_every_type_are_masked(capsys: Capture) -> None:
    logs.configure(logs.LogSettings(sanitizer=SanitizerSettings(secrets=frozenset({CANARY}))))
    structlog.get_logger().info(
        CANARY, text=f"x{CANARY}", mapping={"a": [CANARY]}, thing=Path(CANARY), api_key="short",
        error=ValueError(CANARY), client=CANARY, wid=CANARY,
    )  # fmt: skip
    out = err(capsys)
    assert CANARY not in out
    assert out.count("[REDACTED:secret]") == 8


def test_addresses_the_runtime_tells_itself_stay_readable_those_in_texts_do_not(capsys: Capture) -> None:
    logs.configure()
    structlog.get_logger().info("from 10.0.0.1", client="10.0.0.2")
    assert err(capsys)[20:] == "[INFO] from [REDACTED:ip_address] client=10.0.0.2\n"


def test_without_sanitising_configured_secrets_are_masked_all_the_same() -> None:
    lines = Lines("text", SanitizerSettings(kinds=(), secrets=frozenset({CANARY})))
    made = lines.make([Said(0.0, 20, f"{CANARY} a@b.co", {}, CANARY)]).decode()
    assert made == "1970-01-01 00:00:00 [INFO] [REDACTED:secret] a@b.co\n  | [REDACTED:secret]\n"


def visit(path: str = "/hello/ana") -> Visit:
    seen = Visit(0.0, "GET", path)
    seen.client, seen.id, seen.status, seen.route = "127.0.0.1", "r1", 200, "/hello/:name"
    seen.app, seen.flow, seen.wid = "shop", "main", "w1"
    return seen


def test_the_line_of_a_request_tells_all_of_it() -> None:
    item = (0.5, visit(), "", 12, 0.0012345)
    plain = SanitizerSettings()
    assert Lines("text", plain).make([item]).decode() == (
        "1970-01-01 00:00:00 [INFO] request method=GET path=/hello/ana status=200 duration_ms=1.234 client=127.0.0.1"
        " bytes=12 request_id=r1 app=shop flow=main wid=w1 route=/hello/:name\n"
    )
    assert json.loads(Lines("json", plain).make([item])) == {
        "time": "1970-01-01T00:00:00.500Z", "level": "info", "msg": "request", "method": "GET", "path": "/hello/ana",
        "status": 200, "duration_ms": 1.234, "client": "127.0.0.1", "bytes": 12, "request_id": "r1", "app": "shop",
        "flow": "main", "wid": "w1", "route": "/hello/:name",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_a_client_puts_into_its_request_is_masked_and_cannot_forge_a_line(form: Any) -> None:
    seen = visit("/a@b.co/\n2026 [ERROR] x")
    seen.reason = "the mail c@d.co"
    made = Lines(form, SanitizerSettings()).make([(0.0, seen, "token=t&x=1&password=p", 0, 0.0)]).decode()
    assert made.count("\n") == 1
    assert not [text for text in ("a@b.co", "c@d.co", "token=t", "password=p") if text in made]
    assert "token=***&x=1" in made


VALUES = st.one_of(st.text(), st.integers(-(1 << 63), (1 << 63) - 1), st.none(), st.booleans(), st.floats())


@given(st.text(max_size=40), st.dictionaries(st.text(max_size=8), VALUES), st.sampled_from(["text", "json"]))
def test_whatever_is_said_is_one_line_and_json_can_be_read(text: str, fields: dict[str, Any], form: Any) -> None:
    made = Lines(form, SanitizerSettings()).make([Said(1.0, 20, text, fields, "")]).decode()
    assert len(made.splitlines()) == 1
    assert made.endswith("\n")
    if form == "json":
        assert json.loads(made)["level"] == "info"
