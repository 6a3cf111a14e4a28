"""Our own library: nFlow's tables and the versions, in the store's file beside the journal."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.databases.connection import make_database
from actors.library.library import Module, Template, Token, User
from actors.library.own_library import OwnLibrary
from actors.library.versions import VersionSource, content_hash
from actors.stores.schema import Schema
from actors.stores.sqlite import SqliteFile, SqliteSettings, embedded_schema
from protocol.errors import Unavailable
from tests.integration.library.hostile import HOSTILE

API, FILE = VersionSource.API, VersionSource.FILE


async def test_an_app_and_its_version_are_kept_together(own: OwnLibrary) -> None:
    assert await own.install("shop", '{"a": 1}', API, "function log() {}") == 1
    assert await own.install("shop", '{"a": 2}', API) == 2
    app = await own.app("shop")
    assert app is not None
    assert (app.document, app.default_js) == ('{"a": 2}', "function log() {}"), "triggers stay where none are given"
    versions = await own.list("shop")
    assert [(each.number, each.source, each.size) for each in versions] == [(2, API, 8), (1, API, 8)]
    assert versions[1].hash == content_hash(b'{"a": 1}')
    assert await own.get("shop", 1) == b'{"a": 1}'
    assert await own.get("shop", 3) is None
    assert await own.list("other") == ()


async def test_content_that_is_the_newest_already_is_no_new_version_and_what_comes_back_is_one(own: OwnLibrary) -> None:
    numbers = [await own.put("shop", text, FILE) for text in (b"a", b"a", b"b", b"a", b"a")]
    assert numbers == [1, 1, 2, 3, 3]
    assert await own.app("shop") is None, "a version alone is no app"


async def test_the_newest_versions_are_kept_and_numbers_are_never_used_again(own: OwnLibrary) -> None:
    for number in range(1, 9):
        assert await own.put("shop", str(number).encode(), FILE) == number
    assert [each.number for each in await own.list("shop")] == [8, 7, 6, 5, 4]
    assert await own.get("shop", 3) is None
    assert await own.put("other", b"1", FILE) == 1
    assert await own.versioned() == ("other", "shop")


async def test_a_removed_app_is_gone_and_its_versions_are_not(own: OwnLibrary) -> None:
    await own.install("shop", "{}", API)
    assert await own.remove("shop")
    assert not await own.remove("shop")
    assert await own.app("shop") is None
    assert await own.get("shop", 1) == b"{}"


async def test_installs_at_the_same_time_get_a_number_each(own: OwnLibrary) -> None:
    numbers = await asyncio.gather(*(own.install("shop", f"{{{number}}}", API) for number in range(20)))
    assert sorted(numbers) == list(range(1, 21))


async def test_a_look_at_what_has_not_changed_costs_one_number(own: OwnLibrary) -> None:
    await own.install("shop", "{}", API)
    first = await own.look(None, None)
    assert await own.look(None, first) is first
    await own.put("shop", b"only a version", FILE)
    await own.put_user(User(0, "ana", "00", "ROL", True))
    assert await own.look(None, first) is first
    await own.put_module(Module("greet", "", "", "code"))
    second = await own.look(None, first)
    assert second.modules == {"greet": "code"}
    await own.remove("shop")
    assert (await own.look(None, second)).apps == {}


async def test_rows_are_replaced_by_name(own: OwnLibrary) -> None:
    token = Token(0, "api1", "secret", 0, 2_000_000_000, True, "Authorization", "Bearer")
    for _ in range(2):
        await own.put_user(User(0, "ana", "00", "ROL", True))
        await own.put_token(token)
        await own.put_template(Template("page", "one"))
        await own.put_query("QueryGetUser", "SELECT nothing that is here")
    await own.put_token(token._replace(active=False))
    await own.put_template(Template("page", "two"))
    user = await own.user("ana")
    assert user is not None, "named queries that were imported are data: our tables are asked by our own"
    assert [each.active for each in await own.tokens("api1")] == [False]
    assert await own.template("page") == Template("page", "two")


async def test_any_text_may_be_a_name_and_any_a_document(own: OwnLibrary) -> None:
    for text in HOSTILE:
        if "\0" in text or "\ud800" in text:
            continue  # no database takes these: they are refused before (`InstallApp`)
        version = await own.install(text, text + "{}", API)
        assert await own.get(text, version) == (text + "{}").encode()
        assert [app.document for app in await own.apps() if app.name == text] == [text + "{}"]


async def test_a_store_of_the_first_release_gets_the_tables_and_keeps_its_rows(tmp_path: Path) -> None:
    path = str(tmp_path / "store.sqlite")
    old = SqliteFile(SqliteSettings(path), schema=Schema(embedded_schema().migrations[:1]))
    old.connect()
    old.close()
    with closing(sqlite3.connect(path)) as look:
        look.execute("insert into tracker (log_id) values ('kept')")
        look.commit()
    library = OwnLibrary(make_database("sqlite3", path))
    await library.open()
    with pytest.raises(Unavailable, match="not there"):
        await library.look(None, None)
    new = SqliteFile(SqliteSettings(path))
    new.connect()
    assert [row.log_id for row in new.rows(0, 10)] == ["kept"]
    new.close()
    assert (await library.look(None, None)).apps == {}
    await library.install("shop", "{}", API)
    await library.close()
