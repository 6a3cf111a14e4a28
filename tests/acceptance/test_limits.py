"""What one script may use: every limit is an answer that names it, and the next request is served."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, js, playbook, starter
from tests.acceptance.servers import Server

CONFIG = """
[server]
max_output_kb = 64
max_host_calls = 5
process_seconds = 1
max_steps = 50

[vm_pool]
preload_size = 2
max_size = 4
max_execution_seconds = 0.5
max_memory_mb = 24
max_operations = 20_000_000
"""

LIMITS = {
    "execution time": ("vm_pool.max_execution_seconds", "0.5", "const a = new Array(100).fill(1); for (;;) a.join()"),
    "operations": ("vm_pool.max_operations", "20000000", "for (;;) {}"),
    "memory": ("vm_pool.max_memory_mb", "24", "const a = []; for (;;) a.push(new Array(1000).fill(1.5))"),
    "output size": ("server.max_output_kb", "64", "c.String(200, 'x'.repeat(65537))"),
    "host calls": ("server.max_host_calls", "5", "for (;;) sleep(0)"),
    "run time": ("server.process_seconds", "1", "sleep(20000)"),
}
MORE = {
    "memory of one text": ("vm_pool.max_memory_mb", "c.String(200, 'x'.repeat(5e8).length)"),
    "memory, caught": ("vm_pool.max", "for (;;) try { const a = []; for (;;) a.push([1, 2]) } catch {}"),
    "time, caught": ("vm_pool.max_operations", "for (;;) try { for (;;) {} } catch {} finally { for (;;) {} }"),
    "size of the payload": ("server.max_output_kb", "payload = 'x'.repeat(65537)"),
    "size of the JSON": ("server.max_output_kb", "c.JSON(200, new Array(9000).fill('<>&'))"),
    "host calls, caught": ("server.max_host_calls", "for (;;) try { sleep(0) } catch {}"),
    "time in a promise": ("vm_pool.max_operations", "return Promise.resolve().then(() => { for (;;) {} })"),
    "jobs without end": ("vm_pool.max", "(async () => { for (;;) await 0 })()"),
    "a regular expression": ("vm_pool.max", "/(x+x+)+y/.test('x'.repeat(50))"),
    "error that lies": ("vm_pool.max", "throw { toString() { for (;;) {} } }"),
}


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    flows = {name: chain(f"/limit/{i}", code) for i, (name, (_, _, code)) in enumerate(LIMITS.items())}
    flows |= {name: chain(f"/more/{i}", code) for i, (name, (_, code)) in enumerate(MORE.items())}
    return launch(
        playbook(
            chain("/ok", "c.JSON(200, {ok: true})"),
            chain("/deep", "function main() { return main() + 1 }"),
            chain("/deep/json", "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; c.JSON(200, a)"),
            chain(
                "/deep/payload", "payload = []; for (let i = 0; i < 3e4; i++) payload = [payload]", "c.NoContent(204)"
            ),
            chain("/native", "Array.prototype.reverse.call({length: 2 ** 40})"),
            {"s": starter("/cycle", "a"), "a": js("function main() {}", "b"), "b": js("function main() {}", "a")},
            **flows,
        ),
        CONFIG,
    )


def healthy(server: Server) -> bool:
    answer = server.get("/ok")
    return (answer.status, answer.json()) == (200, {"ok": True})


@pytest.mark.parametrize("limit", LIMITS)
def test_a_script_over_a_limit_is_answered_408_with_the_limit_and_its_key_and_the_next_request_is_served(
    server: Server, limit: str
) -> None:
    key, value, _ = LIMITS[limit]
    answer = server.get(f"/limit/{list(LIMITS).index(limit)}")
    assert answer.status == 408
    assert answer.json()["message"] == f"Script execution exceeded resource limits: {limit} ({key} = {value})"
    assert healthy(server)


@pytest.mark.parametrize("case", MORE)
def test_a_limit_cannot_be_dodged(server: Server, case: str) -> None:
    key, _ = MORE[case]
    answer = server.get(f"/more/{list(MORE).index(case)}")
    assert answer.status == 408
    assert key in answer.json()["message"]
    assert healthy(server)


def test_a_408_says_which_node_it_was_and_nothing_of_its_source(server: Server) -> None:
    actor = server.get("/limit/1").json()["actor"]
    assert actor["data"]["type"] == "js"
    assert "for (;;)" not in json.dumps(actor)


@pytest.mark.parametrize("path", ["/deep", "/deep/json", "/deep/payload"])
def test_endless_depth_is_an_error_of_the_script_and_no_crash(server: Server, path: str) -> None:
    before = server.metric("nflow_vm_pool_faults_total")
    answer = server.get(path)
    assert answer.status == 500
    assert "Error" in answer.json()["message"]
    assert healthy(server)
    assert server.metric("nflow_vm_pool_faults_total") == before


def test_a_cycle_of_nodes_ends_at_the_greatest_number_of_steps(server: Server) -> None:
    answer = server.get("/cycle")
    assert answer.status == 408
    assert answer.json()["message"].endswith("steps of one run (server.max_steps = 50)")
    assert healthy(server)


def test_a_script_the_engine_cannot_interrupt_is_killed_at_the_deadline_and_its_flow_is_refused_after_three(
    server: Server,
) -> None:
    for _ in range(3):
        answer = server.get("/native")
        assert answer.status == 408
        assert "execution time (vm_pool.max_execution_seconds = 0.5)" in answer.json()["message"]
        assert healthy(server)
    refused = server.get("/native")
    assert refused.status == 503
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    assert "killed their sandbox 3 times" in refused.json()["error"]
    assert healthy(server)
    assert server.get("/limit/3").status == 408, "another flow is not refused"
    assert server.metric("nflow_vm_pool_breakers_open") == 1
