"""An existing nFlow database, read where it is, on each of the three servers."""

from __future__ import annotations

import hashlib
import json

import pytest

from actors.databases.database import Database
from actors.library.library import Template
from actors.library.sql_library import SqlLibrary


@pytest.fixture
async def library(database: Database) -> SqlLibrary:
    made = SqlLibrary(database)
    await made.open()
    return made


async def test_an_app_is_read_and_of_several_rows_the_last_counts(library: SqlLibrary) -> None:
    app = await library.app("shop")
    assert app is not None
    assert set(json.loads(app.document)["drawflow"]) == {"Hello", "Greet"}
    assert app.default_js.startswith("function auth()")
    assert await library.app("nobody") is None
    assert [each.name for each in await library.apps()] == ["shop", "login", "broken"]
    assert app in await library.apps()


async def test_modules_templates_users_and_tokens_are_read(library: SqlLibrary) -> None:
    (module,) = await library.modules()
    assert module == await library.module("greet")
    assert json.loads(module.mod)["title"] == "Greet"
    assert "nflow_data.greeting" in module.code
    assert await library.templates() == (Template("welcome", "<h1>Bienvenido {{.name}} ñ</h1>"),)
    assert await library.template("welcome") == (await library.templates())[0]
    user = await library.user("dev1")
    assert user is not None
    assert (user.username, user.rol, user.active) == ("dev1", "ROL_DEV", True)
    assert user.password == hashlib.new("sha512_256", b"dev1").hexdigest()
    gone = await library.user("gone")
    assert gone is not None
    assert not gone.active
    tokens = await library.tokens("api1")
    assert [token.token for token in tokens] == ["expired-token", "good-token", "off-token", "YTpi"]
    assert [(token.active, token.token_type) for token in tokens][2:] == [(False, "Bearer"), (True, "Basic")]
    assert await library.tokens("none") == ()


async def test_a_named_query_of_the_database_counts_before_the_configured_one(database: Database) -> None:
    await database.execute(
        "INSERT INTO queries (name, query) VALUES "
        "('QueryGetTemplate', 'SELECT id, name, ''from the database'' FROM template WHERE name = $1'), "
        "('QueryGetToken', '  ')"
    )
    configured = {
        "QueryGetTemplate": "SELECT id, name, 'configured' FROM template WHERE name = $1",
        "QueryGetToken": "SELECT 1, 'configured', 't', 0, 1, 1, 'H', 'T' FROM api_tokens WHERE name = $1",
    }
    library = SqlLibrary(database, configured)
    assert await library.template("welcome") == Template("welcome", "from the database")
    token = (await library.tokens("hook"))[0]
    assert (token.name, token.header, token.token_type) == ("configured", "H", "T")


async def test_without_a_table_of_queries_the_configured_and_built_in_ones_serve(database: Database) -> None:
    await database.execute("DROP TABLE queries")
    library = SqlLibrary(database, {"QueryGetTemplate": "SELECT 1, 'n', 'configured' FROM template WHERE name = $1"})
    await library.open()
    assert await library.template("welcome") == Template("welcome", "configured")
    assert await library.user("dev1") is not None


async def test_tables_that_are_not_there_are_empty_lists(database: Database) -> None:
    for table in ("modules", "template", "nflow"):
        await database.execute(f"DROP TABLE {table}")
    library = SqlLibrary(database)
    assert (await library.modules(), await library.templates(), await library.apps()) == ((), (), ())


async def test_a_look_sees_every_change_of_apps_and_modules_and_nothing_else(library: SqlLibrary) -> None:
    database = library.database
    first = await library.look(("shop", "absent"), None)
    assert list(first.apps) == ["shop"]
    assert list(first.modules) == ["greet"]
    again = await library.look(("shop", "absent"), first)
    assert again.same_content(first)
    assert database.driver == "sqlite3" or again is first, "the servers tell by sums; no document is carried"
    await database.execute("UPDATE nflow SET json = $1 WHERE name = 'login'", ('{"drawflow":{}}',))
    assert (await library.look(("shop", "absent"), first)).same_content(first)
    changes = [
        ("UPDATE nflow SET default_js = 'function log() {}' WHERE name = $1", "shop"),
        ("UPDATE modules SET code = 'function main() {}' WHERE name = $1", "greet"),
        ("UPDATE nflow SET name = 'absent' WHERE name = $1", "login"),
        ("DELETE FROM nflow WHERE name = $1", "shop"),
    ]
    known = await library.look(("shop", "absent"), first)
    for statement, name in changes:
        await database.execute(statement, (name,))
        found = await library.look(("shop", "absent"), known)
        assert not found.same_content(known), statement
        known = found
    assert list(known.apps) == ["absent"]


async def test_a_database_with_queries_of_its_own_is_asked_by_them(database: Database) -> None:
    await database.execute("CREATE TABLE boxes (title VARCHAR(50), source TEXT)")
    try:
        await database.execute("INSERT INTO boxes (title, source) VALUES ('greet', 'function main() { own }')")
        library = SqlLibrary(database, {"QueryGetModuleByName": "SELECT '', '', source FROM boxes WHERE title = $1"})
        snapshot = await library.look(("shop",), None)
        assert snapshot.modules == {"greet": "function main() { own }"}
        assert (await library.look(("shop",), snapshot)).same_content(snapshot)
        await database.execute("UPDATE boxes SET source = 'function main() { new }'")
        assert (await library.look(("shop",), snapshot)).modules == {"greet": "function main() { new }"}
    finally:
        await database.execute("DROP TABLE boxes")
