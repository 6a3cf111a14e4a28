"""The rate limit at the door: each request is counted for its client before anything else is done for it.

Invariant: every request that is counted gets `X-RateLimit-*` on its answer, whatever that becomes; one too many gets
429 and costs nothing but the count. Talks to the buckets (`actors/limits`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.limits.limits import Limits
from gateway import statuses
from gateway.clients.accounts import Accounts
from gateway.clients.exclusions import Exclusions
from gateway.clients.networks import neighbourhood
from gateway.statuses import ErrorAnswer
from gateway.visit import Visit
from protocol.codec import go_json
from protocol.errors import Refusal
from protocol.limits import Taken
from protocol.observation.auditing import Audit, AuditEvent, AuditKind, Outcome, unheard


@dataclass(frozen=True, slots=True)
class LimiterSettings:
    """What clients are told, and what is counted apart."""

    error_message: str
    retry_after_header: bool
    per_route: bool


class Limiter:
    """The limits, as HTTP sees them."""

    __slots__ = ("_accounts", "_audit", "_exclusions", "_figures", "_limits", "_settings", "_wall")

    def __init__(
        self,
        limits: Limits,
        settings: LimiterSettings,
        exclusions: Exclusions,
        accounts: Accounts | None,
        wall: Callable[[], float],
        audit: Audit = unheard,
    ) -> None:
        """`accounts` None: only addresses are counted. `wall`: Unix seconds. `audit` is told of who is refused."""
        self._limits = limits
        self._figures = limits.figures
        self._settings = settings
        self._exclusions = exclusions
        self._accounts = accounts
        self._wall = wall
        self._audit = audit

    def obey(self, settings: LimiterSettings, exclusions: Exclusions) -> None:
        """Other words and exclusions, from the next request on."""
        self._settings = settings
        self._exclusions = exclusions

    async def look(
        self, request: Any, visit: Visit, raw_path: str, route: Callable[[str, str], str]
    ) -> ErrorAnswer | None:
        """Count a request of `visit.client`; what it is refused with, or None.

        `route` gives the pattern a method and a path are served by. The headers its answer is to carry are in the visit
        then.
        """
        figures = self._figures
        # Who comes through an excluded proxy and writes headers that contradict it is not that proxy.
        if self._exclusions.leave_out("" if visit.disputed else visit.client, raw_path):
            figures.excluded += 1
            return None
        key = visit.client
        if ":" in key:
            key = neighbourhood(key)
        try:
            if self._accounts is not None:
                key = await self._whose(self._accounts, request, key)
            if self._settings.per_route:
                key = f"{key} {route(visit.method, raw_path)}"
            taken = await self._limits.take(key)
        except Refusal as refusal:
            return statuses.error_answer(refusal, None, debug=False)
        visit.lines = (
            ("X-RateLimit-Limit", str(self._limits.quota.limit)),
            ("X-RateLimit-Remaining", str(taken.remaining)),
            ("X-RateLimit-Reset", str(math.ceil(self._wall() + taken.reset_seconds))),
        )
        if taken.allowed:
            figures.allowed += 1
            return None
        figures.denied += 1
        self._audit(AuditEvent(AuditKind.LIMIT, "rate limit", Outcome.REFUSED, key, visit.client, visit.id))
        return self._too_many(taken)

    async def _whose(self, accounts: Accounts, request: Any, address: str) -> str:
        """The key of the bucket: a proven account's, or else the address'."""
        credential = accounts.shown(request.headers, request._message.raw_headers)
        if credential is None:
            return address
        account = accounts.known(credential)
        if account is None:
            # Proofs of one address have a bucket of their own: neither can a guesser ask the database without end, nor
            # can he use up the requests of an account that shares his address, nor its proofs.
            free = accounts.was_proven(credential) or (await self._limits.take(f"{address} proofs")).allowed
            account = await accounts.prove(credential) if free else ""
        return account or address

    def _too_many(self, taken: Taken) -> ErrorAnswer:
        # Rounded up: who waits so long is let in.
        seconds = max(1, math.ceil(taken.retry_seconds))
        body = go_json({"error": self._settings.error_message, "retry_after": seconds})
        headers = (("Retry-After", str(seconds)),) if self._settings.retry_after_header else ()
        return ErrorAnswer(429, body, headers)
