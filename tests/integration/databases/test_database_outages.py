"""A server that is killed, restarted or silent: answers, no crash, nothing left, and back to work by itself."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.databases.connection import DatabaseOptions, make_database
from actors.databases.pooled import PooledDatabase
from protocol.errors import CallRefused, Refusal, Unavailable
from tests.integration.databases.conftest import Stage, staged


@pytest.fixture(params=["postgres", "mariadb"])
async def server_stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server that may be killed; it runs again afterwards."""
    made = staged(request.param, request.getfixturevalue, tmp_path)
    yield made
    if made.server.process is None:
        made.server.start()
    made.server.thaw()
    for database in made.made:
        await database.close()


@pytest.fixture
async def held(server_stage: Stage) -> PooledDatabase:
    database = await server_stage.database()
    await database.execute("drop table if exists k")
    await database.execute("create table k (id integer primary key)")
    return database


async def again(database: PooledDatabase) -> None:
    """The database is found again, soon."""
    for _ in range(200):
        try:
            assert (await database.query("select 1 as x")).rows == [(1,)]
        except Unavailable:
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("never found again")


async def test_a_killed_server_is_unavailable_at_once_and_found_again(
    server_stage: Stage, held: PooledDatabase
) -> None:
    server_stage.server.kill()
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(Unavailable):
            await held.query("select 1")
        with pytest.raises(Unavailable):
            await held.begin()
    assert time.monotonic() - began < 3
    server_stage.server.start()
    await again(held)
    assert held.connections <= 4


async def test_a_server_that_is_away_at_the_start_is_used_as_soon_as_it_is_there(server_stage: Stage) -> None:
    server_stage.server.kill()
    database = await server_stage.database()
    with pytest.raises(Unavailable) as refused:
        await database.query("select 1")
    assert server_stage.server.folder.name not in str(refused.value)
    server_stage.server.start()
    await again(database)


async def test_statements_in_flight_fail_and_their_connections_are_dropped(
    server_stage: Stage, held: PooledDatabase
) -> None:
    running = [asyncio.create_task(held.query(server_stage.endless)) for _ in range(4)]
    waiting = asyncio.create_task(held.query("select 1"))
    await asyncio.sleep(0.2)
    server_stage.server.kill()
    results = await asyncio.gather(*running, waiting, return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results), results
    server_stage.server.start()
    await again(held)
    assert held.connections <= 1


async def test_a_transaction_whose_server_died_says_so_and_did_nothing(
    server_stage: Stage, held: PooledDatabase
) -> None:
    transaction = await held.begin()
    await transaction.execute("insert into k values (1)")
    server_stage.server.restart()
    with pytest.raises(Unavailable):
        await transaction.execute("insert into k values (2)")
    with pytest.raises(CallRefused, match="lost"):
        await transaction.commit()
    await transaction.rollback()
    await again(held)
    assert (await held.query("select count(*) as n from k")).rows == [(0,)]


async def test_no_acknowledged_write_is_lost_and_none_is_done_twice(server_stage: Stage, held: PooledDatabase) -> None:
    """Three kills under load: what was acknowledged is there; what was not may be."""
    acknowledged: set[int] = set()
    unknown: set[int] = set()
    end = asyncio.Event()
    numbers = iter(range(1_000_000))

    async def write() -> None:
        while not end.is_set():
            number = next(numbers)
            try:
                await held.execute("insert into k values ($1)", [number])
            except Unavailable:
                unknown.add(number)
                await asyncio.sleep(0.01)
            else:
                acknowledged.add(number)

    writers = [asyncio.create_task(write()) for _ in range(8)]
    for _ in range(3):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server_stage.server.restart)
    await asyncio.sleep(0.5)
    end.set()
    await asyncio.gather(*writers)
    await again(held)
    stored = {row[0] for row in (await held.query("select id from k", most=1_000_000)).rows}
    assert acknowledged
    assert acknowledged <= stored <= acknowledged | unknown


async def test_a_silent_server_is_given_up_within_the_deadline(server_stage: Stage, held: PooledDatabase) -> None:
    database = await server_stage.database(statement_seconds=0.3, connect_seconds=0.3)
    server_stage.server.freeze()
    began = time.monotonic()
    with pytest.raises(Refusal):
        await database.query("select 1")
    with pytest.raises(Refusal):
        await database.query("select 1")
    assert time.monotonic() - began < 3
    began = time.monotonic()
    await database.close()
    assert time.monotonic() - began < 10
    server_stage.server.thaw()
    await again(held)


async def test_nothing_leaks_over_a_thousand_failures(server_stage: Stage, held: PooledDatabase) -> None:
    async def one(number: int) -> None:
        match number % 4:
            case 0:
                await held.query("select nothing")
            case 1:
                await held.query("select $1", [])
            case 2:
                await held.query(server_stage.rows(50), most=10)
            case _:
                async with held.transaction() as transaction:
                    await transaction.query("selec")

    before = len(asyncio.all_tasks())
    for start in range(0, 1_000, 50):
        results = await asyncio.gather(*(one(start + n) for n in range(50)), return_exceptions=True)
        assert all(isinstance(result, CallRefused) for result in results), results
    assert (await held.query("select 1 as x")).rows == [(1,)]
    assert await server_stage.settled(held.connections)
    await asyncio.sleep(0.1)
    assert len(asyncio.all_tasks()) <= before
    await held.close()
    assert await server_stage.settled(0)


@pytest.mark.parametrize("wrong", ["password", "database", "port"])
async def test_a_server_that_refuses_us_is_unavailable_and_its_secrets_stay(
    server_stage: Stage, wrong: str, caplog: Any
) -> None:
    driver, dsn = server_stage.driver, server_stage.dsn
    if driver == "postgres":
        parts = {"password": "password=s3cret", "database": "dbname=nowhere", "port": "port=1"}
        database = make_database(driver, f"{dsn} {parts[wrong]}")
    else:
        port = str(server_stage.server.port)
        parts = {
            "password": (":it's:a@secret/@", ":s3cret@"),
            "database": (")/nflow", ")/nowhere"),
            "port": (port, "1"),
        }
        database = make_database(driver, dsn.replace(*parts[wrong]))
    await database.open()
    with pytest.raises(Unavailable) as refused:
        await database.query("select 1")
    await database.close()
    for secret in ("s3cret", "secret/", "it's"):
        assert secret not in str(refused.value)
        assert secret not in caplog.text


async def test_a_file_that_is_moved_away_is_opened_anew(tmp_path: Path) -> None:
    database = make_database("sqlite3", str(tmp_path / "app.sqlite"))
    await database.execute("create table t (id integer)")
    (tmp_path / "app.sqlite").rename(tmp_path / "old.sqlite")
    with pytest.raises(CallRefused, match="no such table"):
        await database.query("select * from t")
    await database.close()


async def test_a_file_that_cannot_be_opened_is_unavailable_until_it_can(tmp_path: Path) -> None:
    database = make_database("sqlite3", str(tmp_path / "later" / "app.sqlite"))
    await database.open()
    with pytest.raises(Unavailable) as refused:
        await database.query("select 1")
    assert str(tmp_path) not in str(refused.value)
    (tmp_path / "later").mkdir()
    await again(database)
    await database.close()
    (tmp_path / "text").write_text("no database at all, but long enough to look like one" * 10)
    database = make_database("sqlite3", str(tmp_path / "text"))
    with pytest.raises(Unavailable, match="no database"):
        await database.query("select 1")
    await database.close()


async def test_a_file_locked_by_another_program_is_refused_after_a_while(tmp_path: Path) -> None:
    path = tmp_path / "app.sqlite"
    database = make_database("sqlite3", f"{path}?_busy_timeout=50")
    await database.execute("create table t (id integer)")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(Unavailable, match="locked"):
        await database.execute("insert into t values (1)")
    assert (await database.query("select * from t")).rows == []
    other.execute("rollback")
    other.close()
    await database.execute("insert into t values (1)")
    await database.close()


async def test_scripts_reach_no_other_file(tmp_path: Path) -> None:
    database = make_database("sqlite3", str(tmp_path / "app.sqlite"))
    (tmp_path / "other.sqlite").touch()
    for sql in (
        f"attach '{tmp_path}/other.sqlite' as other",
        f"vacuum into '{tmp_path}/copy.sqlite'",
        "pragma writable_schema = on",
        "pragma journal_mode = off",
        "pragma database_list",
        "select load_extension('x')",
    ):
        with pytest.raises(CallRefused):
            await database.execute(sql)
    await database.execute("create table t (a text)")
    assert (await database.query("pragma table_info(t)")).rows[0][1] == "a"
    await database.execute("vacuum")
    assert {path.partition("-")[0] for path in os.listdir(tmp_path)} == {"app.sqlite", "other.sqlite"}  # noqa: PTH208
    await database.close()


async def test_a_database_in_memory_outlives_errors_deadlines_and_lost_transactions() -> None:
    database = make_database("sqlite3", ":memory:", DatabaseOptions(statement_seconds=0.3))
    await database.execute("create table t (id integer)")
    endless = "with recursive s(n) as (select 1 union all select n + 1 from s) select count(*) from s"
    with pytest.raises(CallRefused, match="longer"):
        await database.query(endless)
    transaction = await database.begin()
    await transaction.execute("insert into t values (1)")
    with pytest.raises(CallRefused, match="longer"):
        await transaction.query(endless)
    with pytest.raises(CallRefused, match="lost"):
        await transaction.commit()
    await database.execute("insert into t values (2)")
    assert (await database.query("select id from t")).rows == [(2,)]
    await database.close()


async def test_postgres_with_a_certificate_of_another_name_or_issuer_is_refused(pgbouncer_server: Any) -> None:
    good = {"sslmode": "verify-full", "sslrootcert": str(pgbouncer_server.certificate), "host": "localhost"}
    for changed, works in (
        ({}, True),
        ({"sslmode": "require", "sslrootcert": ""}, True),
        ({"sslmode": "prefer"}, True),
        ({"sslrootcert": ""}, False),
        ({"host": "127.0.0.2"}, False),
    ):
        database = make_database("postgres", pgbouncer_server.dsn(**(good | changed)), DatabaseOptions(pgbouncer=True))
        if works:
            assert (await database.query("select 1 as x")).rows == [(1,)]
        else:
            with pytest.raises(Unavailable):
                await database.query("select 1")
        await database.close()


async def test_mysql_with_a_certificate_of_another_name_or_issuer_is_refused(mariadb_server: Any) -> None:
    root = f"&sslrootcert={mariadb_server.certificate}"
    for options, host, ciphered in (
        (f"tls=true{root}", "localhost", True),
        ("tls=skip-verify", "", True),
        ("tls=preferred", "", True),
        ("tls=false", "", False),
        ("parseTime=true", "", False),
        ("tls=true", "localhost", None),
        (f"tls=true{root}", "127.0.0.2", None),
    ):
        database = make_database("mysql", mariadb_server.dsn(options, host=host))
        if ciphered is None:
            with pytest.raises(Unavailable):
                await database.query("select 1")
        else:
            [(_, cipher)] = (await database.query("show session status like 'Ssl_cipher'")).rows
            assert bool(cipher) is ciphered, options
        await database.close()
