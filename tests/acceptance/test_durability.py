"""What is written down: read with sqlite3 itself, never through the code that wrote it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from loadtests.server import free_port, nflow
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, edges, js, playbook, starter, write
from tests.acceptance.servers import Server, until

DURABLE = chain(
    "/pay/:account",
    "payload = {amount: Number(c.QueryParam('amount')), steps: ['check']}",
    "payload.steps.push('book'); c.SetHeader('X-Booked', '1')",
    "c.JSON(201, {run: wid, steps: payload.steps})",
    method="ANY",
    durability="durable",
)
FLOWS = playbook(
    Pay=DURABLE,
    Fails=chain("/fails", "payload = {kept: 1}", "throw new Error('no')", durability="durable"),
    Silent=chain("/silent", "c.NoContent(204)", durability="none"),
    Tracked=chain("/tracked", "payload = {n: 1}", "c.JSON(200, payload)"),
    Secret=chain(
        "/secret",
        "payload = {user: 'ana', password: 'hunter2', nested: {api_key: 'k-1', list: [{Token: 't-1'}]}, n: 1.50}",
        "c.JSON(200, {password: payload.password})",
        durability="durable",
    ),
    Loop={
        "s": starter("/loop/:n", "a", durability="durable"),
        "a": js("function main() { payload.n = (payload.n || 0) + 1; if (payload.n == vars.n) next = 'done' }", "a")
        | {"outputs": {**edges("a"), "done": edges("b")["output_1"]}},
        "b": js("function main() { c.JSON(200, payload.n) }"),
    },
    Fork={
        "s": starter("/fork", "g", durability="durable"),
        "g": {"data": {"type": "gorutine"}, "outputs": edges("main", "branch")},
        "main": js("function main() { c.JSON(200, 'main') }"),
        "branch": js("function main() { payload = 'branch' }"),
    },
    Nap=chain("/nap", "payload = 'before'", "sleep(20000)", method="POST", durability="durable"),
)  # fmt: skip
CONFIG = "[tracker]\nenabled = true\nflush_interval = 30\n"


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(FLOWS, CONFIG)


def rows(store: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchall()


def steps(store: Path, wid: str) -> list[tuple[Any, ...]]:
    """(node, visit, outcome, output) of a run, in order."""
    found = rows(store, "select node, visit, outcome, output from step where wid = ? order by id", wid)
    return [(node, visit, outcome, json.loads(output)) for node, visit, outcome, output in found]


def state(store: Path, wid: str) -> list[str]:
    return [state for (state,) in rows(store, "select state from process where wid = ?", wid)]


def test_when_the_answer_of_a_durable_flow_is_there_its_rows_are_on_disk(server: Server) -> None:
    for _ in range(20):
        answer = server.get("/pay/7?amount=3")
        assert answer.status == 201
        wid = answer.headers["Nflow-Wid-1"]
        assert state(server.store, wid) == ["end"]
        assert steps(server.store, wid) == [
            ("n1", 1, "output_1", {"amount": 3, "steps": ["check"]}),
            ("n2", 1, "output_1", {"amount": 3, "steps": ["check", "book"]}),
            ("n3", 1, "output_1", {"amount": 3, "steps": ["check", "book"]}),
        ]


def test_the_row_of_a_run_says_what_ran_and_with_what(server: Server) -> None:
    answer = server.post("/pay/a%20b?amount=3", json={"x": 1})
    query = "select app, flow, flow_hash, input, state, created, updated from process where wid = ?"
    ((app, flow, version, given, state, created, updated),) = rows(server.store, query, answer.json()["run"])
    assert (app, flow, state) == ("app", "Pay", "end")
    assert len(version) == 64
    told = json.loads(given)
    assert (told["start"], told["first"], told["method"], told["query"]) == ("s", "n1", "POST", "amount=3")
    assert told["variables"] == [["account", "a b"]]
    assert created <= updated


def test_a_failed_run_is_written_down_up_to_where_it_failed(server: Server) -> None:
    answer = server.get("/fails")
    assert answer.status == 500
    wid = answer.headers["Nflow-Wid-1"]
    assert state(server.store, wid) == ["error"]
    assert steps(server.store, wid) == [("n1", 1, "output_1", {"kept": 1}), ("n2", 1, "!error", {"kept": 1})]


def test_each_visit_of_a_node_is_a_step_of_its_own(server: Server) -> None:
    answer = server.get("/loop/3")
    assert answer.json() == 3
    visits = [(node, visit) for node, visit, *_ in steps(server.store, answer.headers["Nflow-Wid-1"])]
    assert visits == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]


def test_a_branch_is_a_run_of_its_own(server: Server) -> None:
    answer = server.get("/fork")
    branch = answer.headers["Dromedary-Wid-2"]
    assert until(lambda: state(server.store, branch) == ["end"])
    assert steps(server.store, branch) == [("branch", 1, "output_1", "branch")]
    main = [node for node, *_ in steps(server.store, answer.headers["Nflow-Wid-1"])]
    assert main[-1] == "main"


def test_a_flow_that_wants_nothing_written_leaves_nothing(server: Server) -> None:
    wid = server.get("/silent").headers["Nflow-Wid-1"]
    assert until(lambda: server.metric("nflow_tracker_waiting") == 0)
    assert state(server.store, wid) == []
    assert rows(server.store, "select 1 from tracker where log_id = ?", wid) == []


def test_a_tracked_flow_leaves_tracker_rows_and_no_journal(server: Server) -> None:
    answer = server.get("/tracked?a=1", headers={"User-Agent": "tester"})
    wid = answer.headers["Nflow-Wid-1"]
    query = (
        "select box_id, box_name, box_type, url, connection_next, order_box, payload, real_ip, user_agent, query_param"
        " from tracker where log_id = ? order by order_box"
    )
    found = until(lambda: len(rows(server.store, query, wid)) == 2 and rows(server.store, query, wid))
    shared = (b'{"n":1}', "127.0.0.1", "tester", "a=1")
    assert found == [("n1", "n1", "js", "/tracked", "n2", 1, *shared), ("n2", "n2", "js", "/tracked", "", 2, *shared)]
    assert state(server.store, wid) == []


def test_passwords_are_masked_in_the_tracker_and_whole_in_the_journal_and_the_answer(server: Server) -> None:
    answer = server.get("/secret?token=q-1&page=2")
    assert answer.json() == {"password": "hunter2"}
    wid = answer.headers["Nflow-Wid-1"]
    query = "select payload, query_param from tracker where log_id = ?"
    found = until(lambda: len(rows(server.store, query, wid)) == 2 and rows(server.store, query, wid))
    for payload, query_param in found:
        assert json.loads(payload) == {
            "user": "ana", "password": "***", "nested": {"api_key": "***", "list": [{"Token": "***"}]}, "n": 1.5,
        }  # fmt: skip
        assert query_param == "token=***&page=2"
    assert steps(server.store, wid)[0][3]["password"] == "hunter2"


def test_tracker_rows_equal_answers_under_load_and_none_is_dropped(server: Server) -> None:
    assert until(lambda: server.metric("nflow_tracker_waiting") == 0)
    before = server.metric("nflow_tracker_stored_total")
    with ThreadPoolExecutor(16) as threads:
        wids = list(threads.map(lambda n: server.get(f"/tracked?n={n}").headers["Nflow-Wid-1"], range(400)))
    assert until(lambda: server.metric("nflow_tracker_stored_total") - before == 800)
    assert server.metric("nflow_tracker_dropped_total") == 0
    counted = rows(server.store, "select log_id, count(*) from tracker where query_param like 'n=%' group by log_id")
    assert dict(counted) == dict.fromkeys(wids, 2)


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Server]:
    """A server that is killed, not stopped."""
    config, port = tmp_path / "config.toml", free_port()
    config.write_text(f'[store]\npath = "{tmp_path}/nflow.sqlite"\n{CONFIG}')
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(nflow(config, write(tmp_path / "app.json", FLOWS), port), stdout=log, stderr=log)
    server = Server("127.0.0.1", port, process, tmp_path)
    assert until(lambda: "nflow serves" in server.log(), 20)
    yield server
    process.kill()
    process.wait()


def test_what_was_answered_is_there_after_a_kill_9(killed: Server) -> None:
    answers = []

    def pay(number: int) -> None:
        try:
            answer = killed.get(f"/pay/{number}?amount={number}")
        except OSError:
            return
        if answer.status == 201:
            answers.append((number, answer.json()["run"]))
        if len(answers) == 60:
            os.kill(killed.process.pid, signal.SIGKILL)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(pay, range(400)))
    killed.process.wait(5)
    assert 60 <= len(answers) < 400, "killed amid the requests"
    for number, wid in answers:
        assert state(killed.store, wid) == ["end"]
        outputs = [output for *_, output in steps(killed.store, wid)]
        assert outputs[0] == {"amount": number, "steps": ["check"]}
        assert len(outputs) == 3
    runs = rows(killed.store, "select wid, state from process")
    for wid, written in runs:  # and of the others a prefix, never a step without the ones before it
        nodes = [node for node, *_ in steps(killed.store, wid)]
        assert nodes == ["n1", "n2", "n3"][: len(nodes)]
        assert (written == "end") == (len(nodes) == 3)


def test_a_run_amid_its_steps_is_found_as_running_after_a_kill_9(killed: Server) -> None:
    with killed.connect() as connection:
        connection.sendall(b"POST /nap HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
        assert until(lambda: rows(killed.store, "select wid from step"))
        killed.process.kill()
        killed.process.wait(5)
    ((wid,),) = rows(killed.store, "select wid from process")
    assert state(killed.store, wid) == ["run"]
    assert steps(killed.store, wid) == [("n1", 1, "output_1", "before")]


def test_the_configured_durability_holds_for_flows_that_do_not_say(launch: Launch) -> None:
    server = launch(FLOWS, '[store]\ndurability = "durable"\n')
    wid = server.get("/tracked").headers["Nflow-Wid-1"]
    assert state(server.store, wid) == ["end"]
    assert state(server.store, server.get("/silent").headers["Nflow-Wid-1"]) == []


def test_what_is_older_than_it_is_kept_goes(launch: Launch) -> None:
    days = "".join(f"{table}_days = {0.5 / 86_400}\n" for table in ("process", "step", "tracker"))
    server = launch(FLOWS, f"[store]\n{days}sweep_minutes = 0.004\n{CONFIG}")
    for _ in range(5):
        assert server.get("/pay/1?amount=1").status == 201
    assert until(lambda: server.metric("nflow_tracker_stored_total") == 15)
    counts = "select (select count(*) from process), (select count(*) from step), (select count(*) from tracker)"
    assert until(lambda: rows(server.store, counts) == [(0, 0, 0)])
    assert server.get("/pay/1?amount=1").status == 201


def test_a_journal_that_is_full_refuses_with_503_and_keeps_its_word_to_the_others(launch: Launch) -> None:
    server = launch(FLOWS, "[store]\njournal_batch = 1\njournal_buffer = 1\n")
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda n: server.get(f"/pay/{n}?amount={n}"), range(96)))
    refused = [answer for answer in answers if answer.status == 503]
    assert refused
    for answer in refused:
        assert "records wait already" in answer.json()["error"]
        assert int(answer.headers["Retry-After"]) >= 1
    kept = [answer for answer in answers if answer.status == 201]
    assert len(kept) + len(refused) == 96
    for answer in kept:
        wid = answer.headers["Nflow-Wid-1"]
        assert state(server.store, wid) == ["end"]
        assert [node for node, *_ in steps(server.store, wid)] == ["n1", "n2", "n3"]
    assert until(lambda: server.get("/pay/1?amount=1").status == 201), "and recovers"
