"""MySQL and MariaDB through asyncmy.

Values are written into the statement as literals, by this file alone: its scanner knows where a parameter stands, and a
text that holds a backslash or U+0000 is written in hexadecimal, so no setting of the server changes what it means. More
than one statement at a time is switched off on the connection. Rows are counted while they arrive. A statement that is
given up is killed on the server, which would not notice.

An update counts the rows it found, as the other databases do. A moment as JavaScript writes it goes into a text column
as it is; where the server refuses it as a time it is written in the server's form, in UTC.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
from collections.abc import Sequence
from typing import Any, Final

from asyncmy import errors
from asyncmy.connection import Connection as Driver
from asyncmy.constants import CLIENT, FIELD_TYPE, SERVER_STATUS
from asyncmy.converters import conversions
from asyncmy.cursors import SSCursor

from actors.databases.database import Executed, Isolation, Rows
from actors.databases.dsn import ServerTarget
from actors.databases.placeholders import Dialect, Statement, leaves_traces, split, statement
from actors.databases.values import MOST_BYTES, number_text, plain, row, too_much, weight, without_zone
from protocol.codec import loads
from protocol.errors import BadDocument, CallRefused, Problem, Unavailable

Connection = Any
"""The driver's: compiled, so its types tell only half of it."""

_LEAVE_SECONDS: Final = 3.0
_BATCH: Final = 1_000
"""Rows read at a time of a statement nobody asked for rows."""
_LOOKED_AT: Final = 32
"""Rows between two looks at how large a result has become."""
_FIRST_CLIENT_ERROR: Final = 2000
"""Errors from here on are of the connection, not of the server."""
_GONE: Final = frozenset({1040, 1053, 1077, 1078, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1927})
_INTERRUPTED: Final = frozenset({1317, 1969, 3024})
_NO_TIME: Final = 1292
_REFUSED_MODES: Final = frozenset({"NO_BACKSLASH_ESCAPES"})
_ERRORS: Final = (errors.MySQLError, OSError, EOFError, asyncio.IncompleteReadError)


class MysqlConnector:
    """Opens connections to one server."""

    def __init__(self, target: ServerTarget, init: str, *, connect_seconds: float) -> None:
        """Raises BadDocument for certificates that cannot be read."""
        self._target = target
        self._init = split(init, Dialect.MYSQL)
        logging.getLogger("asyncmy").setLevel(logging.ERROR)  # it logs the server's warnings, which repeat values
        self._seconds = target.number("timeout", "connect_timeout") or connect_seconds
        self._tls = None if target.socket else _tls(target)

    async def connect(self) -> MysqlSession:
        """Raises Unavailable."""
        try:
            async with asyncio.timeout(self._seconds):
                connection = await self._connected()
                try:
                    return await self._prepared(connection)
                except BaseException:
                    connection.close()
                    raise
        except TimeoutError:
            raise Unavailable(f"the database did not answer within {self._seconds:g} s") from None
        except (*_ERRORS, ssl.SSLError, RuntimeError, ValueError) as error:
            raise Unavailable("the database is out of reach", detail=_words(error)) from error

    async def kill(self, number: int) -> None:
        """End a connection and what it does, from another one. Raises what `connect` may."""
        connection = await self._connected()
        try:
            await _ask(connection, f"kill {number}")
        finally:
            connection.close()

    async def _connected(self) -> Connection:
        if self._tls is not None:
            try:
                return await self._opened(self._tls)
            except (*_ERRORS, ssl.SSLError):
                if self._target.tls != "prefer":
                    raise
        return await self._opened(None)

    async def _opened(self, tls: ssl.SSLContext | None) -> Connection:
        target = self._target
        connection: Connection = Driver(  # type: ignore[no-untyped-call]
            user=target.user,
            password=target.password,
            host=target.host,
            port=target.port,
            unix_socket=target.socket or None,
            database=target.database or None,
            charset="utf8mb4",
            conv={**conversions, FIELD_TYPE.BIT: _from_bits, FIELD_TYPE.JSON: _from_json},
            connect_timeout=self._seconds,
            client_flag=0 if target.options.get("clientFoundRows") == "false" else CLIENT.FOUND_ROWS,
            autocommit=True,
            ssl=tls,
        )
        connection._client_flag &= ~CLIENT.MULTI_STATEMENTS
        try:
            await connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    async def _prepared(self, connection: Connection) -> MysqlSession:
        """The scanner must know how the server reads quotes, so that is settled before anything else."""
        await _ask(connection, "set names utf8mb4")
        mode, number = (await _ask(connection, "select @@sql_mode, connection_id()"))[0]
        modes = [name for name in str(mode).split(",") if name]
        kept = ",".join(name for name in modes if name not in _REFUSED_MODES)
        if len(kept) != len(mode):
            await _ask(connection, f"set session sql_mode = '{kept}'")
        zone = re.fullmatch(r"'?([\w+:/-]+)'?", self._target.options.get("time_zone", ""))
        if zone is not None:
            await _ask(connection, f"set session time_zone = '{zone.group(1)}'")
        for sql in self._init:
            await _ask(connection, sql)
        dialect = Dialect.MYSQL_ANSI if "ANSI_QUOTES" in modes else Dialect.MYSQL
        return MysqlSession(connection, self, int(number), dialect)


class MysqlSession:
    """One connection. See Session."""

    def __init__(self, connection: Connection, connector: MysqlConnector, number: int, dialect: Dialect) -> None:
        """`number` is the connection's, at the server."""
        self._connection = connection
        self._connector = connector
        self._number = number
        self._dialect = dialect
        self._spoilt = False
        self._busy = False

    @property
    def usable(self) -> bool:
        """See Session."""
        if self._spoilt or self._busy or self._connection._stream_broken:
            return False
        return not self._connection.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS

    def doubt(self) -> None:
        """See Session."""
        self._spoilt = True

    async def query(self, sql: str, parameters: Sequence[Any], most: int) -> Rows:
        """See Session."""
        read, values = self._read(sql, parameters)
        columns, rows, _, _ = await self._run(read, values, most + 1)
        if len(rows) > most:
            raise CallRefused(f"the query returns more than {most} rows", name="RangeError")
        return Rows(columns, [row(record) for record in rows])

    async def execute(self, sql: str, parameters: Sequence[Any]) -> Executed:
        """See Session."""
        read, values = self._read(sql, parameters)
        _, _, affected, last = await self._run(read, values, 0)
        return Executed(0 if read.reads else affected, last or None)

    async def begin(self, isolation: Isolation) -> None:
        """See Session."""
        if isolation:
            await self._turn(f"set transaction isolation level {isolation}")
        await self._turn("start transaction")

    async def commit(self) -> None:
        """See Session."""
        await self._turn("commit")

    async def rollback(self) -> None:
        """See Session. Where rows are still on their way the connection is cut, which the server takes for the same."""
        if not self._busy:
            await self._turn("rollback")

    async def leave(self) -> None:
        """See Session."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_LEAVE_SECONDS):
                if self._busy:
                    await self._connector.kill(self._number)
                else:
                    await self._connection.ensure_closed()
        self._connection.close()

    # --- parts ---

    def _read(self, sql: str, parameters: Sequence[Any]) -> tuple[Statement, list[Any]]:
        read = statement(sql, self._dialect)
        read.check(len(parameters))
        if leaves_traces(sql, read):
            self._spoilt = True
        return read, [plain(value) for value in parameters]

    async def _run(self, read: Statement, values: list[Any], most: int) -> tuple[tuple[str, ...], list[Any], int, int]:
        """Columns, up to `most` rows (0: none, but to the end), rows affected or read, last id."""
        try:
            return await self._send(_text(read, values), most)
        except errors.MySQLError as error:
            times = [without_zone(value) if isinstance(value, str) else None for value in values]
            if _number(error) != _NO_TIME or not any(times):
                raise self._sorted_out(error) from error
        except Exception as error:
            raise self._sorted_out(error) from error
        try:
            return await self._send(_text(read, [time or v for time, v in zip(times, values, strict=True)]), most)
        except Exception as error:
            raise self._sorted_out(error) from error

    async def _send(self, sql: str, most: int) -> tuple[tuple[str, ...], list[Any], int, int]:
        if self._busy:
            raise errors.InterfaceError(0, "the rows of an earlier statement are still on their way")
        self._busy = True  # until the server's last word: when it does not come, it is still at work
        try:
            cursor: Any = self._connection.cursor(SSCursor)
            await cursor.execute(sql)
            affected, last = cursor.rowcount, cursor.lastrowid
            if not cursor.description:
                self._busy = False
                return (), [], affected, last
            columns = tuple(column[0] for column in cursor.description)
            rows = await _fetched(cursor, most) if most else []
            if not most:
                affected = 0
                while batch := await cursor.fetchmany(_BATCH):
                    affected += len(batch)
            if not most or len(rows) < most:
                await cursor.close()
                self._busy = False
            return columns, rows, affected, last
        except errors.MySQLError as error:
            self._busy = _number(error) >= _FIRST_CLIENT_ERROR
            raise

    async def _turn(self, sql: str) -> None:
        try:
            await self._send(sql, 1)
        except Exception as error:
            raise self._sorted_out(error) from error

    def _sorted_out(self, error: Exception) -> Exception:
        """The error as the callers know it. Leaves the session spoilt unless the server answered."""
        number = _number(error)
        if isinstance(error, errors.MySQLError) and 0 < number < _FIRST_CLIENT_ERROR and number not in _GONE:
            return CallRefused(_words(error), name="TimeoutError" if number in _INTERRUPTED else "Error")
        if isinstance(error, errors.MySQLError) and number >= 3000:  # the newer servers' own
            return CallRefused(_words(error), name="TimeoutError" if number in _INTERRUPTED else "Error")
        if isinstance(error, UnicodeError):
            return CallRefused(f"the database cannot hold a value: {error}", name="TypeError")
        self._spoilt = True
        if isinstance(error, _ERRORS):
            return Unavailable("the connection to the database failed; the outcome is unknown", detail=_words(error))
        return error


async def _fetched(cursor: Any, most: int) -> list[Any]:
    """Up to `most` rows, a few at a time. Raises CallRefused when they are too large; the rest is then on its way."""
    rows: list[Any] = []
    size = 0
    while len(rows) < most and (batch := await cursor.fetchmany(min(_LOOKED_AT, most - len(rows)))):
        rows += batch
        size += weight(batch)
        if size > MOST_BYTES:
            raise too_much()
    return rows


def literal(value: str | float | bytes | None) -> str:
    """A value as MySQL's text for it, whatever its modes are."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value) if value >= 0 else f"({value})"
        case float():
            return f"({number_text(value)})"
        case bytes():
            return f"_binary X'{value.hex()}'"
        case _:
            if "\\" in value or "\0" in value:
                return f"_utf8mb4 X'{value.encode().hex()}'"
            return "'" + value.replace("'", "''") + "'"


def _text(read: Statement, values: Sequence[Any]) -> str:
    text = "".join(piece if isinstance(piece, str) else literal(values[piece - 1]) for piece in read.pieces)
    text.encode()  # lone surrogates are refused here, before anything is sent
    return text


async def _ask(connection: Connection, sql: str) -> Sequence[Any]:
    cursor = connection.cursor()
    await cursor.execute(sql)
    rows: Sequence[Any] = await cursor.fetchall()
    await cursor.close()
    return rows


def _from_bits(value: bytes | str) -> int:
    return int.from_bytes(value.encode() if isinstance(value, str) else value, "big")


def _from_json(value: bytes | str) -> Any:
    try:
        return loads(value)
    except BadDocument:  # deeper than we go, or numbers beyond JSON's
        return value


def _tls(target: ServerTarget) -> ssl.SSLContext | None:
    """`require` encrypts and believes any certificate; `verify-full` (Go's `tls=true`) believes the system's roots."""
    if target.tls == "disable":
        return None
    root = target.options.get("sslrootcert") or target.options.get("ssl_ca")
    try:
        context = ssl.create_default_context(cafile=root or None)
    except (OSError, ssl.SSLError) as error:
        raise BadDocument([Problem("dsn", f"a certificate it names cannot be used: {_words(error)}")]) from None
    context.check_hostname = target.tls == "verify-full"
    if target.tls in {"prefer", "require"} and not root:
        context.verify_mode = ssl.CERT_NONE
    return context


def _number(error: BaseException) -> int:
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def _words(error: BaseException) -> str:
    if isinstance(error, errors.MySQLError) and len(error.args) > 1:
        return str(error.args[1])
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
