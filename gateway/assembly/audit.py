"""The file of the audit, made from settings. What is written into it holds no configured secret either."""

from __future__ import annotations

import os
import pwd
import time

from actors.auditing.ledger import Ledger
from actors.guards.sanitizer import SECRET_KINDS, Sanitizer, SanitizerSettings
from gateway.logs.settings import secrets
from protocol.observation.auditing import AuditEvent, AuditKind, Outcome
from protocol.settings import Settings


def ledger(settings: Settings) -> Ledger:
    """The file that is configured; making it opens nothing."""
    return Ledger(
        settings.log.audit, Sanitizer(SanitizerSettings(tuple(SECRET_KINDS), secrets=frozenset(secrets(settings)))).text
    )


def record_command(settings: Settings, kind: AuditKind, what: str, outcome: Outcome) -> None:
    """Write what somebody did by a command of ours, beside a running server or without one. Raises OSError."""
    if not settings.log.audit:
        return
    file = ledger(settings)
    try:
        file.append([AuditEvent(kind, what, outcome, who=_user(), time=time.time())])
    finally:
        file.close()


def _user() -> str:
    """Who typed the command, as far as the system knows."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
