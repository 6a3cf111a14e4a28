"""An import: what was in nFlow's database is in our store afterwards, and answers the same."""

from __future__ import annotations

from actors.databases.database import Database
from actors.functions.templates import Templates
from actors.functions.users import Users
from actors.library.library import App, Library
from actors.library.own_library import OwnLibrary
from actors.library.sql_library import SqlLibrary
from actors.library.transfer import Report, Transfer
from protocol.formats import NO_MODULES
from tests.integration.library.conftest import caller


def counts(report: Report) -> dict[str, tuple[int, int, int]]:
    return {each.kind: (each.copied, each.kept, each.refused) for each in report.tallies}


async def answers(library: Library) -> list[object]:
    """What scripts get of a library."""
    users, templates = Users(library, lambda: 1_800_000_000.0), Templates(library, None)
    found: list[object] = []
    for name in ("dev1", "admin", "user1", "gone", "nobody"):
        found.append(await users.validate_user(caller(), [name, name]))
        user = await users.get_user(caller(), [name])
        found.append(user and {key: value for key, value in user.items() if key != "id"})
    for header in ("Bearer good-token", "Bearer expired-token", "Bearer off-token", "Basic YTpi", ""):
        found.append(await users.validate_token(caller(Authorization=header), ["api1"]))
    for name in ("api1", "hook", "nobody"):
        found.append([{**token, "id": 0} for token in await users.get_token(caller(), [name])])
    for name in ("shop", "login", "nobody"):
        found.append(await library.app(name))
    found.append([tuple(module) for module in await library.modules()])
    found.append(await templates.text("welcome"))
    return found


async def test_what_was_imported_answers_as_the_database_did(database: Database, own: OwnLibrary) -> None:
    source = SqlLibrary(database)
    report = await Transfer(own).library(source, NO_MODULES)
    assert counts(report) == {
        "apps": (2, 0, 1), "modules": (1, 0, 0), "templates": (1, 0, 0), "queries": (3, 0, 0), "users": (4, 0, 0),
        "tokens": (5, 0, 0),
    }  # fmt: skip
    assert await answers(own) == await answers(source)
    assert await own.query_texts() == await source.query_texts()


async def test_every_problem_is_told_with_its_path_and_a_flow_that_cannot_run_is_an_error(
    database: Database, own: OwnLibrary
) -> None:
    report = await Transfer(own).library(SqlLibrary(database), NO_MODULES)
    assert [(app, problem.path) for app, problem in report.problems] == [("broken", "drawflow.Broken.data.b.data.type")]
    assert report.bad
    assert await own.app("broken") is None


async def test_a_second_import_changes_nothing_unless_it_is_to_replace(database: Database, own: OwnLibrary) -> None:
    source = SqlLibrary(database)
    await Transfer(own).library(source, NO_MODULES)
    await database.execute("UPDATE users SET rol = 'ROL_NEW'")
    again = counts(await Transfer(own).library(source, NO_MODULES))
    assert again["users"] == (0, 4, 0)
    assert again["apps"] == (0, 2, 1)
    user = await own.user("dev1")
    assert user is not None
    assert user.rol == "ROL_DEV"
    replaced = await Transfer(own, replace=True).library(source, NO_MODULES)
    assert counts(replaced)["tokens"] == (5, 0, 0)
    assert await answers(own) == await answers(source)
    assert len(await own.all_tokens()) == 5
    assert [each.number for each in await own.list("shop")] == [1], "the same content is no new version"


async def test_a_dry_run_counts_and_writes_nothing(database: Database, own: OwnLibrary) -> None:
    source = SqlLibrary(database)
    report = await Transfer(own, dry_run=True).library(source, NO_MODULES)
    assert counts(report)["users"] == (4, 0, 0)
    assert (await own.apps(), await own.users(), await own.list("shop")) == ((), (), ())
    assert counts(await Transfer(None, dry_run=True).library(source, NO_MODULES)) == counts(report)


async def test_a_playbook_becomes_an_app(own: OwnLibrary) -> None:
    text = '{"n": {"data": {"type": "httpstart", "method": "GET", "path": "/x"}, "outputs": {}}}'
    report = await Transfer(own).playbook(App("mine", text), NO_MODULES)
    assert counts(report) == {"apps": (1, 0, 0)}
    assert not report.bad
    assert (await own.app("mine")) == App("mine", text)
    refused = await Transfer(own).playbook(App("theirs", "no JSON"), NO_MODULES)
    assert counts(refused) == {"apps": (0, 0, 1)}
    assert refused.bad
