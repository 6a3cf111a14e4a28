"""What scripts and db nodes may do with each database, with values nobody would wish for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.databases.pooled import PooledDatabase
from actors.functions.caller import Caller
from actors.functions.database import DatabaseFunctions
from actors.nodes.database import DatabaseNode
from actors.nodes.registry import NodeContext, Outcome
from protocol.codec import dumps, loads_from_script
from protocol.errors import CallRefused, NodeError, Overloaded, Unavailable
from protocol.flow import Node
from protocol.process import Request
from tests.integration.databases.conftest import Stage
from tests.integration.databases.hostile import HOSTILE, NUL


class NoSession:
    """Database functions never look at it."""

    id = ""


def caller() -> Caller:
    request = Request("GET", "/", "", (), (), (), b"", "127.0.0.1", "http")
    return Caller("w1", "t", "app", "flow", "n1", request, NoSession(), 10.0)  # type: ignore[arg-type]


class Script:
    """One script's calls, by the functions' names."""

    def __init__(self, database: PooledDatabase | None, **more: Any) -> None:
        self.caller = caller()
        self._functions = DatabaseFunctions(database, **more).functions()

    async def __call__(self, name: str, *arguments: Any) -> Any:
        """The function's answer, which must be one JSON can carry."""
        return loads_from_script(dumps(await self._functions[name](self.caller, list(arguments))))

    async def end(self) -> None:
        """The script ends."""
        await self.caller.holds.close()


@pytest.fixture
def script(database: PooledDatabase) -> Script:
    return Script(database)


def node(outputs: dict[str, str | None] | None = None, **data: Any) -> Node:
    return Node("n1", "db", "Save", data, outputs or {"output_1": "n2"})


async def done(database: PooledDatabase | None, payload: Any, drawn: Node, **more: Any) -> Outcome:
    context = NodeContext("w1", "t", "n0", dumps(payload), "w1:n1:1")
    return await DatabaseNode(database, **more).run(drawn, context)


async def payload_after(database: PooledDatabase, payload: Any, **data: Any) -> Any:
    return loads_from_script((await done(database, payload, node(**data))).payload)


# --- scripts ---


async def test_every_function_takes_hostile_values(stage: Stage, script: Script) -> None:
    for number, text in enumerate(HOSTILE):
        if text == NUL and stage.driver == "postgres":
            continue
        await script("db.exec", "insert into t (id, s) values ($1, $2)", [number, text])
        assert await script("db.query", "select s from t where id = $1 and s = $2", [number, text]) == [{"s": text}]
        transaction = await script("db.begin")
        assert await script("db.query", "select $1 as x from t where id = $2", [text, number], transaction) == [
            {"x": text}
        ]
        await script("db.exec", "update t set n = 1 where s = $1", [text], transaction)
        await script("db.commit", transaction)
        assert await script("db.query", "select n from t where id = $1", [number]) == [{"n": 1}]


async def test_hostile_names_are_no_transactions_and_no_isolation(script: Script) -> None:
    for text in HOSTILE:
        if text.strip():
            with pytest.raises(CallRefused, match="no such isolation"):
                await script("db.begin", text)
        if text:
            with pytest.raises(CallRefused, match="the transaction has ended"):
                await script("db.query", "select 1", [], text)
        for ending in ("db.commit", "db.rollback"):
            with pytest.raises(CallRefused, match="the transaction has ended"):
                await script(ending, text)
    assert await script("db.query", "select 1 as x") == [{"x": 1}]


async def test_hostile_sql_is_refused_with_a_message(script: Script) -> None:
    for text in HOSTILE:
        for name in ("db.query", "db.exec"):
            with pytest.raises(CallRefused) as refused:
                await script(name, f"select from from '{text}", [])
            assert str(refused.value)


@pytest.mark.parametrize("name", ["db.query", "db.exec", "db.commit", "db.rollback"])
@pytest.mark.parametrize(
    "wrong", [[], [None], [{}], [["select 1"]], ["select 1", "no array"], ["select 1", {"a": 1}]], ids=repr
)
async def test_wrong_arguments_are_a_type_error(script: Script, name: str, wrong: list[Any]) -> None:
    if name in {"db.commit", "db.rollback"} and len(wrong) > 1:
        wrong = [[]]
    with pytest.raises(CallRefused) as refused:
        await script(name, *wrong)
    assert refused.value.name == "TypeError"


async def test_exec_tells_what_it_did(stage: Stage, script: Script) -> None:
    answer = await script("db.exec", "insert into t (id, s) values ($1, $2), ($3, $2)", [1, "a", 2])
    assert answer["rowsAffected"] == 2
    assert (await script("db.exec", "update t set s = 'b' where id > $1", [1]))["rowsAffected"] == 1


async def test_a_transaction_ends_with_its_script(stage: Stage, database: PooledDatabase) -> None:
    ended = Script(database)
    transaction = await ended("db.begin", "READ COMMITTED" if stage.kind != "sqlite" else "")
    await ended("db.exec", "insert into t (id) values (1)", [], transaction)
    await ended.end()
    assert (await database.query("select count(*) as n from t")).rows == [(0,)]
    with pytest.raises(CallRefused, match="has ended"):
        await ended("db.exec", "insert into t (id) values (1)", [], transaction)


async def test_a_transaction_begun_while_its_script_ends_is_rolled_back(database: PooledDatabase) -> None:
    late = Script(database)
    beginning = asyncio.create_task(late("db.begin"))
    await asyncio.sleep(0)
    await late.end()
    with pytest.raises(CallRefused, match="the script has ended"):
        await beginning
    await database.execute("insert into t (id) values (1)")


async def test_one_script_s_transaction_is_not_another_s(database: PooledDatabase, script: Script) -> None:
    transaction = await script("db.begin")
    other = Script(database)
    with pytest.raises(CallRefused, match="has ended"):
        await other("db.rollback", transaction)
    await script("db.rollback", transaction)
    with pytest.raises(CallRefused, match="has ended"):
        await script("db.commit", transaction)


@pytest.mark.parametrize("stage", ["postgres", "pgbouncer", "mariadb"], indirect=True)
async def test_a_script_holds_few_transactions_at_once(stage: Stage) -> None:
    script = Script(await stage.database(max_open=8))
    results = await asyncio.gather(*(script("db.begin") for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(result, CallRefused) for result in results) == 4
    await script.end()


async def test_more_rows_than_allowed_are_an_error(stage: Stage, database: PooledDatabase) -> None:
    script = Script(database, max_rows=10)
    assert len(await script("db.query", stage.rows(10))) == 10
    with pytest.raises(CallRefused, match="more than 10 rows"):
        await script("db.query", stage.rows(11))


async def test_without_a_database_every_function_says_what_to_set() -> None:
    script = Script(None)
    for name, arguments in (
        ("db.query", ["select 1"]),
        ("db.exec", ["select 1"]),
        ("db.begin", []),
        ("db.commit", ["tx-1"]),
        ("db.rollback", ["tx-1"]),
    ):
        with pytest.raises(CallRefused, match=r"no database for scripts: set \[database\] or \[database_nflow\]"):
            await script(name, *arguments)
    with pytest.raises(NodeError, match="no database for db nodes"):
        await done(None, {}, node(query="select 1"))


# --- nodes ---


async def test_a_node_queries_and_keeps_the_payload(database: PooledDatabase) -> None:
    await database.execute("insert into t (id, s, n) values (1, 'Ana', 7), (2, 'Eva', 8)")
    after = await payload_after(
        database,
        {"user": {"age": 7}, "kept": [1]},
        query="select s from t where n >= $1 and s <> $2 order by id",
        params=["{{user.age}}", "not {{user.age}}"],
        field="people",
    )
    assert after == {"user": {"age": 7}, "kept": [1], "people": [{"s": "Ana"}, {"s": "Eva"}]}


@pytest.mark.parametrize("name", ["query", "sql", "statement"])
async def test_a_node_tells_an_exec_from_a_query(database: PooledDatabase, name: str) -> None:
    after = await payload_after(database, {"id": 5}, **{name: "insert into t (id) values ($1)"}, params="{{id}}")
    assert after["result"]["rowsAffected"] == 1
    after = await payload_after(database, {}, **{name: "delete from t returning id"})
    assert after == {"result": [{"id": 5}]}
    after = await payload_after(database, {}, **{name: "select id from t"}, operation="exec")
    assert after["result"]["rowsAffected"] == 0


async def test_hostile_payloads_are_only_values(stage: Stage, database: PooledDatabase) -> None:
    for number, text in enumerate(HOSTILE):
        if text == NUL and stage.driver == "postgres":
            continue
        payload = {"number": number, "text": text}
        insert = {"query": "insert into t (id, s) values ($1, $2)", "params": ["{{number}}", "{{text}}"]}
        await payload_after(database, payload, **insert)
        ask = {"query": "select s from t where s = $1 and id = $2", "params": ["{{text}}", "{{number}}"]}
        after = await payload_after(database, payload, **ask)
        assert after["result"] == [{"s": text}]


@pytest.mark.parametrize("payload", [[1, 2], "text", 5, None, True], ids=repr)
async def test_any_payload_will_do(database: PooledDatabase, payload: Any) -> None:
    after = await payload_after(database, payload, query="select 1 as x")
    assert after == {"result": [{"x": 1}]}


async def test_several_statements_are_all_or_nothing(database: PooledDatabase) -> None:
    insert = {"query": "insert into t (id) values ($1)", "params": ["{{id}}"]}
    after = await payload_after(database, {"id": 1}, statements=[insert, {"sql": "select id from t"}])
    assert after["result"][1] == [{"id": 1}]
    with pytest.raises(NodeError, match=r"(?i)unique|duplicate"):
        await payload_after(database, {"id": 2}, statements=[insert, insert])
    assert (await database.query("select id from t")).rows == [(1,)]
    await payload_after(database, {"id": 3}, **insert, transaction="serializable")


async def test_a_failure_fails_the_node_or_takes_its_error_output(database: PooledDatabase) -> None:
    wrong = {"query": "select * from no_such_table"}
    with pytest.raises(NodeError, match=r"Save: .*no_such_table"):
        await done(database, {"a": 1}, node(**wrong))
    for outputs, taken in (
        ({"output_1": "n2", "error": None}, "error"),
        ({"output_1": "n2", "output_2": "n3"}, "output_2"),
    ):
        outcome = await done(database, {"a": 1}, node(outputs, **wrong))
        after = loads_from_script(outcome.payload)
        assert outcome.next == taken
        assert after["a"] == 1
        assert "no_such_table" in after["error"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({}, "it has no query"),
        ({"query": 5}, "it has no query"),
        ({"query": "select '{{a}}'"}, "values are not written into the query"),
        ({"query": "select $1", "params": ["{{missing.path}}"]}, "the payload has no missing.path"),
        ({"query": "select $1", "params": []}, "parameter"),
        ({"query": "select 1", "operation": "drop"}, "operation must be query or exec"),
        ({"query": "select 1", "transaction": "now"}, "transaction must be true or an isolation"),
        ({"query": "select 1", "field": 5}, "field must be a text"),
        ({"statements": []}, "statements must be an array"),
        ({"statements": ["select 1"]}, "statements must be an array"),
    ],
    ids=repr,
)
async def test_a_node_drawn_wrong_says_why(database: PooledDatabase, data: dict[str, Any], why: str) -> None:
    with pytest.raises(NodeError, match=why):
        await done(database, {"a": "x"}, node(**data))


async def test_an_outage_stays_an_outage(stage: Stage) -> None:
    database = await stage.database()
    await database.close()
    with pytest.raises(Unavailable):
        await done(database, {}, node(query="select 1"))
    small = await stage.database(max_open=1, statement_seconds=0.2)
    held = await small.begin()
    with pytest.raises(Overloaded):
        await done(small, {}, node(query="select 1"))
    await held.rollback()
