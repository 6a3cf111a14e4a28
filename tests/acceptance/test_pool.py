"""The pool of sandboxes: how many scripts run at once, who waits, who is sent away and when to come back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, until

FLOWS = playbook(
    chain("/ok", "c.JSON(200, {ok: true})"),
    chain("/wait/:ms", "sleep(Number(vars.ms)); c.JSON(200, {waited: Number(vars.ms)})"),
    chain("/forked/:ms", "c.JSON(200, {slept: sleep(Number(vars.ms))})"),
)


@pytest.fixture(scope="module")
def small(launch: Launch) -> Server:
    """One sandbox; patience of 0.3 s."""
    return launch(
        FLOWS,
        "[server]\nwait_seconds = 0.3\nmax_waiting = 2\n"
        "[vm_pool]\nmax_size = 1\npreload_size = 1\nmax_execution_seconds = 0.2\n",
    )


@pytest.fixture(scope="module")
def large(launch: Launch) -> Server:
    """Grows from one sandbox to six; five runs at once."""
    return launch(FLOWS, "[server]\nmax_processes = 8\n[vm_pool]\nmax_size = 6\npreload_size = 1\n")


def test_a_script_that_finds_no_sandbox_in_time_is_answered_503_with_when_to_come_back(small: Server) -> None:
    with ThreadPoolExecutor(16) as threads:
        holder = threads.submit(small.get, "/wait/1000")
        assert until(lambda: small.metric("nflow_vm_pool_active") == 1)
        began = time.monotonic()
        refused = small.get("/ok")
        waited = time.monotonic() - began
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json() == {"error": "no sandbox was free for 0.3 s (vm_pool.max_size = 1)"}
        assert 0.25 < waited < 0.8
        assert holder.result().json() == {"waited": 1000}
    assert small.get("/ok").status == 200


def test_a_waiting_script_gets_the_sandbox_as_soon_as_it_is_free(small: Server) -> None:
    with ThreadPoolExecutor(16) as threads:
        holder = threads.submit(small.get, "/wait/200")
        assert until(lambda: small.metric("nflow_vm_pool_active") == 1)
        assert small.get("/ok").status == 200
        assert holder.result().status == 200


def test_no_more_scripts_wait_than_may(small: Server) -> None:
    with ThreadPoolExecutor(16) as threads:
        holder = threads.submit(small.get, "/wait/400")
        assert until(lambda: small.metric("nflow_vm_pool_active") == 1)
        crowd = [threads.submit(small.get, "/ok") for _ in range(2)]
        assert until(lambda: small.metric("nflow_vm_pool_waiting") == 2)
        began = time.monotonic()
        refused = small.get("/ok")
        assert time.monotonic() - began < 0.2, "refused at once"
        assert refused.status == 503
        assert "server.max_waiting" in refused.json()["error"]
        assert refused.headers["Retry-After"]
        assert {answer.result().status for answer in crowd} == {503}
        assert holder.result().status == 200


def test_the_clock_of_a_script_stands_still_while_it_waits_for_the_runtime(small: Server) -> None:
    answer = small.get("/wait/700")
    assert (answer.status, answer.json()) == (200, {"waited": 700}), "max_execution_seconds is 0.2"


def test_sleep_returns_nothing(small: Server) -> None:
    assert small.get("/forked/0").json() == {"slept": None}


def test_a_crowd_makes_the_pool_grow_to_its_size_and_no_further(large: Server) -> None:
    assert large.metric("nflow_vm_pool_size") == 1
    assert large.metric("nflow_vm_pool_limit") == 6
    began = time.monotonic()
    with ThreadPoolExecutor(16) as threads:
        crowd = [threads.submit(large.get, "/wait/300") for _ in range(8)]
        assert [answer.result().status for answer in crowd] == [200] * 8
    assert time.monotonic() - began < 1.5, "8 naps of 0.3 s one after the other would last 2.4 s"
    assert large.metric("nflow_vm_pool_size") == 6
    assert large.metric("nflow_vm_pool_available") == 6


def test_more_runs_than_may_be_active_are_answered_503(large: Server) -> None:
    before = large.metric("nflow_processes_refused_total")
    with ThreadPoolExecutor(16) as threads:
        crowd = [threads.submit(large.get, "/wait/500") for _ in range(8)]
        assert until(lambda: large.metric("nflow_processes_active") == 8)
        refused = large.get("/ok")
        assert refused.status == 503
        assert refused.json() == {"error": "8 runs are active (server.max_processes = 8)"}
        assert int(refused.headers["Retry-After"]) >= 1
        assert large.get("/health").status == 503, "a full house says so to its load balancer"
        assert [answer.result().status for answer in crowd] == [200] * 8
    assert large.metric("nflow_processes_refused_total") == before + 1
    assert large.get("/health").status == 200


def test_a_pool_that_grew_shrinks_again_when_idle(launch: Launch) -> None:
    keys = "max_size = 5\npreload_size = 2\nidle_timeout = 0.005\ncleanup_interval = 0.003\n"
    server = launch(FLOWS, f"[vm_pool]\n{keys}")
    with ThreadPoolExecutor(16) as threads:
        crowd = [threads.submit(server.get, "/wait/200") for _ in range(8)]
        assert until(lambda: server.metric("nflow_vm_pool_size") == 5)
        assert [answer.result().status for answer in crowd] == [200] * 8
    assert until(lambda: server.metric("nflow_vm_pool_size") == 2), "as many as are preloaded"
    assert server.get("/ok").status == 200
