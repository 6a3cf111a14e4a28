"""The databases every law is held against: SQLite, PostgreSQL, PostgreSQL behind PgBouncer, and MariaDB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.databases.connection import DatabaseOptions, make_database
from actors.databases.pooled import PooledDatabase

KINDS = ("sqlite", "postgres", "pgbouncer", "mariadb")
OPTIONS = DatabaseOptions(max_open=4, statement_seconds=5.0, connect_seconds=3.0)


class Stage:
    """One kind of database, and ways to it."""

    def __init__(self, kind: str, driver: str, dsn: str, server: Any) -> None:
        self.kind = kind
        self.driver = driver
        self.dsn = dsn
        self.server = server
        self.options = replace(OPTIONS, pgbouncer=kind == "pgbouncer")
        self.made: list[PooledDatabase] = []

    async def database(self, **changed: Any) -> PooledDatabase:
        """An opened one; closed with the test."""
        database = make_database(self.driver, self.dsn, replace(self.options, **changed))
        self.made.append(database)
        await database.open()
        return database

    def connections(self) -> int:
        """What the server counts, but for PgBouncer's, which stay."""
        return int(self.server.connections("laws postgres") if self.kind == "postgres" else self.server.connections())

    async def settled(self, connections: int) -> bool:
        """Whether the server comes to count so many, soon."""
        for _ in range(150):
            if self.connections() == connections:
                return True
            await asyncio.sleep(0.02)
        return False

    @property
    def text(self) -> str:
        """A type of column for long texts."""
        return "longtext" if self.kind == "mariadb" else "text"

    def rows(self, number: int) -> str:
        """SQL for so many rows."""
        if self.kind == "mariadb":
            return f"select seq as n from seq_1_to_{number}"
        if self.kind == "sqlite":
            return f"with recursive s(n) as (select 1 union all select n + 1 from s where n < {number}) select n from s"
        return f"select n from generate_series(1, {number}) as n"

    @property
    def endless(self) -> str:
        """SQL that runs for a minute at least."""
        match self.kind:
            case "mariadb":
                return "select sleep(60)"
            case "sqlite":
                return "with recursive s(n) as (select 1 union all select n + 1 from s) select count(*) from s"
            case _:
                return "select pg_sleep(60)"


@pytest.fixture(params=KINDS)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """Each kind in turn."""
    made = staged(request.param, request.getfixturevalue, tmp_path)
    yield made
    for database in made.made:
        await database.close()


@pytest.fixture
async def database(stage: Stage) -> AsyncIterator[PooledDatabase]:
    """A database with the empty table `t (id, s, n)`."""
    made = await stage.database()
    await made.execute("drop table if exists t")
    await made.execute(f"create table t (id integer primary key, s {stage.text}, n integer)")
    yield made
    await made.execute("drop table if exists t")


def staged(kind: str, server: Callable[[str], Any], folder: Path) -> Stage:
    """The stage of one kind."""
    if kind == "sqlite":
        return Stage(kind, "sqlite3", str(folder / "app.sqlite"), None)
    running = server(f"{kind}_server")
    if kind == "mariadb":
        return Stage(kind, "mysql", running.dsn(), running)
    return Stage(kind, "postgres", running.dsn(application_name=f"laws {kind}"), running)
