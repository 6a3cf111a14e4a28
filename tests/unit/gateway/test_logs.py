"""One event, one line."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway import logs


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    structlog.reset_defaults()
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    root.handlers[:] = before
    for ours in ("actors", "nflow"):
        logging.getLogger(ours).setLevel(logging.NOTSET)
    structlog.reset_defaults()


def test_control_characters_of_any_text_are_written_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(verbose=False)
    structlog.get_logger().info("a\nb", path="/x\r\n2026 [error] forged", esc="\x1b[2J\x9b\u2028", plain="ñ 😀")
    out = capsys.readouterr().err
    assert len(out.splitlines()) == 1
    assert "a\\nb" in out
    assert "\\x1b[2J\\x9b\\u2028" in out
    assert "ñ 😀" in out


def test_an_exception_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(verbose=False)
    structlog.get_logger().error("crashed", exc_info=ValueError("why"))
    assert "ValueError: why" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("level", "told"),
    [(logging.WARNING, "warning"), (logging.ERROR, "error"), (logging.CRITICAL, "critical"), (35, "warning")],
)
def test_what_is_said_by_python_s_own_logging_is_a_line_like_any_other(
    capsys: pytest.CaptureFixture[str], level: int, told: str
) -> None:
    logs.configure(verbose=False)
    logs.configure(verbose=False)
    logging.getLogger("some.library").log(level, "the server said: %s", "no\n2026 [error] forged")
    (line,) = capsys.readouterr().err.splitlines()
    assert f"[{told}" in line
    assert "the server said: no\\n2026 [error] forged" in line
    assert "some.library" in line


def test_a_library_s_crash_is_told_with_its_traceback_and_its_mistakes_are_harmless(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logging.getLogger().handlers.clear()  # pytest's own, which raises for such mistakes
    logs.configure(verbose=True)
    logging.getLogger("some.library").error("crashed", exc_info=ValueError("why"))
    logging.getLogger("some.library").error("%d of %d", "x")
    logging.getLogger("some.library").info("not for us")
    out = capsys.readouterr().err
    assert "ValueError: why" in out
    assert "%d of %d" in out
    assert "not for us" not in out


@pytest.mark.parametrize(("verbose", "shown"), [(False, False), (True, True)])
def test_debug_lines_are_shown_when_asked_for(capsys: pytest.CaptureFixture[str], verbose: bool, shown: bool) -> None:
    logs.configure(verbose=verbose)
    structlog.get_logger().debug("detail")
    assert ("detail" in capsys.readouterr().err) == shown


@pytest.mark.parametrize(("verbose", "shown"), [(False, ["back"]), (True, ["back", "cut"])])
def test_our_own_are_heard_below_warnings_too(
    capsys: pytest.CaptureFixture[str], verbose: bool, shown: list[str]
) -> None:
    logs.configure(verbose=verbose)
    logging.getLogger("actors.databases.pool").info("back")
    logging.getLogger("actors.databases.postgres").debug("cut")
    said = capsys.readouterr().err.split()
    assert [word for word in ("back", "cut") if word in said] == shown


@pytest.mark.parametrize("name", ["log", "info", "warn", "error", "debug"])
def test_every_function_of_console_has_a_level(name: str) -> None:
    assert logs.LOG_LEVELS[name] in {10, 20, 30, 40}
