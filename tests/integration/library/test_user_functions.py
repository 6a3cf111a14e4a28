"""Users, tokens and templates as scripts ask for them, on each of the three servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.databases.database import Database
from actors.functions.templates import Templates
from actors.functions.users import Users
from actors.library.sql_library import SqlLibrary
from protocol.errors import CallRefused
from tests.integration.library.conftest import caller
from tests.integration.library.hostile import HOSTILE

NOW = 1_800_000_000.0


@pytest.fixture
def users(database: Database) -> Users:
    return Users(SqlLibrary(database), lambda: NOW)


async def test_a_user_logs_in_with_name_and_password_and_only_while_active(users: Users) -> None:
    async def valid(*values: object) -> bool:
        return await users.validate_user(caller(), list(values))

    assert await valid("dev1", "dev1")
    assert not await valid("dev1", "Dev1")
    assert not await valid("dev1", "")
    assert not await valid("dev1")
    assert not await valid("nobody", "nobody")
    assert not await valid("gone", "gone"), "the password is right, the user inactive"
    assert not await valid(None, None)


async def test_a_user_is_told_without_the_hash_of_the_password(users: Users) -> None:
    user = await users.get_user(caller(), ["admin"])
    assert user is not None
    assert isinstance(user.pop("id"), int)
    assert user == {"username": "admin", "rol": "ROL_ADMIN", "active": True}
    assert await users.get_user(caller(), ["nobody"]) is None


@pytest.mark.parametrize(
    ("name", "headers", "valid"),
    [
        ("api1", {"Authorization": "Bearer good-token"}, True),
        ("api1", {"authorization": "Bearer good-token"}, True),
        ("api1", {"Authorization": "Basic YTpi"}, True),
        ("api1", {"Authorization": "bearer good-token"}, False),
        ("api1", {"Authorization": "Bearer expired-token"}, False),
        ("api1", {"Authorization": "Bearer off-token"}, False),
        ("api1", {"Authorization": "good-token"}, False),
        ("api1", {"X-Api-Key": "Bearer good-token"}, False),
        ("api1", {}, False),
        ("hook", {"X-Api-Key": "Key k-1"}, True),
        ("hook", {"Authorization": "Key k-1"}, False),
        ("nobody", {"Authorization": "Bearer good-token"}, False),
    ],
)
async def test_a_token_is_valid_in_its_own_header_while_it_is_active_and_fresh(
    users: Users, name: str, headers: dict[str, str], valid: bool
) -> None:
    assert await users.validate_token(caller(**headers), [name]) is valid


async def test_a_row_without_a_token_is_no_key(users: Users, database: Database) -> None:
    await database.execute("UPDATE api_tokens SET token = '' WHERE name = 'hook'")
    assert not await users.validate_token(caller(**{"X-Api-Key": "Key "}), ["hook"])
    await database.execute("UPDATE api_tokens SET token = 'k-1', expired = NULL WHERE name = 'hook'")
    assert not await users.validate_token(caller(**{"X-Api-Key": "Key k-1"}), ["hook"]), "no expiry: expired"


async def test_tokens_are_told_in_nflows_shape(users: Users) -> None:
    (token,) = await users.get_token(caller(), ["hook"])
    assert isinstance(token.pop("id"), int)
    assert token == {
        "name": "hook", "token": "k-1", "start": 0, "expired": 4_102_444_800, "active": True, "header": "X-Api-Key",
        "tokenType": "Key",
    }  # fmt: skip


async def test_no_text_is_more_than_a_name(users: Users, database: Database, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "templates" / ".hidden").write_text("secret")
    templates = Templates(SqlLibrary(database), tmp_path / "templates")
    carried = caller(Authorization="Bearer good-token")
    for text in HOSTILE:
        assert not await users.validate_user(carried, [text, text]), text
        assert not await users.validate_user(carried, ["dev1", text]), text
        assert await users.get_user(carried, [text]) is None, text
        assert not await users.validate_token(carried, [text]), text
        assert await users.get_token(carried, [text]) == [], text
        assert await templates.get_template(carried, [text]) == "", text
        assert await templates.get_template(carried, [f"../{text}secret"]) == "", text
    count = await database.query("SELECT count(*) FROM users")
    assert count.rows == [(4,)]
    for wrong in ([{}], [[1]]):
        with pytest.raises(CallRefused, match="must be a string"):
            await users.get_user(carried, list(wrong))


async def test_a_template_of_the_folder_comes_before_the_databases(database: Database, tmp_path: Path) -> None:
    clock = iter(range(0, 1000, 10))
    templates = Templates(SqlLibrary(database), tmp_path, clock=lambda: float(next(clock)))
    ask = templates.text
    assert await ask("welcome") == "<h1>Bienvenido {{.name}} ñ</h1>"
    (tmp_path / "welcome").write_text("bare")
    assert await ask("welcome") == "bare"
    (tmp_path / "welcome.tmpl").write_text("tmpl")
    assert await ask("welcome") == "tmpl"
    (tmp_path / "welcome.html").write_text("html ñ")
    assert await ask("welcome") == "html ñ"
    (tmp_path / "welcome.html").write_text("changed")
    assert await ask("welcome") == "changed"
    (tmp_path / "folder.html").mkdir()
    assert await ask("folder") == ""
    await database.execute("UPDATE template SET name = 'mail/hello'")
    assert await ask("mail/hello") == "<h1>Bienvenido {{.name}} ñ</h1>", "a name that is no file's may be a row's"


async def test_an_answer_serves_again_for_a_moment_and_during_an_outage(database: Database) -> None:
    now = [0.0]
    templates = Templates(SqlLibrary(database), None, fresh_seconds=0.5, clock=lambda: now[0])
    first = await templates.text("welcome")
    await database.execute("UPDATE template SET content = 'new' WHERE name = 'welcome'")
    assert await templates.text("welcome") == first
    now[0] = 0.6
    assert await templates.text("welcome") == "new"


async def test_a_template_that_is_too_large_is_refused(database: Database, tmp_path: Path) -> None:
    templates = Templates(SqlLibrary(database), tmp_path, max_bytes=100)
    (tmp_path / "big.html").write_text("x" * 101)
    await database.execute("UPDATE template SET content = $1", ("y" * 101,))
    for name in ("big", "welcome"):
        with pytest.raises(CallRefused, match="larger than"):
            await templates.text(name)
