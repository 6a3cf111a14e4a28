"""SQLite: each connection on a thread of its own, so a slow statement keeps nobody else waiting.

Files are in WAL mode: readers and the one writer do not wait for each other. Writers of this process take turns in the
order they came; another program's lock is waited for, then refused. A statement that is given up is interrupted.
Scripts get one file and no other: SQL that reaches outside of it (`ATTACH`, `VACUUM INTO`, pragmas that change how the
file is kept) is refused, but for the configured `init`. A file that was moved away is opened anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

from actors.databases.database import Executed, Isolation, Rows
from actors.databases.dsn import SqliteTarget
from actors.databases.placeholders import Dialect, Statement, split, statement
from actors.databases.values import MOST_BYTES, plain, row, too_much, weight
from actors.kernel.threads import Thread
from protocol.errors import CallRefused, Refusal, Unavailable

T = TypeVar("T")

_LOCK_SECONDS: Final = 5.0
_INTERRUPT_SECONDS: Final = 2.0
_BATCH: Final = 32
"""Rows between two looks at how large a result has become."""
_OUTAGES: Final = {
    sqlite3.SQLITE_BUSY: "it is locked by another program",
    sqlite3.SQLITE_LOCKED: "it is locked by another program",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_NOTADB: "its file is no database",
    sqlite3.SQLITE_IOERR: "its file cannot be read or written",
}
_PRAGMAS: Final = frozenset(
    {
        *("table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list"),
        *("foreign_key_check", "foreign_keys", "user_version", "application_id", "schema_version", "data_version"),
        *("encoding", "page_count", "page_size", "freelist_count", "integrity_check", "quick_check"),
        *("compile_options", "function_list", "collation_list", "optimize"),
    }
)
"""What scripts may ask."""


class SqliteConnector:
    """Opens connections to one file."""

    def __init__(self, target: SqliteTarget, init: str) -> None:
        self._target = target
        self._init = split(init, Dialect.SQLITE)
        self._writer = asyncio.Lock()

    async def connect(self) -> SqliteSession:
        """Raises Unavailable while the file cannot be opened."""
        session = SqliteSession(self._target, self._writer)
        try:
            await session.open(self._init)
        except BaseException:
            session.doubt()
            await session.leave()
            raise
        return session


class SqliteSession:
    """One connection and its thread. See Session."""

    def __init__(self, target: SqliteTarget, writer: asyncio.Lock) -> None:
        self._target = target
        self._writer = writer
        self._writing = False
        self._doubtful = False
        self._file: tuple[int, int] = (0, 0)
        self._connection: sqlite3.Connection | None = None
        self._thread = Thread(self._close)
        self._last: asyncio.Future[Any] | None = None

    @property
    def usable(self) -> bool:
        """See Session."""
        if self._doubtful or not self._thread.alive:
            return False
        if self._target.in_memory:
            return True
        return not self._writing and _identity(self._target.path) == self._file

    def doubt(self) -> None:
        """See Session. Data in memory ends with its connection, so there what was begun is undone instead."""
        if not self._target.in_memory or not self._thread.alive:
            self._doubtful = True
            return
        undone = self._thread.call(self._undo)
        if self._writing:  # else the lock may be another's by the time this is done
            undone.add_done_callback(lambda _: self._stop_writing())

    async def open(self, init: Sequence[str]) -> None:
        """Open the file, set it up and run the configured SQL."""
        await self._do(lambda: self._connect(init))

    async def query(self, sql: str, parameters: Sequence[Any], most: int) -> Rows:
        """See Session."""
        read, values = _bound(sql, parameters)

        def work(connection: sqlite3.Connection) -> Rows:
            cursor = connection.execute(_text(read), values)
            try:
                rows = _fetched(cursor, most)
                columns = tuple(column[0] for column in cursor.description or ())
            finally:
                cursor.close()
            return Rows(columns, [row(values) for values in rows])

        return await self._do(lambda: work(self._opened()))

    async def execute(self, sql: str, parameters: Sequence[Any]) -> Executed:
        """See Session."""
        read, values = _bound(sql, parameters)

        def work(connection: sqlite3.Connection) -> Executed:
            cursor = connection.execute(_text(read), values)
            try:
                for _ in cursor:  # a statement that returns rows is done when they have been read
                    pass
                last = cursor.lastrowid if read.word in {"insert", "replace"} else None
                if connection.in_transaction and not self._writing:  # whoever comes next would write into it
                    self._undo()
                    raise CallRefused(f"{read.word} begins a transaction: use db.transaction")
                return Executed(max(0, cursor.rowcount), last)
            finally:
                cursor.close()

        if read.reads or self._writing:
            return await self._do(lambda: work(self._opened()))
        async with self._writer:
            return await self._do(lambda: work(self._opened()))

    async def begin(self, isolation: Isolation) -> None:
        """See Session. The lock for writing is taken at once: taken later, it would be refused to all but one."""
        await self._writer.acquire()
        self._writing = True
        how = "begin" if self._target.mode == "ro" else "begin immediate"
        try:
            await self._do(lambda: self._opened().execute(how))
        except Refusal:
            self._stop_writing()
            raise

    async def commit(self) -> None:
        """See Session."""
        await self._do(lambda: self._opened().execute("commit"))
        self._stop_writing()

    async def rollback(self) -> None:
        """See Session."""

        def work(connection: sqlite3.Connection) -> None:
            if connection.in_transaction:  # a full disk may have ended it already
                connection.execute("rollback")

        await self._do(lambda: work(self._opened()))
        self._stop_writing()

    async def leave(self) -> None:
        """See Session."""
        self._interrupt()
        with contextlib.suppress(Exception):
            await asyncio.shield(self._thread.end())
        self._stop_writing()

    # --- on the loop ---

    async def _do(self, work: Callable[[], T]) -> T:
        """Have the thread do it; when it is given up, interrupt it and see it end."""
        self._last = self._thread.call(lambda: _sorted_out(work))
        try:
            result: T = await asyncio.shield(self._last)
        except asyncio.CancelledError:
            self._interrupt()
            await asyncio.wait({self._last}, timeout=_INTERRUPT_SECONDS)
            if self._last.done():
                self._last.exception()  # nobody else will look
            raise
        return result

    def _interrupt(self) -> None:
        if self._connection is not None and self._last is not None and not self._last.done():
            with contextlib.suppress(sqlite3.Error):
                self._connection.interrupt()

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._writer.release()

    # --- on the thread ---

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise Unavailable("the database has been closed")
        return self._connection

    def _connect(self, init: Sequence[str]) -> None:
        target = self._target
        if target.mode == "rwc" and not target.in_memory:
            with contextlib.suppress(FileExistsError):  # what is stored is nobody else's business
                os.close(os.open(target.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        seconds = _milliseconds(target, "_busy_timeout", "_timeout") or _LOCK_SECONDS
        connection = sqlite3.connect(
            _uri(target),
            uri=True,
            timeout=seconds,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=128,
        )
        self._connection = connection
        connection.text_factory = _lenient
        if not target.in_memory and target.mode != "ro":
            with contextlib.suppress(sqlite3.OperationalError):  # a file system without shared memory
                connection.execute("pragma journal_mode = wal")
                connection.execute("pragma synchronous = normal")
        wanted = target.options.get("_foreign_keys") or target.options.get("_fk") or ""
        connection.execute(f"pragma foreign_keys = {'on' if wanted.lower() in {'1', 'true', 'on', 'yes'} else 'off'}")
        connection.execute("pragma trusted_schema = off")
        connection.execute("select count(*) from sqlite_master").fetchone()  # is it a database?
        for sql in init:
            connection.execute(sql).fetchall()
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
        connection.set_authorizer(_authorize)
        self._file = _identity(target.path)

    def _undo(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("rollback")

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _fetched(cursor: sqlite3.Cursor, most: int) -> list[tuple[Any, ...]]:
    """All rows, a few at a time, so that neither their number nor their size grows beyond what is allowed."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    while batch := cursor.fetchmany(_BATCH):
        rows += batch
        if len(rows) > most:
            raise CallRefused(f"the query returns more than {most} rows", name="RangeError")
        size += weight(batch)
        if size > MOST_BYTES:
            raise too_much()
    return rows


def _bound(sql: str, parameters: Sequence[Any]) -> tuple[Statement, dict[str, Any]]:
    """The statement, and its values by the names they get; lone surrogates are refused when they are bound."""
    read = statement(sql, Dialect.SQLITE)
    read.check(len(parameters))
    return read, {f"nflow_{number}": plain(value) for number, value in enumerate(parameters, 1)}


def _text(read: Statement) -> str:
    return "".join(piece if isinstance(piece, str) else f":nflow_{piece}" for piece in read.pieces)


def _sorted_out(work: Callable[[], T]) -> T:
    """Errors by whose they are. On the thread."""
    try:
        return work()
    except (sqlite3.Error, sqlite3.Warning) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT:
            raise CallRefused("the statement was interrupted", name="TimeoutError") from error
        if code in _OUTAGES:
            raise Unavailable(f"the database is out of reach: {_OUTAGES[code]}") from error
        if code == sqlite3.SQLITE_AUTH:
            raise CallRefused("the statement reaches outside of the database's file: not allowed") from error
        raise CallRefused(str(error)) from error
    except (OverflowError, UnicodeError) as error:
        raise CallRefused(f"the database cannot hold a value: {error}") from error
    except OSError as error:
        raise Unavailable(f"the database is out of reach: {error.strerror}") from error


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _inner: str | None) -> int:
    if action == sqlite3.SQLITE_ATTACH and first not in {"", ":memory:"}:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() not in _PRAGMAS:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in {"load_extension", "fts3_tokenizer"}:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _uri(target: SqliteTarget) -> str:
    options = {name: value for name, value in target.options.items() if name in {"cache", "immutable", "vfs", "nolock"}}
    if target.in_memory:
        return "file::memory:"
    options["mode"] = target.mode
    return f"file:{quote(target.path)}?{urlencode(options)}"


def _milliseconds(target: SqliteTarget, *names: str) -> float:
    found = next((target.options[name] for name in names if target.options.get(name, "").isdigit()), "0")
    return int(found) / 1000


def _identity(path: str) -> tuple[int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)
