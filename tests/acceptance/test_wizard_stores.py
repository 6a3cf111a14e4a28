"""A wizard goes on after its server has ended, where sessions live in a real PostgreSQL or Redis."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.servers import Server
from tests.acceptance.wizard import EXAMPLES, Walker, import_people

KEY = "a key of the configuration"


@pytest.fixture(scope="module", params=["postgres", "redis"])
def config(request: pytest.FixtureRequest) -> str:
    triggers = f'[tracker]\nenabled = true\n[files]\ntriggers = "{EXAMPLES / "triggers"}"\n[session]\nkey = "{KEY}"\n'
    if request.param == "postgres":
        dsn = request.getfixturevalue("postgres_server").dsn().replace("\\", "\\\\")
        return f'{triggers}[pg_session]\nurl = "{dsn}"\n'
    return f'{triggers}store = "redis"\n[redis]\nhost = "{request.getfixturevalue("redis_server").address}"\n'


def started(launch: Launch, config: str) -> Server:
    server = launch(EXAMPLES / "wizard.json", config)
    import_people(server)
    return server


def test_a_wizard_goes_on_at_another_server_with_the_same_key_and_store(launch: Launch, config: str) -> None:
    first = started(launch, config)
    walker = Walker(first)
    assert walker.get("/trip").headers["Location"] == "/nflow_login"
    assert walker.log_in("ana").headers["Location"] == "/trip"
    walker.get("/trip")
    assert "2. Where to, Ana?" in walker.send("/trip", traveller="Ana", mail="ana@example.com").text
    first.process.terminate()
    first.process.wait(30)
    with closing(sqlite3.connect(first.store)) as store:
        assert {name for (name,) in store.execute("select username from tracker where url = '/trip'")} == {"ana"}
    walker.server = second = started(launch, config)
    page = walker.send("/trip", cities=["c1", "c2"], hotel_c1="4", hotel_c2="5")
    assert re.findall(r"<li>(.*?):", page.text) == ["Bogotá, Hotel Bogotá 4", "Lima, Hotel Lima 5"]
    booked = walker.send("/trip", notes="after the end")
    assert int(re.findall(r'id="kept">(\d+)', booked.text)[0]) > 4096
    old = walker.cookie
    walker.get("/logout")
    assert Walker(second, old).get("/trip").headers["Location"] == "/nflow_login"


def test_the_cookie_of_one_is_nothing_to_a_server_with_another_key(launch: Launch, config: str) -> None:
    walker = Walker(started(launch, config))
    walker.get("/trip")
    walker.log_in("ana")
    assert walker.get("/trip").status == 200
    other = started(launch, config.replace(KEY, "another key, of other people"))
    assert Walker(other, walker.cookie).get("/trip").headers["Location"] == "/nflow_login"
