"""One event, one line."""

from __future__ import annotations

import pytest
import structlog

from gateway import logs


@pytest.fixture(autouse=True)
def defaults() -> None:
    structlog.reset_defaults()
    yield
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


@pytest.mark.parametrize(("verbose", "shown"), [(False, False), (True, True)])
def test_debug_lines_are_shown_when_asked_for(capsys: pytest.CaptureFixture[str], verbose: bool, shown: bool) -> None:
    logs.configure(verbose=verbose)
    structlog.get_logger().debug("detail")
    assert ("detail" in capsys.readouterr().err) == shown


@pytest.mark.parametrize("name", ["log", "info", "warn", "error", "debug"])
def test_every_function_of_console_has_a_level(name: str) -> None:
    assert logs.LOG_LEVELS[name] in {10, 20, 30, 40}
