"""Who follows which keys: all that can change while the server runs, in one place (the log follows for itself).

Connections, pools, stores and limits of scripts are made once and stay: their keys need a restart. What is taken over
holds for the next request, and for new connections.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from actors.guards.addresses import AddressGuard
from actors.limits.limits import Limits
from actors.runs.processes import Admission
from gateway.api.bearer import Bearers
from gateway.api.reception import Reception
from gateway.armour.certificate import Certificate
from gateway.assembly.armour import make_cors
from gateway.assembly.limits import client_rules, quota_of
from gateway.clients.clients import Clients
from gateway.configuration.live import Commit, Live
from gateway.debug.access import DebugAccess
from gateway.logs import access_log
from protocol.errors import BadDocument, Problem, UnusableCertificate
from protocol.settings import Settings

QUOTA = ("rate_limit.ip_rate_limit", "rate_limit.ip_window_minutes", "rate_limit.ip_burst_size")
CLIENTS = (
    "server.trusted_proxies", "rate_limit.error_message", "rate_limit.retry_after_header", "rate_limit.per_route",
    "rate_limit.excluded_ips", "rate_limit.excluded_paths",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rooms:
    """Who can change while the server runs."""

    reception: Reception
    bearers: Bearers
    clients: Clients
    limits: Limits | None
    admission: Admission
    guard: AddressGuard
    debug: DebugAccess | None
    certificate: Certificate | None


def follow(live: Live, rooms: Rooms) -> None:
    """Have the rooms follow the configuration."""
    limits, debug, certificate = rooms.limits, rooms.debug, rooms.certificate
    live.follow(["server.access_log"], lambda new: partial(_access, rooms.reception, new))
    live.follow(
        ["server.max_processes"], lambda new: partial(setattr, rooms.admission, "limit", new.server.max_processes)
    )
    live.follow(["api.admin_token", "api.open_execution"], lambda new: partial(_bearers, rooms.bearers, new))
    live.follow(["cors.*"], lambda new: partial(rooms.reception.obey, make_cors(new)))
    live.follow(["security.allowed_addresses"], lambda new: _addresses(rooms.guard, new))
    live.follow(CLIENTS, lambda new: partial(rooms.clients.obey, *client_rules(new)))
    if limits is not None:
        live.follow(QUOTA, lambda new: partial(limits.obey, quota_of(new)))
    if debug is not None:
        live.follow(["debug.auth_token", "debug.allowed_ips"], lambda new: _debug(debug, new))
    if certificate is not None:
        live.follow((), lambda _: _certificate(certificate), always=True)


def _access(reception: Reception, new: Settings) -> None:
    reception.access = access_log() if new.server.access_log else None


def _bearers(bearers: Bearers, new: Settings) -> None:
    bearers.obey(new.api.admin_token.get_secret_value(), open_execution=new.api.open_execution)


def _addresses(guard: AddressGuard, new: Settings) -> Commit:
    other = AddressGuard(new.security.allowed_addresses)
    return lambda: guard.obey(other)


def _debug(access: DebugAccess, new: Settings) -> Commit:
    other = DebugAccess(new.debug.auth_token.get_secret_value(), new.debug.allowed_ips, _never, _nobody)
    return lambda: access.obey(other)


def _never() -> float:
    return 0.0


def _nobody(_address: str, _what: str, _why: str) -> None:
    """Hears of nobody."""


def _certificate(certificate: Certificate) -> Callable[[], None]:
    try:
        certificate.check()
    except UnusableCertificate as error:
        raise BadDocument([Problem("server.tls_cert", str(error))]) from None

    def take_over() -> None:
        with contextlib.suppress(UnusableCertificate):  # changed within the last millisecond: the next signal sees it
            if certificate.reload():
                structlog.get_logger("configuration").info("new connections get another certificate")

    return take_over
