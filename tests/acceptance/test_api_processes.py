"""/api/processes: runs are listed, looked at, ended, and suspended ones gone on with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, js, playbook, starter
from tests.acceptance.servers import Answer, Server, until

ADMIN = "an admin's token"
KEY = {"Authorization": f"Bearer {ADMIN}"}
FLOWS = playbook(
    Slow=chain("/slow", "payload = {password: 'hidden', card: 7}", "sleep(20000); c.NoContent(204)", method="POST"),
    Kept=chain("/kept", "payload = {token: 'hidden', n: 1}", "payload.n = 2", nflow_durability="durable"),
    Wizard={
        "s": starter("/wizard", "ask"),
        "ask": js("function main() { payload.break = true; c.JSON(200, {form: 1}) }", "next"),
        "next": js(
            "function main() { if (!payload.name) { payload.break = true; c.JSON(200, {again: true}); return }"
            " c.JSON(201, {name: payload.name, kept: payload.from || null}); next = 'output_2' }",
            "next",
            None,
        ),
        "other": js("function main() { c.String(200, 'not offered') }"),
    },
)


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(FLOWS, f'[api]\nadmin_token = "{ADMIN}"\n[server]\ndrain_seconds = 1\n')


def get(server: Server, path: str = "") -> Any:
    answer = server.get(f"/api/processes{path}", headers=KEY)
    assert answer.status == 200, answer.text
    return answer.json()


@contextmanager
def sleeping(server: Server) -> Iterator[tuple[str, list[Answer]]]:
    """A run in its second node: its id, and its answer once it has one."""
    answers: list[Answer] = []
    client = threading.Thread(target=lambda: answers.append(server.post("/slow", timeout=30)))
    client.start()
    run = until(lambda: [each for each in get(server)["processes"] if each["node"] == "n2"])[0]
    try:
        yield run["id"], answers
    finally:
        server.ask(f"/api/processes/{run['id']}", "DELETE", headers=KEY)
        client.join(10)


def test_a_run_under_way_is_listed_with_where_it_is(server: Server) -> None:
    with sleeping(server) as (wid, _):
        told = get(server)
        assert told["total"] == len(told["processes"]) == 1
        run = told["processes"][0]
        assert (run["id"], run["app"], run["flow"]) == (wid, "app", "Slow")
        assert (run["state"], run["node"], run["kind"], run["steps"]) == ("run", "n2", "js", 2)
        assert (run["method"], run["path"]) == ("POST", "/slow")
        assert 0 <= run["age"] < 20
        one = get(server, f"/{wid}")
        assert (one["live"], one["node"]) == (True, "n2")
        assert get(server, "?limit=10&offset=1")["processes"] == []


def test_a_runs_payload_is_shown_with_its_secrets_masked(server: Server) -> None:
    with sleeping(server) as (wid, _):
        told = get(server, f"/{wid}/state")
        assert told == {"id": wid, "state": "run", "node": "n2", "payload": {"password": "***", "card": 7}}


def test_a_run_is_ended_and_its_client_answered(server: Server) -> None:
    with sleeping(server) as (wid, answers):
        killed = server.ask(f"/api/processes/{wid}", "DELETE", headers=KEY)
        assert (killed.status, killed.json()["id"]) == (202, wid)
        assert until(lambda: answers)
        assert get(server)["total"] == 0
        assert server.ask(f"/api/processes/{wid}", "DELETE", headers=KEY).status == 404


def test_a_durable_run_that_ended_is_read_from_the_journal(launch: Launch) -> None:
    server = launch(FLOWS, f'[api]\nadmin_token = "{ADMIN}"\n[store]\ndurability = "durable"\n')
    wid = server.get("/kept").headers["Nflow-Wid-1"]
    told = get(server, f"/{wid}")
    assert (told["live"], told["state"], told["flow"]) == (False, "end", "Kept")
    assert [(step["node"], step["outcome"]) for step in told["journal"]] == [("n1", "output_1"), ("n2", "output_1")]
    assert get(server, f"/{wid}/state")["payload"] == {"token": "***", "n": 2}


def test_a_run_nobody_knows_is_a_404(server: Server) -> None:
    for path in ("", "/state"):
        answer = server.get(f"/api/processes/0198-none{path}", headers=KEY)
        assert (answer.status, answer.json()["code"]) == (404, 404)


@pytest.mark.parametrize("path", ["", "/x", "/x/state"])
def test_only_the_admin_looks(server: Server, path: str) -> None:
    assert server.get(f"/api/processes{path}").status == 401
    assert server.ask("/api/processes/x", "DELETE").status == 401


# --- going on with a suspended run ---


def begin(server: Server) -> tuple[str, str]:
    """A suspended run: its id and its session's cookie."""
    answer = server.get("/wizard")
    assert answer.json() == {"form": 1}
    return answer.headers["Nflow-Wid-1"], answer.headers["Set-Cookie"].partition(";")[0]


def step(server: Server, wid: str, cookie: str, body: Any, **headers: str) -> Answer:
    return server.post(f"/api/processes/{wid}/step", json=body, headers={"Cookie": cookie, **headers})


def test_a_suspended_run_goes_on_and_the_workflow_answers(server: Server) -> None:
    wid, cookie = begin(server)
    again = step(server, wid, cookie, {"node": "next", "payload": {"from": "first"}})
    assert (again.status, again.json()) == (200, {"again": True})
    other = again.headers["Nflow-Wid-1"]
    assert other != wid
    assert step(server, wid, cookie, {"node": "next"}).status == 409, "it has gone on under another id"
    done = step(server, other, cookie, {"node": "next", "payload": {"name": "ana"}})
    assert (done.status, done.json()) == (201, {"name": "ana", "kept": "first"})
    assert step(server, other, cookie, {"node": "next"}).status == 409, "it has ended"


def test_a_suspended_run_is_its_own_clients(server: Server) -> None:
    wid, cookie = begin(server)
    _, stranger = begin(server)
    for shown in ("", stranger, cookie + "x"):
        refused = step(server, wid, shown, {"node": "next"})
        assert (refused.status, refused.json()["code"]) == (409, 409)
    assert "session" in step(server, wid, "", {"node": "next"}).json()["message"]
    assert step(server, wid, cookie, {"node": "other"}).status == 409, "that node was not offered"
    assert step(server, wid, cookie, {"node": "next", "payload": {"name": "x"}}).status == 201


def test_a_step_that_is_no_json_object_of_a_node_is_refused(server: Server) -> None:
    wid, cookie = begin(server)
    wrong = step(server, wid, cookie, {"payload": []})
    assert [each["path"] for each in wrong.json()["problems"]] == ["body.node", "body.payload"]
    form = {"Cookie": cookie, "Content-Type": "text/plain"}
    assert server.post(f"/api/processes/{wid}/step", body='{"node": "next"}', headers=form).status == 415
