"""Log lines: structlog to stderr, one line an event, readable by people.

Invariant: one event is one line. Scripts and requests put their own text into the log, so control characters are
written as escapes: nobody can forge a line or reach the terminal of who reads it.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

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
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def on_one_line(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape the control characters of every text of a line."""
    for key, value in event.items():
        if isinstance(value, str) and _CONTROLS.search(value):
            event[key] = _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    return event
