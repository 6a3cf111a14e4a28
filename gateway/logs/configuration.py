"""Sets the log up, changes it while it is in use, and lets it go.

There is one log in a program, as there is one configuration of structlog, which is where it is kept: `in_force` finds
it there, and nothing of it is global otherwise. A program that embeds the runtime and configures nothing here has its
own log, and the runtime's events go to its structlog.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from actors.guards.sanitizer import Sanitizer, SanitizerSettings
from gateway.configuration.live import Live
from gateway.logs.access import Access, AccessLog, embedded
from gateway.logs.crashes import Hooks
from gateway.logs.lines import Lines
from gateway.logs.outputs import output
from gateway.logs.said import LOG_LEVELS, Ear, Heard, Said
from gateway.logs.settings import LogSettings, log_settings
from gateway.logs.writer import CLOSE_SECONDS, Writer
from protocol.errors import BadDocument, Problem
from protocol.settings import Settings

_OURS: Final = ("actors", "nflow")
"""Loggers of those of us who know no structlog: the kernel, the databases."""
TOLD_KINDS: Final = ("url_password", "jwt", "private_key", "access_token")
"""Masked where an operator is told of his own mistakes: `password: must be a text` is none of them."""
FOLLOWED: Final = (
    "log.level", "log.format", "log.output", "log.max_mb", "log.keep", "security.enable_log_sanitization",
    "security.log_masking_char", "security.log_preserve_length", "security.log_show_type", "security.log_patterns",
    "security.log_custom_patterns",
)  # fmt: skip
"""Keys that change while the server runs."""


class Log:
    """The log of this program."""

    __slots__ = ("ear", "hooks", "settings", "told", "writer")

    def __init__(self, settings: LogSettings) -> None:
        """Raises BadDocument for settings that cannot be."""
        lines, place = _made(settings)
        self.settings = settings
        self.writer: Writer[Any] = Writer(lines.make, place)
        self.ear = Ear(self.writer, LOG_LEVELS[settings.level])
        self.hooks = Hooks(self.ear)
        self.told = _told(settings)
        self.writer.start(_lost)

    def prepare(self, settings: LogSettings) -> Callable[[], None]:
        """Make ready for other settings; calling the answer takes them over. Raises BadDocument."""
        same_place = _place(settings) == _place(self.settings)
        lines, place = _made(settings, None if not same_place else self.writer.output)

        told = _told(settings)

        def change() -> None:
            before, self.writer.output = self.writer.output, place
            self.writer.make = lines.make
            if before is not place:
                before.close()
            else:
                place.reopen()  # after SIGHUP, as after a rename

        def take_over() -> None:
            self.writer.do(change)
            self.ear.level = LOG_LEVELS[settings.level]
            self.settings = settings
            self.told = told
            _levels(settings)

        return take_over


def configure(settings: LogSettings | None = None, *, verbose: bool = False) -> Log:
    """Set the log up, or change it. `verbose` shows debug lines too. Raises BadDocument for what cannot be."""
    settings = settings or LogSettings("debug" if verbose else "info")
    log = in_force()
    if log is not None:
        log.prepare(settings)()
    else:
        log = Log(settings)
        atexit.register(log.writer.close)
    structlog.configure(
        processors=[log.ear],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),  # the ear knows the level, which may change
        logger_factory=_Nowhere(log),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [*(each for each in root.handlers if not isinstance(each, Heard)), Heard(log.ear)]
    logging.captureWarnings(True)
    _levels(settings)
    return log


def in_force() -> Log | None:
    """The log that was set up; None: the program has its own."""
    factory = structlog.get_config()["logger_factory"]
    return factory.log if isinstance(factory, _Nowhere) else None


def follow(live: Live, *, verbose: bool = False) -> None:
    """Have the log follow changes of the configuration. Each reload opens the file anew, changed or not."""

    def prepare(settings: Settings) -> Callable[[], None]:
        log = in_force()
        return log.prepare(log_settings(settings, verbose=verbose)) if log is not None else lambda: None

    live.follow(FOLLOWED, prepare, always=True)


def access_log() -> Access:
    """Who says the line of each request."""
    log = in_force()
    return AccessLog(log.ear) if log is not None else embedded


def clean(text: str) -> str:
    """A text for whoever typed the command, without secrets; what is personal stays: it may be what is wrong."""
    log = in_force()
    return (log.told if log is not None else Sanitizer(SanitizerSettings(TOLD_KINDS))).text(text)


def flush(seconds: float = CLOSE_SECONDS) -> None:
    """Wait until everything said so far is written, so long at most."""
    log = in_force()
    if log is not None:
        log.writer.flush(seconds)


def let_go() -> None:
    """At the end: the last lines. What cannot be written any more must not become the exit code (Python's is 120)."""
    log = in_force()
    if log is not None:
        log.writer.close()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


class _Nowhere:
    """What structlog makes its loggers with: the ear is the last to hear, so they never say anything themselves."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def __call__(self, *_names: Any) -> Any:
        return self


def _made(settings: LogSettings, place: Any = None) -> tuple[Lines, Any]:
    lines = Lines(settings.format, settings.sanitizer)
    try:
        return lines, place if place is not None else output(settings)
    except OSError as error:
        raise BadDocument([Problem("log.output", f"cannot be written: {error.strerror}")]) from None


def _told(settings: LogSettings) -> Sanitizer:
    return Sanitizer(SanitizerSettings(TOLD_KINDS, secrets=settings.sanitizer.secrets))


def _place(settings: LogSettings) -> tuple[Any, ...]:
    return settings.output, settings.max_bytes, settings.keep


def _levels(settings: LogSettings) -> None:
    """Of Python's own logging: libraries are heard from warnings on, ours as the level says."""
    for ours in _OURS:
        logging.getLogger(ours).setLevel(LOG_LEVELS[settings.level])


def _lost(lines: int) -> Said:
    return Said(time.time(), logging.WARNING, "lines of the log were lost", {"lines": lines}, "")
