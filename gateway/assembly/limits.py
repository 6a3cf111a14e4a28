"""The rate limits from `[rate_limit]`, and who is believed of `[server]`. Raises BadDocument with the key's path.

Where limits are shared, they have connections of their own to Redis: what scripts do there does not hold them up.
"""

from __future__ import annotations

import time
from dataclasses import replace

from actors.kernel import ChildSpec
from actors.limits.keeper import LimitsKeeper
from actors.limits.limits import Limits, LimitSettings
from actors.limits.shared import CALL_SECONDS, PROBE_SECONDS, SharedBuckets
from actors.reach.keeper import kept
from actors.reach.redis_client import RedisDoor
from gateway.assembly.outside import redis_settings
from gateway.clients.accounts import Accounts
from gateway.clients.clients import Clients
from gateway.clients.exclusions import Exclusions
from gateway.clients.limiter import Limiter, LimiterSettings
from gateway.clients.origin import Proxies
from protocol.errors import BadDocument, Problem
from protocol.limits import Quota
from protocol.observation.auditing import Audit, unheard
from protocol.observation.metrics import Families
from protocol.settings import Settings

CLEANUP_MINUTES = 10.0
"""Where `cleanup_interval` is 0 (Go: engine)."""


class LimitParts:
    """The limits and their actors; none of either where limits are off."""

    def __init__(self, settings: Settings) -> None:
        given = settings.rate_limit
        self.limits: Limits | None = None
        self.doors: tuple[ChildSpec, ...] = ()
        self.keepers: tuple[ChildSpec, ...] = ()
        self.families: tuple[Families, ...] = ()
        """For the metrics page."""
        if not given.enabled:
            return
        quota = quota_of(settings)
        shared = None
        if given.backend == "redis":
            if not settings.redis.host:
                raise BadDocument([Problem("redis.host", "missing: rate_limit.backend is redis")])
            door = RedisDoor(
                replace(
                    redis_settings(settings), max_retries=0, pool_size=2, seconds=CALL_SECONDS, breaker_failures=1,
                    breaker_seconds=PROBE_SECONDS / 2,
                )
            )  # fmt: skip
            shared = SharedBuckets(door, quota)
            self.doors = (kept("limits-redis", door),)
        cleanup = (given.cleanup_interval or CLEANUP_MINUTES) * 60.0
        limits = self.limits = Limits(LimitSettings(quota, given.max_clients, cleanup), time.monotonic, shared)
        self.keepers = (ChildSpec("limits", lambda: LimitsKeeper(limits)),)
        self.families = (limits.figures.families,)


def make_clients(settings: Settings, limits: Limits | None, accounts: Accounts, audit: Audit = unheard) -> Clients:
    """Who is recognised, and how he is limited."""
    proxies, told, exclusions = client_rules(settings)
    if limits is None:
        return Clients(proxies, None)
    counted = accounts if settings.rate_limit.per_account else None
    return Clients(proxies, Limiter(limits, told, exclusions, counted, time.time, audit))


def client_rules(settings: Settings) -> tuple[Proxies, LimiterSettings, Exclusions]:
    """Whom to believe, what to tell who is limited, whom to leave out."""
    given = settings.rate_limit
    told = LimiterSettings(given.error_message, given.retry_after_header, given.per_route)
    return Proxies(settings.server.trusted_proxies), told, Exclusions(given.excluded_ips, given.excluded_paths)


def quota_of(settings: Settings) -> Quota:
    """How much of a window."""
    given = settings.rate_limit
    return Quota(given.ip_rate_limit, given.ip_window_minutes * 60.0, given.ip_burst_size)
