"""An existing nFlow database, once for each server, our own library in a store's file, and who calls functions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from actors.databases.connection import make_database
from actors.databases.database import Database
from actors.functions.caller import Caller
from actors.library.own_library import OwnLibrary
from actors.stores.sqlite import SqliteSettings
from actors.stores.sqlite_store import SqliteStore
from protocol.process import Request
from tests.integration.library.seeds import TABLES, statements

DRIVERS = ["sqlite3", "postgres", "mysql"]


def dsn_of(driver: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """How the database of a test is reached."""
    if driver == "sqlite3":
        return str(folder / "nflow_app.sqlite")
    server = request.getfixturevalue("postgres_server" if driver == "postgres" else "mariadb_server")
    return str(server.dsn())


async def seed(database: Database, driver: str) -> None:
    """The tables and rows of the designer, and nothing else."""
    for table in TABLES:
        await database.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in statements(driver):
        await database.execute(statement)


@pytest.fixture(params=DRIVERS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database as nFlow's designer leaves it."""
    made = make_database(request.param, dsn_of(request.param, request, tmp_path))
    await made.open()
    await seed(made, request.param)
    yield made
    for table in TABLES:
        await made.execute(f"DROP TABLE IF EXISTS {table}")
    await made.close()


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[OwnLibrary]:
    """Our own library, in a new store's file; five versions are kept."""
    path = tmp_path / "store.sqlite"
    await SqliteStore(SqliteSettings(str(path))).open()
    library = OwnLibrary(make_database("sqlite3", str(path)), keep=5)
    await library.open()
    yield library
    await library.close()


class NoSession:
    """The session of a client that has none."""

    id = ""

    async def read(self, name: str) -> Mapping[str, Any]:
        return {}

    async def write(self, name: str, values: Mapping[str, Any]) -> None:
        raise AssertionError("nothing here writes to the session")

    async def delete(self, name: str) -> None:
        raise AssertionError("nothing here writes to the session")


def caller(**headers: str) -> Caller:
    """Who calls; `X_Api_Key="k"` is the header X-Api-Key."""
    lines = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    request = Request("GET", "/", "", (), (), lines, b"", "127.0.0.1:1", "http")
    return Caller("wid", "default", "app", "flow", "node", request, NoSession(), 5.0)


async def until(true: Callable[[], Awaitable[Any] | Any], seconds: float = 5.0) -> Any:
    """Wait for something to be so."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        value = true()
        if asyncio.iscoroutine(value):
            value = await value
        if value or asyncio.get_running_loop().time() > deadline:
            return value
        await asyncio.sleep(0.02)
