"""Sessions in PostgreSQL (`[pg_session]`): shared by all servers, kept over restarts of everything.

Invariant: a save holds the session's row from reading it to writing it, so servers merge one after the other. Works
behind PgBouncer: nothing outlives a transaction. The table is created on first use; the database is the store's own,
opened and closed with it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Final, TypeVar

from actors.databases.database import Database
from actors.guards.encryption import NO_KEYS, Keyring
from actors.sessions.state import applied, read, written
from actors.stores.statements import read_statements
from protocol.errors import CallRefused, Unavailable, Undecipherable
from protocol.sessions import Changes, Maps, SessionEnded

_STATEMENTS: Final = Path(__file__).with_name("postgres.sql")

T = TypeVar("T")


class PostgresSessions:
    """Sessions as rows."""

    __slots__ = ("_database", "_keys", "_lifetime", "_made", "_max_kb", "_sql")

    def __init__(self, database: Database, lifetime_seconds: float, max_kb: int, keys: Keyring = NO_KEYS) -> None:
        """`keys`: what sessions are encrypted with."""
        self._database = database
        self._keys = keys
        self._lifetime = float(lifetime_seconds)
        self._max_kb = max_kb
        self._sql = read_statements(_STATEMENTS)
        self._made = False
        """The table is there."""

    @property
    def database(self) -> Database:
        """Its connections."""
        return self._database

    async def open(self) -> None:
        """See `SessionStore.open`."""
        await self._database.open()

    async def close(self) -> None:
        """See `SessionStore.close`."""
        await self._database.close()

    def touch(self, session: str) -> bool:
        """False: another server may have changed it."""
        return False

    async def load(self, session: str) -> Maps | None:
        """See `SessionStore.load`."""
        await self._make()
        found = await _reached(self._database.query(self._sql["load"], [session, self._lifetime]))
        if not found.rows:
            return None
        text, aged = found.rows[0]
        if aged:
            await _reached(self._database.execute(self._sql["use"], [session, self._lifetime]))
        return self._read(session, text)

    async def save(self, session: str, changes: Changes, *, begin: bool = False, rename: str = "") -> None:
        """See `SessionStore.save`."""
        await self._make()
        if begin:
            text = self._written(rename or session, applied({}, changes))
            await _reached(self._database.execute(self._sql["begin"], [rename or session, text, self._lifetime]))
            return
        async with self._database.transaction() as statements:
            held = await _reached(statements.query(self._sql["hold"], [session]))
            if not held.rows:
                raise SessionEnded
            text = self._written(rename or session, applied(self._read(session, held.rows[0][0]), changes))
            values = [session, text, self._lifetime, rename or session]
            await _reached(statements.execute(self._sql["save"], values))

    async def end(self, session: str) -> None:
        """See `SessionStore.end`."""
        await self._make()
        await _reached(self._database.execute(self._sql["end"], [session]))

    async def sweep(self) -> int:
        """See `SessionStore.sweep`."""
        await self._make()
        return (await _reached(self._database.execute(self._sql["sweep"]))).rows_affected

    async def clear(self) -> int:
        """See `SessionStore.clear`."""
        await self._make()
        return (await _reached(self._database.execute(self._sql["clear"]))).rows_affected

    async def count(self) -> int:
        """See `SessionStore.count`."""
        await self._make()
        return int((await _reached(self._database.query(self._sql["count"]))).rows[0][0])

    def _written(self, session: str, maps: Maps) -> str:
        return self._keys.seal_text(written(maps, self._max_kb).decode(), _place(session))

    def _read(self, session: str, text: str) -> Maps:
        try:
            return read(self._keys.unseal_text(text, _place(session)))
        except Undecipherable as error:
            raise Unavailable(f"the session cannot be read: {error}") from None

    async def _make(self) -> None:
        if self._made:
            return
        async with self._database.transaction() as statements:
            await _reached(statements.query(self._sql["lock"]))
            await _reached(statements.execute(self._sql["table"]))
            await _reached(statements.execute(self._sql["expiry"]))
        self._made = True


def _place(session: str) -> str:
    """Where a session's text opens: in its own row."""
    return f"session\0{session}"


async def _reached(asked: Awaitable[T]) -> T:
    """What the server says. What it refuses (no rights, a foreign table) no script could mend."""
    try:
        return await asked
    except CallRefused as refused:
        raise Unavailable("the session store refuses", detail=str(refused)) from None
