"""/debug: what an operator sees of a running server, what he can do to it, and who is let in."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loadtests.server import descendants
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook, write
from tests.acceptance.servers import Answer, Server, until

TOKEN = "canary-of-the-debug-token"
KEY = {"X-Debug-Token": TOKEN}
CONFIG = f"""
[store]
[database]
driver = "sqlite3"
url = "file:{{folder}}/canary-of-the-dsn.sqlite"
[debug]
enabled = true
auth_token = "{TOKEN}"
enable_pprof = true
slow_query_ms = 0.0001
[log]
audit = "{{folder}}/audit.jsonl"
[api]
admin_token = "canary-of-the-admin"
[session]
key = "canary-of-the-session-key"
[redis]
password = "canary-of-redis"
[twilio]
auth_token = "canary-of-twilio"
[mail]
password = "canary-of-mail"
[env]
plain_name = "canary-of-the-environment"
[security]
encryption_key = "Y2FuYXJ5LW9mLXRoZS1lbmNyeXB0aW9uLWtleS0zMg=="
"""
FLOWS = playbook(
    Hello=chain("/hello", "c.JSON(200, {hello: 'canary-of-a-source'})"),
    Slow=chain(
        "/slow", "payload = {password: 'canary-of-a-payload', n: 7}", "sleep(20000); c.NoContent(204)", method="POST"
    ),
    Query=chain(
        "/query",
        "async function main() { await db.exec('create table if not exists t (a text)');"
        " await db.query(\"select a from t where a = $1 or a = 'canary-of-a-literal'\", ['canary-of-a-value']);"
        " c.JSON(200, {}) }",
    ),
    Login=chain("/login", "set_session('shop', 'who', 'canary-of-a-session'); c.JSON(200, {})"),
    Who=chain("/who", "c.JSON(200, {who: get_session('shop', 'who') || ''})"),
    Node={**chain("/node", "c.JSON(200, {})", password="canary-of-a-node")},
)
PAGES = (
    "info", "config", "repositories", "playbooks", "playbook/Hello", "playbook/Node", "cache/stats", "processes",
    "sessions", "vm-pool", "vm/pool", "database/stats", "database/connections", "runtime", "memory", "goroutines",
    "tracker/stats", "url-cache", "slow-queries", "starters", "supervisor", "supervisor?format=text", "pprof/",
    "pprof/tasks", "pprof/goroutine", "pprof/threads",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps the scripts' database and its audit."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def server(launch: Launch, data: Path) -> Server:
    return launch(FLOWS, CONFIG.format(folder=data) + "[server]\ndrain_seconds = 1\n")


def get(server: Server, path: str) -> Any:
    answer = server.get(f"/debug/{path}", headers=KEY)
    assert answer.status == 200, answer.text
    return answer.json()


def do(server: Server, method: str, path: str) -> Answer:
    return server.ask(f"/debug/{path}", method, headers=KEY)


@contextmanager
def sleeping(server: Server) -> Iterator[tuple[str, list[Answer]]]:
    """A run in its second node: its id, and its answer once it has one."""
    answers: list[Answer] = []
    client = threading.Thread(target=lambda: answers.append(server.post("/slow", timeout=30)))
    client.start()
    found = until(
        lambda: [wid for wid, run in get(server, "processes")["processes"].items() if run["UUIDBoxCurrent"] == "n2"]
    )
    try:
        yield found[0], answers
    finally:
        do(server, "DELETE", f"process/{found[0]}")
        client.join(10)


# --- who is let in ---


def test_they_are_not_there_unless_they_are_enabled(launch: Launch) -> None:
    server = launch(playbook(chain("/debug/info", "c.String(200, 'mine')"), chain("/x", "")))
    assert server.get("/debug/info").text == "mine"
    assert server.get("/debug/config").json() == {"code": 404, "message": "not found"}
    assert server.get("/debug/invalidate-cache").status == 404


@pytest.mark.parametrize("path", ["info", "invalidate-cache", "clean-json", "starters", "process/x", "pprof/profile"])
def test_each_asks_for_the_token_also_the_old_ones(server: Server, path: str) -> None:
    for headers in ({}, {"X-Debug-Token": "wrong"}, {"Authorization": "Bearer canary-of-the-admin"}):
        answer = server.get(f"/debug/{path}", headers=headers)
        assert (answer.status, answer.json()) == (401, {"error": "Invalid or missing debug token"})
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_token_comes_in_three_ways_and_no_answer_may_be_kept(server: Server) -> None:
    for path, headers in (
        ("info", KEY),
        ("info", {"Authorization": f"Bearer {TOKEN}"}),
        (f"info?debug_token={TOKEN}", {}),
    ):
        answer = server.get(f"/debug/{path}", headers=headers)
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert TOKEN not in server.log()


def test_addresses_are_those_of_sockets(launch: Launch) -> None:
    config = f'[debug]\nenabled = true\nauth_token = "{TOKEN}"\nallowed_ips = "10.0.0.0/8"\n'
    server = launch(FLOWS, config)
    answer = server.get("/debug/info", headers={**KEY, "X-Forwarded-For": "10.1.2.3"})
    assert (answer.status, answer.json()) == (403, {"error": "IP 127.0.0.1 not allowed"})


def test_without_a_token_this_machine_is_let_in_and_nobody_through_it(launch: Launch) -> None:
    server = launch(FLOWS, "[debug]\nenabled = true\n")
    assert server.get("/debug/info").status == 200
    assert server.get("/debug/info", headers={"X-Forwarded-For": "127.0.0.1"}).status == 403
    assert server.get("/debug/info", headers={"Host": "evil.example"}).status == 403
    assert server.get("/debug/pprof/profile").status == 404  # debug.enable_pprof is off


def test_refusals_and_deeds_are_in_the_audit(server: Server, data: Path) -> None:
    server.get("/debug/memory", headers={"X-Debug-Token": "wrong-one"})
    do(server, "POST", "gc")

    def told() -> set[tuple[str, str, str]]:
        lines = [json.loads(line) for line in (data / "audit.jsonl").read_text().splitlines()]
        return {(each["kind"], each["outcome"], each["what"]) for each in lines}

    wanted = {("token", "refused", "GET /debug/memory"), ("debug", "done", "collect garbage")}
    assert until(lambda: wanted <= told())


# --- what is seen ---


def test_no_page_shows_a_secret(server: Server) -> None:
    server.get("/query")
    server.get("/login")
    with sleeping(server) as (wid, _):
        pages = [do(server, "GET", page) for page in (*PAGES, f"process/{wid}")]
    assert {page.status for page in pages} == {200}
    for page, answer in zip(PAGES, pages, strict=False):
        assert "canary" not in answer.text, page
        assert "Y2FuYXJ5" not in answer.text, page
    assert "canary" not in pages[-1].text
    shown = json.loads(pages[1].body)
    assert (shown["session"]["key"], shown["env"], shown["debug"]["auth_token"]) == (
        "***",
        {"plain_name": "***"},
        "***",
    )
    assert shown["pg_session"]["url"] == ""
    assert shown["vm_pool"]["max_size"] == 32


def test_go_s_keys_are_there(server: Server) -> None:
    assert {"service", "version", "go_version", "os", "arch", "cpus", "goroutines", "timestamp", "uptime"} <= set(
        get(server, "info")
    )
    assert {"vm_pool", "tracker", "database", "redis", "debug", "monitor"} <= set(get(server, "config"))
    assert get(server, "repositories") == {
        "playbook_repository": {"initialized": True, "cache_size": 1},
        "process_repository": {"initialized": True, "active_processes": 0},
    }
    books = get(server, "playbooks")
    assert (books["app"], books["total_flows"], books["total_nodes"]) == ("app", 6, 13)
    assert books["flows"][0] == {"key": "app/Hello", "flow_key": "Hello", "app": "app", "node_count": 2}
    book = get(server, "playbook/app/Hello")
    assert (book["flow"], book["node_count"], set(book["nodes"])) == ("Hello", 2, {"s", "n1"})
    assert do(server, "GET", "playbook/Nothing").json() == {"error": "Flow not found"}
    assert {"playbook_cache_size", "url_cache_size"} <= set(get(server, "cache/stats"))
    connections = get(server, "database/connections")
    assert (connections["connected"], connections["driver"]) == (True, "sqlite3")
    assert get(server, "vm/pool") == get(server, "vm-pool")
    assert get(server, "vm/pool")["limit"] == 32


def test_the_pool_that_is_told_first_is_that_of_nflow_s_database(launch: Launch) -> None:
    nflow = '[database_nflow]\ndriver = "sqlite3"\ndsn = "nflow.sqlite"\nmax_open_conns = 3\n'
    server = launch(FLOWS, f'[debug]\nenabled = true\nauth_token = "{TOKEN}"\n{nflow}')
    told = get(server, "database/stats")
    assert list(told["databases"])[:2] == ["nflow", "library"]
    assert told["max_open_connections"] == 3


def test_the_configuration_is_the_one_in_force(launch: Launch) -> None:
    server = launch(FLOWS, f'[debug]\nenabled = true\nauth_token = "{TOKEN}"\n[server]\nmax_processes = 77\n')
    assert get(server, "config")["server"]["max_processes"] == 77
    file = server.folder / "config.toml"
    file.write_text(file.read_text().replace("77", "78"))
    server.process.send_signal(signal.SIGHUP)
    assert until(lambda: get(server, "config")["server"]["max_processes"] == 78)


def test_slow_statements_are_told_without_their_values(server: Server) -> None:
    assert server.get("/query").status == 200
    told = get(server, "slow-queries")
    mine = [each for each in told["queries"] if each["database"] == "scripts"]
    assert "select a from t where a = $1 or a = ?" in [each["sql"] for each in mine]
    assert all(each["milliseconds"] > 0 and abs(each["ended"] - time.time()) < 60 for each in mine)
    assert told["total"] >= len(told["queries"])


def test_the_tree_shows_every_actor_and_what_became_of_it(server: Server) -> None:
    def actors(tree: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        below = [each for actor in tree for each in actors(actor["children"]).items()]
        return {actor["path"]: actor for actor in tree} | dict(below)

    before = actors(get(server, "supervisor")["tree"])
    assert {"/root/stores", "/root/services/sessions", "/root/sandboxes/pool", "/root/gateway"} <= before.keys()
    assert before["/root"]["state"] == "running"
    leaf = next(pid for pid in descendants(server.process.pid) if not descendants(pid))
    os.kill(leaf, signal.SIGKILL)

    def crashed() -> list[dict[str, Any]]:
        return [each for each in actors(get(server, "supervisor")["tree"]).values() if each["last_crash"]]

    found = until(crashed)
    assert [each["path"].startswith("/root/sandboxes/pool/sandbox-") for each in found] == [True]
    assert found[0]["restarts"] == 1
    assert abs(found[0]["last_crash"]["when"] - time.time()) < 60
    assert set(found[0]["last_crash"]) == {"type", "message", "when"}
    few = get(server, "supervisor?children=2&depth=2")["tree"][0]
    assert (len(few["children"]), few["hidden"]) == (2, 3)
    assert few["children"][0]["children"] == []
    assert few["children"][0]["hidden"] > 3
    drawing = do(server, "GET", "supervisor?format=text").text
    assert drawing.startswith("root  running")
    assert "last crash " in drawing


@pytest.mark.parametrize("query", ["depth=0", "children=1001", "format=xml", "depth=-1", "depth=x", "children=1e2"])
def test_a_bad_parameter_is_told_with_its_name(server: Server, query: str) -> None:
    answer = do(server, "GET", f"supervisor?{query}")
    assert answer.status == 400
    assert answer.json()["problems"][0]["path"] == f"query.{query.partition('=')[0]}"
    assert answer.json()["error"].startswith("query.")


# --- what can be done ---


def test_a_kill_really_ends_a_run(server: Server) -> None:
    with sleeping(server) as (wid, answers):
        run = get(server, f"process/{wid}")
        assert (run["UUID"], run["UUIDBoxCurrent"], run["State"], run["Type"]) == (wid, "n2", "run", "js")
        assert (run["Payload"], run["Killeable"]) == ({"password": "***", "n": 7}, True)
        began = time.monotonic()
        killed = do(server, "DELETE", f"process/{wid}")
        assert (killed.status, killed.json()) == (200, {"message": "Process killed", "wid": wid})
        assert until(lambda: answers)
        assert time.monotonic() - began < 3
    assert until(lambda: get(server, "processes")["total"] == 0)
    for method in ("GET", "DELETE"):
        answer = do(server, method, f"process/{wid}")
        assert (answer.status, answer.json()) == (404, {"error": "Process not found"})


def test_ending_all_sessions_logs_everybody_out(server: Server) -> None:
    cookie = server.get("/login").headers["Set-Cookie"].partition(";")[0]
    assert server.get("/who", headers={"Cookie": cookie}).json() == {"who": "canary-of-a-session"}
    counted = get(server, "sessions")
    assert (counted["store"], counted["available"]) == ("memory", True)
    assert counted["sessions"] >= 1
    assert do(server, "DELETE", "sessions").json() == {"message": "Sessions ended", "sessions": counted["sessions"]}
    assert server.get("/who", headers={"Cookie": cookie}).json() == {"who": ""}
    assert get(server, "sessions")["sessions"] == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "cache/invalidate"),
        ("POST", "cache/invalidate/app"),
        ("GET", "invalidate-cache"),
        ("GET", "clean-json"),
    ],
)
def test_an_invalidation_serves_what_is_in_the_file_now_and_never_less(launch: Launch, method: str, path: str) -> None:
    server = launch(
        playbook(chain("/x", "c.String(200, 'one')")),
        f'[debug]\nenabled = true\nauth_token = "{TOKEN}"\n[flows]\nreload_seconds = 0\n',
        expects=[r"cannot be read.*app\.json"],
    )
    file = server.folder / "app.json"
    assert do(server, method, path).status == 200
    assert server.get("/x").text == "one"
    write(file, playbook(chain("/x", "c.String(200, 'two')")))
    assert server.get("/x").text == "one"  # nobody looks
    assert do(server, method, path).status == 200
    assert server.get("/x").text == "two"
    file.unlink()
    do(server, method, path)
    do(server, method, path)
    write(file, playbook(chain("/x", "c.String(200, 'three')")))
    assert do(server, method, path).status == 200
    assert server.get("/x").text == "three"


def test_one_cache_is_invalidated_by_a_name_that_is_there(server: Server) -> None:
    assert do(server, "POST", "cache/invalidate/Hello").json() == {"message": "Cache invalidated", "flow": "Hello"}
    assert do(server, "POST", "cache/invalidate/Nothing").status == 404
    assert do(server, "DELETE", "url-cache").json() == {"message": "URL cache cleared"}
    assert do(server, "PUT", "cache/invalidate").status == 405


def test_garbage_is_collected(server: Server) -> None:
    told = do(server, "POST", "gc").json()
    assert told["message"] == "Garbage collected"
    assert min(told["collected"], told["rss_bytes_before"], told["rss_bytes_after"]) >= 0


# --- profiles ---


def test_a_cpu_profile_is_a_page_or_speedscope_s_json_or_text(server: Server) -> None:
    page = do(server, "GET", "pprof/profile?seconds=1")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    told = do(server, "GET", "pprof/profile?seconds=1&format=speedscope")
    assert "speedscope" in told.json()["$schema"]
    text = do(server, "GET", "pprof/profile?seconds=1&format=text")
    assert "Duration: 1." in text.text


def test_one_profile_is_made_at_a_time(server: Server) -> None:
    answers: list[Answer] = []
    client = threading.Thread(target=lambda: answers.append(do(server, "GET", "pprof/profile?seconds=2")))
    client.start()
    assert until(lambda: "cpu_profile" in do(server, "GET", "pprof/tasks").text)
    busy = do(server, "GET", "pprof/heap?seconds=1")
    assert (busy.status, busy.json()) == (409, {"error": "another profile is being made"})
    client.join(10)
    assert answers[0].status == 200
    assert do(server, "GET", "pprof/heap?seconds=1").status == 200


def test_a_profile_ends_with_the_client_that_asked_for_it(server: Server) -> None:
    with server.connect() as client:
        client.sendall(
            f"GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: x\r\nX-Debug-Token: {TOKEN}\r\n\r\n".encode()
        )
        assert until(lambda: "cpu_profile" in do(server, "GET", "pprof/tasks").text)
    assert until(lambda: do(server, "GET", "pprof/profile?seconds=1").status == 200)


@pytest.mark.parametrize("path", ["pprof/profile?seconds=0", "pprof/profile?seconds=61", "pprof/heap?seconds=3600"])
def test_no_profile_takes_longer_than_a_minute(server: Server, path: str) -> None:
    assert do(server, "GET", path).status == 400


def test_a_heap_profile_names_lines(server: Server) -> None:
    told = get(server, "pprof/heap?seconds=1&top=3")
    assert 1 <= len(told["top"]) <= 3
    assert set(told["top"][0]) == {"file", "line", "bytes", "blocks"}


def test_the_dump_has_tasks_threads_and_actors(server: Server) -> None:
    with sleeping(server) as (wid, _):
        dump = do(server, "GET", "goroutines").text
    assert "asyncio tasks" in dump
    assert "threads" in dump
    assert "actors not at rest" in dump
    assert wid
