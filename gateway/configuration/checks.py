"""What only the parts can tell of their settings: a DSN's shape, a key's, a certificate that cannot be read.

Each part is made as at a start, and thrown away; making them opens nothing but the certificate's files. So `nflow
config check`, a start and a reload find the same faults, all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from actors.databases.connection import make_database
from actors.guards.encryption import weakness
from actors.guards.sanitizer import Sanitizer
from actors.reach.redis_client import RedisDoor
from gateway.assembly.analysis import inspector_settings
from gateway.assembly.armour import make_certificate
from gateway.assembly.data import cookie_settings
from gateway.assembly.encryption import EncryptionParts
from gateway.assembly.limits import LimitParts, client_rules
from gateway.assembly.outside import reach_settings
from gateway.debug.access import DebugAccess
from gateway.logs import log_settings
from protocol.errors import BadDocument, Problem, UnusableCertificate
from protocol.settings import Settings


def part_problems(settings: Settings) -> Iterator[Problem]:
    """Errors and warnings of the parts. Their paths are keys."""
    for path, make in _parts(settings):
        try:
            make()
        except BadDocument as error:
            for problem in error.problems:
                known = problem.path.partition(".")[0] in Settings.model_fields
                yield Problem(problem.path if known else path, problem.message, problem.fatal)
        except UnusableCertificate as error:
            yield Problem(path, str(error))
    yield from _doubts(settings)


def _parts(settings: Settings) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "session", lambda: cookie_settings(settings)
    yield "redis.host", lambda: RedisDoor(reach_settings(settings).redis)
    yield "server.tls_cert", lambda: make_certificate(settings)
    yield "debug.allowed_ips", lambda: DebugAccess("", settings.debug.allowed_ips, lambda: 0.0, lambda *_: None)
    yield "security.encryption_key", lambda: EncryptionParts(settings)
    yield "rate_limit", lambda: (LimitParts(settings), client_rules(settings))
    yield "security.rules", lambda: inspector_settings(settings)
    yield "security.log_patterns", lambda: Sanitizer(log_settings(settings).sanitizer)
    for path, driver, dsn in (
        ("database_nflow.dsn", settings.database_nflow.driver, settings.database_nflow.dsn),
        ("database.url", settings.database.driver, settings.database.url),
        ("pg_session.url", "postgres" if settings.pg_session.url else "", settings.pg_session.url),
    ):
        if driver:
            yield path, partial(make_database, driver, dsn.get_secret_value())


def _doubts(settings: Settings) -> Iterator[Problem]:
    key, root = settings.security.encryption_key.get_secret_value(), settings.files.root
    if key and (why := weakness(key)):
        yield Problem("security.encryption_key", why, fatal=False)
    if root and not Path(root).is_dir():
        yield Problem("files.root", "is no folder", fatal=False)
