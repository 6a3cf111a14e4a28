"""T33: the event loop stays in time under load, and what would hold it up is seen."""

from __future__ import annotations

import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook, starter
from tests.acceptance.servers import Server
from tests.torture.loop_health import Lag, Machine, Reading
from tests.torture.row import LONG, tell

SECONDS = 300.0 if LONG else 8.0
FLOWS = playbook(
    chain("/echo", "c.JSON(200, {n: query_params.n})"),
    chain("/steps", "payload = {a: 1}", "payload.b = 2", "c.JSON(200, payload)"),
    chain("/fails", "throw new Error('no')"),
    chain("/large", "c.JSON(200, {text: 'x'.repeat(200000)})"),
    chain("/take", "c.JSON(200, {length: JSON.stringify(form || {}).length})", method="POST"),
)


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(FLOWS, "[tracker]\nenabled = true\n[server]\naccess_log = true\n")


def test_the_loop_is_in_time_under_a_mixed_load_with_scrapes_and_health_checks(server: Server) -> None:
    until = time.monotonic() + SECONDS
    done = [0] * 6

    def ask(worker: int) -> None:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
        body = b"&".join(b"f%d=%s" % (number, b"v" * 200) for number in range(500))
        try:
            while time.monotonic() < until:
                for path in ("/echo?n=1", "/steps", "/fails", "/large", "/nowhere", "/health", "/metrics"):
                    connection.request("GET", path)
                    connection.getresponse().read()
                connection.request("POST", "/take", body, {"Content-Type": "application/x-www-form-urlencoded"})
                connection.getresponse().read()
                done[worker] += 8
        finally:
            connection.close()

    before = Reading.of(server)
    with closing(Machine()) as machine, ThreadPoolExecutor(len(done)) as workers:
        for ended in [workers.submit(ask, worker) for worker in range(len(done))]:
            ended.result()
        lag, idle = Reading.of(server).since(before), machine.lag()
    tell("T33", f"mixed load, {sum(done)} requests in {SECONDS:g} s", f"{lag}; the machine itself: {idle}")
    assert lag.beats > 5 * SECONDS, "the pulse beats"
    if LONG:  # of eighty beats the slowest is the 99th of a hundred
        assert lag.p99 <= 0.02 + 2 * idle.p99, f"{lag}; {idle}"
    assert lag.worst <= 0.25 + 2 * idle.worst, f"{lag}; {idle}"


def test_a_loop_that_is_held_is_seen(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The measure itself: a plugin that blocks for a second, which no plugin should, is a lag of a second."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "blocking.py").write_text(
        "import time\nfrom nflow_runtime import node\n\n\n"
        "@node('hold')\nasync def hold(payload):\n    time.sleep(1.0)\n    return payload\n"
    )
    flow = {"s": starter("/hold", "h"), "h": {"data": {"type": "hold"}, "outputs": {}}}
    server = launch(
        playbook(flow), f'[plugin]\nfolder = "{folder}"\n',
        expects=["plugin"],
    )  # fmt: skip
    before = Reading.of(server)
    threading.Thread(target=lambda: server.get("/hold")).start()
    time.sleep(1.6)
    lag = Reading.of(server).since(before)
    assert 0.5 < lag.worst <= 2.5
    assert 0.5 < server.metric("nflow_event_loop_lag_max_seconds") < 2.5


def test_a_lag_is_told_from_two_readings() -> None:
    before = Reading({0.001: 50.0, 0.02: 100.0, 0.25: 100.0, float("inf"): 100.0})
    after = Reading({0.001: 60.0, 0.02: 1095.0, 0.25: 1099.0, float("inf"): 1100.0})
    assert after.since(before) == Lag(1000, 0.02, float("inf"))
