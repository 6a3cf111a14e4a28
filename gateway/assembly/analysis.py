"""The static analysis, made from `[security]`. Off, nothing of it is made and scripts run unseen; the sandbox holds."""

from __future__ import annotations

from actors.guards.analysis.inspector import Inspector, InspectorSettings
from actors.guards.analysis.rules import rule_set
from protocol.settings import Settings


def inspector_settings(settings: Settings) -> InspectorSettings:
    """Raises BadDocument for rules, severities and allowed patterns that cannot be, each with its path."""
    security = settings.security
    return InspectorSettings(
        rule_set(security.severities, security.rules, security.allowed_patterns),
        block=security.block_on_high_severity,
        log=security.log_security_warnings,
        keep_seconds=security.cache_ttl_minutes * 60 if security.cache_analysis_results else 0.0,
    )


def make_inspector(settings: Settings) -> Inspector | None:
    """Who looks through scripts; None: nobody. Raises BadDocument all the same."""
    made = inspector_settings(settings)
    return Inspector(made) if settings.security.enable_static_analysis else None
