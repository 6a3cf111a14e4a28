"""One event on its way into the log, and who it is taken from: structlog, and Python's own logging.

Whatever an event holds becomes text at once, where it is said: values may change and files of a traceback be forgotten
before the writer comes to it. Everything else (masking, escaping, the line itself) is left to the writer's thread.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import structlog

from gateway.logs.tracebacks import told
from gateway.logs.writer import Writer
from protocol.codec import dumps

LOG_LEVELS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "log": logging.INFO,
        "info": logging.INFO,
        "warn": logging.WARNING,
        "error": logging.ERROR,
        "debug": logging.DEBUG,
    }
)
"""Functions of a script's `console`, and levels of `[log]` → level of the line."""
_NUMBERS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "debug": logging.DEBUG,
        "info": logging.INFO,
        "msg": logging.INFO,
        "warn": logging.WARNING,
        "warning": logging.WARNING,
        "error": logging.ERROR,
        "err": logging.ERROR,
        "exception": logging.ERROR,
        "critical": logging.CRITICAL,
        "fatal": logging.CRITICAL,
    }
)
"""Methods of a structlog logger → level of the line."""
MOST_CHARACTERS: Final = 64 << 10
"""Of one text of an event: scripts may say as much at a time."""


class Said(NamedTuple):
    """One event."""

    time: float
    """Unix seconds."""
    level: int
    text: str
    fields: dict[str, Any]
    """Texts, numbers, booleans, None."""
    trace: str
    """Lines of a traceback; empty: none."""


class Ear:
    """Takes events, lets those below its level go, and hands the others to the writer."""

    __slots__ = ("level", "writer")

    def __init__(self, writer: Writer[Any], level: int) -> None:
        self.writer = writer
        self.level = level

    def __call__(self, _logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """As the only processor of structlog: nothing comes behind it."""
        level = _NUMBERS.get(method, logging.INFO)
        if level >= self.level:
            text = event.pop("event", "")
            self.say(level, text if isinstance(text, str) else str(text), event, event.pop("exc_info", None))
        raise structlog.DropEvent

    def say(self, level: int, text: str, fields: Mapping[str, Any], error: Any = None) -> None:
        """Take one event. `error`: an exception, what `sys.exc_info()` gives, or True for the one at hand."""
        if level < self.level:
            return
        trace = told(_exception(error)) if error else ""
        plain = {name: _plain(value) for name, value in fields.items()}
        self.writer.put(Said(time.time(), level, _bounded(text), plain, trace), urgent=level >= logging.ERROR)


class Heard(logging.Handler):
    """What is said by Python's own logging, as lines of ours: of libraries, warnings and worse.

    Without it Python would write the bare text: no time, no level, and as many lines as the text says.
    """

    def __init__(self, ear: Ear) -> None:
        super().__init__()
        self._ear = ear

    def emit(self, record: logging.LogRecord) -> None:
        """Take the record."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # a library's own mistake: pattern and values do not fit
            text = str(record.msg)
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        self._ear.say(level, text, {"logger": record.name}, record.exc_info)


def _exception(error: Any) -> BaseException | None:
    if isinstance(error, tuple):
        error = error[1]
    elif error is True:
        error = sys.exc_info()[1]
    return error if isinstance(error, BaseException) else None


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _bounded(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else str(value)[:100]
    if isinstance(value, dict | list | tuple):
        try:
            return _bounded(dumps(value).decode())
        except ValueError:
            pass
    return _bounded(repr(value))


def _bounded(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"
