"""The manuals' `db` node: one statement, or several in one transaction, with values from the payload.

    query      the SQL, values written $1, $2 … (also `sql`, `statement`)
    params     array of values; "{{path.in.payload}}" alone is that value with its type
    operation  "query" or "exec"; told from the SQL when it is absent
    field      where the result goes in the payload: "result"
    statements instead of query and params: an array of {query, params}, run in one transaction; the result is an array
    transaction  true, or an isolation such as "serializable"

Nothing of the payload ever becomes SQL. A failure fails the node, or takes its output `error` (else a connected
`output_2`) with the message as `payload.error`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from actors.databases.database import ISOLATIONS, Database, Isolation, Statements
from actors.databases.placeholders import Dialect, statement
from actors.nodes.registry import NodeContext, Outcome
from actors.nodes.substitution import Substitution
from protocol.codec import dumps, loads_from_script
from protocol.errors import CallRefused, NodeError, Refusal, RunCancelled
from protocol.flow import Node

_DIALECTS: Final[Mapping[str, Dialect]] = {
    "sqlite3": Dialect.SQLITE,
    "postgres": Dialect.POSTGRES,
    "mysql": Dialect.MYSQL,
}
_NONE: Final = "no database for db nodes: set [database] or [database_nflow]"


class _Step(NamedTuple):
    sql: str
    values: list[Any]
    asks: bool
    """Whether its rows are the result."""


class DatabaseNode:
    """The node kind, over one database or none."""

    def __init__(self, database: Database | None, max_rows: int = 10_000) -> None:
        self._database = database
        self._max_rows = max_rows

    async def run(self, node: Node, context: NodeContext) -> Outcome:
        """Do the node. Raises NodeError for what is wrong with it or its SQL; Unavailable."""
        payload = loads_from_script(context.payload, "payload") if context.payload else None
        kept = dict(payload) if isinstance(payload, dict) else {}
        try:
            result = await self._done(node.data, Substitution(payload))
        except RunCancelled:
            raise
        except Refusal as error:
            output = _error_output(node)
            if output is not None:
                return Outcome(dumps(kept | {"error": str(error)}), output)
            if isinstance(error, CallRefused):
                raise NodeError(f"{node.label}: {error}") from error
            raise
        field = node.data.get("field") or "result"
        if not isinstance(field, str):
            raise NodeError(f"{node.label}: field must be a text")
        return Outcome(dumps(kept | {field: result}))

    async def _done(self, data: Mapping[str, Any], payload: Substitution) -> Any:
        database = self._database
        if database is None:
            raise NodeError(_NONE)
        dialect = _DIALECTS[database.driver]
        several = data.get("statements")
        if several is not None:
            if not isinstance(several, list) or not several or not all(isinstance(one, dict) for one in several):
                raise NodeError("statements must be an array of objects with query and params")
            steps = [_step(one, payload, dialect) for one in several]
        else:
            steps = [_step(data, payload, dialect)]
        isolation = _isolation(data.get("transaction"))
        if several is None and isolation is None:
            return await self._one(database, steps[0])
        async with database.transaction(isolation or "") as transaction:
            results = [await self._one(transaction, step) for step in steps]
        return results if several is not None else results[0]

    async def _one(self, where: Statements, step: _Step) -> Any:
        if step.asks:
            return (await where.query(step.sql, step.values, most=self._max_rows)).objects()
        done = await where.execute(step.sql, step.values)
        return {"rowsAffected": done.rows_affected, "lastInsertId": done.last_insert_id}


def _step(data: Mapping[str, Any], payload: Substitution, dialect: Dialect) -> _Step:
    sql = next((data[name] for name in ("query", "sql", "statement") if data.get(name)), None)
    if not isinstance(sql, str):
        raise NodeError("it has no query: a db node needs `query` and `params`, or `statements`")
    if "{{" in sql:
        raise NodeError("values are not written into the query: write $1 there and give them in params")
    values = payload.value(data.get("params", []))
    if values is None or values == "":
        values = []
    elif not isinstance(values, list):
        values = [values]
    read = statement(sql, dialect)
    read.check(len(values))
    match data.get("operation"):
        case None | "":
            return _Step(sql, values, read.gives_rows)
        case "query" | "select":
            return _Step(sql, values, True)
        case "exec" | "execute":
            return _Step(sql, values, False)
        case other:
            raise NodeError(f"operation must be query or exec, not {other!r}")


def _isolation(wanted: Any) -> Isolation | None:
    """None: no transaction is asked for."""
    if wanted is None or wanted is False or wanted in {"", "false"}:
        return None
    if wanted is True or wanted == "true":
        return ""
    name = str(wanted).lower().replace("_", " ").strip()
    found = next((isolation for isolation in ISOLATIONS if isolation and isolation == name), None)
    if found is None:
        raise NodeError(f"transaction must be true or an isolation, such as serializable, not {wanted!r}")
    return found


def _error_output(node: Node) -> str | None:
    if "error" in node.outputs:
        return "error"
    return "output_2" if node.outputs.get("output_2") is not None else None
