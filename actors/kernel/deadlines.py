"""The deadlines of all pending asks: one coarse wheel per system instead of one loop timer per ask.

Invariant: an ask is never answered `Expired` before its deadline, and at most `GRAIN` (plus the loop's own lag) after
it. A loop timer costs about 1 us to make and cancel, a place in a bucket 0.2 us; and a reply takes the ask out of its
bucket, so nothing of an answered ask is kept until its deadline. Told by `ref.ask`, read by whoever answers.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from protocol.errors import Expired

GRAIN = 0.025
"""Seconds a bucket covers: how late `Expired` may come."""


class Addressee(Protocol):
    """Whom an ask was sent to."""

    @property
    def path(self) -> str: ...


Bucket = dict[asyncio.Future[Any], Addressee]
"""Asks that expire together. A dict, not a set: the order of expiry must not depend on memory addresses."""


class Deadlines:
    """The wheel: buckets by the number of the grain in which their asks expire."""

    __slots__ = ("_buckets", "_loop", "_timers")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buckets: dict[int, Bucket] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def bucket(self, deadline: float) -> Bucket:
        """The bucket of asks that expire with `deadline` (loop time). Raises ValueError unless that is finite."""
        try:
            tick = int(deadline / GRAIN) + 1
        except (OverflowError, ValueError):
            raise ValueError(f"an ask needs a finite timeout, got a deadline of {deadline}") from None
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = {}
            self._timers[tick] = self._loop.call_at(tick * GRAIN, self._expire, tick)
        return bucket

    def close(self) -> None:
        """Forget all timers. The asks themselves are answered by the mailboxes they wait in."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._buckets.clear()

    def _expire(self, tick: int) -> None:
        # uvloop rounds timers to milliseconds, also downwards. Early is the one thing a deadline may not be.
        if self._loop.time() < tick * GRAIN:
            self._timers[tick] = self._loop.call_later(0.001, self._expire, tick)
            return
        del self._timers[tick]
        for future, addressee in self._buckets.pop(tick).items():
            if not future.done():
                future.set_exception(Expired(f"{addressee.path} did not reply in time"))
