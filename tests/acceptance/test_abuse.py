"""A thousand of each thing that ends or starves the Go program: the next request is right, and nothing is left behind.

`ABUSE_COUNT` raises the thousand.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from loadtests.server import free_port
from tests.acceptance.abuse import Bad, Held, held, many, settled
from tests.acceptance.conftest import Launch
from tests.acceptance.http_peers import misbehaving, reset, silent
from tests.acceptance.playbooks import chain, edges, js, playbook, starter
from tests.acceptance.servers import Answer, Server, until

COUNT = int(os.environ.get("ABUSE_COUNT", "1000"))
POOL = 16
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SHOW = "c.JSON(200, payload)"
PAYLOADS = {"array": [1, [2], {"a": None}], "number": 3.5, "string": "text", "null": None}
ODD_BREAKS = (
    "payload = ['break']; payload.break = true", "payload = 'break'", "payload = {break: 'yes'}", "payload = null",
    "payload = {break: {}}", "payload = {break: true}", "payload = {break: 'true', deep: [[[{}]]]}", "payload = 7",
    "payload = {break: true, toJSON() { return [1] }}", "payload = Object.create({break: true})",
)  # fmt: skip
LEFT_OPEN = (
    "db.begin().then(async tx => { await tx.exec('insert into one values (3)'); throw new Error('never ended') })"
)
SQL = {
    "db.query('select * from nowhere')": "nowhere",
    "db.query('selekt 1')": "syntax",
    "db.exec('insert into one values (1)')": "UNIQUE",
    "db.query('select ?, ?', [1])": "",
    "db.transaction(async tx => { await tx.exec('insert into one values (2)'); throw new Error('undone') })": "undone",
    "db.begin().then(tx => tx.query('select * from nowhere'))": "nowhere",
    LEFT_OPEN: "never ended",
}


def module(name: str, *targets: str | None, **data: Any) -> dict[str, Any]:
    return {"data": {"type": "js", "script": name, **data}, "outputs": edges(*targets)}


def kind(name: str, *targets: str | None, **data: Any) -> dict[str, Any]:
    return {"data": {"type": name, **data}, "outputs": edges(*targets)}


def flows(urls: dict[str, str]) -> dict[str, Any]:
    return playbook(
        chain("/well/:n", "payload = {n: Number(vars.n)}", SHOW),
        *(chain(f"/payload/{name}", f"payload = {json.dumps(value)}", SHOW) for name, value in PAYLOADS.items()),
        *(chain(f"/get/{name}", f"payload = http_get('{url}')", SHOW) for name, url in urls.items()),
        *(
            chain(f"/await/{name}", f"return http.get('{url}').then(() => c.JSON(200, 1))")
            for name, url in urls.items()
        ),
        *(
            {
                "s": starter(f"/break/{n}", "a"),
                "a": js(f"function main() {{ {code} }}", "b"),
                "b": js("function main(){}"),
            }
            for n, code in enumerate(ODD_BREAKS)
        ),
        *(chain(f"/sql/{n}", f"return {code}.then(() => c.JSON(200, 1))") for n, code in enumerate(SQL)),
        {
            "s": starter("/json", "a"),
            "a": js("function main() { payload = {a: {}} }", "b"),
            "b": module("json", field="a.b.c"),
        },
        {"s": starter("/template", "a"), "a": module("template", template="<p>{{if}}")},
        {"s": starter("/template/use", "a"), "a": module("template", template="<p>{{index .list 9}}</p>")},
        {
            "s": starter("/form", "a"),
            "a": module("form", "b", html_form="<p>{{.a | nothing}}"),
            "b": js("function main(){}"),
        },
        {
            "s": starter("/wizard", "a", "ANY"),
            "a": module("form", "b", html_form="<input name=x>"),
            "b": js("function main() { c.JSON(200, payload) }"),
        },
        {
            "s": starter("/large/form", "a"),
            "a": js("function main() { payload = {big: 'x'.repeat(20000)} }", "b"),
            "b": module("form", "c", html_form="<p>"),
            "c": js("function main(){}"),
        },
        chain("/large/session", "set_session('cart', 'big', 'x'.repeat(20000)); c.NoContent(204)"),
        chain("/rejected", "async function main() { await null; throw new RangeError('later') }", SHOW),
        chain("/rejected/never", "async function main() { await new Promise(() => {}) }", SHOW),
        {
            "s": starter("/plugin", "a"),
            "a": kind("dromedary", "b", dromedary_name="nobody"),
            "b": js("function main(){}"),
        },
        {
            "s": starter("/plugin/callback", "a"),
            "a": kind("dromedary_callback", "b", "b", dromedary_name="nobody"),
            "b": js("function main(){}"),
        },
        {"s": starter("/plugin/kind", "a"), "a": kind("nobodys-step", "b"), "b": js("function main(){}")},
        {"s": starter("/kind/http", "a"), "a": kind("http", "b", url=urls["closed"]), "b": js(NOTHING)},
        {
            "s": starter("/kind/retry", "a"),
            "a": kind("http", "b", url=urls["reset"], nflow_options={"retry": {"attempts": 3, "wait": 0.01}}),
            "b": js(NOTHING),
        },
        {
            "s": starter("/kind/timeout", "a"),
            "a": js("function main() { sleep(9000) }", "b", nflow_options={"timeout": 0.05}),
            "b": js(NOTHING),
        },
        {"s": starter("/kind/db", "a"), "a": kind("db", "b", query="select * from nowhere"), "b": js(NOTHING)},
        {"s": starter("/kind/mail", "a"), "a": kind("mail", "b", to="a@example.com", text="x"), "b": js(NOTHING)},
        {
            "s": starter("/kind/parallel", "a"),
            "a": kind("parallel", "d", "b", "c", "b"),
            "b": js("function main() { sleep(9000) }"),
            "c": js("function main() { throw new Error('one of three') }"),
            "d": js(NOTHING),
        },
        chain("/stream", "for (;;) { c.response.write('x'.repeat(1000)); sleep(20) }"),
        chain("/plugin/function", "return nobody.anything()"),
        {
            "s": starter("/fork", "a"),
            "a": kind("gorutine", "b", "c"),
            "b": js("function main() { c.JSON(200, 'main') }"),
            "c": js("function main() { http_get('http://127.0.0.1:1/') }"),
        },
    )


NOTHING = "function main() {}"
STOPPED = "nodes out of time", "parallel branches of which one fails"
"""Each costs a sandbox or two: a tenth of the thousand."""
CASES: dict[str, list[Bad]] = {
    **{
        f"payload {name}": [Bad(f"/payload/{name}", 200, json.dumps(value, separators=(",", ":")))]
        for name, value in PAYLOADS.items()
    },
    "http_get of a closed port": [Bad("/get/closed", 500, "127.0.0.1"), Bad("/await/closed", 500, "127.0.0.1")],
    "http_get of a refused address": [
        Bad("/get/refused", 500, "169.254.169.254"),
        Bad("/await/refused", 500, "169.254"),
    ],
    "http_get of a silent peer": [Bad("/get/silent", 500, "127.0.0.1"), Bad("/await/silent", 500, "127.0.0.1")],
    "http_get of a peer that resets": [Bad("/get/reset", 500, "127.0.0.1"), Bad("/await/reset", 500, "127.0.0.1")],
    "json of a missing field": [Bad("/json", 500, "a.b.c")],
    "bad templates": [
        Bad("/template", 500, "template"),
        Bad("/template/use", 500, "index"),
        Bad("/form", 500, "nothing"),
    ],
    "break with odd payloads": [Bad(f"/break/{n}", 200, "") for n in range(len(ODD_BREAKS))],
    "bad resumes": [
        *(
            Bad("/wizard", 409, "waits", "POST", urlencode({"nflow_next_node_run": node, "x": "1"}), FORM)
            for node in ("b", "s", "nothing", "é" * 40, "n" * 5000, "../b", "b\x00")
        ),
        *(Bad(f"/wizard/nfnext/{node}", 409, "waits") for node in ("b", "nothing", "%00", "b%2F..")),
        *(
            Bad("/wizard?nflow_next_node_run=b", 409, "waits", headers={"Cookie": f"nflow_session={cookie}"})
            for cookie in ("x", "a.b.c", "A" * 43 + ".1700000000." + "A" * 43, "é=;=", "x" * 4000)
        ),
    ],
    "oversized sessions": [Bad("/large/session", 500, "session"), Bad("/large/form", 500, "session")],
    "a rejected async main": [Bad("/rejected", 500, "RangeError: later"), Bad("/rejected/never", 500, "never comes")],
    "unknown plugins": [
        Bad("/plugin", 500, "nobody"),
        Bad("/plugin/callback", 500, "nobody"),
        Bad("/plugin/kind", 500, "nobodys-step"),
        Bad("/plugin/function", 500, "nobody"),
    ],
    "node kinds that fail": [
        Bad("/kind/http", 500, "127.0.0.1"),
        Bad("/kind/retry", 500, "127.0.0.1"),
        Bad("/kind/db", 500, "nowhere"),
        Bad("/kind/mail", 500, "mail"),
    ],
    "nodes out of time": [Bad("/kind/timeout", 408, "0.05")],
    "parallel branches of which one fails": [Bad("/kind/parallel", 500, "one of three")],
    "database errors": [Bad(f"/sql/{n}", 500, words) for n, words in enumerate(SQL.values())],
    "a branch that fails": [Bad("/fork", 200, '"main"')],
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("abuse") / "scripts.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table one (n integer primary key)")
        connection.execute("insert into one values (1)")
        connection.commit()
    return path


@pytest.fixture(scope="module")
def server(launch: Launch, database: Path) -> Iterator[Server]:
    with ExitStack() as peers:
        urls = {
            "closed": f"http://127.0.0.1:{free_port()}/",
            "refused": "http://169.254.169.254/latest/meta-data",
            "silent": f"http://127.0.0.1:{peers.enter_context(misbehaving(silent))}/",
            "reset": f"http://127.0.0.1:{peers.enter_context(misbehaving(reset))}/",
        }
        # Every call is to reach its peer, so the breakers stay closed; the pool keeps its size, so it can be compared.
        server = launch(
            flows(urls),
            f"""
[outgoing]
timeout_seconds = 0.1
breaker_failures = 1_000_000
[security]
allowed_addresses = ["127.0.0.1/32"]
[vm_pool]
max_size = {POOL}
preload_size = {POOL}
[session]
max_kb = 16
[database]
driver = "sqlite3"
max_open_conns = 2
url = "{database}"
""",
        )
        yield server


def at_rest(server: Server) -> Held:
    """What it holds once every sandbox is there again."""
    assert until(lambda: server.metric("nflow_vm_pool_available") == POOL, 20)
    assert until(lambda: server.metric("nflow_processes_active") == 0)
    return held(server)


def next_is_right(ask: Callable[..., Answer]) -> bool:
    answer = ask("/well/21")
    return (answer.status, answer.text) == (200, '{"n":21}\n')


@pytest.mark.parametrize("name", CASES)
def test_a_thousand_of_them_leave_the_server_as_it_was(server: Server, name: str) -> None:
    bads = CASES[name]
    assert many(server, bads, 4 * len(bads), next_is_right) == []  # what is made on the first time is there now
    before = at_rest(server)
    assert many(server, bads, COUNT // 10 if name in STOPPED else COUNT, next_is_right) == []
    assert next_is_right(server.get)
    assert settled(server, before) == {}


def test_readers_that_leave_amid_a_stream_leave_the_server_as_it_was(server: Server) -> None:
    def leave(_: int) -> bytes:
        with server.connect() as connection:
            connection.sendall(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
            return connection.recv(100)

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(leave, range(16)))
        before = at_rest(server)
        heads = list(clients.map(leave, range(COUNT // 10)))
    assert {head.split(b"\r\n")[0] for head in heads} == {b"HTTP/1.1 200 OK"}
    assert next_is_right(server.get)
    assert settled(server, before) == {}


def test_a_transaction_left_open_by_its_script_holds_no_lock(server: Server, database: Path) -> None:
    for _ in range(20):
        assert server.get(f"/sql/{list(SQL).index(LEFT_OPEN)}").status == 500
    with closing(sqlite3.connect(database, timeout=5)) as other:
        other.execute("begin immediate")
        assert other.execute("select n from one").fetchall() == [(1,)]
