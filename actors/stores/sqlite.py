"""The embedded store's file: one connection that writes, one that reads, each used by the one thread that opened it.

Invariant: whatever happens to the disk, the file or its lock, a call either did all of its work or raised `Unavailable`
and did nothing; the connection is opened again, with backoff, by a later call.

Durability. WAL with `synchronous = normal` survives the end of the process at any instant: a commit that returned is
there after kill -9. When the whole machine loses power the last commits may be missing, though the file stays whole and
never holds half a commit; `synchronous = full` waits for the disk at each commit and closes that gap.

Speed. This thread shares the interpreter with the request loop, and each call into SQLite hands the interpreter lock
over twice: beside a busy loop that, not SQLite, is what a batch waits for. So a chunk of rows is one statement of many
groups of parameters, in a few fixed sizes because compiling one costs twice as much as running it: 4.5 us of CPU a row,
2.5 ms a batch beside a server at its limit. `executemany` costs 5 % more alone, but takes the lock once for each row:
beside that server every other run fell behind, to 0.7 s a batch. One JSON document through `json_each` costs twice the
CPU. `loadtests/store.py` measures it again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from actors.guards.encryption import NO_KEYS, Keyring
from actors.stores.bites import Bites
from actors.stores.columns import (
    Columns,
    process_columns,
    process_record,
    step_columns,
    step_record,
    storable,
    tracker_columns,
)
from actors.stores.schema import Schema
from actors.stores.statements import read_statements
from protocol.errors import Refusal, Unavailable, UnusableStore
from protocol.storage import Pruned, RetentionDays, StoreCounts, TrackedRow
from protocol.tracking import ProcessRecord, StepRecord, TrackerRow

T = TypeVar("T")

_SQL: Final = Path(__file__).with_suffix(".sql")
_LIBRARY_SQL: Final = Path(__file__).with_name("library.sql")
_SIZES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 100, 128, 192, 256, 384, 512)
"""Rows of a chunk. At most a third of a chunk's parameters are padding; 100 is the tracker's usual batch."""
_JOURNAL_BYTES: Final = 64 * 1024 * 1024
"""The WAL file is cut back to this after a burst."""
_FIRST_RETRY_SECONDS: Final = 0.1
_LAST_RETRY_SECONDS: Final = 5.0
_KEPT_OPEN: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}
"""Outages that pass by themselves: the connection is good again as soon as they are over."""
_BAD_DATA: Final = (
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    UnicodeError,
    OverflowError,
)
"""What binding a value raises that no table can hold."""
_WORDS: Final = {
    sqlite3.SQLITE_BUSY: "it is locked by another program",
    sqlite3.SQLITE_LOCKED: "it is locked by another program",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it may not be written to",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_NOTADB: "its file is no database",
}


@dataclass(frozen=True, slots=True)
class SqliteSettings:
    """What of the configuration the file obeys."""

    path: str
    synchronous: Literal["normal", "full"] = "normal"
    """`full`: a commit also survives the loss of power, at the price of one wait for the disk each."""
    lock_seconds: float = 2.0
    """How long a call waits for another program's lock."""
    keys: Keyring = NO_KEYS
    """What runs' inputs and steps' outputs are encrypted with."""


def embedded_schema() -> Schema:
    """The tables of the whole file: the journal's and the library's, one row of migrations."""
    return Schema.of({**read_statements(_SQL), **read_statements(_LIBRARY_SQL)})


class SqliteFile:
    """One connection to the file and what is done through it. For one thread, the one that calls it first."""

    def __init__(
        self,
        settings: SqliteSettings,
        *,
        schema: Schema | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._statements = read_statements(_SQL)
        self._schema = schema or embedded_schema()
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] = (0, 0)
        self._looked_at = 0.0
        self._failures = 0
        self._retry_at = 0.0
        self._reason = ""
        self._bites = Bites(self._statements)
        self._put_processes = _Chunks(self._statements["put_processes"], len(fields(ProcessRecord)))
        self._put_steps = _Chunks(self._statements["put_steps"], len(fields(StepRecord)))
        self._put_rows = _Chunks(self._statements["put_rows"], len(TrackerRow._fields))

    # --- writing ---

    def commit(self, processes: Sequence[ProcessRecord], steps: Sequence[StepRecord]) -> frozenset[str]:
        """Commit all of it, but for runs that another owner has taken over: their names are returned.

        Raises Unavailable, or Refusal for values no table can hold; then nothing is written.
        """

        keys = self._settings.keys

        def work(connection: sqlite3.Connection) -> frozenset[str]:
            lost: frozenset[str] = frozenset()
            with _transaction(connection):
                if self._put_processes.run(connection, process_columns(processes, keys)) < len(processes):
                    lost = self._lost(connection, processes)
                kept = [step for step in steps if step.wid not in lost] if lost else steps
                self._put_steps.run(connection, step_columns(kept, keys))
            return lost

        try:
            return self._do(work)
        except _BAD_DATA as error:
            raise Refusal(f"the record holds a value no table can hold: {error}") from error

    def track(self, rows: Sequence[TrackerRow]) -> int:
        """Store tracker rows in order. Returns how many; rows with values no table can hold are left out."""
        columns = tracker_columns(rows)

        def work(connection: sqlite3.Connection) -> int:
            with _transaction(connection, needed=len(columns) > _SIZES[-1]):
                return self._put_rows.run(connection, columns)

        def work_one_by_one(connection: sqlite3.Connection) -> int:
            stored = 0
            with _transaction(connection):
                for row in columns:
                    with contextlib.suppress(*_BAD_DATA):
                        stored += self._put_rows.run(connection, [storable(row)])
            return stored

        try:
            return self._do(work)
        except _BAD_DATA:
            return self._do(work_one_by_one)

    def prune(self, days: RetentionDays, now: float) -> Pruned:
        """Throw away a bite of the oldest rows. `now` is Unix seconds. Raises Unavailable."""

        def work(connection: sqlite3.Connection) -> Pruned:
            with _transaction(connection):
                return self._bites.take(connection, days, now)

        return self._do(work)

    def close(self) -> None:
        """Close the connection; the last one to close leaves a single file behind. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    # --- reading ---

    def process(self, wid: str) -> ProcessRecord | None:
        """The run as last committed. Raises Unavailable, like all that read."""
        found = self._read("get_process", wid)
        return process_record(found[0], self._settings.keys) if found else None

    def steps(self, wid: str) -> tuple[StepRecord, ...]:
        """The steps a run has completed, in order of completion."""
        return tuple(step_record(row, self._settings.keys) for row in self._read("get_steps", wid))

    def rows(self, after: int, limit: int) -> tuple[TrackedRow, ...]:
        """A page of tracker rows."""
        return tuple(TrackedRow(*row) for row in self._read("get_rows", after, limit))

    def counts(self) -> StoreCounts:
        """Rows of each table."""
        return StoreCounts(*self._read("get_counts")[0])

    def _read(self, name: str, *parameters: Any) -> list[Any]:
        return self._do(lambda connection: connection.execute(self._statements[name], parameters).fetchall())

    # --- connection ---

    def connect(self) -> None:
        """Open the file now. Raises UnusableStore, or Unavailable while it cannot be opened."""
        if self._connection is not None:
            return
        try:
            self._connection = self._connected()
        except (sqlite3.Error, OSError) as error:
            raise self._outage(error) from error

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on the connection; any trouble of the file becomes Unavailable."""
        self._look_at_file()
        if self._connection is None and self._clock() < self._retry_at:
            raise Unavailable(self._reason, retry_after=max(0.1, self._retry_at - self._clock()))
        try:
            if self._connection is None:
                self._connection = self._connected()
            result = work(self._connection)
        except _BAD_DATA:
            raise
        except (sqlite3.Error, OSError, UnusableStore) as error:
            raise self._outage(error) from error
        self._failures = 0
        return result

    def _outage(self, error: sqlite3.Error | OSError | UnusableStore) -> Unavailable:
        """Remember the trouble; give the connection up unless the trouble passes by itself."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        words = error.strerror if isinstance(error, OSError) else str(error)
        self._reason = f"the store is out of reach: {_WORDS.get(code, words)}"
        if code in _KEPT_OPEN and self._connection is not None:
            return Unavailable(self._reason)
        self.close()
        pause = min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2 ** min(self._failures, 10))
        self._failures += 1
        self._retry_at = self._clock() + pause
        return Unavailable(self._reason, retry_after=max(1.0, pause))

    def _connected(self) -> sqlite3.Connection:
        path = Path(self._settings.path)
        with contextlib.suppress(FileExistsError):
            # Payloads are nobody else's business. Never opened when it exists: closing any handle of a file drops the
            # locks this process has on it (POSIX).
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(
            path,
            timeout=self._settings.lock_seconds,
            isolation_level=None,  # transactions begin where we say
            cached_statements=4 * len(_SIZES),
        )
        try:
            self._schema.missing(connection)  # whose file is it? Before anything is written to it
            mode = connection.execute("pragma journal_mode = wal").fetchone()[0]
            if mode != "wal":
                raise UnusableStore(f"the store's file system has no shared memory: WAL is refused ({mode} instead)")
            connection.execute(f"pragma synchronous = {self._settings.synchronous}")
            connection.execute(f"pragma journal_size_limit = {_JOURNAL_BYTES}")
            connection.execute("pragma trusted_schema = off")
            if self._schema.missing(connection):
                with _transaction(connection):
                    self._schema.migrate(connection)
        except BaseException:
            connection.close()
            raise
        self._file = _identity(path)
        self._looked_at = self._clock()
        return connection

    def _look_at_file(self) -> None:
        """A file that was moved or deleted would take our writes where nobody finds them: open the path anew."""
        if self._connection is None or self._clock() - self._looked_at < 1.0:
            return
        self._looked_at = self._clock()
        if _identity(Path(self._settings.path)) != self._file:
            self.close()

    # --- parts of the work ---

    def _lost(self, connection: sqlite3.Connection, processes: Sequence[ProcessRecord]) -> frozenset[str]:
        """Which of the runs just put are not ours any more."""
        lost = set()
        for process in processes:
            owner, epoch = connection.execute(self._statements["owner_of"], (process.wid,)).fetchone()
            if epoch > process.epoch or (epoch == process.epoch and owner != process.owner):
                lost.add(process.wid)
        return frozenset(lost)


class _Chunks:
    """An insert of any number of rows by statements of a few fixed sizes."""

    __slots__ = ("_statements", "_width")

    def __init__(self, template: str, width: int) -> None:
        group = "(" + ", ".join("?" * width) + ")"
        self._width = width
        self._statements = {size: template.replace("{rows}", ", ".join([group] * size)) for size in _SIZES}

    def run(self, connection: sqlite3.Connection, rows: Sequence[Columns]) -> int:
        """Insert the rows in order. Returns how many the statement changed."""
        changed = 0
        for start in range(0, len(rows), _SIZES[-1]):
            chunk = rows[start : start + _SIZES[-1]]
            size = _SIZES[bisect_left(_SIZES, len(chunk))]
            parameters = list(chain.from_iterable(chunk))
            parameters += [None] * (self._width * (size - len(chunk)))
            parameters.append(len(chunk))
            changed += connection.execute(self._statements[size], parameters).rowcount
        return changed


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, *, needed: bool = True) -> Iterator[None]:
    """All or nothing. `needed` False: what is inside is a single statement, a transaction of its own."""
    if needed:
        connection.execute("begin immediate")
    try:
        yield
        if needed:
            connection.execute("commit")
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # a full disk may have ended it already
        with contextlib.suppress(sqlite3.Error):
            connection.execute("rollback")


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)
