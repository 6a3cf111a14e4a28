"""PostgreSQL through asyncpg, behaving as `lib/pq` taught people to expect.

Values cross as text in both directions, so the server reads them: a number goes into a text column, an ISO text into a
timestamp, `'infinity'` comes back as itself. The driver's own binary forms refuse all of that. Results are bounded by
the server, not after they have arrived. An error is the server's answer only when the server says so and the connection
is at rest; anything else, the driver's internal errors included, leaves the connection to be dropped.

Behind PgBouncer in transaction mode nothing is prepared under a name, and nothing is left on a connection.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import re
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg

from actors.databases.database import Executed, Isolation, Rows
from actors.databases.dsn import ServerTarget
from actors.databases.placeholders import Dialect, Statement, leaves_traces, split, statement
from actors.databases.values import decimal, integer, iso, json_or_bytes, real, row, written, zoned
from protocol.codec import loads
from protocol.errors import BadDocument, CallRefused, Problem, Unavailable

logger = logging.getLogger(__name__)

_LEAVE_SECONDS: Final = 3.0
_UNASKED: Final = 10_000
"""Rows that a statement may return which nobody asked for rows."""
_GONE: Final = ("08", "53", "57P", "58", "XX", "28", "3D")
"""Classes of errors (SQLSTATE) that say the server is out of reach, not that the statement is wrong."""
_TOLD: Final = frozenset({"application_name", "search_path", "timezone", "statement_timeout", "lock_timeout"})
"""Parameters of a DSN that are the server's."""
_ARGUMENT: Final = re.compile(r"invalid input for query argument \$(\d+)")
_WANTS_TEXTS: Final = re.compile(r"invalid array element .*expected str, got (?:int|float|bool|dict)\b", re.DOTALL)
_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError)
"""Of a connection that is lost; internal ones are what a driver in the middle of a message says then."""


class PostgresConnector:
    """Opens connections to one server."""

    def __init__(self, target: ServerTarget, init: str, *, pgbouncer: bool, connect_seconds: float) -> None:
        """Raises BadDocument for certificates that cannot be read."""
        self._target = target
        self._init = split(init, Dialect.POSTGRES)
        self._pgbouncer = pgbouncer
        self._seconds = target.number("connect_timeout") or connect_seconds
        self._tls = _tls(target)

    async def connect(self) -> PostgresSession:
        """Raises Unavailable."""
        try:
            async with asyncio.timeout(self._seconds):
                connection = await self._connected()
        except TimeoutError:
            raise Unavailable(f"the database did not answer within {self._seconds:g} s") from None
        except asyncpg.PostgresError as error:
            raise Unavailable("the database refuses connections", detail=str(error)) from error
        except (*_ERRORS, ssl.SSLError, ValueError) as error:
            raise Unavailable("the database is out of reach", detail=_words(error)) from error
        return PostgresSession(connection, shared=self._pgbouncer)

    async def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        target = self._target
        hosts = target.host.split(",")
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            host=hosts if len(hosts) > 1 else target.host,
            port=target.port,
            user=target.user,
            password=target.password or None,
            database=target.database,
            ssl=self._tls,
            timeout=self._seconds,
            statement_cache_size=0 if self._pgbouncer else 200,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
            server_settings={
                "datestyle": "ISO, MDY",
                **{name: value for name, value in target.options.items() if name in _TOLD},
            },
        )
        try:
            for name, (encode, decode) in _CODECS.items():
                await connection.set_type_codec(
                    name, schema="pg_catalog", encoder=encode, decoder=decode, format="text"
                )
            await connection.set_type_codec(
                "bytea", schema="pg_catalog", encoder=_to_bytes, decoder=_from_bytes, format="binary"
            )
            for sql in self._init:
                await connection.execute(sql)
        except BaseException:
            _cut(connection)
            raise
        return connection


class PostgresSession:
    """One connection. See Session.

    JSON texts (`json`, `jsonb`) are given as a text or as a value; a text is taken for JSON text, as `lib/pq` sends it.
    """

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], *, shared: bool) -> None:
        """`shared`: the server's side of it is somebody else's after each transaction."""
        self._connection = connection
        self._shared = shared
        self._spoilt = False

    @property
    def usable(self) -> bool:
        """See Session."""
        return not self._spoilt and not self._connection.is_closed() and not self._connection.is_in_transaction()

    def doubt(self) -> None:
        """See Session."""
        self._spoilt = True

    async def query(self, sql: str, parameters: Sequence[Any], most: int) -> Rows:
        """See Session."""
        self._read(sql, parameters)
        try:
            records, _ = await self._run(sql, parameters, most + 1)
            if not records:
                return Rows(await self._columns(sql), [])
        except Exception as error:
            raise self._sorted_out(error) from error
        if len(records) > most:
            raise CallRefused(f"the query returns more than {most} rows", name="RangeError")
        return Rows(tuple(records[0].keys()), [row(record) for record in records])

    async def execute(self, sql: str, parameters: Sequence[Any]) -> Executed:
        """See Session. The id is the first value of a statement that is `RETURNING` one."""
        read = self._read(sql, parameters)
        most = _UNASKED + 1 if read.reads else 0
        try:
            records, status = await self._run(sql, parameters, most)
        except Exception as error:
            raise self._sorted_out(error) from error
        if read.reads and len(records) > _UNASKED:  # cut short, its functions would not have seen all rows
            raise CallRefused(f"the statement returns more than {_UNASKED} rows: ask for fewer", name="RangeError")
        words = status.split()
        affected = int(words[-1]) if not read.reads and words and words[-1].isdigit() else 0
        last = records[-1][0] if records and "returning" in read.words else None
        return Executed(affected, last if isinstance(last, int) and not isinstance(last, bool) else None)

    async def begin(self, isolation: Isolation) -> None:
        """See Session."""
        await self._turn(f"begin isolation level {isolation}" if isolation else "begin")

    async def commit(self) -> None:
        """See Session."""
        if await self._turn("commit") == "ROLLBACK":
            raise CallRefused("the transaction was rolled back: one of its statements had failed")

    async def rollback(self) -> None:
        """See Session."""
        await self._turn("rollback")

    async def leave(self) -> None:
        """See Session. A statement that was given up is cancelled on the server by the driver; that is waited for."""
        connection = self._connection
        try:
            if not connection.is_closed():
                await connection.close(timeout=_LEAVE_SECONDS)
        except Exception as error:  # of every class, internal ones included
            logger.debug("a connection was cut: %s", error)
        finally:
            _cut(connection)

    # --- parts ---

    def _read(self, sql: str, parameters: Sequence[Any]) -> Statement:
        read = statement(sql, Dialect.POSTGRES)
        read.check(len(parameters))
        if self._shared and read.sets_session:
            raise CallRefused(f"{read.word.upper()} outlives its transaction, which PgBouncer cannot keep apart")
        if leaves_traces(sql, read):
            self._spoilt = True
        return read

    async def _run(self, sql: str, parameters: Sequence[Any], most: int) -> tuple[list[Any], str]:
        """Up to `most` records (0: all) and the status. The driver's public ways are unbounded or take more trips."""
        values = list(parameters)
        while True:
            try:
                records, status, _ = await self._connection._execute(sql, values, most, None, return_status=True)
            except Exception as error:
                argument = _ARGUMENT.match(str(error)) if isinstance(error, asyncpg.DataError) else None
                if argument is not None or not isinstance(error, asyncpg.PostgresError):
                    await self._rest()
                if argument is None or not _WANTS_TEXTS.search(str(error)):
                    raise
                # Arrays of texts are the one type whose elements do not pass through our encoders.
                place = int(argument.group(1)) - 1
                values[place] = _texts(values[place])
            else:
                return records, (status or b"").decode()

    async def _rest(self) -> None:
        """Bring the server to rest after the driver prepared a statement that was then not sent.

        It would keep what it locked for that until the next statement: preparing ends with a flush, not with a sync.
        """
        if not self._connection.is_closed():
            await self._connection.execute("select 1")  # the driver trips over an empty one

    async def _columns(self, sql: str) -> tuple[str, ...]:
        """Names of an empty result, which has no row to tell them."""
        state = await self._connection._get_statement(sql, None)  # still cached, unless nothing is
        if self._shared:
            await self._rest()
        return tuple(attribute.name for attribute in state._get_attributes() or ())

    async def _turn(self, sql: str) -> str:
        try:
            status: str = await self._connection.execute(sql)
        except Exception as error:
            raise self._sorted_out(error) from error
        return status

    def _sorted_out(self, error: Exception) -> Exception:
        """The error as the callers know it. Leaves the session spoilt unless the server answered and is at rest."""
        if isinstance(error, CallRefused):  # from one of our encoders: nothing was sent
            return error
        state = getattr(error, "sqlstate", None) or ""
        if isinstance(error, asyncpg.DataError) and _ARGUMENT.match(str(error)):  # the driver's: nothing was sent
            return CallRefused(_cause(error), name="TypeError")
        if isinstance(error, asyncpg.PostgresError) and state and not state.startswith(_GONE):
            name = "TimeoutError" if state == "57014" else "Error"
            return CallRefused(_words(error), name=name)
        if isinstance(error, asyncpg.UnsupportedClientFeatureError):
            self._spoilt = True  # what was done is done; only its result cannot be read
            return CallRefused(f"{error}: cast it to text", name="TypeError")
        self._spoilt = True
        if isinstance(error, _ERRORS):
            return Unavailable("the connection to the database failed; the outcome is unknown", detail=_words(error))
        return error


def _cut(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Close it at once. The driver leaves the socket of a connection open that its server has given notice to."""
    transport = connection._transport
    connection.terminate()
    if transport is not None:
        transport.abort()


def _texts(values: list[Any]) -> list[Any]:
    """An array with its elements written out; arrays in it are its further dimensions."""
    return [None if v is None else _texts(v) if isinstance(v, list) else written(v) for v in values]


def _to_bytes(value: Any) -> bytes:
    """A text is its UTF-8 bytes, or what it says in hexadecimal, as the server reads `\\x6162`."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, dict | list):
        value = json_or_bytes(value)
    if isinstance(value, bytes):
        return value
    text = written(value)
    if text.startswith("\\x"):
        with contextlib.suppress(ValueError):
            return bytes.fromhex(text[2:])
    return text.encode()


def _from_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _plain(text: str) -> str:
    return text


def _from_json(text: str) -> Any:
    try:
        return loads(text)
    except BadDocument:  # deeper than we go, or numbers beyond JSON's
        return text


def _real(text: str) -> float | str:
    return real(float(text))


_Codec = tuple[Callable[[Any], str], Callable[[str], Any]]
_CODECS: Final[dict[str, _Codec]] = {
    "bool": (written, lambda text: text == "t"),
    **dict.fromkeys(("int2", "int4", "int8", "oid"), (written, lambda text: integer(int(text)))),
    **dict.fromkeys(("float4", "float8"), (written, _real)),
    "numeric": (written, decimal),
    **dict.fromkeys(("json", "jsonb"), (written, _from_json)),
    **dict.fromkeys(("timestamp", "timestamptz"), (written, iso)),
    "timetz": (written, zoned),
    **dict.fromkeys(
        (
            *("text", "varchar", "bpchar", "name", "char", "uuid", "date", "time", "interval", "xml", "money"),
            *("inet", "cidr", "macaddr", "macaddr8", "bit", "varbit", "tsvector", "tsquery", "pg_lsn"),
            *("record", "point", "line", "lseg", "box", "path", "polygon", "circle"),
        ),
        (written, _plain),
    ),
}


def _tls(target: ServerTarget) -> Any:
    """What the driver is told. `require` encrypts and believes any certificate, as everywhere."""
    options = target.options
    if target.tls in {"disable", "prefer"}:
        return False if target.tls == "disable" else "prefer"
    try:
        root = options.get("sslrootcert")
        context = ssl.create_default_context(cafile=root if root and root != "system" else None)
        if target.tls == "require" and not root:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif target.tls != "verify-full":
            context.check_hostname = False
        if certificate := options.get("sslcert"):
            context.load_cert_chain(certificate, options.get("sslkey"))
    except (OSError, ssl.SSLError) as error:
        raise BadDocument([Problem("dsn", f"a certificate it names cannot be used: {_words(error)}")]) from None
    return context


def _words(error: BaseException) -> str:
    if isinstance(error, asyncpg.PostgresError):
        message, detail = str(getattr(error, "message", None) or error), getattr(error, "detail", None)
        return f"{message}: {detail}" if detail else message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _cause(error: BaseException) -> str:
    """The driver wraps what our encoders raise."""
    return str(error.__cause__) if isinstance(error.__cause__, CallRefused) else str(error)
