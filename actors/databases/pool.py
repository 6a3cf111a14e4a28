"""The connections to one database: how many, who gets the next, and when one is thrown away.

Invariants: there are never more than `max_open`; whoever waits longest is served first and waits no longer than the
deadline; a session that is in doubt, too old or closed by its server is never handed out; everything opened is closed,
also when the one who waited was cancelled. While the server is out of reach callers are answered at once, and a call
now and then tries again, so the pool finds it again by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from actors.databases.session import Connector, Session
from protocol.errors import Overloaded, Unavailable

logger = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS: Final = 0.1
_LAST_RETRY_SECONDS: Final = 5.0
_LEAVE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class PoolSize:
    """Bounds of a pool."""

    max_open: int = 10
    max_idle: int = 10
    lifetime_seconds: float = 0.0
    """A connection is renewed after this; 0: never."""
    wait_seconds: float = 30.0
    """How long a caller waits for a connection."""


class PoolNumbers(NamedTuple):
    """How a pool stands."""

    max_open: int
    open: int
    """Connections that are open or being opened."""
    in_use: int
    idle: int
    waiting: int
    """Callers that wait for one."""
    out_of_reach: str
    """Why the server could not be reached at the last try; empty: it could."""


class Lease:
    """A session while somebody uses it, or while it rests."""

    __slots__ = ("born", "session")

    def __init__(self, session: Session, born: float) -> None:
        self.session = session
        self.born = born


class Pool:
    """Hands out sessions."""

    def __init__(self, connector: Connector, size: PoolSize, clock: Callable[[], float] = time.monotonic) -> None:
        self._connector = connector
        self._size = size
        self._clock = clock
        self._idle: list[Lease] = []
        self._used: set[Lease] = set()
        self._opening = 0
        self._waiters: deque[asyncio.Future[Lease | None]] = deque()
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False
        self._quiet = asyncio.Event()
        self._failures = 0
        self._retry_at = 0.0
        self._reason = self._detail = ""

    @property
    def size(self) -> int:
        """Connections that are open or being opened."""
        return len(self._idle) + len(self._used) + self._opening

    @property
    def numbers(self) -> PoolNumbers:
        """How it stands, for operators."""
        used, idle, waiting = len(self._used), len(self._idle), len(self._waiters)
        return PoolNumbers(self._size.max_open, self.size, used, idle, waiting, self._reason if self._failures else "")

    async def acquire(self) -> Lease:
        """A session for the caller alone, until `release`. Raises Unavailable, or Overloaded when none comes free."""
        deadline = asyncio.get_running_loop().time() + self._size.wait_seconds
        first = True
        while True:
            if self._closed:
                raise Unavailable("the database has been closed")
            lease = self._rested()
            if lease is not None:
                return lease
            # A session on its way out still counts for its server, so its place is taken until it has gone.
            if self.size + len(self._leaving) < self._size.max_open:
                return await self._opened()
            lease = await self._wait(deadline, first=first)
            if lease is not None:
                return lease
            first = False

    def release(self, lease: Lease) -> None:
        """Give a session back. What is not usable any more is closed in the background."""
        if lease not in self._used:
            return
        self._used.discard(lease)
        if self._stale(lease):
            self._throw_away(lease)
            self._settle()
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._used.add(lease)
                waiter.set_result(lease)
                return
        if len(self._idle) < self._size.max_idle:
            self._idle.append(lease)
        else:
            self._throw_away(lease)

    async def close(self) -> None:
        """Close every session, those in use after a while under the hands of their users. Idempotent."""
        self._closed = True
        self._quiet.clear()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
        idle, self._idle = self._idle, []
        for lease in idle:
            self._throw_away(lease)
        if self._used or self._opening:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await self._quiet.wait()
        for lease in tuple(self._used):
            lease.session.doubt()
            self._used.discard(lease)
            self._throw_away(lease)
        while self._leaving:
            await asyncio.wait(self._leaving)

    # --- parts ---

    def _rested(self) -> Lease | None:
        """The session used last, which is the likeliest to be good still."""
        while self._idle:
            lease = self._idle.pop()
            if not self._stale(lease):
                self._used.add(lease)
                return lease
            self._throw_away(lease)
        return None

    def _stale(self, lease: Lease) -> bool:
        lifetime = self._size.lifetime_seconds
        old = 0 < lifetime <= self._clock() - lease.born
        return old or self._closed or not lease.session.usable

    async def _opened(self) -> Lease:
        if self._clock() < self._retry_at:
            self._wake()
            wait = max(0.1, self._retry_at - self._clock())
            raise Unavailable(self._reason, retry_after=wait, detail=self._detail)
        self._opening += 1
        try:
            session = await self._connector.connect()
        except BaseException as error:
            self._opening -= 1
            self._settle()
            if isinstance(error, Unavailable):
                self._outage(error)
            self._wake()
            raise
        self._opening -= 1
        if self._failures:
            logger.info("the database is back in reach")
        self._failures = 0
        self._retry_at = 0.0
        lease = Lease(session, self._clock())
        self._used.add(lease)
        return lease

    def _outage(self, error: Unavailable) -> None:
        if not self._failures:
            logger.warning("%s", error.whole)
        self._reason, self._detail = str(error), error.detail
        self._retry_at = self._clock() + min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2 ** min(self._failures, 10))
        self._failures += 1

    async def _wait(self, deadline: float, *, first: bool) -> Lease | None:
        """A session somebody gave back, or None when there may be room for a new one."""
        waiter: asyncio.Future[Lease | None] = asyncio.get_running_loop().create_future()
        if first:
            self._waiters.append(waiter)
        else:  # had its turn already, and somebody else was quicker
            self._waiters.appendleft(waiter)
        try:
            async with asyncio.timeout_at(deadline):
                return await waiter
        except TimeoutError:
            self._hand_on(waiter)
            raise Overloaded(f"all {self._size.max_open} connections of the database are in use") from None
        except BaseException:
            self._hand_on(waiter)
            raise

    def _hand_on(self, waiter: asyncio.Future[Lease | None]) -> None:
        """What was given to one who does not wait any more belongs to the next."""
        if not waiter.done() or waiter.cancelled():
            waiter.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            return
        lease = waiter.result()
        if lease is None:
            self._wake()
        else:
            self.release(lease)

    def _wake(self) -> None:
        """There may be room for one more."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _settle(self) -> None:
        if self._closed and not self._used and not self._opening:
            self._quiet.set()

    def _throw_away(self, lease: Lease) -> None:
        task = asyncio.get_running_loop().create_task(lease.session.leave(), name="database session leaves")
        self._leaving.add(task)
        task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._leaving.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a database session could not be closed", exc_info=error)
        self._wake()
