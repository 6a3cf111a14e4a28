"""Slow statements are kept for operators: their text without values, bounded, and nothing where nobody watches."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actors.databases.connection import DatabaseOptions, make_database
from actors.databases.placeholders import Dialect, without_values
from actors.databases.slow import SlowStatements
from protocol.errors import CallRefused


@pytest.mark.parametrize(
    ("dialect", "sql", "told"),
    [
        (
            Dialect.SQLITE,
            "select 'it''s', \"a b\", [c d], `e`, $1 from t2 where n = 12",
            'select ?, "a b", [c d], `e`, $1 from t2 where n = ?',
        ),
        (Dialect.POSTGRES, r"select E'a\'secret', 'x\', $q$sec'ret$q$, 0.5 -- note", "select ?, ?, ?, ?.? "),
        (Dialect.POSTGRES, "select /* one /* two */ three */ 'a' || $2", "select  ? || $2"),
        (Dialect.MYSQL, r"""select 'a\'secret', "sec\"ret", `n` # note""", "select ?, ?, `n` "),
        (Dialect.MYSQL_ANSI, """select "Name", 'secret'""", 'select "Name", ?'),
        (Dialect.SQLITE, "select 'never closed secret", "select ?"),
    ],
)  # fmt: skip
def test_no_value_stays_in_the_text_of_a_statement(dialect: Dialect, sql: str, told: str) -> None:
    assert without_values(sql, dialect) == told


async def test_what_takes_long_is_kept_with_its_database_and_no_values(tmp_path: Path) -> None:
    slow = SlowStatements(0.0, lambda: 1_000.0)
    database = make_database("sqlite3", str(tmp_path / "a.sqlite"), DatabaseOptions(slow=slow, name="database"))
    try:
        await database.execute("create table t (a)")
        await database.query("select a from t where a = $1 or a = 'canary'", ["canary"])
        with pytest.raises(CallRefused):
            await database.query("select nothing from t where 'canary' = 1")
        async with database.transaction() as transaction:
            await transaction.execute("insert into t values ($1)", ["canary"])
    finally:
        await database.close()
    told = slow.listing()
    assert [each.sql for each in told] == [
        "insert into t values ($1)",
        "select nothing from t where ? = ?",
        "select a from t where a = $1 or a = ?",
        "create table t (a)",
    ]
    assert {(each.database, each.ended) for each in told} == {("database", 1_000.0)}
    assert all(0 < each.seconds < 10 for each in told)


async def test_quick_ones_are_not_kept(tmp_path: Path) -> None:
    slow = SlowStatements(60.0, lambda: 0.0)
    database = make_database("sqlite3", str(tmp_path / "a.sqlite"), DatabaseOptions(slow=slow))
    try:
        await asyncio.gather(*(database.query("select 1") for _ in range(5)))
    finally:
        await database.close()
    assert (slow.listing(), slow.counted) == ([], 0)


def test_the_list_is_bounded_and_so_is_each_text() -> None:
    slow = SlowStatements(0.0, lambda: 0.0, most=3)
    watch = slow.watch("store", Dialect.SQLITE)
    for number in range(5):
        watch.clocked(f"table t{number} " + "x" * 10_000, lambda: None)
    told = slow.listing()
    assert [each.sql[:8] for each in told] == ["table t4", "table t3", "table t2"]
    assert max(len(each.sql) for each in told) == 2_000
    assert slow.counted == 5
