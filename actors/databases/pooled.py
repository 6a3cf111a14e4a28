"""A database: statements and transactions over a pool, the same for every server.

Invariants: every statement has a deadline; a session whose statement ended in anything but the server's own answer is
thrown away; a transaction that is not committed is rolled back, whatever ended it, and one that is lost says so at
every further use. A query that is not told to be one that only reads runs in a transaction, so one refused for its many
rows did nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from actors.databases.database import ISOLATIONS, Executed, Isolation, Rows
from actors.databases.placeholders import Dialect, statement
from actors.databases.pool import Lease, Pool, PoolNumbers
from actors.databases.session import Session
from actors.databases.slow import Stopwatch
from protocol.errors import CallRefused, Refusal, Unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")


class OpenTransaction:
    """One transaction on one session: `Statements`, and its end."""

    def __init__(self, pool: Pool, lease: Lease, seconds: float, watch: Stopwatch | None) -> None:
        self._pool = pool
        self._lease = lease
        self._seconds = seconds
        self._watch = watch
        self._turn = asyncio.Lock()
        self._over = ""

    async def query(self, sql: str, parameters: Sequence[Any] = (), *, most: int = 10_000) -> Rows:
        """See Statements."""
        return await self._run(sql, lambda session: session.query(sql, parameters, most))

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Executed:
        """See Statements."""
        return await self._run(sql, lambda session: session.execute(sql, parameters))

    async def commit(self) -> None:
        """Make it last. Raises CallRefused when the server rolled it back, Unavailable when nobody knows."""
        async with self._turn:
            self._check()
            await self._end("committed", lambda session: session.commit())

    async def rollback(self) -> None:
        """Undo all of it. Nothing happens when it is over."""
        async with self._turn:
            if not self._over:
                await self._end("rolled back", lambda session: session.rollback())

    async def _run(self, sql: str, work: Callable[[Session], Awaitable[T]]) -> T:
        async with self._turn:  # a session serves one statement at a time
            self._check()
            try:
                return await bounded(_watched(self._watch, sql, work(self._lease.session)), self._seconds)
            except CallRefused as refused:
                if refused.name == "TimeoutError":
                    self._lose()
                raise
            except BaseException:
                self._lose()
                raise

    async def _end(self, how: str, end: Callable[[Session], Awaitable[None]]) -> None:
        self._over = f"the transaction has been {how}"
        session = self._lease.session
        try:
            await bounded(end(session), self._seconds)
        except CallRefused:
            raise
        except BaseException:
            session.doubt()
            raise
        finally:
            self._pool.release(self._lease)

    def _lose(self) -> None:
        self._over = "the transaction is lost: it was rolled back"
        self._lease.session.doubt()
        self._pool.release(self._lease)

    def _check(self) -> None:
        if self._over:
            raise CallRefused(self._over)


class PooledDatabase:
    """A `Database`."""

    def __init__(
        self, driver: str, dialect: Dialect, pool: Pool, statement_seconds: float, watch: Stopwatch | None = None
    ) -> None:
        """`watch` None: nobody asks which statements are slow."""
        self._driver = driver
        self._dialect = dialect
        self._pool = pool
        self._seconds = statement_seconds
        self._watch = watch

    @property
    def driver(self) -> str:
        """`sqlite3`, `postgres` or `mysql`."""
        return self._driver

    @property
    def connections(self) -> int:
        """How many are open."""
        return self._pool.size

    @property
    def numbers(self) -> PoolNumbers:
        """How its pool stands."""
        return self._pool.numbers

    async def open(self) -> None:
        """Try a first connection, so that an outage is in the log at the start."""
        with contextlib.suppress(Unavailable):
            self._pool.release(await self._pool.acquire())

    async def close(self) -> None:
        """Let go of every connection. Idempotent."""
        await self._pool.close()

    async def query(self, sql: str, parameters: Sequence[Any] = (), *, most: int = 10_000) -> Rows:
        """See Statements."""
        if not statement(sql, self._dialect).reads:
            async with self.transaction() as transaction:
                return await transaction.query(sql, parameters, most=most)
        return await self._run(sql, lambda session: session.query(sql, parameters, most))

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Executed:
        """See Statements."""
        return await self._run(sql, lambda session: session.execute(sql, parameters))

    @contextlib.asynccontextmanager
    async def transaction(self, isolation: Isolation = "") -> AsyncIterator[OpenTransaction]:
        """A transaction: committed at the block's end, rolled back when it raises or is cancelled."""
        transaction = await self.begin(isolation)
        try:
            yield transaction
        except BaseException:
            with contextlib.suppress(Refusal):
                await transaction.rollback()
            raise
        await transaction.commit()

    async def begin(self, isolation: Isolation = "") -> OpenTransaction:
        """A transaction that the caller ends."""
        if isolation not in ISOLATIONS:
            raise CallRefused(
                f"no such isolation: {isolation!r}; there are {', '.join(sorted(filter(None, ISOLATIONS)))}"
            )
        lease = await self._pool.acquire()
        try:
            await bounded(lease.session.begin(isolation), self._seconds)
        except BaseException:
            lease.session.doubt()
            self._pool.release(lease)
            raise
        return OpenTransaction(self._pool, lease, self._seconds, self._watch)

    async def _run(self, sql: str, work: Callable[[Session], Awaitable[T]]) -> T:
        lease = await self._pool.acquire()
        try:
            return await bounded(_watched(self._watch, sql, work(lease.session)), self._seconds)
        except CallRefused as refused:
            if refused.name == "TimeoutError":
                lease.session.doubt()
            raise
        except BaseException:
            lease.session.doubt()
            raise
        finally:
            self._pool.release(lease)


def _watched(watch: Stopwatch | None, sql: str, work: Awaitable[T]) -> Awaitable[T]:
    return work if watch is None else watch.timed(sql, work)


async def bounded(work: Awaitable[T], seconds: float) -> T:
    """Wait for a statement.

    Raises CallRefused named TimeoutError after this many seconds, and Unavailable for what no driver should raise.
    """
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise CallRefused(f"the statement took longer than {seconds:g} s", name="TimeoutError") from None
    except Refusal:
        raise
    except Exception as error:
        logger.exception("a database driver failed")
        message = f"the connection to the database failed ({type(error).__name__}): what the statement did is unknown"
        raise Unavailable(message) from error
