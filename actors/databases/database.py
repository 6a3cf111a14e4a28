"""What a database does for nFlow's tables and for scripts, whichever server it is.

Laws, held by one test suite over SQLite, PostgreSQL and MariaDB:
- SQL is written with `$1`, `$2` … on all three, and values are bound, never put into the text.
- A result holds JSON values only: times are ISO 8601 texts, decimals numbers or texts, bytes base64.
- An error that is not the server's own answer means the outcome is unknown: the connection is dropped, never reused.
- A database out of reach answers `Unavailable` and is found again by itself: an outage is a state, not a crash.
- Wrong SQL or values it does not take are a `CallRefused` with the server's message.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Literal, NamedTuple, Protocol

Isolation = Literal["", "read uncommitted", "read committed", "repeatable read", "serializable"]
ISOLATIONS: Final[frozenset[Isolation]] = frozenset(
    {"", "read uncommitted", "read committed", "repeatable read", "serializable"}
)
"""How far a transaction is kept from others; empty: the server's default. SQLite's are always serializable."""


class Rows(NamedTuple):
    """The result of a query."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def objects(self) -> list[dict[str, Any]]:
        """Each row by its columns' names; of two columns of one name the last counts."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Executed(NamedTuple):
    """What a statement did."""

    rows_affected: int
    last_insert_id: int | None
    """Where the server tells it."""


class Statements(Protocol):
    """Who runs statements: a database, each in a transaction of its own, or one open transaction."""

    async def query(self, sql: str, parameters: Sequence[Any] = (), *, most: int = 10_000) -> Rows:
        """The rows. Raises CallRefused when there are more than `most`."""

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Executed:
        """Run a statement that is not asked for rows."""


class Transaction(Statements, Protocol):
    """One open transaction. Once it is over it refuses whatever it is asked."""

    async def commit(self) -> None:
        """Make it last. Raises CallRefused when the server rolled it back, Unavailable when nobody knows."""

    async def rollback(self) -> None:
        """Undo all of it. Nothing happens when it is over."""


class Database(Statements, Protocol):
    """One pool of connections."""

    @property
    def driver(self) -> str:
        """`sqlite3`, `postgres` or `mysql`."""

    async def open(self) -> None:
        """Make ready; an outage is no error here. Raises BadDocument for a DSN that cannot be one."""

    async def close(self) -> None:
        """Let go of every connection. Idempotent."""

    def transaction(self, isolation: Isolation = "") -> AbstractAsyncContextManager[Transaction]:
        """A transaction: committed at the block's end, rolled back when it raises or is cancelled."""

    async def begin(self, isolation: Isolation = "") -> Transaction:
        """A transaction that the caller ends, and must end: it holds a connection."""
