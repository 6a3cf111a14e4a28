"""SIGHUP: the configuration is read again, and what may change while the server runs is changed.

An error changes nothing, and is a line of the log like the start would have said it. Keys are told by name.
"""

from __future__ import annotations

import structlog

from gateway.configuration.live import Live
from gateway.configuration.source import Source
from protocol.errors import BadDocument
from protocol.observation.auditing import Audit, AuditEvent, AuditKind, Outcome, unheard


def reload(source: Source, live: Live, audit: Audit = unheard) -> bool:
    """Read and take over. False: there was an error, and everything is as it was. `audit` is told of both."""
    log = structlog.get_logger("configuration")
    try:
        settings, warnings = source.read().valid()
        done = live.reload(settings)
    except BadDocument as error:
        for problem in error.problems:
            log.error("configuration not reloaded", problem=str(problem))
        audit(AuditEvent(AuditKind.CONFIGURATION, "reload", Outcome.FAILED))
        return False
    for warning in warnings:
        log.warning("configuration", problem=str(warning))
    if done.restart:
        log.warning("these keys need a restart", keys=", ".join(done.restart))
    log.info("configuration reloaded", changed=", ".join(done.applied) or "nothing")
    audit(AuditEvent(AuditKind.CONFIGURATION, "reload", details={"changed": ", ".join(done.applied)}))
    return True
