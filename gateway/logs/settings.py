"""What of the settings the log obeys, and which of their values are secrets that no line may hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from actors.guards.redaction import names_a_secret
from actors.guards.sanitizer import KINDS, SanitizerSettings
from protocol.settings import Settings

Level = Literal["debug", "info", "warn", "error"]
Format = Literal["text", "json"]

_PASSWORD_OF_A_PLACE: Final = re.compile(
    r"://[^/?#@\s]*?:([^/?#\s]*)@|^[^/:@\s]+:([^\s]*)@\w*\(|\bpassword=('[^']*'|\S+)"
)
"""Of a URL, of MySQL's form of a DSN, of a list of words. Configured text is read here, no line of the log."""
_PLACES: Final = frozenset({"dsn", "url"})
_LISTS: Final = frozenset({"headers", "earlier_keys"})


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is written, how, and where to."""

    level: Level = "info"
    format: Format = "text"
    output: str = "stderr"
    """stderr, stdout, or a file."""
    max_bytes: int = 100 << 20
    """A file is rotated at this size."""
    keep: int = 5
    """Rotated files kept."""
    sanitizer: SanitizerSettings = field(default_factory=SanitizerSettings)


def log_settings(settings: Settings, *, verbose: bool = False) -> LogSettings:
    """What the configuration says. `verbose`: debug lines too, whatever it says."""
    log, security = settings.log, settings.security
    kinds, custom = security.log_patterns or tuple(KINDS), security.log_custom_patterns
    if not security.enable_log_sanitization:
        kinds, custom = (), {}
    masked = SanitizerSettings(
        kinds=tuple(kinds),
        custom=custom,
        secrets=frozenset(secrets(settings)),
        masking_char=security.log_masking_char,
        preserve_length=security.log_preserve_length,
        show_type=security.log_show_type,
    )
    return LogSettings("debug" if verbose else log.level, log.format, log.output, log.max_mb << 20, log.keep, masked)


def secrets(settings: Settings) -> Iterator[str]:
    """Every configured secret: of secret keys the value, of a place its password, of lists the single ones."""
    for section in (getattr(settings, name) for name in type(settings).model_fields):
        if not isinstance(section, dict):
            for name, value in _values(section):
                if (reveal := getattr(value, "get_secret_value", None)) is not None:
                    yield from _within(name, reveal())
                elif isinstance(value, str):
                    yield from _passwords(value)
    for name, value in settings.env.items():
        if names_a_secret(name):
            yield value
        else:
            yield from _passwords(value)


def _values(section: Any) -> Iterator[tuple[str, Any]]:
    for name in type(section).model_fields:
        yield name, getattr(section, name)
    yield from (section.model_extra or {}).items()


def _within(name: str, value: str) -> Iterator[str]:
    if name in _PLACES:
        yield from _passwords(value)
        return
    yield value
    if name in _LISTS:
        for piece in re.split(r"[\s,]+", value):
            yield re.split(r"[=:]", piece, maxsplit=1)[-1]


def _passwords(place: str) -> Iterator[str]:
    for found in _PASSWORD_OF_A_PLACE.finditer(place):
        yield next(group for group in found.groups() if group is not None).strip("'")
