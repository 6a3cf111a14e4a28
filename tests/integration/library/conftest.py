"""An existing nFlow database, once for each server, and our own library in a store's file."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from actors.databases.connection import make_database
from actors.databases.database import Database
from actors.library.own_library import OwnLibrary
from actors.stores.sqlite import SqliteSettings
from actors.stores.sqlite_store import SqliteStore
from tests.integration.library.seeds import statements

Seeded = Callable[[], Awaitable[Database]]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A database as nFlow's designer leaves it."""
    path = tmp_path / "nflow_app.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements("sqlite3"):
            connection.execute(statement)
        connection.commit()
    made = make_database("sqlite3", str(path))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[OwnLibrary]:
    """Our own library, in a new store's file."""
    path = tmp_path / "store.sqlite"
    await SqliteStore(SqliteSettings(str(path))).open()
    library = OwnLibrary(make_database("sqlite3", str(path)), keep=5)
    await library.open()
    yield library
    await library.close()
