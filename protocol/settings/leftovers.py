"""What must not go into production: the manuals' sample secrets, which everybody knows, and doors left open.

Under the profile production a leftover is an error, else a warning. Pure; no message repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from protocol.errors import Problem
from protocol.settings.model import Sections
from protocol.settings.profiles import PRODUCTION

SAMPLES: Final = frozenset(
    {
        "at least sixteen characters",
        "a long random text",
        "a-long-random-text",
        "change-me",
        "contraseña-redis",
        "contraseña-smtp",
        "debug-token-12345",
        "dev-token",
        "password",
        "redis-password",
        "secret",
        "smtp-password",
        "tu-clave-codificada-base64-de-32-bytes",
        "tu-clave-de-32-bytes-aquí",
        "tu-clave-segura",
        "tu-contraseña-redis",
        "tu-token-secreto",
        "your-32-byte-key-here",
        "your-base64-encoded-32-byte-key",
        "your-redis-password",
        "your-secret-token",
        "your-secure-key",
    }
)
"""Secrets written in the manuals, and in ours."""

_SAMPLE_IN_DSN: Final = re.compile(
    r"password\s*=\s*'?(?:secret|password)'?(?:\s|\Z)|://[^/@]*:(?:pass|secret|password)@"
)


def leftovers(settings: Sections) -> Iterator[Problem]:
    """The problems of a configuration that is not fit for production."""
    production = settings.server.profile == PRODUCTION
    yield from _samples(settings, fatal=production)
    if not production:
        return
    if settings.debug.enabled and not settings.debug.auth_token.get_secret_value():
        yield Problem("debug.auth_token", "is missing: in production /debug needs one")
    if not settings.session.key.get_secret_value():
        shared = settings.session.store in {"redis", "postgres"} or bool(settings.pg_session.url.get_secret_value())
        message = "is empty: every start, and every other server, ends all sessions"
        yield Problem("session.key", message, fatal=shared)
    if settings.api.open_execution:
        yield Problem("api.open_execution", "lets everybody run every workflow by its name", fatal=False)
    if not settings.security.enable_log_sanitization:
        yield Problem("security.enable_log_sanitization", "is off: secrets can get into logs", fatal=False)


def _samples(settings: Sections, *, fatal: bool) -> Iterator[Problem]:
    for path, secret in (
        ("debug.auth_token", settings.debug.auth_token),
        ("api.admin_token", settings.api.admin_token),
        ("session.key", settings.session.key),
        ("security.encryption_key", settings.security.encryption_key),
        ("redis.password", settings.redis.password),
        ("mail.password", settings.mail.password),
    ):
        if secret.get_secret_value().strip() in SAMPLES:
            yield Problem(path, "is a manual's sample, which everybody knows", fatal=fatal)
    for path, dsn in (
        ("database_nflow.dsn", settings.database_nflow.dsn),
        ("database.url", settings.database.url),
        ("pg_session.url", settings.pg_session.url),
    ):
        if _SAMPLE_IN_DSN.search(dsn.get_secret_value()):
            yield Problem(path, "has a manual's sample password, which everybody knows", fatal=fatal)
