"""Buckets that several servers share: Redis counts, by its own clock, in one script for all requests of a moment.

Invariant: whatever Redis does, each request is counted within the deadline of one call: what it did not answer is
counted here, by the local buckets, and so is everything until a probe, which no request waits for, was answered. One
script is under way at a time; requests that come meanwhile travel with the next, those of one client as one number.
Talks to Redis through a door of its own, so that no script of a flow can hold it up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Final

import structlog

from actors.limits import gcra
from actors.limits.figures import LimitFigures
from actors.reach.redis_client import RESERVED, RedisDoor, RedisScript, Word
from actors.stores.statements import read_statements
from protocol.errors import Refusal
from protocol.limits import Counting, Quota, Taken

CALL_SECONDS: Final = 0.08
"""Deadline of one script; requests that wait for the one before it share its fate, so none waits longer."""
PROBE_SECONDS: Final = 0.5
"""Time between two looks whether Redis is back."""
MOST_KEYS: Final = 512
"""Clients counted by one script: some milliseconds of Redis's time."""

Waiting = dict[str, list[asyncio.Future[Taken]]]


class SharedBuckets:
    """The buckets in Redis."""

    __slots__ = (
        "_count", "_figures", "_flight", "_log", "_mirror", "_redis", "_script", "_waiting", "quota", "reachable",
    )  # fmt: skip

    def __init__(self, redis: RedisDoor, quota: Quota) -> None:
        self.quota = quota
        self.reachable = True
        """False from a call that failed to a probe that was answered: the breaker."""
        self._redis = redis
        self._script = RedisScript(read_statements(Path(__file__).with_name("redis.lua"))["take"])
        self._waiting: Waiting = {}
        self._flight: asyncio.Task[None] | None = None
        self._count: Callable[[str], Taken]
        self._mirror: Callable[[str, float], None]
        self._figures: LimitFigures
        self._log = structlog.get_logger("limits")

    def join(self, count: Callable[[str], Taken], mirror: Callable[[str, float], None], figures: LimitFigures) -> None:
        """The local buckets: what counts here, and what is told how Redis counted."""
        self._count, self._mirror, self._figures = count, mirror, figures
        figures.shared = True

    def count(self, key: str) -> Taken | Counting:
        """One more request of this client."""
        if not self.reachable:
            return self._here(key)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Taken] = loop.create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._flight is None:
            self._flight = loop.create_task(self._fly())
        return Counting(future)

    async def probe(self) -> None:
        """While Redis is out of reach: see whether it is back. Writes, because a server that is full still reads."""
        if self.reachable:
            return
        try:
            await self._ask(["probe"], [1])
        except (Refusal, ValueError, TypeError):
            return
        self.reachable = self._figures.shared = True
        self._log.warning("rate limits are shared again", fallbacks=self._figures.fallbacks)

    def close(self) -> None:
        """Whoever still waits is counted here."""
        if self._flight is not None:
            self._flight.cancel()
        self._give_up(self._waiting)

    async def _fly(self) -> None:
        """Carry what waits, until nothing does."""
        under_way: Waiting = {}
        try:
            while self._waiting:
                under_way = self._board()
                told = await self._ask(list(under_way), [len(futures) for futures in under_way.values()])
                for (key, futures), (granted, owed) in zip(under_way.items(), told, strict=True):
                    self._tell(key, futures, granted, owed)
        except (Refusal, ValueError, TypeError) as error:  # whatever it was that answered
            self._broke(str(error))
        finally:
            self._flight = None
            self._give_up(under_way)
            self._give_up(self._waiting)

    def _board(self) -> Waiting:
        waiting = self._waiting
        if len(waiting) <= MOST_KEYS:
            self._waiting = {}
            return waiting
        return {key: waiting.pop(key) for key in list(islice(waiting, MOST_KEYS))}

    async def _ask(self, keys: list[str], wanted: list[int]) -> list[tuple[int, float]]:
        quota = self.quota
        names: list[Word] = [self.name(key) for key in keys]
        arguments: list[Word] = [repr(quota.rate), quota.limit, quota.burst, *wanted]
        told = await self._redis.run(self._script, names, arguments, CALL_SECONDS)
        return [(int(granted), float(owed)) for granted, owed in zip(told[1::2], told[2::2], strict=True)]

    def name(self, key: str) -> str:
        """A client's key in Redis. Numbers of one quota mean nothing under another."""
        quota = self.quota
        return f"{RESERVED}ratelimit:{quota.limit}+{quota.burst}/{quota.window_seconds:g}s:{key}"

    def _tell(self, key: str, futures: list[asyncio.Future[Taken]], granted: int, owed: float) -> None:
        self._mirror(key, owed)
        for place, future in enumerate(futures):
            if not future.done():
                after = owed - max(0, granted - 1 - place)
                future.set_result(gcra.taken(self.quota, after, allowed=place < granted))

    def _broke(self, reason: str) -> None:
        if self.reachable:
            self.reachable = self._figures.shared = False
            self._figures.outages += 1
            self._log.warning("rate limits are counted by this server alone", reason=reason)

    def _give_up(self, waiting: Waiting) -> None:
        while waiting:
            key, futures = waiting.popitem()
            for future in futures:
                if not future.done():
                    future.set_result(self._here(key))

    def _here(self, key: str) -> Taken:
        self._figures.fallbacks += 1
        return self._count(key)
