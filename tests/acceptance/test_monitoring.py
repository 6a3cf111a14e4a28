"""Health and metrics: what operators and their machines read."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from nflow_runtime import __version__
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, until

FLOWS = playbook(
    chain("/ok", "c.JSON(200, {ok: true})", "payload = 1"),
    chain("/created", "c.NoContent(201)", method="POST"),
    chain("/fails", "throw new Error('no')"),
    chain("/native", "Array.prototype.reverse.call({length: 2 ** 40})"),
    chain("/sleep", "sleep(300); c.NoContent(204)"),
    chain("/my/health", "c.String(200, 'a flow')"),
)


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(FLOWS, "[tracker]\nenabled = true\nflush_interval = 30\n[vm_pool]\nmax_execution_seconds = 0.3\n")


def test_health_says_what_is_well_and_for_how_long(server: Server) -> None:
    answer = server.get("/health")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    told = answer.json()
    assert told["status"] == "healthy"
    assert told["version"] == __version__
    assert abs(told["timestamp"] - time.time()) < 5
    assert re.fullmatch(r"(\d+m)?\d+(\.\d+)?s", told["uptime"])
    assert told["components"] == {name: {"status": "healthy"} for name in ("database", "processes", "vm_pool")}


def test_health_and_metrics_answer_head(server: Server) -> None:
    for path in ("/health", "/metrics"):
        answer = server.ask(path, "HEAD")
        assert (answer.status, answer.body) == (200, b"")


def test_metrics_are_in_the_format_of_prometheus(server: Server) -> None:
    answer = server.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    described = set(re.findall(r"^# TYPE (\w+) (?:counter|gauge|histogram)$", answer.text, re.MULTILINE))
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            name = re.sub(r"_(bucket|sum|count)$", "", re.split(r"[{ ]", line)[0])
            assert name in described, line
            float(line.rpartition(" ")[2])


def test_every_request_is_counted_once_under_its_status(server: Server) -> None:
    asked = [("GET", "/ok", 200)] * 5 + [("POST", "/created", 201)] * 2 + [("GET", "/fails", 500)] * 3
    missing = [("GET", "/nowhere", 404)] * 4
    before = server.metrics()
    for method, path, status in asked + missing:
        assert server.ask(path, method).status == status
    after = server.metrics()

    def more(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert more('nflow_workflows_total{status="200"}') == 5
    assert more('nflow_workflows_total{status="201"}') == 2
    assert more('nflow_workflows_total{status="500"}') == 3
    assert more("nflow_workflows_errors_total") == 3
    assert more('nflow_requests_total{status="200"}') == 5 + 1, "and the question before"
    assert more('nflow_requests_total{status="404"}') == 4
    assert more("nflow_requests_errors_total") == 7
    assert more("nflow_workflow_duration_seconds_count") == 10
    assert 0 < more("nflow_workflow_duration_seconds_sum") < 5
    assert more("nflow_processes_total") == 10
    assert more("nflow_processes_failed_total") == 3


def test_what_is_under_way_is_shown_while_it_is(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /sleep HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert until(lambda: server.metric("nflow_processes_active") == 1)
        shown = server.metrics()
        assert shown["nflow_vm_pool_active"] == 1
        assert shown["nflow_requests_active"] == 2
        assert shown["nflow_actors"] > 10
        assert connection.recv(1000).startswith(b"HTTP/1.1 204")
    assert until(lambda: server.metric("nflow_processes_active") == 0)


def test_tracker_rows_are_one_for_each_finished_node_and_none_is_dropped(server: Server) -> None:
    assert until(lambda: server.metric("nflow_tracker_waiting") == 0)
    before = server.metric("nflow_tracker_stored_total")
    for _ in range(20):
        server.get("/ok")
    assert until(lambda: server.metric("nflow_tracker_stored_total") == before + 40)
    assert server.metric("nflow_tracker_dropped_total") == 0
    assert server.metric("nflow_tracker_waiting") == 0


def test_a_script_that_kills_its_sandbox_and_a_sandbox_that_is_killed_are_counted(server: Server) -> None:
    before = server.metrics()
    assert server.get("/native").status == 408
    victim = next(iter(sandboxes(server.process.pid)))
    os.kill(victim, signal.SIGKILL)
    assert until(lambda: server.metric("nflow_vm_pool_lost_total") == before["nflow_vm_pool_lost_total"] + 2)
    after = server.metrics()
    assert after["nflow_vm_pool_faults_total"] == before["nflow_vm_pool_faults_total"] + 1
    assert until(lambda: server.metric("nflow_vm_pool_created_total") == before["nflow_vm_pool_created_total"] + 2)
    assert server.get("/health").status == 200


def test_a_server_whose_zygote_dies_is_well_again(server: Server) -> None:
    before = server.metric("nflow_zygotes_lost_total")
    os.kill(children(server.process.pid)[0], signal.SIGKILL)
    assert until(lambda: server.metric("nflow_zygotes_lost_total") == before + 1)
    assert server.get("/ok").status == 200
    assert until(lambda: server.get("/health").status == 200)


def children(pid: int) -> list[int]:
    """Living direct children of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def sandboxes(server: int) -> list[int]:
    """Processes of sandboxes: what the server's zygote forked."""
    return [sandbox for zygote in children(server) for sandbox in children(zygote)]


def test_the_paths_of_health_and_metrics_can_be_chosen(launch: Launch) -> None:
    config = '[monitor]\nhealth_check_path = "/my/health"\nmetrics_path = "/my/metrics"\n'
    server = launch(FLOWS, config, health="/my/health")
    assert server.get("/my/health").json()["status"] == "healthy", "and go before a flow of the same path"
    assert b"nflow_up 1" in server.get("/my/metrics").body
    assert server.get("/health").status == 404
    assert server.get("/metrics").status == 404


def test_health_and_metrics_can_be_switched_off(launch: Launch) -> None:
    server = launch(FLOWS, "[monitor]\nenabled = false\n")
    assert server.get("/health").status == 404
    assert server.get("/metrics").status == 404
    assert server.get("/my/health").text == "a flow"


def test_the_access_log_has_one_line_for_each_request(launch: Launch) -> None:
    server = launch(FLOWS, "[server]\naccess_log = true\n")
    before = len(server.log().splitlines())
    server.get("/ok?password=hunter2")
    server.post("/created")
    server.get("/no%0Awhere%1B[2J")
    lines = until(lambda: len(found := server.log().splitlines()[before:]) >= 3 and found)
    assert len(lines) == 3
    assert [re.search(r"status=(\d+)", line)[1] for line in lines] == ["200", "201", "404"]
    assert all(re.search(r"method=\w+ .*path=/\S+ .*seconds=0\.\d+", line) for line in lines)
    assert "hunter2" not in server.log(), "queries may hold secrets"
