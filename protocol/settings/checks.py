"""What one key alone cannot show: settings that contradict each other, or need another. Pure.

`contradictions` is part of every reading of a configuration, and of every runtime that is made. What takes the parts
themselves to see (a DSN's shape, a certificate that cannot be read) is `gateway/configuration/checks.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from protocol.errors import Problem
from protocol.settings.leftovers import leftovers
from protocol.settings.model import Sections

_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)


def contradictions(settings: Sections) -> Iterator[Problem]:
    """Errors and warnings of settings that do not fit together. Their paths are keys."""
    yield from _servers(settings)
    yield from _addresses(settings)
    yield from _listening(settings)
    yield from _browsers(settings)
    yield from _switches(settings)
    yield from leftovers(settings)


def _servers(settings: Sections) -> Iterator[Problem]:
    session, limits = settings.session, settings.rate_limit
    for path, driver, dsn in (
        ("database_nflow.dsn", settings.database_nflow.driver, settings.database_nflow.dsn),
        ("database.url", settings.database.driver, settings.database.url),
    ):
        if dsn.get_secret_value().strip() and not driver:
            yield Problem(
                path, "needs its driver beside it, postgres, sqlite3 or mysql, or is a URL such as postgres://…"
            )
    if not settings.redis.host:
        if session.store == "redis":
            yield Problem("session.store", "is redis, and redis.host is missing")
        if limits.enabled and limits.backend == "redis":
            yield Problem("rate_limit.backend", "is redis, and redis.host is missing")
    if session.store == "postgres" and not settings.pg_session.url.get_secret_value():
        yield Problem("session.store", "is postgres, and pg_session.url is missing")


def _addresses(settings: Sections) -> Iterator[Problem]:
    def commas(text: str) -> tuple[str, ...]:
        return tuple(part for part in text.split(",") if part.strip())

    for path, texts in (
        ("server.trusted_proxies", settings.server.trusted_proxies),
        ("security.allowed_addresses", settings.security.allowed_addresses),
        ("debug.allowed_ips", commas(settings.debug.allowed_ips)),
        ("rate_limit.excluded_ips", commas(settings.rate_limit.excluded_ips)),
    ):
        for number, text in enumerate(texts, 1):
            if not _is_network(text):
                yield Problem(path, f"number {number} is no address and no network, such as 10.1.0.0/16")
    for number, path in enumerate(commas(settings.rate_limit.excluded_paths), 1):
        if not path.strip().startswith("/"):
            yield Problem("rate_limit.excluded_paths", f"number {number} does not begin with /")


def _is_network(text: str) -> bool:
    try:
        ip_network(text.strip(), strict=False)
    except ValueError:
        return False
    return True


def _listening(settings: Sections) -> Iterator[Problem]:
    server, monitor = settings.server, settings.monitor
    port = int(monitor.metrics_port or 0)
    if port > 65_535:
        yield Problem("monitor.metrics_port", "must be at most 65535")
    elif port and port == server.port and monitor.enabled:
        yield Problem("monitor.metrics_port", "is server.port too; empty serves metrics there")
    if server.max_inflight_mb < server.max_body_mb:
        yield Problem("server.max_inflight_mb", "must be server.max_body_mb at least")
    if monitor.enabled and monitor.health_check_path == monitor.metrics_path:
        yield Problem("monitor.metrics_path", "is monitor.health_check_path too")
    if server.tls_cert and not server.tls_key:
        yield Problem("server.tls_cert", "needs server.tls_key")
    if server.tls_key and not server.tls_cert:
        yield Problem("server.tls_key", "needs server.tls_cert")


def _browsers(settings: Sections) -> Iterator[Problem]:
    cors = settings.cors
    if cors.allow_credentials and "*" in cors.allowed_origins:
        yield Problem("cors.allow_credentials", "needs origins by name: cors.allowed_origins has *")
    for number, origin in enumerate(cors.allowed_origins, 1):
        if origin != "*" and not _ORIGIN.fullmatch(origin.lower()):
            yield Problem("cors.allowed_origins", f"number {number} is no origin, such as https://app.example.com")
    for key in ("allowed_methods", "allowed_headers", "exposed_headers"):
        for number, name in enumerate(getattr(cors, key), 1):
            if not _TOKEN.fullmatch(name):
                yield Problem(f"cors.{key}", f"number {number} cannot be a name of HTTP")


def _switches(settings: Sections) -> Iterator[Problem]:
    security, vm_pool = settings.security, settings.vm_pool
    if security.enable_encryption and not security.encryption_key.get_secret_value():
        yield Problem("security.enable_encryption", "needs security.encryption_key; `nflow keygen` makes one")
    if len(security.log_masking_char) != 1:
        yield Problem("security.log_masking_char", "must be one character")
    if vm_pool.enable_filesystem and not settings.files.root:
        yield Problem("vm_pool.enable_filesystem", "does nothing without files.root", fatal=False)
    for number, path in enumerate(vm_pool.allowed_programs, 1):
        if not path.startswith("/"):
            yield Problem("vm_pool.allowed_programs", f"number {number} is no absolute path, such as /usr/bin/convert")
    if vm_pool.enable_process and not vm_pool.allowed_programs:
        yield Problem("vm_pool.enable_process", "does nothing without vm_pool.allowed_programs", fatal=False)
    if settings.mail.enabled and not settings.mail.smtp:
        yield Problem("mail.enabled", "needs mail.smtp: no mail can be sent", fatal=False)
