"""The debug endpoints, made from settings: who is let in, and what there is to see. Off, they are not made at all."""

from __future__ import annotations

import time
from typing import Any

from actors.guards.sanitizer import SECRET_KINDS, Sanitizer, SanitizerSettings
from actors.kernel import System
from gateway.api.table import Route
from gateway.assembly.assembly import Assembly
from gateway.configuration.live import Live
from gateway.debug.access import DebugAccess
from gateway.debug.parts import DebugParts
from gateway.debug.table import debug_routes
from gateway.logs.settings import secrets
from gateway.version import VERSION
from protocol.observation.auditing import AuditEvent, AuditKind, Outcome
from protocol.settings import Settings
from protocol.storage import StoreState


def make_debug_access(settings: Settings, assembly: Assembly) -> DebugAccess | None:
    """The door; None: there is nothing behind it. Raises BadDocument for an address that is none."""
    debug = settings.debug
    if not debug.enabled:
        return None

    def refused(address: str, what: str, why: str) -> None:
        details = {"why": why}
        assembly.audit(AuditEvent(AuditKind.TOKEN, what, Outcome.REFUSED, where=address, details=details))

    return DebugAccess(debug.auth_token.get_secret_value(), debug.allowed_ips, time.monotonic, refused)


def make_debug_routes(live: Live, system: System, assembly: Assembly, watching: Any) -> tuple[Route, ...]:
    """The endpoints. `watching`: who counts the kernel's events, and knows when the gateway began."""
    settings = live.settings
    if not settings.debug.enabled:
        return ()
    parts, data = assembly.parts, assembly.data
    store = parts.store
    # Secrets whatever the log masks; an operator needs the addresses.
    kinds, custom = tuple(SECRET_KINDS), settings.security.log_custom_patterns
    mask = Sanitizer(SanitizerSettings(kinds, custom, frozenset(secrets(settings))))
    return debug_routes(
        DebugParts(
            settings=lambda: live.settings,
            system=system,
            events=watching.kernel,
            catalogue=parts.catalogue,
            admission=parts.admission,
            sessions=data.sessions,
            pool=parts.pool_figures,
            forker=parts.forker_figures,
            tracker=parts.tracker,
            databases=data.databases,
            store=lambda: store.state if store is not None else StoreState(False, "there is no store"),
            slow=data.slow,
            results=parts.results,
            templates=data.templates,
            started_at=watching.figures.started_at,
            wall=time.time,
            version=VERSION,
            audit=assembly.audit,
            mask=mask.text,
            blocked=assembly.inspector.ledger if assembly.inspector is not None else None,
        )
    )
