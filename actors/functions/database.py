"""`db.query`, `db.exec` and transactions, for scripts.

A transaction lives in the caller's holds: it is rolled back when the script ends without a commit, however it ends. It
holds a connection for that long, so a script has a few at most. Rows are bounded; values are always bound.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Final

from actors.databases.database import ISOLATIONS, Database, Statements, Transaction
from actors.functions.arguments import Arguments
from actors.functions.caller import Caller, Functions
from protocol.errors import CallRefused

_OPEN_AT_ONCE: Final = 4
_NONE: Final = "no database for scripts: set [database] or [database_nflow]"


class DatabaseFunctions:
    """The `db` object, over one database or none."""

    def __init__(self, database: Database | None, max_rows: int = 10_000) -> None:
        self._database = database
        self._max_rows = max_rows
        self._numbers = count(1)

    def functions(self) -> Functions:
        """By name."""
        return {
            "db.query": self._query,
            "db.exec": self._exec,
            "db.begin": self._begin,
            "db.commit": self._commit,
            "db.rollback": self._rollback,
        }

    async def _query(self, caller: Caller, arguments: list[Any]) -> Any:
        """(sql, params?, transaction?) → an array of objects."""
        given = Arguments("db.query(sql, params)", arguments)
        where = self._where(caller, given)
        return (await where.query(given.text(0), given.array(1, []), most=self._max_rows)).objects()

    async def _exec(self, caller: Caller, arguments: list[Any]) -> Any:
        """(sql, params?, transaction?) → {rowsAffected, lastInsertId}."""
        given = Arguments("db.exec(sql, params)", arguments)
        done = await self._where(caller, given).execute(given.text(0), given.array(1, []))
        return {"rowsAffected": done.rows_affected, "lastInsertId": done.last_insert_id}

    async def _begin(self, caller: Caller, arguments: list[Any]) -> Any:
        """(isolation?) → the transaction's id."""
        isolation = Arguments("db.begin(isolation)", arguments).text(0, "").lower().replace("_", " ").strip()
        if isolation not in ISOLATIONS:
            raise CallRefused(f"db.begin: no such isolation: {isolation}", name="TypeError")
        database = self._configured()
        places = [f"db.transaction {place}" for place in range(_OPEN_AT_ONCE)]
        place = next((place for place in places if caller.holds.get(place) is None), None)
        if place is None:
            raise CallRefused(f"db.begin: {_OPEN_AT_ONCE} transactions are open already")
        reserved = _Reserved()
        caller.holds.keep(place, reserved, reserved.close)  # concurrent calls of one script must not exceed it
        try:
            transaction = await database.begin(isolation)
        except BaseException:
            caller.holds.forget(place)
            raise
        if caller.holds.closed:
            await transaction.rollback()
            raise CallRefused("the script has ended")
        number = f"tx-{next(self._numbers)}"
        caller.holds.keep(place, number, transaction.rollback)
        caller.holds.keep(number, (transaction, place), transaction.rollback)
        return number

    async def _commit(self, caller: Caller, arguments: list[Any]) -> Any:
        """(transaction)."""
        await self._taken(caller, Arguments("db.commit(transaction)", arguments)).commit()

    async def _rollback(self, caller: Caller, arguments: list[Any]) -> Any:
        """(transaction)."""
        await self._taken(caller, Arguments("db.rollback(transaction)", arguments)).rollback()

    def _where(self, caller: Caller, given: Arguments) -> Statements:
        number = given.text(2, "")
        return self._open(caller, number)[0] if number else self._configured()

    def _taken(self, caller: Caller, given: Arguments) -> Transaction:
        """The transaction, to be ended: nobody else can end it too."""
        number = given.text(0)
        transaction, place = self._open(caller, number)
        caller.holds.forget(number)
        caller.holds.forget(place)
        return transaction

    def _open(self, caller: Caller, number: str) -> tuple[Transaction, str]:
        found = caller.holds.get(number) if number.startswith("tx-") else None
        if found is None:
            self._configured()
            raise CallRefused("the transaction has ended")
        transaction, place = found
        return transaction, place

    def _configured(self) -> Database:
        if self._database is None:
            raise CallRefused(_NONE)
        return self._database


class _Reserved:
    """A place for a transaction that is being begun."""

    async def close(self) -> None:
        """Nothing is open yet; whoever begins it sees that the script has ended."""
