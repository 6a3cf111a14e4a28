"""Starting and stopping: SIGTERM drains, a second one does not wait, and what cannot start says why in one line."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from loadtests.server import free_port, nflow, serving
from tests.acceptance.playbooks import chain, playbook, write
from tests.acceptance.servers import Server, received, statuses, until
from tests.acceptance.test_monitoring import children, sandboxes

FLOWS = playbook(
    chain("/ok", "c.JSON(200, {ok: true})"),
    chain("/sleep/:ms", "sleep(Number(vars.ms)); c.JSON(200, vars)"),
    chain("/two/:ms", "sleep(Number(vars.ms))", "c.JSON(200, {second: 'node'})"),
    chain("/post", "c.JSON(200, post_data)", method="POST"),
    chain("/nap", "sleep(20000)", method="POST"),
    chain("/durable/:ms", "sleep(Number(vars.ms))", "c.JSON(201, wid)", durability="durable"),
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of its own for each test, which may end it."""
    config, port = tmp_path / "config.toml", free_port()
    config.write_text(
        f'[store]\npath = "{tmp_path}/nflow.sqlite"\n[tracker]\nenabled = true\nflush_interval = 60_000\n'
        "[vm_pool]\npreload_size = 2\n[server]\ndrain_seconds = 1\n"
    )
    command = nflow(config, write(tmp_path / "app.json", FLOWS), port)
    with ExitStack() as running:
        process = running.enter_context(serving(command, f"http://127.0.0.1:{port}/health", log=tmp_path / "log"))
        yield Server("127.0.0.1", port, process, tmp_path)


def busy(server: Server, count: int = 1) -> bool:
    return bool(until(lambda: server.metric("nflow_vm_pool_active") == count))


def refused(server: Server) -> bool:
    try:
        server.connect(timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_answers_what_is_under_way_then_exits_with_0(server: Server) -> None:
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(server.get, path) for path in ("/sleep/700", "/two/700", "/durable/700")]
        assert busy(server, 3)
        began = time.monotonic()
        server.process.terminate()
        assert until(lambda: refused(server), 1), "nobody new comes in"
        answers = [answer.result() for answer in asked]
        assert server.process.wait(5) == 0
    assert [answer.status for answer in answers] == [200, 200, 201]
    assert answers[1].json() == {"second": "node"}
    assert time.monotonic() - began < 2.5, "as soon as the last run ends"
    assert "Traceback" not in server.log()
    assert "[ERROR]" not in server.log()


def test_a_crowd_on_open_connections_loses_no_answer(server: Server) -> None:
    def client(number: int) -> str:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
        while True:
            try:
                connection.request("GET", f"/sleep/{number + 20}")
                response = connection.getresponse()
                assert (response.status, response.read()) == (200, b'{"ms":"%d"}\n' % (number + 20))
            except ConnectionRefusedError:
                return "told"
            except (ConnectionError, http.client.RemoteDisconnected):
                return "idle"

    with ThreadPoolExecutor(16) as threads:
        crowd = [threads.submit(client, number) for number in range(16)]
        assert until(lambda: server.metric("nflow_processes_total") > 100)
        server.process.terminate()
        ends = [end.result() for end in crowd]
    assert server.process.wait(5) == 0
    assert ends.count("idle") <= 2, "only who was just between two requests finds the door closed"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops_at_once(server: Server, number: signal.Signals) -> None:
    idle = server.connect()
    began = time.monotonic()
    server.process.send_signal(number)
    assert server.process.wait(5) == 0
    assert time.monotonic() - began < 1.5
    assert received(idle) == b""
    idle.close()


def test_a_body_on_its_way_when_sigterm_comes_still_arrives_and_is_answered(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(
            b'POST /post HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"a"'
        )
        assert until(lambda: server.metric("nflow_requests_active") == 2)
        server.process.terminate()
        assert until(lambda: refused(server), 1)
        connection.sendall(b": 1}")
        wire = received(connection)
    assert statuses(wire) == [200]
    assert wire.endswith(b'{"*":"post","a":1}\n')
    assert server.process.wait(5) == 0


def test_a_run_that_outlasts_the_drain_is_answered_503_and_does_not_hold_the_server(server: Server) -> None:
    left = server.connect()
    left.sendall(b"POST /nap HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
    assert busy(server)
    left.close()  # nobody waits for this run, and it goes on
    with server.connect() as connection:
        connection.sendall(b"GET /sleep/20000 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert busy(server, 2)
        began = time.monotonic()
        server.process.terminate()
        wire = received(connection)
        assert statuses(wire) == [503]
        assert b"Retry-After: 1" in wire
        assert b"the server is stopping" in wire
        code = server.process.wait(15)
    assert 0.8 < time.monotonic() - began < 2.5, "one deadline for all: drain_seconds = 1"
    assert code == 0
    assert "Traceback" not in server.log()
    assert "[ERROR]" not in server.log()


def test_tracker_rows_that_wait_are_stored_before_the_end(server: Server) -> None:
    for _ in range(7):
        assert server.get("/ok").status == 200
    assert server.metric("nflow_tracker_waiting") == 7, "the flush interval is a minute"
    server.process.terminate()
    assert server.process.wait(5) == 0
    store = sqlite3.connect(server.store)
    assert store.execute("select count(*) from tracker").fetchone() == (7,)
    store.close()


def test_a_second_sigterm_exits_at_once_and_not_well(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /sleep/20000 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert busy(server)
        server.process.terminate()
        assert until(lambda: refused(server), 1)
        began = time.monotonic()
        server.process.terminate()
        assert server.process.wait(5) != 0
        assert time.monotonic() - began < 0.5
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_behind(server: Server, number: signal.Signals) -> None:
    family = [*children(server.process.pid), *sandboxes(server.process.pid)]
    assert len(family) >= 3
    server.process.send_signal(number)
    server.process.wait(5)
    assert until(lambda: not any(alive(pid) for pid in family))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def started(command: list[str], folder: Path, seconds: float = 20) -> tuple[int, list[str]]:
    """Exit code and lines of a server that should not come up."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=folder, env={**os.environ})
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_a_port_in_use_is_one_clear_line_and_exit_code_1(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[store]\npath = "{tmp_path}/nflow.sqlite"\n')
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, lines = started(nflow(config, write(tmp_path / "app.json", FLOWS), port), tmp_path)
    assert code == 1
    assert len(lines) == 1
    assert lines[0] == (f"nflow: cannot listen on 127.0.0.1:{port}: address already in use (server.host, server.port)")


@pytest.mark.parametrize(
    ("host", "reason"),
    [("192.0.2.1", "cannot assign requested address"), ("no.such.host.invalid", ""), ("a" * 300, "")],
)
def test_an_address_that_is_not_ours_is_one_clear_line_and_exit_code_1(tmp_path: Path, host: str, reason: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[server]\nhost = "{host}"\n[store]\npath = "{tmp_path}/nflow.sqlite"\n')
    code, lines = started(nflow(config, write(tmp_path / "app.json", FLOWS), 8080), tmp_path)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(f"nflow: cannot listen on {host}")
    assert reason in lines[0]


def test_a_store_of_another_program_is_one_clear_line_and_exit_code_1(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "nflow.sqlite")
    other.execute("create table customers (id integer)")
    other.close()
    config = tmp_path / "config.toml"
    config.write_text(f'[store]\npath = "{tmp_path}/nflow.sqlite"\n')
    code, lines = started(nflow(config, write(tmp_path / "app.json", FLOWS), free_port()), tmp_path)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("nflow: the store's file holds the tables of another program")


def test_a_store_that_cannot_be_read_is_a_state_and_no_end(tmp_path: Path) -> None:
    (tmp_path / "nflow.sqlite").write_bytes(b"this is no database" * 1000)
    config, port = tmp_path / "config.toml", free_port()
    config.write_text(f'[store]\npath = "{tmp_path}/nflow.sqlite"\n[tracker]\nenabled = true\n')
    command = nflow(config, write(tmp_path / "app.json", FLOWS), port)
    with serving(command, f"http://127.0.0.1:{port}/health", log=tmp_path / "log") as process:
        server = Server("127.0.0.1", port, process, tmp_path)
        health = server.get("/health")
        assert (health.status, health.json()["status"]) == (503, "degraded")
        assert health.json()["components"]["database"]["message"] == "it is out of reach"
        assert "its file is no database" in server.log()
        assert server.get("/ok").status == 200, "runs that write nothing down go on"
        durable = server.get("/durable/0")
        assert durable.status == 503
        assert int(durable.headers["Retry-After"]) >= 1
