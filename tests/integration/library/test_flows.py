"""The keeper of the flows: what changes is live within a second, what becomes bad is not, and nothing known is lost."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from actors.catalogue import Catalogue, Flows, FlowsSettings
from actors.databases.database import Database, Rows
from actors.kernel import ChildSpec, Supervisor, System
from actors.library.own_library import OwnLibrary
from actors.library.sql_library import SqlLibrary
from actors.library.versions import VersionSource
from protocol.errors import BadDocument, Unavailable
from protocol.flow import Flow
from protocol.flows import NoSuchApp, NotOurs
from tests.integration.library.conftest import until

SECOND = 3.0
"""The promised second, and slack for a machine that runs other tests too."""

Keep = Callable[..., Awaitable[Catalogue]]


def playbook(**flows: str) -> str:
    """A playbook of flows that answer a text at `/<name>`; the text `BAD` makes a flow that cannot be served."""
    made = {}
    for name, text in flows.items():
        kind: dict[str, Any] = {"type": "js", "code": f"function main() {{ c.String(200, '{text}') }}"}
        made[name] = {
            "data": {
                "s": {
                    "data": {"type": "starter", "method": "GET", "urlpattern": f"/{name}"},
                    "outputs": {"output_1": {"connections": [{"node": "a", "output": "input_1"}]}},
                },
                "a": {"data": kind if text != "BAD" else {}, "outputs": {}},
            }
        }
    return json.dumps({"drawflow": made})


def said(catalogue: Catalogue, path: str) -> str:
    """What the flow at a path answers with; empty: nobody is there."""
    match = catalogue.table.find("GET", path)
    if match is None:
        return ""
    script = match.flow.nodes["a"].script
    assert script is not None
    return script.source.partition("'")[2].partition("'")[0]


@pytest.fixture
async def keep() -> AsyncIterator[Keep]:
    """Start a keeper; answers its catalogue."""
    systems: list[System] = []

    async def start(documents: dict[str, Path], seconds: float = 0.2, **more: Any) -> Catalogue:
        catalogue = Catalogue()
        settings = FlowsSettings(seconds, more.pop("apps", None), more.pop("triggers", None))
        system = System()
        systems.append(system)
        flows = ChildSpec("flows", lambda: Flows(catalogue, documents, settings=settings, **more))
        await system.start(ChildSpec("stores", lambda: Supervisor([flows])))
        return catalogue

    yield start
    for system in systems:
        assert not system.failed.done()
        await system.stop()


# --- files ---


async def test_a_changed_playbook_is_live_within_a_second(keep: Keep, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(playbook(one="first", two="same"))
    catalogue = await keep({"app": file}, 0.5)
    assert (said(catalogue, "/one"), said(catalogue, "/two")) == ("first", "same")
    before = catalogue.table.find("GET", "/two")
    file.write_text(playbook(one="second", two="same", three="new"))
    assert await until(lambda: said(catalogue, "/one") == "second", SECOND)
    assert said(catalogue, "/three") == "new"
    after = catalogue.table.find("GET", "/two")
    assert before is not None
    assert after is not None
    assert after.flow is before.flow, "a flow whose content is the same stays the same"


async def test_of_two_changes_within_one_tick_of_the_clock_the_second_counts(keep: Keep, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(playbook(one="aaa"))
    catalogue = await keep({"app": file}, 0.1)
    times = file.stat()
    await asyncio.sleep(0.3)
    with file.open("r+") as same:  # same inode, same size, same time
        same.write(playbook(one="bbb"))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert await until(lambda: said(catalogue, "/one") == "bbb", SECOND)


async def test_a_folder_is_watched_for_files_that_come_and_go(keep: Keep, tmp_path: Path) -> None:
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "a.json").write_text(playbook(one="a"))
    catalogue = await keep({"flows": folder})
    assert list(catalogue.live) == ["a"]
    (folder / "b.json").write_text(playbook(two="b"))
    (folder / ".c.json.swp").write_text(playbook(three="c"))
    (folder / ".d.json").write_text(playbook(four="d"))
    assert await until(lambda: said(catalogue, "/two") == "b", SECOND)
    (folder / "a.json").unlink()
    assert await until(lambda: not said(catalogue, "/one"), SECOND)
    assert list(catalogue.live) == ["b"]


async def test_a_document_that_became_bad_leaves_the_last_good_one_served(keep: Keep, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(playbook(one="good", two="good"))
    catalogue = await keep({"app": file})
    file.write_text(playbook(one="new", two="BAD"))
    assert await until(lambda: catalogue.problems, SECOND)
    assert (said(catalogue, "/one"), said(catalogue, "/two")) == ("good", "good")
    assert [problem.path for problem in catalogue.problems] == ["app.json: drawflow.two.data.a.data.type"]
    file.write_text("{ half a docu")
    assert await until(lambda: "not JSON" in str(catalogue.problems), SECOND)
    assert said(catalogue, "/one") == "good"
    file.write_text(playbook(one="new", two="good again"))
    assert await until(lambda: said(catalogue, "/two") == "good again", SECOND)
    assert catalogue.problems == ()


async def test_a_document_that_is_bad_from_the_start_has_its_good_flows_served(keep: Keep, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(playbook(one="good", two="BAD"))
    catalogue = await keep({"app": file})
    assert said(catalogue, "/one") == "good"
    file.write_text(playbook(one="better", two="BAD"))
    assert await until(lambda: said(catalogue, "/one") == "better", SECOND)


async def test_a_file_that_is_being_replaced_is_not_gone(keep: Keep, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(playbook(one="first"))
    catalogue = await keep({"app": file}, 0.3)
    seen = set()
    file.unlink()
    for _ in range(10):
        await asyncio.sleep(0.03)
        seen.add(said(catalogue, "/one"))
    file.write_text(playbook(one="second"))
    assert await until(lambda: said(catalogue, "/one") == "second", SECOND)
    assert seen == {"first"}


async def test_what_is_no_file_is_a_problem_and_not_a_hang(keep: Keep, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "ok.json").write_text(playbook(one="fine"))
    documents = {"pipe": tmp_path / "pipe.json", "ok": tmp_path / "ok.json", "none": tmp_path / "none.json"}
    catalogue = await keep(documents)
    assert said(catalogue, "/one") == "fine"
    assert {Path(problem.path).name for problem in catalogue.problems} == {"pipe.json", "none.json"}


async def test_recent_versions_of_a_flow_are_found_by_their_hash(keep: Keep, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(playbook(one="first"))
    catalogue = await keep({"app": file})
    (first,) = catalogue.flows
    file.write_text(playbook(one="second"))
    assert await until(lambda: said(catalogue, "/one") == "second", SECOND)
    (second,) = catalogue.flows
    assert first.hash != second.hash
    assert catalogue.version("app", "one", first.hash) is first
    assert catalogue.version("app", "one", second.hash) is second
    assert catalogue.version("app", "one", "unknown") is None
    assert catalogue.version("other", "one", first.hash) is None


async def test_recent_versions_are_bounded() -> None:
    catalogue = Catalogue()
    made = [Flow("app", "one", {}, (), f"hash{number}") for number in range(3000)]
    for flow in made:
        catalogue.replace((flow,), ())
    assert catalogue.version("app", "one", "hash0") is None
    assert catalogue.version("app", "one", "hash2999") is made[2999]
    assert catalogue.version("app", "one", "hash2500") is made[2500]


async def test_triggers_of_the_folder_come_before_those_of_the_app(keep: Keep, tmp_path: Path, own: OwnLibrary) -> None:
    folder = tmp_path / "triggers"
    folder.mkdir()
    (folder / "log.js").write_text("function log() { 'file' }")
    source = "function auth() { 'app' }\nvar log = function () { 'app' }"
    await own.install("mine", playbook(one="x"), VersionSource.API, source)
    catalogue = await keep({}, own=own, triggers=folder)
    assert catalogue.triggers("mine").auth == source
    assert "'file'" in catalogue.triggers("mine").log
    assert catalogue.triggers("unknown").auth == ""
    assert "'file'" in catalogue.triggers("unknown").log
    (folder / "auth.js").write_text("function auth() { 'new' }")
    (folder / "log.js").unlink()
    assert await until(lambda: "'new'" in catalogue.triggers("mine").auth, SECOND)
    assert await until(lambda: catalogue.triggers("mine").log == source, SECOND)
    assert await until(lambda: catalogue.triggers("unknown").log == "", SECOND)


# --- nFlow's database ---


async def test_an_existing_database_is_served_in_place_and_a_changed_row_is_live_within_a_second(
    keep: Keep, database: Database
) -> None:
    catalogue = await keep({}, 0.5, library=SqlLibrary(database), apps=("shop",))
    assert list(catalogue.live) == ["shop"]
    found = catalogue.table.find("GET", "/shop/hello/ana")
    assert found is not None
    greet = catalogue.table.find("GET", "/shop/greet")
    assert greet is not None
    script = greet.flow.nodes["Greeta"].script
    assert script is not None
    assert "nflow_data.greeting + '!'" in script.source, "the module's source"
    assert catalogue.triggers("shop").auth.startswith("function auth()")
    changed = "function main() { c.String(200, 'changed') }"
    await database.execute("UPDATE modules SET code = $1 WHERE name = 'greet'", (changed,))

    def source() -> str:
        match = catalogue.table.find("GET", "/shop/greet")
        script = match.flow.nodes["Greeta"].script if match is not None else None
        return script.source if script is not None else ""

    assert await until(lambda: source() == changed, SECOND)
    assert catalogue.version("shop", "Greet", greet.flow.hash) is greet.flow, "who began with it goes on with it"
    await database.execute("UPDATE nflow SET json = $1 WHERE name = 'shop'", (playbook(one="row"),))
    assert await until(lambda: said(catalogue, "/one") == "row", SECOND)
    await database.execute("UPDATE nflow SET default_js = 'function log() {}' WHERE name = 'shop'")
    assert await until(lambda: catalogue.triggers("shop").log == "function log() {}", SECOND)
    await database.execute("UPDATE nflow SET json = '{}' WHERE name = 'shop'")
    assert await until(lambda: catalogue.problems, SECOND)
    assert said(catalogue, "/one") == "row", "the last good one stays"
    await database.execute("DELETE FROM nflow WHERE name = 'shop'")
    assert await until(lambda: not catalogue.live, SECOND)
    assert [problem.path for problem in catalogue.problems] == ["app shop"]


class Troubled(SqlLibrary):
    """A library whose database goes out of reach when told to."""

    outage = False

    async def look(self, *arguments: Any) -> Any:
        if self.outage:
            raise Unavailable("the database is out of reach")
        return await super().look(*arguments)


@pytest.mark.parametrize("database", ["sqlite3"], indirect=True)
async def test_an_outage_leaves_what_is_known_and_is_over_by_itself(keep: Keep, database: Database) -> None:
    library = Troubled(database)
    catalogue = await keep({}, 0.1, library=library, apps=("shop", "login"))
    library.outage = True
    await asyncio.sleep(0.5)
    assert set(catalogue.live) == {"shop", "login"}
    await database.execute("UPDATE nflow SET json = $1 WHERE name = 'shop'", (playbook(one="after"),))
    library.outage = False
    assert await until(lambda: said(catalogue, "/one") == "after", 8)


@pytest.mark.parametrize("database", ["sqlite3"], indirect=True)
async def test_a_server_starts_without_its_database_and_serves_it_when_it_comes(
    keep: Keep, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "app.json"
    file.write_text(playbook(two="file"))
    library = Troubled(database)
    library.outage = True
    catalogue = await keep({"app": file}, 0.1, library=library, apps=("shop",))
    assert said(catalogue, "/two") == "file"
    assert [(problem.path, problem.fatal) for problem in catalogue.problems] == [("database_nflow", False)]
    library.outage = False
    assert await until(lambda: "shop" in catalogue.live, 8)
    assert catalogue.problems == ()


async def test_a_database_that_hangs_keeps_no_file_waiting(keep: Keep, tmp_path: Path) -> None:
    class Hanging:
        driver = "sqlite3"

        async def query(self, *_: Any, **__: Any) -> Rows:
            if self.hangs:
                await asyncio.sleep(3600)
            return Rows((), [])

        hangs = False

    hanging: Any = Hanging()
    file = tmp_path / "app.json"
    file.write_text(playbook(one="first"))
    catalogue = await keep({"app": file}, 0.2, library=SqlLibrary(hanging), apps=("shop",))
    hanging.hangs = True
    await asyncio.sleep(0.4)
    file.write_text(playbook(one="second"))
    assert await until(lambda: said(catalogue, "/one") == "second", SECOND)


# --- our library ---


async def test_an_installed_app_is_live_at_once_and_at_the_next_start(keep: Keep, own: OwnLibrary) -> None:
    catalogue = await keep({}, 0, own=own)
    installed = await catalogue.install("mine", playbook(one="api").encode())
    assert (installed.app, installed.version, installed.flows, installed.problems) == ("mine", 1, ("one",), ())
    assert said(catalogue, "/one") == "api"
    assert said(await keep({}, 0, own=own), "/one") == "api"
    assert await catalogue.remove("mine") is False
    assert said(catalogue, "/one") == ""
    assert said(await keep({}, 0, own=own), "/one") == ""


async def test_a_bad_document_is_refused_with_every_problem_and_changes_nothing(keep: Keep, own: OwnLibrary) -> None:
    catalogue = await keep({}, 0, own=own)
    await catalogue.install("mine", playbook(one="api").encode())
    with pytest.raises(BadDocument) as refused:
        await catalogue.install("mine", playbook(one="new", two="BAD", three="BAD").encode())
    paths = [problem.path for problem in refused.value.problems]
    assert paths == ["drawflow.two.data.a.data.type", "drawflow.three.data.a.data.type"]
    for bad in (b"", b"no JSON", b"[]", b"\xff\xfe", b'{"a":' * 5000):
        with pytest.raises(BadDocument):
            await catalogue.install("mine", bad)
    for name in ("", "a/b", "a\0b", "a\nb", "x" * 201, "\ud800"):
        with pytest.raises(NoSuchApp):
            await catalogue.install(name, playbook(one="new").encode())
    assert said(catalogue, "/one") == "api"
    assert [each.number for each in await own.list("mine")] == [1]


async def test_a_version_is_rolled_back_as_a_new_version(keep: Keep, own: OwnLibrary) -> None:
    catalogue = await keep({}, 0, own=own)
    for text in ("v1", "v2"):
        await catalogue.install("mine", playbook(one=text).encode())
    assert (await catalogue.roll_back("mine", 1)).version == 3
    assert said(catalogue, "/one") == "v1"
    assert (await own.list("mine"))[0].source is VersionSource.ROLLBACK
    with pytest.raises(NoSuchApp, match="no version 9"):
        await catalogue.roll_back("mine", 9)
    with pytest.raises(NoSuchApp):
        await catalogue.roll_back("other", 1)
    await catalogue.remove("mine")
    await catalogue.roll_back("mine", 2)
    assert said(catalogue, "/one") == "v2", "what was removed can be brought back"


async def test_a_start_that_cannot_be_reached_is_a_warning_of_the_install(keep: Keep, own: OwnLibrary) -> None:
    catalogue = await keep({}, 0, own=own)
    await catalogue.install("mine", playbook(one="mine").encode())
    installed = await catalogue.install("theirs", playbook(one="theirs").encode())
    assert ["never reached" in problem.message for problem in installed.problems] == [True]
    assert said(catalogue, "/one") == "mine"


async def test_what_is_put_into_the_store_by_another_program_is_live_within_a_second(
    keep: Keep, own: OwnLibrary
) -> None:
    catalogue = await keep({}, 0.5, own=own)
    await own.install("mine", playbook(one="imported"), VersionSource.IMPORT)
    assert await until(lambda: said(catalogue, "/one") == "imported", SECOND)


async def test_the_last_change_of_an_app_wins_whoever_made_it_also_after_a_restart(
    keep: Keep, own: OwnLibrary, tmp_path: Path
) -> None:
    file = tmp_path / "app.json"
    file.write_text(playbook(one="file 1"))
    documents = {"app": file}
    catalogue = await keep(documents, own=own)
    assert said(catalogue, "/one") == "file 1"
    await catalogue.install("app", playbook(one="api").encode())
    assert said(catalogue, "/one") == "api"
    await asyncio.sleep(0.5)
    assert said(catalogue, "/one") == "api", "a file that does not change does not take over"
    assert said(await keep(documents, own=own), "/one") == "api"
    file.write_text(playbook(one="file 2"))
    assert await until(lambda: said(catalogue, "/one") == "file 2", SECOND)
    assert said(await keep(documents, own=own), "/one") == "file 2"
    await catalogue.roll_back("app", 1)
    assert said(catalogue, "/one") == "file 1"
    assert await catalogue.remove("app") is True, "served still: the file is there"
    assert said(catalogue, "/one") == "file 2"
    with pytest.raises(NotOurs, match=r"app\.json"):
        await catalogue.remove("app")
    with pytest.raises(NoSuchApp):
        await catalogue.remove("unknown")
    assert {each.source.value for each in await own.list("app")} == {"file", "api", "rollback"}


async def test_every_document_that_went_live_is_a_version(keep: Keep, own: OwnLibrary, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(playbook(one="1"))
    catalogue = await keep({"app": file}, 0.1, own=own)
    for text in ("2", "BAD", "3"):
        file.write_text(playbook(one=text))
        await until(lambda text=text: said(catalogue, "/one") == text or text == "BAD", SECOND)
        await asyncio.sleep(0.3)
    documents = [await own.get("app", each.number) for each in await own.list("app")]
    assert documents == [playbook(one=text).encode() for text in ("3", "2", "1")]


async def test_without_a_store_nothing_can_be_installed(keep: Keep) -> None:
    catalogue = await keep({}, 0)
    with pytest.raises(Unavailable, match="no store"):
        await catalogue.install("mine", playbook(one="x").encode())
    with pytest.raises(Unavailable, match="not been started"):
        await Catalogue().install("mine", b"{}")


@pytest.mark.parametrize("database", ["postgres", "mysql"], indirect=True)
async def test_a_server_that_is_killed_and_comes_back_is_served_from_again(
    keep: Keep, database: Database, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgres_server" if database.driver == "postgres" else "mariadb_server")
    catalogue = await keep({}, 0.2, library=SqlLibrary(database), apps=("shop",))
    await asyncio.sleep(1.5)  # the tests' servers keep the commits of the last second in memory
    server.kill()
    assert await until(lambda: catalogue.table.find("GET", "/shop/hello/ana") is not None)
    await asyncio.sleep(0.5)
    assert list(catalogue.live) == ["shop"], "what is known stays live"
    server.start()  # on this thread: the server ends with the one that started it

    async def changed() -> bool:
        try:
            await database.execute("UPDATE nflow SET json = $1 WHERE name = 'shop'", (playbook(one="back"),))
        except Unavailable:
            return False
        return True

    assert await until(changed, 15)
    assert await until(lambda: said(catalogue, "/one") == "back", 15)
