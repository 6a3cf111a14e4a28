"""The manuals' database blocks on real SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import write
from tests.acceptance.servers import Server
from tests.acceptance.test_manual_blocks import block
from tests.acceptance.test_manual_shape import flat

TABLES = (
    "drop table if exists users",
    "drop table if exists logs",
    "drop table if exists transactions",
    "create table users (id integer primary key, name varchar(50), active boolean, credits integer)",
    "create table logs (message varchar(100), created_at {time})",
    "create table transactions (user_id integer, amount integer, check (user_id < 3))",
    "insert into users values (1, 'Ana', {true}, 100), (2, 'Luis', {false}, 50), (3, 'Eva', {true}, 30)",
)
FLOWS = {
    "block": flat("/block", "const {userId} = payload;" + block("es_2", 5) + "return {users, result}"),
    "prepared": flat("/prepared", "const {userId} = payload;" + block("es_2", 11) + "return user"),
}


@dataclass(frozen=True)
class Peer:
    """A database: how the server reaches it, and what it holds, asked past the server."""

    driver: str
    dsn: str
    sql: Callable[[str], list[list[Any]]]
    time: str


def _sqlite(folder: Path) -> Peer:
    path = folder / "scripts.sqlite"

    def sql(statement: str) -> list[list[Any]]:
        with closing(sqlite3.connect(path)) as connection:
            rows = [list(row) for row in connection.execute(statement).fetchall()]
            connection.commit()
        return rows

    return Peer("sqlite3", str(path), sql, "datetime")


@pytest.fixture(scope="module", params=["sqlite3", "postgres", "mysql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Peer:
    match request.param:
        case "sqlite3":
            return _sqlite(tmp_path_factory.mktemp("database"))
        case "postgres":
            real = request.getfixturevalue("postgres_server")
            return Peer("postgres", real.dsn(), real.sql, "timestamptz")
        case _:
            real = request.getfixturevalue("mariadb_server")
            return Peer("mysql", real.dsn(), real.sql, "datetime(3)")


@pytest.fixture(scope="module")
def server(launch: Launch, database: Peer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder = tmp_path_factory.mktemp("flows")
    for name, document in FLOWS.items():
        write(folder / f"{name}.json", document)
    quoted = database.dsn.replace("\\", "\\\\")
    return launch(folder, f'[database]\ndriver = "{database.driver}"\nurl = "{quoted}"\n')


@pytest.fixture(autouse=True)
def tables(database: Peer) -> None:
    values = {"time": database.time}
    for number in ("true", "false"):
        values[number] = str(int(number == "true")) if database.driver == "sqlite3" else number
    for statement in TABLES:
        database.sql(statement.format(**values))


def counted(database: Peer, sql: str) -> list[int]:
    return [int(value) for row in database.sql(sql) for value in row]


def test_query_exec_and_transaction_do_what_the_block_says(server: Server, database: Peer) -> None:
    answer = server.post("/block", json={"userId": 1})
    told = answer.json()
    assert answer.status == 200, told
    assert [(user["id"], user["name"], user["credits"]) for user in told["users"]] == [(1, "Ana", 100), (3, "Eva", 30)]
    assert all(user["active"] in (True, 1) for user in told["users"])
    assert told["result"]["rowsAffected"] == 1
    assert database.sql("select message from logs where created_at is not null") == [["Usuario conectado"]]
    assert counted(database, "select credits from users order by id") == [90, 50, 30]
    assert counted(database, "select user_id, amount from transactions") == [1, -10]


def test_a_transaction_that_fails_leaves_nothing(server: Server, database: Peer) -> None:
    """User 3 may have no transactions: the credits taken before stay where they were."""
    answer = server.post("/block", json={"userId": 3})
    assert answer.status == 500
    assert "constraint" in answer.json()["message"].lower()
    assert counted(database, "select credits from users order by id") == [100, 50, 30]
    assert counted(database, "select count(*) from transactions") == [0]
    assert counted(database, "select count(*) from logs") == [1], "what came before the transaction stays"


def test_a_prepared_statement_takes_its_parameter(server: Server) -> None:
    found = server.post("/prepared", json={"userId": 2}).json()
    assert [(user["id"], user["name"]) for user in found] == [(2, "Luis")]


def test_a_parameter_is_never_part_of_the_statement(server: Server) -> None:
    answer = server.post("/prepared", json={"userId": "2 or 1=1"})
    found = answer.json() if answer.status == 200 else []
    assert {user["id"] for user in found} <= {2}, "at most what the text means as a number"
