"""T25: twenty secrets go through configuration, nodes, errors and crashes, and are in nothing anybody reads.

Looked through: every answer, the log and its rotated files, the audit file, metrics, every debug page, traces as they
leave, the tracker's rows, and the memory of every sandbox. The journal holds what runs were given, encrypted, since a
key is set: its rows are looked through as well.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from loadtests.server import descendants
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import edges, js, playbook, starter
from tests.acceptance.servers import Answer, Server, until
from tests.torture.row import tell

CONFIGURED = (
    "admin_token", "debug_token", "session_key", "earlier_session_key", "encryption_key", "earlier_key",
    "redis_password", "dsn_password", "mail_password", "twilio_token", "collector_token", "env_secret",
)  # fmt: skip
CARRIED = (
    "authorization", "cookie", "query_token", "form_password", "payload_password", "node_header", "url_password",
    "console_password", "thrown_password", "crash_password",
)  # fmt: skip
NEVER_IN_A_SANDBOX = {*CONFIGURED} - {"env_secret"}
DEBUG_PAGES = (
    "info", "config", "repositories", "playbooks", "playbook/Login", "cache/stats", "processes", "sessions", "vm-pool",
    "vm/pool", "database/stats", "database/connections", "runtime", "memory", "goroutines", "tracker/stats",
    "url-cache", "supervisor", "supervisor?format=text", "security/blocked", "slow-queries", "starters", "clean-json",
    "pprof/heap?seconds=1", "pprof/profile?seconds=1", "pprof/tasks", "pprof/threads",
)  # fmt: skip


@pytest.fixture(scope="module")
def canaries() -> dict[str, str]:
    """Name → a secret that occurs nowhere else. Long, and no pattern of anything knows it."""
    return {name: "Zq" + secrets.token_hex(15) for name in (*CONFIGURED, *CARRIED)}


@pytest.fixture(scope="module")
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Takes traces; keeps their bytes."""
    taken: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    thread.join()
    server.server_close()


def flows(canaries: Mapping[str, str]) -> dict[str, Any]:
    """Each failing in another way, with secrets in hand."""
    c = canaries
    scripts = {
        "login": "payload = {user: 'ana', password: form.password?.[0], token: c.QueryParam('token')}",
        "say": f"console.log('password={c['console_password']}'); console.error(env); c.String(200, 'said')",
        "throw": f"throw new Error('password={c['thrown_password']}')",
        "leak": "throw new Error('the key is ' + env.payment_secret)",
        "crash": "const password = header['X-Crash'][0]; for (;;) payload = {password, payload}",
        "redis": "c.JSON(200, redis_hget('a', 'b').err())",
        "mail": "send_mail('a@example.com', 'b', 'c', '', '')",
        "otp": "send_otp('+1')",
    }
    found: dict[str, Any] = {
        name.title(): {
            "s": starter(f"/{name}", "n", "ANY"),
            "n": js(f"function main() {{ {text} }}", "end"),
            "end": js("function main() { c.JSON(200, {done: true}) }"),
        }
        for name, text in scripts.items()
    }
    outside = {
        "type": "http",
        "method": "GET",
        "url": f"http://user:{c['url_password']}@127.0.0.1:9/?api_key={c['url_password']}",
        "headers": {"Authorization": f"Bearer {c['node_header']}"},
    }
    found["Node"] = {"s": starter("/node", "n", "ANY"), "n": {"data": outside, "outputs": edges()}}
    found["Data"] = {
        "s": starter("/data", "n", "ANY"),
        "n": {"data": {"type": "db", "query": "SELECT * FROM nowhere"}, "outputs": edges()},
    }
    return playbook(**found)


@pytest.fixture(scope="module")
def server(launch: Launch, canaries: dict[str, str], collector: tuple[str, list[bytes]]) -> Server:
    c = canaries
    config = f"""
[server]
durability_note = 0
[api]
admin_token = "{c["admin_token"]}"
[debug]
enabled = true
auth_token = "{c["debug_token"]}"
enable_pprof = true
[session]
key = "{c["session_key"]}"
earlier_keys = "{c["earlier_session_key"]}"
[security]
enable_encryption = true
encryption_key = "{c["encryption_key"]}"
encryption_key_id = "now"
earlier_keys = "then:{c["earlier_key"]}"
allowed_addresses = ["127.0.0.1/32"]
[redis]
host = "127.0.0.1:9"
password = "{c["redis_password"]}"
[database_nflow]
dsn = "postgres://nflow:{c["dsn_password"]}@127.0.0.1:9/nflow"
[mail]
smtp = "127.0.0.1"
port = 9
username = "u"
from = "a@example.com"
password = "{c["mail_password"]}"
[twilio]
enable = true
account_sid = "AC1"
auth_token = "{c["twilio_token"]}"
verify_service_id = "VA1"
verify_url = "http://127.0.0.1:9"
[otel]
enabled = true
endpoint = "{collector[0]}"
headers = "Authorization=Bearer {c["collector_token"]}"
[env]
payment_secret = "{c["env_secret"]}"
[tracker]
enabled = true
[log]
level = "debug"
[vm_pool]
max_memory_mb = 32
max_size = 2
preload_size = 2
[store]
durability = "durable"
"""
    return launch(flows(c), config.replace("durability_note = 0\n", ""))


def visits(server: Server, c: Mapping[str, str]) -> list[Answer]:
    """Everything is asked for, with secrets in every place a request has."""
    sent = {
        "Authorization": f"Bearer {c['authorization']}",
        "Cookie": f"nflow_session={c['cookie']}; token={c['cookie']}",
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Crash": c["crash_password"],
    }
    body = f"user=ana&password={c['form_password']}"
    paths = ["login", "say", "throw", "leak", "crash", "redis", "mail", "otp", "node", "data", "nowhere"]
    answers = [server.post(f"/{path}?token={c['query_token']}", body=body, headers=sent) for path in paths]
    answers.append(server.get("/api/admin/workflows", headers={"Authorization": f"Bearer {c['authorization']}"}))
    answers.append(server.get("/debug/info", headers={"X-Debug-Token": c["authorization"]}))
    answers.append(server.get(f"/debug/info?debug_token={c['query_token']}"))
    wrong = {"name": "x", "document": {"password": c["payload_password"]}}
    admin = {"Authorization": f"Bearer {c['admin_token']}"}
    answers.append(server.ask("/api/admin/workflows/bad", "PUT", json=wrong, headers=admin))
    for signalled in descendants(server.process.pid)[1:]:  # sandboxes die under whoever
        os.kill(signalled, signal.SIGKILL)
    answers.append(server.post("/login", body=body, headers=sent))
    return answers


def memory(pid: int) -> bytes:
    """What a process holds: all it may read and write."""
    held = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as image:  # noqa: PTH123
        for line in maps:
            place = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if place:
                image.seek(int(place[1], 16))
                try:
                    held.append(image.read(int(place[2], 16) - int(place[1], 16)))
                except OSError:
                    continue
    return b"".join(held)


def found_in(text: bytes, names: Mapping[str, str]) -> list[str]:
    return [name for name, word in names.items() if word.encode() in text]


def test_no_secret_is_anywhere_it_may_be_read(
    server: Server, canaries: dict[str, str], collector: tuple[str, list[bytes]]
) -> None:
    answers = visits(server, canaries)
    token = {"X-Debug-Token": canaries["debug_token"]}
    places: dict[str, bytes] = {}
    for number, answer in enumerate(answers):
        places[f"answer {number}: {answer.status}"] = answer.body + str(answer.headers).encode()
    places["metrics"] = server.get("/metrics").body
    places["health"] = server.get("/health").body
    places["openapi"] = server.get("/openapi.json").body
    for page in DEBUG_PAGES:
        answer = server.get(f"/debug/{page}", headers=token)
        assert answer.status == 200, (page, answer.status, answer.body[:300])
        places[f"debug {page}"] = answer.body
    assert until(lambda: collector[1], 15.0)
    places["traces"] = b"".join(collector[1])
    until(lambda: server.metric("nflow_tracker_waiting") == 0)
    with contextlib.closing(sqlite3.connect(f"file:{server.store}?mode=ro", uri=True)) as store:
        for table in ("tracker", "process", "step"):
            rows = store.execute(f"SELECT * FROM {table}").fetchall()
            assert rows
            places[table] = repr(rows).encode()
    # What a script throws is what its author tells the caller, as with `c.String`: only there it is no leak.
    thrown = next(place for place, text in places.items() if canaries["thrown_password"].encode() in text)
    places[thrown] = places[thrown].replace(canaries["thrown_password"].encode(), b"")
    leaks = {place: names for place, text in places.items() if (names := found_in(text, canaries))}
    sandboxes = [memory(pid) for pid in descendants(server.process.pid)]
    inside = {name: canaries[name] for name in NEVER_IN_A_SANDBOX}
    leaks |= {f"sandbox {n}": names for n, text in enumerate(sandboxes) if (names := found_in(text, inside))}
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(20)
    written = {file for file in server.folder.rglob("*") if file.is_file() and file.suffix not in {".json", ".toml"}}
    written = {file for file in written if "sqlite" not in file.name}  # its tables were read; it keeps the documents
    assert any(file.name == "log" for file in written)
    leaks |= {str(file.name): names for file in written if (names := found_in(file.read_bytes(), canaries))}
    tell(
        "T25",
        "secrets",
        f"{len(canaries)} secrets, {len(places) + len(sandboxes) + len(written)} places, {len(leaks)} leaks",
    )
    assert leaks == {}


def test_a_start_that_fails_tells_no_secret(launch: Launch, canaries: dict[str, str], tmp_path: Path) -> None:
    config = f"""
[database_nflow]
dsn = "postgres://nflow:{canaries["dsn_password"]}@127.0.0.1:port/nflow"
[session]
key = ["{canaries["session_key"]}"]
[debug]
auth_token = {{ value = "{canaries["debug_token"]}" }}
"""
    with pytest.raises(RuntimeError) as failed:
        launch(playbook(), config)
    assert "database_nflow.dsn" in str(failed.value) or "session.key" in str(failed.value)
    assert found_in(str(failed.value).encode(), canaries) == []
