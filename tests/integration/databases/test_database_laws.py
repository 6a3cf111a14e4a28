"""What every database does the same way."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest

from actors.databases.pooled import PooledDatabase
from protocol.errors import CallRefused, Overloaded, Unavailable
from tests.integration.databases.conftest import Stage
from tests.integration.databases.hostile import HOSTILE, NUL


async def texts(database: PooledDatabase) -> list[Any]:
    return [row[0] for row in (await database.query("select s from t order by id")).rows]


# --- values ---


async def test_every_hostile_text_comes_back_as_it_was(stage: Stage, database: PooledDatabase) -> None:
    for number, text in enumerate(HOSTILE):
        if text == NUL and stage.driver == "postgres":
            with pytest.raises(CallRefused, match="0x00"):
                await database.execute("insert into t (id, s) values ($1, $2)", [number, text])
            continue
        await database.execute("insert into t (id, s) values ($1, $2)", [number, text])
        found = await database.query("select s from t where id = $1 and s = $2", [number, text])
        assert found.rows == [(text,)], repr(text[:80])
        done = await database.execute("update t set s = $1 where s = $1 and id = $2", [text, number])
        assert done.rows_affected == 1, repr(text[:80])
    kept = [text for text in HOSTILE if text != NUL or stage.driver != "postgres"]
    assert await texts(database) == kept


async def test_hostile_texts_as_sql_harm_nothing(database: PooledDatabase) -> None:
    await database.execute("insert into t (id, s) values (1, 'kept')")
    for text in HOSTILE:
        for sql in (
            text,
            f"select {text} from t where",
            f"select * from t where s = '{text}",
            f"select `{text}` from t",
        ):
            for run in (database.query, database.execute):
                with contextlib.suppress(CallRefused):  # and nothing else
                    await run(sql)
    assert await texts(database) == ["kept"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        2**31 - 1,
        -(2**31),
        1.5,
        -0.25,
        1e-7,
        "",
        "text",
        "ünï",
        [1, "a", None],
        {"a": {"b": [True]}},
    ],
    ids=repr,
)
async def test_every_json_value_survives_in_a_text_column(stage: Stage, database: PooledDatabase, value: Any) -> None:
    await database.execute("insert into t (id, s) values (1, $1)", [value])
    [stored] = await texts(database)
    if value is None or isinstance(value, str):
        assert stored == value
    elif isinstance(value, bool):
        assert stored in ({"true", "1"} if value else {"false", "0"})
    elif isinstance(value, list | dict):
        assert json.loads(stored) == value
    else:
        assert float(stored) == value


async def test_numbers_stay_numbers(stage: Stage, database: PooledDatabase) -> None:
    await database.execute("drop table if exists numbers")
    await database.execute("create table numbers (i integer, b bigint, f double precision, d decimal(20, 5))")
    await database.execute("insert into numbers values ($1, $2, $3, $4)", [-7, 2**53 - 1, 0.1, 12.5])
    assert (await database.query("select * from numbers")).rows == [(-7, 2**53 - 1, 0.1, 12.5)]
    await database.execute("drop table numbers")


async def test_a_whole_number_beyond_javascript_s_is_a_text_with_all_its_digits(database: PooledDatabase) -> None:
    [row] = (await database.query("select 9007199254740993 as big, 9007199254740991 as fits")).objects()
    assert row == {"big": "9007199254740993", "fits": 9007199254740991}


async def test_a_number_no_database_can_hold_is_refused(database: PooledDatabase) -> None:
    for value in (2**64, float("inf"), float("nan")):
        with pytest.raises(CallRefused):
            await database.execute("insert into t (id, n) values (1, $1)", [value])
    assert await texts(database) == []


async def test_bytes_go_in_as_a_buffer_and_come_out_as_base64(stage: Stage, database: PooledDatabase) -> None:
    kind = {"postgres": "bytea"}.get(stage.driver, "blob")
    await database.execute("drop table if exists blobs")
    await database.execute(f"create table blobs (b {kind})")
    for value in ({"type": "Buffer", "data": [0, 255, 39, 92]}, {"type": "Buffer", "data": "AP8nXA=="}, b"\x00\xff'\\"):
        await database.execute("delete from blobs")
        await database.execute("insert into blobs values ($1)", [value])
        assert (await database.query("select b from blobs")).rows == [("AP8nXA==",)]
    with pytest.raises(CallRefused):
        await database.execute("insert into blobs values ($1)", [{"type": "Buffer", "data": [256]}])
    await database.execute("drop table blobs")


async def test_a_javascript_date_goes_into_a_time_and_into_a_text(stage: Stage, database: PooledDatabase) -> None:
    date = "2024-02-29T13:14:15.000Z"
    kind = {"mysql": "datetime", "postgres": "timestamp"}.get(stage.driver, "text")
    await database.execute("drop table if exists times")
    await database.execute(f"create table times (at {kind}, s {stage.text})")
    await database.execute("insert into times (at) values ($1)", [date])
    await database.execute("insert into times (s) values ($1)", [date])
    [at, _], [_, text] = (await database.query("select at, s from times order by s is not null")).rows
    assert at == (date if stage.kind == "sqlite" else "2024-02-29T13:14:15")
    assert text == date
    assert (await database.query("select count(*) as n from times where at <= $1", [date])).rows == [(1,)]
    await database.execute("drop table times")


# --- statements ---


async def test_parameters_may_stand_anywhere_repeat_and_come_in_any_order(database: PooledDatabase) -> None:
    found = await database.query(
        """select $2 as b, -- not $3, it's a comment
                  $1 as a, /* nor $4 " */ '$5 it''s' as c, $1 as d
           where $2 = $2 and 'x$6' <> ''""",
        ["one", "two"],
    )
    assert found.objects() == [{"a": "one", "b": "two", "c": "$5 it's", "d": "one"}]


@pytest.mark.parametrize(
    ("sql", "values"), [("select $3", [1, 2]), ("select $1", []), ("select 1", [1]), ("select $0", [1])]
)
async def test_the_wrong_number_of_values_is_refused(database: PooledDatabase, sql: str, values: list[Any]) -> None:
    with pytest.raises(CallRefused, match=r"parameter"):
        await database.query(sql, values)


async def test_only_one_statement_at_a_time(database: PooledDatabase) -> None:
    for run in (database.query, database.execute):
        with pytest.raises(CallRefused):
            await run("select 1; delete from t")
        with pytest.raises(CallRefused):
            await run("insert into t (id) values (1); insert into t (id) values (2)")
    assert await texts(database) == []


async def test_wrong_sql_says_what_the_server_says_and_keeps_the_connection(
    stage: Stage, database: PooledDatabase
) -> None:
    for sql in ("select * from no_such_table", "select no_such_column from t"):
        with pytest.raises(CallRefused, match="no_such"):
            await database.query(sql)
    await database.execute("insert into t (id) values (1)")
    with pytest.raises(CallRefused, match=r"(?i)unique|duplicate"):
        await database.execute("insert into t (id) values (1)")
    assert database.connections == 1


async def test_what_a_statement_did_is_counted(stage: Stage, database: PooledDatabase) -> None:
    done = await database.execute("insert into t (id, n) values (5, 1), (6, 1)")
    assert done.rows_affected == 2
    assert (await database.execute("update t set n = 1")).rows_affected == 2
    assert (await database.execute("delete from t where id = 99")).rows_affected == 0
    returning = await database.execute("insert into t (id) values (9) returning id")
    assert returning.rows_affected == 1
    if stage.driver != "mysql":
        assert returning.last_insert_id == 9


async def test_exec_of_a_statement_with_rows_runs_to_its_end(stage: Stage, database: PooledDatabase) -> None:
    assert (await database.execute(stage.rows(2_500))).rows_affected == 0
    await database.execute("insert into t (id) values (1)")
    insert = f"insert into t (id) select n + 1 from ({stage.rows(3_000)}) as r returning id"
    done = await database.execute(insert)
    assert done.rows_affected == 3_000
    assert len(await texts(database)) == 3_001


async def test_columns_are_known_and_the_last_of_two_names_counts(database: PooledDatabase) -> None:
    empty = await database.query("select id, s from t")
    assert (empty.columns, empty.rows) == (("id", "s"), [])
    [row] = (await database.query("select 1 as x, 2 as x")).objects()
    assert row == {"x": 2}


async def test_too_many_rows_are_refused_and_do_nothing(stage: Stage, database: PooledDatabase) -> None:
    assert len((await database.query(stage.rows(100), most=100)).rows) == 100
    with pytest.raises(CallRefused, match="more than 99 rows"):
        await database.query(stage.rows(100), most=99)
    await database.execute("insert into t (id, n) values (1, 0), (2, 0), (3, 0)")
    with pytest.raises(CallRefused, match="more than 2 rows"):
        await database.query("delete from t where n = 0 returning id", most=2)
    assert len(await texts(database)) == 3
    assert (await database.query("delete from t returning id", most=3)).columns == ("id",)
    assert await texts(database) == []


async def test_what_was_refused_or_empty_holds_no_locks(stage: Stage, database: PooledDatabase) -> None:
    wrong: list[tuple[str, list[Any]]] = [
        ("select s from t", []),
        ("select s from t where n = $1", [{"type": "Buffer", "data": "?"}]),
        ("select s from t where n = $1", [[1]]),
        ("select s from t where n = $1 and s = 'x'", ["text"]),
        ("select nothing from t", []),
    ]
    other = await stage.database(statement_seconds=1.0)
    for number, (sql, values) in enumerate(wrong):
        with contextlib.suppress(CallRefused):
            await database.query(sql, values)
        with contextlib.suppress(CallRefused):
            await database.query(sql + " and 1 = 2" if "where" in sql else sql, values)
        await other.execute(f"alter table t add column c{number} integer")


# --- transactions ---


async def test_a_transaction_is_all_or_nothing(database: PooledDatabase) -> None:
    async with database.transaction() as transaction:
        await transaction.execute("insert into t (id, s) values (1, 'a')")
        assert (await transaction.query("select s from t")).rows == [("a",)]
        assert await texts(database) == []
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with database.transaction() as transaction:
            await transaction.execute("insert into t (id, s) values (2, 'b')")
            raise ZeroDivisionError
    assert await texts(database) == ["a"]
    with pytest.raises(CallRefused, match="has been rolled back"):
        await transaction.query("select 1")


async def test_a_cancelled_transaction_is_rolled_back(stage: Stage, database: PooledDatabase) -> None:
    inside = asyncio.Event()

    async def work(sql: str) -> None:
        async with database.transaction() as transaction:
            await transaction.execute("insert into t (id, s) values (1, 'a')")
            inside.set()
            await transaction.query(sql)
            await asyncio.sleep(60)

    for sql in ("select 1", stage.endless):
        inside.clear()
        task = asyncio.create_task(work(sql))
        await inside.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await texts(database) == []
    await database.execute("insert into t (id, s) values (2, 'b')")
    assert await texts(database) == ["b"]


@pytest.mark.parametrize("isolation", ["read uncommitted", "read committed", "repeatable read", "serializable"])
async def test_a_transaction_may_be_kept_further_apart(database: PooledDatabase, isolation: Any) -> None:
    async with database.transaction(isolation) as transaction:
        await transaction.execute("insert into t (id) values (1)")
    assert len(await texts(database)) == 1


async def test_no_other_isolation_reaches_the_server(database: PooledDatabase) -> None:
    with pytest.raises(CallRefused, match="no such isolation"):
        await database.begin("serializable; drop table t")  # type: ignore[arg-type]


@pytest.mark.parametrize("sql", ["begin", "BEGIN", "start transaction", "commit", "rollback", "/* x */ Commit", "end"])
async def test_sql_cannot_begin_or_end_a_transaction(database: PooledDatabase, sql: str) -> None:
    transaction = await database.begin()
    await transaction.execute("insert into t (id) values (1)")
    for where in (transaction, database):
        with pytest.raises(CallRefused, match=r"db\.transaction"):
            await where.execute(sql)
    await transaction.rollback()
    assert await texts(database) == []


async def test_a_transaction_that_is_over_refuses_everything(database: PooledDatabase) -> None:
    committed = await database.begin()
    await committed.execute("insert into t (id, s) values (1, 'a')")
    await committed.commit()
    undone = await database.begin()
    await undone.rollback()
    for transaction, how in ((committed, "committed"), (undone, "rolled back")):
        await transaction.rollback()
        with pytest.raises(CallRefused, match=how):
            await transaction.commit()
        with pytest.raises(CallRefused, match=how):
            await transaction.execute("delete from t")
    assert await texts(database) == ["a"]


async def test_statements_of_one_transaction_take_turns(database: PooledDatabase) -> None:
    async with database.transaction() as transaction:
        inserts = (transaction.execute("insert into t (id) values ($1)", [number]) for number in range(20))
        await asyncio.gather(*inserts)
    assert len(await texts(database)) == 20


# --- deadlines and bounds ---


async def test_a_statement_has_a_deadline_and_ends_on_the_server_too(stage: Stage) -> None:
    database = await stage.database(statement_seconds=0.3)
    with pytest.raises(CallRefused, match=r"longer than 0\.3 s") as refused:
        await database.query(stage.endless)
    assert refused.value.name == "TimeoutError"
    assert (await database.query("select 1 as x")).rows == [(1,)]
    await database.close()
    if stage.server is not None and stage.kind != "pgbouncer":
        assert await stage.settled(0)


@pytest.mark.parametrize("stage", ["postgres", "pgbouncer", "mariadb"], indirect=True)
async def test_connections_are_bounded_and_waiters_served(stage: Stage, database: PooledDatabase) -> None:
    held = [await database.begin() for _ in range(4)]
    waiting = asyncio.create_task(database.query("select 1 as x"))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await held.pop().rollback()
    assert (await waiting).rows == [(1,)]
    for transaction in held:
        await transaction.rollback()
    assert database.connections <= 4


async def test_who_gets_no_connection_is_told_in_time(stage: Stage) -> None:
    database = await stage.database(max_open=1, statement_seconds=0.3)
    held = await database.begin()
    with pytest.raises(Overloaded, match="all 1 connections"):
        await database.query("select 1")
    await held.rollback()
    await database.query("select 1")


async def test_cancelled_waiters_leave_nothing_behind(stage: Stage) -> None:
    database = await stage.database(max_open=2)
    for _ in range(5):
        tasks = [asyncio.create_task(database.query("select 1 as x")) for _ in range(20)]
        await asyncio.sleep(0.002)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert (await database.query("select 1 as x")).rows == [(1,)]
    assert database.connections <= 2


async def test_a_hundred_writers_at_once_all_get_their_turn(database: PooledDatabase) -> None:
    inserts = (database.execute("insert into t (id) values ($1)", [number]) for number in range(100))
    await asyncio.gather(*inserts)
    assert len(await texts(database)) == 100


async def test_a_closed_database_says_so(stage: Stage) -> None:
    database = await stage.database()
    await database.close()
    await database.close()
    with pytest.raises(Unavailable, match="closed"):
        await database.query("select 1")
    if stage.server is not None and stage.kind != "pgbouncer":
        assert await stage.settled(0)


async def test_an_old_connection_is_renewed(stage: Stage) -> None:
    database = await stage.database(lifetime_seconds=0.01, max_open=2)
    for _ in range(5):
        await database.query("select 1")
        await asyncio.sleep(0.02)
    assert database.connections <= 2
    if stage.server is not None and stage.kind != "pgbouncer":
        assert stage.connections() <= 2


@pytest.mark.parametrize("stage", ["sqlite", "postgres", "mariadb"], indirect=True)
async def test_init_runs_on_each_new_connection(stage: Stage) -> None:
    match stage.driver:
        case "sqlite3":
            init, ask, wanted = "pragma foreign_keys = on;", "pragma foreign_keys", 1
        case "postgres":
            init, ask, wanted = "-- ours; really\nset application_name = 'it;s'; ;", "show application_name", "it;s"
        case _:
            init, ask, wanted = "set @@session.group_concat_max_len = 4321", "select @@group_concat_max_len", 4321
    database = await stage.database(init=init)
    assert (await database.query(ask)).rows == [(wanted,)]


@pytest.mark.parametrize("stage", ["postgres", "mariadb"], indirect=True)
async def test_what_one_sets_on_a_connection_does_not_reach_the_next(stage: Stage) -> None:
    database = await stage.database(max_open=1)
    if stage.driver == "mysql":
        await database.execute("set @@session.sql_mode = 'NO_BACKSLASH_ESCAPES'")
        assert "NO_BACKSLASH" not in (await database.query("select @@sql_mode")).rows[0][0]
        await database.query("select get_lock('x', 1)")
        assert (await database.query("select is_free_lock('x')")).rows == [(1,)]
    else:
        await database.execute("set search_path = nowhere")
        assert (await database.query("show search_path")).rows == [('"$user", public',)]
        await database.query("select pg_advisory_lock(1)")
        assert (await database.query("select count(*) from pg_locks where locktype = 'advisory'")).rows == [(0,)]


# --- what one script must not do to others ---


@pytest.mark.parametrize("stage", ["sqlite", "mariadb"], indirect=True)  # asyncpg hands over whole results only
async def test_a_result_of_too_many_bytes_is_refused_on_its_way(stage: Stage, database: PooledDatabase) -> None:
    for number in range(5):
        await database.execute("insert into t (id, s) values ($1, $2)", [number, "x" * 1_000_000])
    with pytest.raises(CallRefused, match="more than 64 MiB"):
        await database.query("select a.s from t a, t b, t c")
    assert len((await database.query("select a.s from t a, t b")).rows) == 25


@pytest.mark.parametrize("run", ["query", "execute"])
async def test_a_savepoint_outside_of_a_transaction_takes_no_other_statement_with_it(
    stage: Stage, database: PooledDatabase, run: str
) -> None:
    with contextlib.suppress(CallRefused):  # each server has its own opinion
        await getattr(database, run)("savepoint a")
    for number in range(20):
        await database.execute("insert into t (id, s) values ($1, 'kept')", [number])
    with contextlib.suppress(CallRefused):
        await database.execute("rollback to savepoint a")
    assert len(await texts(await stage.database())) == 20
