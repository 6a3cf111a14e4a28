"""The log of a running server: its file, its lines, and what is in none of them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, until
from tests.acceptance.test_cli import NFLOW

SECRET = "s3cret-of-the-admin"
FLOWS = playbook(
    Fine=chain("/fine/:name", "console.log('mail juan@example.com'); c.JSON(200, {a: 1})"),
    Broken=chain("/broken", f"throw new Error('sent password=hunter22 and {SECRET}')"),
    Slow=chain("/slow", "for (;;) {}"),
    Posted=chain("/posted", "c.NoContent(204)", method="POST"),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "server.jsonl"


@pytest.fixture(scope="module")
def server(launch: Launch, file: Path) -> Server:
    config = (
        f'[log]\nformat = "json"\noutput = "{file}"\n[api]\nadmin_token = "{SECRET}"\n'
        "[vm_pool]\nmax_execution_seconds = 0.3\n[rate_limit]\nenabled = true\nip_rate_limit = 3\nip_burst_size = 0\n"
        'excluded_paths = "/fine,/broken,/slow,/posted,/none,/health,/metrics,/api"\n'
    )
    return launch(FLOWS, config)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def of(file: Path, request: str) -> list[dict[str, Any]]:
    """The lines of one request, once there are any."""
    return until(lambda: [line for line in lines(file) if line.get("request_id") == request])


def test_each_request_is_one_line_that_tells_all_of_it(server: Server, file: Path) -> None:
    answer = server.get("/fine/ana?token=abcdefgh&n=1", headers={"X-Request-ID": "mine-1"})
    (line,) = of(file, "mine-1")
    assert line.pop("duration_ms") > 0
    assert line.pop("time")[:2] == "20"
    assert line == {
        "level": "info", "msg": "request", "method": "GET", "path": "/fine/ana?token=***&n=1", "status": 200,
        "client": "127.0.0.1", "bytes": len(answer.body), "request_id": "mine-1", "app": "app", "flow": "Fine",
        "wid": answer.headers["Nflow-Wid-1"], "route": "/fine/:name",
    }  # fmt: skip


def test_lines_said_in_a_run_tell_which_run_it_is(server: Server, file: Path) -> None:
    wid = server.get("/fine/ana").headers["Nflow-Wid-1"]
    said, request = until(lambda: len(found := [line for line in lines(file) if line.get("wid") == wid]) > 1 and found)
    assert {**said, "time": ""} == {
        "time": "", "level": "info", "msg": "mail [REDACTED:email]", "wid": wid, "app": "app", "flow": "Fine",
        "node": "n1",
    }  # fmt: skip
    assert request["wid"] == wid


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/none", "GET", 404), ("/posted", "GET", 404), ("/health", "PUT", 405)]
)
def test_a_request_nobody_serves_is_one_line(server: Server, file: Path, path: str, method: str, status: int) -> None:
    request = f"none-{path[1:]}"
    assert server.ask(path, method, headers={"X-Request-ID": request}).status == status
    assert [line["status"] for line in of(file, request)] == [status]


def test_a_request_that_is_limited_is_one_line(server: Server, file: Path) -> None:
    answers = [server.get("/limited", headers={"X-Request-ID": f"limited-{number}"}).status for number in range(6)]
    assert answers.count(429) == 3
    last = of(file, "limited-5")
    assert [line["status"] for line in last] == [429]


def test_a_request_that_cannot_be_read_is_one_line(server: Server, file: Path) -> None:
    before = len(lines(file))
    with socket.create_connection((server.host, server.port)) as peer:
        peer.sendall(b"G\0T / HTTP/1.1\r\nHost: h\r\n\r\n")
        peer.recv(1_000)
    assert until(lambda: [line["status"] for line in lines(file)[before:] if line["msg"] != "request"]) == [400]


def test_a_run_that_fails_is_told_with_its_reason_and_no_secret(server: Server, file: Path) -> None:
    server.expect("Broken failed")
    wid = server.get("/broken").headers["Nflow-Wid-1"]
    failed, request = until(
        lambda: len(found := [line for line in lines(file) if line.get("wid") == wid]) > 1 and found
    )
    assert (failed["level"], failed["node"]) == ("error", "n1")
    assert failed["msg"].startswith("Broken failed: Error: sent [REDACTED:password] and [REDACTED:secret]")
    assert (request["status"], request["reason"].split(" at ")[0]) == (
        500, "Error: sent [REDACTED:password] and [REDACTED:secret]",
    )  # fmt: skip
    wid = server.get("/slow").headers["Nflow-Wid-1"]
    slow, request = until(lambda: len(found := [line for line in lines(file) if line.get("wid") == wid]) > 1 and found)
    assert (slow["level"], request["status"]) == ("warn", 408)
    assert "vm_pool.max_execution_seconds" in slow["msg"]


def test_start_and_sandboxes_are_told(server: Server, file: Path) -> None:
    (started,) = [line for line in lines(file) if line["msg"] == "Started nFlow Runtime"]
    assert (started["url"], started["flows"]) == (server.url, 4)
    assert [line for line in lines(file) if line["msg"].startswith("sandboxes are ")]


def test_a_file_that_is_renamed_away_is_followed_by_a_new_one(server: Server, file: Path) -> None:
    server.get("/none", headers={"X-Request-ID": "before"})
    assert of(file, "before")
    file.rename(file.with_suffix(".old"))
    try:
        server.get("/none", headers={"X-Request-ID": "after"})
        assert until(file.exists)
        assert of(file, "after")
        assert not [line for line in lines(file.with_suffix(".old")) if line.get("request_id") == "after"]
    finally:
        file.write_text(file.with_suffix(".old").read_text() + file.read_text())


def test_the_last_lines_are_written_when_the_server_is_told_to_end(launch: Launch, file: Path) -> None:
    last = file.with_name("last.jsonl")
    server = launch(FLOWS, f'[log]\nformat = "json"\noutput = "{last}"\n')
    for number in range(50):
        server.get("/none", headers={"X-Request-ID": f"last-{number}"})
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    told = lines(last)
    assert len([line for line in told if line.get("request_id", "").startswith("last-")]) == 50
    assert [line["msg"] for line in told if line["level"] == "info" and line["msg"] != "request"][-5:] == [
        "Stopping nFlow Runtime", "drain begun", "drain over", "audit", "Stopped nFlow Runtime",
    ]  # fmt: skip


def test_a_reload_changes_level_format_and_masks_at_once(launch: Launch, file: Path) -> None:
    server = launch(FLOWS, '[log]\nlevel = "info"\n')
    config = server.folder / "config.toml"
    config.write_text(config.read_text().replace('level = "info"', 'level = "info"\nformat = "json"'))
    os.kill(server.process.pid, signal.SIGHUP)
    assert until(lambda: '"msg":"configuration reloaded"' in server.log())


def test_debug_lines_tell_where_the_configuration_is_from_and_each_node_of_a_run(launch: Launch) -> None:
    flow = {**chain("/steps/:name", "payload = {secret: 'h1dden'}", "c.JSON(200, {})"), "x": {"data": {"type": "js"}}}
    server = launch(playbook(Steps=flow), '[log]\nlevel = "debug"\n')
    wid = server.get("/steps/ana").headers["Nflow-Wid-1"]
    assert until(lambda: "node n2 ended" in server.log())
    nodes = [line for line in server.log().splitlines() if wid in line and "[DEBUG]" in line]
    assert [line.split("] ")[1].split(" ended")[0] for line in nodes] == ["js node n1", "js node n2"]
    assert all("duration_ms=" in line and " flow=Steps " in line for line in nodes)
    assert "h1dden" not in server.log()
    assert "[DEBUG] Loaded configuration from " in server.log()
    assert "[DEBUG] sandbox ready number=1" in server.log()
    assert re.search(r'\[WARN\] \S.* path="app.json: drawflow.Steps', server.log()), "what is wrong comes first"
    config = server.folder / "config.toml"
    config.write_text(config.read_text().replace('"debug"', '"info"'))
    os.kill(server.process.pid, signal.SIGHUP)
    assert until(lambda: "configuration reloaded" in server.log())
    later = server.get("/steps/ana").headers["Nflow-Wid-1"]
    assert until(lambda: f"wid={later}" in server.log())
    assert len([line for line in server.log().splitlines() if later in line]) == 1


def test_an_output_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[log]\noutput = "/nowhere/at/all.log"\n')
    done = subprocess.run(
        [*NFLOW, "serve", "--port", "0"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "nflow: log.output: cannot be written: No such file or directory\n"
