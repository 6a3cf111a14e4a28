"""Log lines: structlog to stderr, one line an event, readable by people.

Invariants: one event is one line (scripts and requests put their own text into the log, so control characters are
written as escapes: nobody can forge a line or reach the terminal of who reads it); and a line that cannot be written is
lost, not an error of the run it is about: whoever read the log may have left, or its disk be full.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TextIO, cast

import structlog

LOG_LEVELS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "log": logging.INFO,
        "info": logging.INFO,
        "warn": logging.WARNING,
        "error": logging.ERROR,
        "debug": logging.DEBUG,
    }
)
"""Functions of a script's `console` → level of the line."""

_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def configure(*, verbose: bool) -> None:
    """Set up logging for a process of ours. `verbose` shows debug lines too."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            on_one_line,
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", Lossy(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    for ours in ("actors", "nflow"):  # the kernel and the databases know no structlog
        logging.getLogger(ours).setLevel(logging.DEBUG if verbose else logging.INFO)
    root = logging.getLogger()
    root.handlers[:] = [*(each for each in root.handlers if not isinstance(each, Forwarded)), Forwarded()]


def let_go() -> None:
    """At the end: what cannot be written any more must not become the exit code (Python's is 120)."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


class Forwarded(logging.Handler):
    """What is said by Python's own logging, as lines of ours: of libraries, warnings and worse.

    Without it Python would write the bare text: no time, no level, and as many lines as the text says.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # a library's own mistake: pattern and values do not fit
            text = str(record.msg)
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        structlog.get_logger().log(level, text, logger=record.name, exc_info=record.exc_info or None)


class Lossy:
    """A text stream whose writes never fail. Without slots: structlog keeps its locks by weak reference to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or not. ValueError: the stream is closed, or cannot say a character."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or not."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def on_one_line(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape the control characters of every text of a line."""
    for key, value in event.items():
        if isinstance(value, str) and _CONTROLS.search(value):
            event[key] = _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    return event
