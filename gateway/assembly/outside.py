"""The ways out, made from settings: what `[outgoing]`, `[mail]`, `[redis]`, `[ai]` and `[twilio]` say.

Raises BadDocument with the key's path for what cannot be.
"""

from __future__ import annotations

from actors.functions.ai import AiSettings
from actors.functions.twilio import TwilioSettings
from actors.guards.addresses import AddressGuard
from actors.reach.http_client import HttpSettings
from actors.reach.mailer import MailServer, MailSettings
from actors.reach.reach import ReachSettings
from actors.reach.redis_client import RedisSettings
from protocol.observation.auditing import Audit, unheard
from protocol.settings import Settings


def reach_settings(settings: Settings, audit: Audit = unheard) -> ReachSettings:
    """The settings of each way."""
    guard = AddressGuard(settings.security.allowed_addresses, audit=audit)
    enabled = settings.vm_pool.enable_network
    out, ai, twilio = settings.outgoing, settings.ai, settings.twilio
    return ReachSettings(
        http=HttpSettings(
            guard=guard,
            enabled=enabled,
            timeout_seconds=out.timeout_seconds,
            max_bytes=out.max_response_kb << 10,
            max_connections=out.max_connections,
            max_per_host=out.max_per_host,
            breaker_failures=out.breaker_failures,
            breaker_seconds=out.breaker_seconds,
        ),
        mail=_mail(settings, guard, enabled),
        redis=redis_settings(settings),
        ai=AiSettings(ai.openai_url, ai.gemini_url, ai.ollama_url, ai.timeout_seconds),
        twilio=TwilioSettings(
            enabled=twilio.enable,
            account_sid=twilio.account_sid,
            auth_token=twilio.auth_token.get_secret_value(),
            service=twilio.verify_service_id,
            url=twilio.verify_url,
        ),
    )


def redis_settings(settings: Settings) -> RedisSettings:
    """Where Redis is."""
    redis = settings.redis
    return RedisSettings(
        host=redis.host,
        password=redis.password.get_secret_value(),
        db=redis.db,
        max_retries=redis.max_retries,
        pool_size=redis.pool_size,
    )


def _mail(settings: Settings, guard: AddressGuard, enabled: bool) -> MailSettings:
    mail = settings.mail
    server = None
    if mail.smtp and (mail.enabled or "enabled" not in mail.model_fields_set):  # nFlow's own file has no `enabled`
        server = MailServer(
            mail.smtp, mail.port, mail.sender, mail.username, mail.password.get_secret_value(), mail.use_tls
        )
    return MailSettings(
        server=server,
        guard=guard,
        enabled=enabled,
        timeout_seconds=mail.timeout_seconds,
        max_bytes=mail.max_kb << 10,
    )
