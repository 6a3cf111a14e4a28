"""Health and metrics: what operators and their machines read."""

from __future__ import annotations

import http.client
import math
import os
import re
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from loadtests.server import free_port
from nflow_runtime import __version__
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, total, until

ROOT = Path(__file__).parents[2]
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
    assert {name: part["status"] for name, part in told["components"].items() if name != "memory"} == dict.fromkeys(
        ("database", "flows", "processes", "sessions", "tree", "vm_pool"), "healthy"
    )
    assert set(told["checks"]) == set(told["components"]), "the English manual's shape"
    assert {told["checks"][name] for name in ("database", "vm_pool", "tree")} == {"ok"}
    assert "details" not in told


def test_whether_it_lives_is_asked_apart_from_whether_it_may_be_sent_requests(server: Server) -> None:
    assert (server.get("/health/live").status, server.get("/health/live").json()["status"]) == (200, "alive")
    assert (server.get("/health/ready").status, server.get("/health/ready").json()) == (200, {"status": "ready"})


def test_health_and_metrics_answer_head(server: Server) -> None:
    for path in ("/health", "/metrics", "/health/live", "/health/ready"):
        answer = server.ask(path, "HEAD")
        assert (answer.status, answer.body) == (200, b"")


def test_metrics_are_in_the_format_of_prometheus(server: Server) -> None:
    answer = server.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "each family once"
    for family in families:
        assert family.type in {"counter", "gauge", "histogram", "summary"}, family.name
        assert family.documentation, family.name
        series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(series) == len(set(series)), family.name
        assert all(math.isfinite(sample.value) for sample in family.samples), family.name


def test_every_request_is_counted_once_under_its_status(server: Server) -> None:
    asked = [("GET", "/ok", 200)] * 5 + [("POST", "/created", 201)] * 2 + [("GET", "/fails", 500)] * 3
    missing = [("GET", "/nowhere", 404)] * 4
    before = server.metrics()
    for method, path, status in asked + missing:
        assert server.ask(path, method).status == status
    after = server.metrics()

    def more(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert more("nflow_workflows_total", status="success") == 7
    assert more("nflow_workflows_total", status="error") == 3
    assert more("nflow_workflows_errors_total") == 3
    assert more("nflow_requests_total", method="GET", path="/ok", status="200") == 5
    assert more("nflow_requests_total", method="POST", path="/created", status="201") == 2
    assert more("nflow_requests_total", path="/fails", status="500") == 3
    assert more("nflow_requests_total", path="(none)", status="404") == 4
    assert more("nflow_requests_total") == 14, "those of monitoring itself are not counted"
    assert more("nflow_requests_duration_count", path="/ok") == 5
    assert more("nflow_requests_duration_seconds_count", method="POST") == 2
    assert more("nflow_flow_duration_seconds_count", app="app") == 10
    assert more("nflow_flow_failures_total") == 3
    assert more("nflow_flow_node_failures_total", kind="js") == 3
    assert more("nflow_node_duration_seconds_count", kind="js") == 15
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
    server.get("/ok?password=hunter2")
    server.post("/created")
    server.get("/no%0Awhere%1B[2J")

    def lines_of_requests() -> list[str]:
        return [line for line in server.log().splitlines() if "method=" in line and "/health" not in line]

    lines = until(lambda: len(found := lines_of_requests()) >= 3 and found)
    assert len(lines) == 3
    assert [re.search(r"status=(\d+)", line)[1] for line in lines] == ["200", "201", "404"]
    assert all(re.search(r"method=\w+ .*path=/\S+ .*duration_ms=\d+\.\d+", line) for line in lines)
    assert "hunter2" not in server.log(), "queries may hold secrets"


MANUALS = """
    nflow_requests_total nflow_requests_duration_seconds nflow_requests_duration nflow_workflows_total
    nflow_workflows_duration_seconds nflow_workflow_duration_seconds nflow_vm_pool_active nflow_vm_pool_available
    nflow_vm_pool_created_total nflow_vm_pool_size nflow_security_scripts_analyzed_total
    nflow_security_scripts_blocked_total nflow_security_data_encrypted_total nflow_requests_errors_total
    nflow_processes_active nflow_go_memory_alloc_bytes nflow_db_connections_open nflow_db_connections_in_use
    nflow_db_connections_idle nflow_cache_hits_total nflow_cache_misses_total
""".split()  # noqa: SIM905
GO = """
    nflow_up nflow_uptime_seconds nflow_requests_total nflow_requests_errors_total nflow_requests_active
    nflow_request_duration_milliseconds nflow_workflows_total nflow_workflows_errors_total nflow_processes_total
    nflow_cache_hits_total nflow_cache_misses_total nflow_processes_active nflow_db_connections_open
    nflow_db_connections_in_use nflow_db_connections_idle nflow_go_goroutines nflow_go_memory_alloc_bytes
    nflow_go_memory_sys_bytes nflow_go_gc_runs_total
""".split()  # noqa: SIM905
DETAILED = """
    nflow_go_memory_heap_alloc_bytes nflow_go_memory_heap_sys_bytes nflow_go_memory_heap_idle_bytes
    nflow_go_memory_heap_inuse_bytes nflow_go_memory_heap_objects nflow_go_gc_cpu_fraction
""".split()  # noqa: SIM905


def names(server: Server) -> set[str]:
    """All names of metrics, as a query would write them."""
    found = {series.partition("{")[0] for series in server.metrics()}
    return found | {name.removesuffix("_count") for name in found}


def test_every_name_of_the_manuals_and_of_go_is_there(server: Server) -> None:
    server.get("/ok")
    missing = {*MANUALS, *GO} - names(server)
    assert not missing
    assert not set(DETAILED) & names(server)
    shown = server.metrics()
    for series in (
        'nflow_requests_duration_seconds{method="GET",quantile="0.99"}',
        'nflow_workflows_duration_seconds{quantile="0.99"}',
        'nflow_workflow_duration_seconds_bucket{le="0.001"}',
        'nflow_workflow_duration_seconds_bucket{le="30.0"}',
    ):
        assert series in shown


def test_every_metric_is_in_the_table_of_the_operators_guide_and_the_other_way_round(server: Server) -> None:
    guide = (ROOT / "docs" / "observing.md").read_text()
    told = set(re.findall(r"^\| `((?:nflow|process)_\w+)[`{]", guide, re.MULTILINE))
    server.get("/ok")
    answer = server.get("/metrics").text
    shown = {family.name + "_total" * (family.type == "counter") for family in text_string_to_metric_families(answer)}
    optional = set(re.findall(r"^\| `(\w+)[^|]*\| \w+ \| \(where ", guide, re.MULTILINE))
    assert not shown - told, "shown, and not in the guide"
    assert not told - shown - optional, "in the guide, and not shown"


def test_details_come_where_they_are_asked_for_and_metrics_have_a_port_of_their_own(launch: Launch) -> None:
    port = free_port()
    config = f'[monitor]\nenable_detailed_metrics = true\nmetrics_port = "{port}"\n'
    server = launch(FLOWS, config)
    operators = Server("127.0.0.1", port, server.process, server.folder)
    assert server.get("/metrics").status == 404, "as in Go"
    assert set(DETAILED) <= names(operators)
    assert operators.metric("nflow_requests_total", path="(none)", status="404") == 1
    for each in (server, operators):
        told = each.get("/health").json()
        assert told["status"] == "healthy"
        assert set(told["details"]) == {"requests", "workflows", "processes", "database", "memory", "runtime"}
        assert set(told["details"]["memory"]) == {"alloc_mb", "sys_mb", "heap_alloc_mb", "gc_runs"}
        assert each.get("/health/ready").status == 200
    assert operators.ask("/metrics", "HEAD").status == 200
    assert operators.get("/ok").status == 404, "nothing else is served there"
    assert operators.post("/metrics").status == 405


def test_who_stops_says_that_he_takes_no_more_until_the_last_run_has_ended(launch: Launch) -> None:
    port = free_port()
    server = launch(FLOWS, f'[monitor]\nmetrics_port = "{port}"\n')
    operators = Server("127.0.0.1", port, server.process, server.folder)
    assert operators.get("/health/ready").status == 200
    with server.connect() as connection:
        connection.sendall(b"GET /sleep HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert until(lambda: operators.metric("nflow_processes_active") == 1)
        server.process.send_signal(signal.SIGTERM)
        assert until(lambda: operators.get("/health/ready").status == 503)
        assert operators.get("/health/live").status == 200
        assert operators.get("/health").status == 503
        assert connection.recv(1000).startswith(b"HTTP/1.1 204"), "who is inside is served"


def test_ten_thousand_paths_methods_and_statuses_make_no_more_series(launch: Launch) -> None:
    flow = chain("/s/:status", "c.NoContent(Number(path_vars.status))", method="ANY")
    server = launch(playbook(flow))
    server.get("/s/200")
    letters = "abcdefghijklmnop"
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=20)) as connection:
        for number in range(10_000):
            path = f"/{number}/{number * 7}" if number % 20 else f"/s/{200 + number % 400}"
            method = "GET" if number % 5 else "".join(letters[int(digit)] for digit in str(number)).upper()
            connection.request(method, path)
            connection.getresponse().read()
    shown = server.metrics()
    assert total(shown, "nflow_requests_total") == 10_001
    of_requests = [series for series in shown if series.startswith("nflow_requests_total")]
    assert {re.search(r'path="([^"]*)"', series)[1] for series in of_requests} == {"(none)", "/s/:status"}
    assert {re.search(r'method="([^"]*)"', series)[1] for series in of_requests} == {"GET", "OTHER"}
    assert len(shown) < 900
