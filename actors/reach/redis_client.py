"""The owner of redis: raw commands to one Redis, each answered within its deadline whatever the server does.

A Redis that is dead, silent or loading is `Unavailable`, at once while its circuit is open; it is found again by
itself. Whatever breaks off in the middle drops its connection, so no reply ever reaches another call. Used by scripts'
redis functions, sessions and shared limits; keys that begin with `RESERVED` are the runtime's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from redis.asyncio import Connection, ConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from actors.reach.circuit import Circuit, CircuitState
from protocol.errors import BadDocument, CallRefused, Overloaded, Problem, Unavailable

RESERVED: Final = "nflow:"
"""Prefix of the keys of sessions and limits; scripts may not touch them."""

Word = str | bytes | int | float
Reply = Any
"""`bytes`, `int`, None or a list of replies."""

_NOT_READY: Final = (ReadOnlyError, OutOfMemoryError, MasterDownError, ClusterDownError)
"""Errors a server gives while it cannot do its work; it answers, so they do not open the circuit."""


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Where Redis is and how long it may take."""

    host: str = ""
    """`host`, `host:port`, or a URL `redis://` / `rediss://`. Empty: there is no Redis."""
    password: str = field(default="", repr=False)
    db: int = 0
    max_retries: int = 0
    """Further tries after a transport error; each may carry the command out once more."""
    pool_size: int = 10
    seconds: float = 0.15
    """Deadline of one try, with waiting for a connection and connecting."""
    breaker_failures: int = 3
    breaker_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class RedisScript:
    """A Lua script: sent as its hash, and whole when the server has forgotten it."""

    source: str
    sha: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())


class RedisDoor:
    """One Redis."""

    __slots__ = ("_circuit", "_log", "_name", "_pool", "_room", "_settings")

    def __init__(self, settings: RedisSettings) -> None:
        """Raises BadDocument when `host` cannot be one."""
        self._settings = settings
        self._pool: ConnectionPool | None = None
        self._room = asyncio.Semaphore(settings.pool_size)
        self._circuit = Circuit(settings.breaker_failures, settings.breaker_seconds)
        self._log = logging.getLogger("nflow.redis")
        self._name = f"Redis at {settings.host.rpartition('@')[2].rpartition('//')[2]}"
        if settings.host:
            _pool(settings)

    @property
    def configured(self) -> bool:
        """Is there to be a Redis at all?"""
        return bool(self._settings.host)

    @property
    def reachable(self) -> bool:
        """False while its circuit is not closed."""
        return self._circuit.state is CircuitState.CLOSED

    async def open(self) -> None:
        """Make ready; the first call connects."""
        if self.configured and self._pool is None:
            self._pool = _pool(self._settings)

    async def close(self) -> None:
        """Drop every connection, also those in use: their calls end as Unavailable."""
        pool, self._pool = self._pool, None
        if pool is not None:
            with contextlib.suppress(TimeoutError):  # TLS says goodbye, and the peer may never answer
                async with asyncio.timeout(0.5):
                    await pool.disconnect(inuse_connections=True)

    async def call(self, *command: Word, seconds: float | None = None) -> Reply:
        """The server's reply to one command: bytes, int, None or a list of these.

        Raises Unavailable when it is out of reach or does not answer within `seconds` (the settings' by default),
        Overloaded when all connections stay busy, CallRefused for what the server says no to.
        """
        if self._pool is None:
            reason = "it is not open" if self.configured else "none is configured: set [redis] host"
            raise Unavailable(f"Redis is out of reach: {reason}")
        now = asyncio.get_running_loop().time
        for tries_left in range(self._settings.max_retries, -1, -1):
            self._circuit.check(now(), "Redis", self._name)
            try:
                return await self._try(self._pool, command, now() + (seconds or self._settings.seconds))
            except Unavailable:
                if not tries_left or self._pool is None:
                    raise
        raise AssertionError("unreachable")

    async def run(
        self,
        script: RedisScript,
        keys: Sequence[Word] = (),
        arguments: Sequence[Word] = (),
        seconds: float | None = None,
    ) -> Reply:
        """The reply of a Lua script, loaded again when the server has lost it. Raises as `call` does."""
        tail = (len(keys), *keys, *arguments)
        try:
            return await self.call("EVALSHA", script.sha, *tail, seconds=seconds)
        except CallRefused as error:
            if not isinstance(error.__cause__, NoScriptError):
                raise
        return await self.call("EVAL", script.source, *tail, seconds=seconds)

    async def _try(self, pool: ConnectionPool, command: tuple[Word, ...], deadline: float) -> Reply:
        # Waiting for one of our own busy connections says nothing about the server, so it has a gate of its own.
        try:
            async with asyncio.timeout_at(deadline):
                await self._room.acquire()
        except TimeoutError:
            raise Overloaded(f"all {self._settings.pool_size} connections to Redis are busy") from None
        try:
            async with asyncio.timeout_at(deadline):
                reply = await _exchange(pool, command)
        except _NOT_READY as error:
            self._circuit.succeeded()
            raise Unavailable("Redis cannot do this now", detail=f"{self._name}: {error}") from error
        except ResponseError as error:
            self._circuit.succeeded()
            raise CallRefused(f"redis: {error}", name="RedisError") from error
        except (RedisError, OSError, TimeoutError) as error:
            raise self._failed(str(error) or "it did not answer in time") from error
        finally:
            self._room.release()
        if not self.reachable:
            self._log.warning("%s is back", self._name)
        self._circuit.succeeded()
        return reply

    def _failed(self, reason: str) -> Unavailable:
        was_reachable = self.reachable
        self._circuit.failed(asyncio.get_running_loop().time(), reason)
        if was_reachable and not self.reachable:  # an outage is one line, not one per call
            self._log.warning("%s is out of reach: %s", self._name, reason)
        seconds = self._settings.breaker_seconds
        return Unavailable("Redis is out of reach", retry_after=seconds, detail=f"{self._name}: {reason}")


async def _exchange(pool: ConnectionPool, command: tuple[Word, ...]) -> Reply:
    connection = await pool.get_connection()  # type: ignore[no-untyped-call]  # its decorator has no types
    whole = False
    try:
        await connection.send_command(*command)
        reply = await connection.read_response()
        whole = True
        return reply
    except ResponseError:
        whole = True  # a reply like any other
        raise
    finally:
        if not whole:
            await connection.disconnect(nowait=True)
        await pool.release(connection)


def _pool(settings: RedisSettings) -> ConnectionPool:
    host, port, secure, user, password, db = settings.host, 6379, False, None, settings.password or None, settings.db
    scheme, marked, rest = host.partition("://")
    if marked:
        secure = scheme == "rediss"
        login, _, host = rest.rpartition("@")
        host, _, path = host.partition("/")
        db = int(path) if path.isdecimal() else db
        if login:
            user, _, password = (unquote(part) for part in login.partition(":"))
    if host.startswith("["):
        host, _, tail = host[1:].partition("]")
        tail = tail.removeprefix(":")
    else:
        host, _, tail = host.partition(":")
    if (marked and scheme not in {"redis", "rediss"}) or not host or (tail and not tail.isdecimal()):
        raise BadDocument([Problem("redis.host", "must be host:port, or redis://host:port/db, or rediss:// for TLS")])
    return ConnectionPool(
        connection_class=SSLConnection if secure else Connection,
        max_connections=settings.pool_size,
        host=host,
        port=int(tail) if tail else port,
        username=user or None,
        password=password,
        db=db,
        protocol=2,  # one shape of replies, whatever the server's version
        driver_info=None,
        retry=Retry(NoBackoff(), 0),
        # The deadline stands around the whole exchange; one more inside would cost a task for each command.
        socket_timeout=None,
        socket_connect_timeout=None,
    )
