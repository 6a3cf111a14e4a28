"""What becomes of a run when its client leaves."""

from __future__ import annotations

import sqlite3
import time

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, until

BUSY = ("nflow_vm_pool_active", "nflow_processes_active", "nflow_requests_active")
SCRIPTS = {
    "sleeping": "sleep(4000)",
    "computing": "for (let i = 0; i < 1e12; i++) {}",
    "stubborn": "Array.prototype.reverse.call({length: 2 ** 40})",
}


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    nap = "sleep(400); payload.slept = true"
    return launch(
        playbook(
            **{name: chain(f"/{name}", code, "payload.after = true", method="ANY") for name, code in SCRIPTS.items()},
            Nap=chain("/nap/:id", nap, "payload.after = true", method="ANY"),
            Always=chain("/always/:id", nap, "payload.after = true", method="ANY", finish_on_disconnect=True),
            Never=chain("/never/:id", nap, "payload.after = true", method="ANY", finish_on_disconnect="false"),
            Ok=chain("/ok", "c.JSON(200, {ok: true})"),
        ),
        "[server]\nwait_seconds = 3\n[tracker]\nenabled = true\nflush_interval = 50\n"
        "[vm_pool]\nmax_size = 2\npreload_size = 2\nmax_execution_seconds = 4\n",
    )


def leave(server: Server, method: str, path: str, body: bytes = b"") -> None:
    """Ask, wait until the script runs, and hang up."""
    with server.connect() as connection:
        fields = f"Content-Length: {len(body)}\r\n" if body else ""
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode() + body)
        assert until(lambda: server.metric("nflow_vm_pool_active") == 1)


def idle(server: Server) -> bool:
    found = server.metrics()
    return [found[name] for name in BUSY] == [0, 0, 1]  # the one request is this question


def finished(server: Server, path: str) -> list[str]:
    """Nodes of the runs of this path that the tracker has."""
    store = sqlite3.connect(f"file:{server.store}?mode=ro", uri=True)
    try:
        rows = store.execute("select box_id from tracker where url = ? order by id", (path,)).fetchall()
        return [node for (node,) in rows]
    finally:
        store.close()


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_whose_client_left_is_stopped_and_its_sandbox_is_free_again(
    server: Server, script: str, method: str
) -> None:
    leave(server, method, f"/{script}")
    began = time.monotonic()
    assert until(lambda: idle(server), 2)
    assert time.monotonic() - began < 1
    assert server.get("/ok").status == 200
    assert server.metric("nflow_vm_pool_breakers_open") == 0, "nobody's fault"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_any_other_method_runs_to_its_end_without_its_client(server: Server, method: str) -> None:
    path = f"/nap/{method}"
    leave(server, method, path, b"{}")
    assert until(lambda: finished(server, path) == ["n1", "n2"])
    assert until(lambda: idle(server))


def test_a_flow_may_ask_to_finish_whatever_its_method(server: Server) -> None:
    leave(server, "GET", "/always/1")
    assert until(lambda: finished(server, "/always/1") == ["n1", "n2"])


def test_a_flow_may_ask_to_be_stopped_whatever_its_method(server: Server) -> None:
    leave(server, "POST", "/never/1", b"{}")
    assert until(lambda: idle(server), 0.35), "stopped before its nap was over"
    time.sleep(0.4)
    assert finished(server, "/never/1") == []


def test_a_client_that_leaves_while_its_script_waits_for_a_sandbox_costs_nothing(server: Server) -> None:
    holders = [server.connect() for _ in range(2)]
    for holder in holders:
        holder.sendall(b"GET /sleeping HTTP/1.1\r\nHost: h\r\n\r\n")
    assert until(lambda: server.metric("nflow_vm_pool_active") == 2)
    with server.connect() as waiter:
        waiter.sendall(b"GET /sleeping HTTP/1.1\r\nHost: h\r\n\r\n")
        assert until(lambda: server.metric("nflow_vm_pool_waiting") == 1)
    assert until(lambda: server.metric("nflow_vm_pool_waiting") == 0)
    for holder in holders:
        holder.close()
    assert until(lambda: idle(server))


def test_a_client_that_leaves_amid_its_body_starts_nothing(server: Server) -> None:
    before = server.metric("nflow_processes_total")
    with server.connect() as connection:
        connection.sendall(b"POST /nap/body HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{")
        assert until(lambda: server.metric("nflow_requests_active") == 2)
    assert until(lambda: idle(server))
    assert server.metric("nflow_processes_total") == before


def test_clients_that_left_are_counted_as_499(server: Server) -> None:
    assert server.metric("nflow_workflows_total", status="cancelled") >= 6
    assert "Traceback" not in server.log()
    assert "[ERROR]" not in server.log()
