"""POST /api/workflow/{id}: a workflow's output for an input, for whoever may call."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, js, playbook, starter, write
from tests.acceptance.servers import Answer, Server

ADMIN = "an admin's token"
CALLER = "a caller's token"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FLOWS = playbook(
    Double=chain("/double", "payload.twice = payload.n * 2", method="POST"),
    Answers=chain("/answers", "c.JSON(200, {got: c.request.body, posted: post_data.n, type: c.request.headers})"),
    Text=chain("/text", "c.HTML(200, '<b>5</b>')"),
    Hello=chain("/hello/:name", "c.JSON(200, {name: vars.name, lang: c.QueryParam('lang'), path: c.Path()})"),
    Missing=chain("/missing", "c.JSON(404, {error: 'no such thing'})"),
    Nothing=chain("/nothing", "c.NoContent(204)"),
    Moves=chain("/moves", "c.Redirect(302, '/elsewhere')"),
    Throws=chain("/throws", "throw new Error('it broke')"),
    Spins=chain("/spins", "while (true) {}"),
    Checked=chain("/checked", "payload.ok = true", method="POST", nflow_options={"schema": SCHEMA}),
    Guarded=chain("/guarded", "c.JSON(200, {in: true})", nflow_auth="true"),
    Sees=chain("/sees", "c.JSON(200, {header: JSON.stringify(c.request.headers)})", method="POST"),
    Streams={
        "s": starter("/streams", "n"),
        "n": js("async function main() { for (const x of ['a', 'b']) await c.response.write(x); c.response.end() }"),
    },
    Twin=chain("/twin", "payload.who = 'first'"),
)
OTHER = playbook(Twin=chain("/twin2", "payload.who = 'second'"))


@pytest.fixture(scope="module")
def server(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder = tmp_path_factory.mktemp("apps")
    write(folder / "shop.json", FLOWS)
    write(folder / "other.json", OTHER)
    config = f'[api]\nadmin_token = "{ADMIN}"\n[vm_pool]\nmax_execution_seconds = 0.5\n'
    started = launch(folder, config)
    store = sqlite3.connect(started.store)
    later, before = int(time.time()) + 3600, int(time.time()) - 10
    store.executemany(
        "insert into api_tokens (name, token, start, expired, active, header, token_type) values (?, ?, 0, ?, ?, ?, ?)",
        [
            ("caller", CALLER, later, 1, "Authorization", "Bearer"),
            ("old", "expired", before, 1, "Authorization", "Bearer"),
            ("off", "inactive", later, 0, "Authorization", "Bearer"),
            ("basic", "basic", later, 1, "Authorization", "Basic"),
            ("other", "elsewhere", later, 1, "X-Token", "Bearer"),
        ],
    )
    store.commit()
    store.close()
    return started


def execute(server: Server, workflow: str, value: Any = ..., token: str = CALLER, **more: Any) -> Answer:
    body = {} if value is ... else {"input": value}
    headers = {"Authorization": f"Bearer {token}"} | more.pop("headers", {})
    return server.post(f"/api/workflow/{workflow}", json=body, headers=headers, **more)


def test_a_run_that_answers_nothing_gives_its_last_payload(server: Server) -> None:
    answer = execute(server, "shop/Double", {"n": 21})
    told = answer.json()
    assert answer.status == 200
    assert set(told) == {"success", "output", "execution_time"}
    assert (told["success"], told["output"]) == (True, {"n": 21, "twice": 42})
    assert isinstance(told["execution_time"], int)
    assert len(answer.headers["Nflow-Wid-1"]) == 36


def test_a_run_that_answers_gives_the_value_of_its_json_and_saw_the_input_as_its_body(server: Server) -> None:
    output = execute(server, "Answers", {"n": 3}).json()["output"]
    assert (output["got"], output["posted"]) == ({"n": 3}, 3)


@pytest.mark.parametrize(
    ("workflow", "output"),
    [("Text", "<b>5</b>"), ("Nothing", None), ("Moves", {"location": "/elsewhere"}), ("Streams", "ab")],
)
def test_answers_that_are_no_json_have_a_place_too(server: Server, workflow: str, output: Any) -> None:
    told = execute(server, workflow, {}).json()
    assert (told["success"], told["output"]) == (True, output)


@pytest.mark.parametrize("value", [[1, 2], 5, "text", None, True])
def test_any_json_value_may_be_the_input(server: Server, value: Any) -> None:
    assert execute(server, "Sees", value).json()["success"] is True


def test_path_variables_and_the_query_come_from_the_input(server: Server) -> None:
    output = execute(server, "Hello", {"name": "ana/b", "lang": "es"}).json()["output"]
    assert (output["name"], output["lang"]) == ("ana/b", "es")
    refused = execute(server, "Hello", {"lang": "es"})
    assert (refused.status, refused.json()["error"]["problems"][0]["path"]) == (400, "input.name")


def test_an_answer_with_an_error_status_is_no_success_and_keeps_its_status(server: Server) -> None:
    answer = execute(server, "Missing", {})
    told = answer.json()
    assert (answer.status, told["success"], told["output"]) == (404, False, {"error": "no such thing"})
    assert told["error"]["code"] == 404


@pytest.mark.parametrize(
    ("workflow", "value", "status", "message"),
    [
        ("Throws", {}, 500, "it broke"),
        ("Spins", {}, 408, "vm_pool.max_execution_seconds"),
        ("Checked", {"n": "x"}, 400, "input.n"),
        ("Guarded", {}, 500, "auth()"),
        ("nobody", {}, 404, "there is no workflow 'nobody'"),
        ("Twin", {}, 409, "other/Twin, shop/Twin"),
        ("shop", {}, 409, "shop/Double"),
    ],
)
def test_a_failure_says_what_and_has_the_fitting_status(
    server: Server, workflow: str, value: Any, status: int, message: str
) -> None:
    answer = execute(server, workflow, value)
    told = answer.json()
    assert (answer.status, told["success"], told["error"]["code"]) == (status, False, status)
    assert message in told["error"]["message"]
    assert "output" not in told
    assert "execution_time" in told


def test_a_schema_tells_every_problem_with_its_path(server: Server) -> None:
    assert execute(server, "Checked", {"n": 1}).status == 200
    error = execute(server, "Checked", {"n": 1.5}).json()["error"]
    assert [problem["path"] for problem in error["problems"]] == ["input.n"]


@pytest.mark.parametrize("path", ["other", "other/Twin", "other%2FTwin"])
def test_a_workflow_is_named_by_its_app_or_its_app_and_flow(server: Server, path: str) -> None:
    assert execute(server, path, {}).json()["output"] == {"who": "second"}


@pytest.mark.parametrize(
    ("body", "path"), [("[1]", "body"), ('{"n": 1}', "body.input"), ("{", "body"), ('{"input": "\\u0000"}', "body")]
)
def test_a_body_that_cannot_be_used_is_a_400_with_its_path(server: Server, body: str, path: str) -> None:
    answer = server.post("/api/workflow/Double", body=body, headers={"Authorization": f"Bearer {CALLER}"})
    error = answer.json()["error"]
    assert (answer.status, error["problems"][0]["path"]) == (400, path)


@pytest.mark.parametrize("token", [CALLER, ADMIN])
def test_a_callers_or_the_admins_token_lets_in(server: Server, token: str) -> None:
    assert execute(server, "Double", {"n": 1}, token).status == 200


@pytest.mark.parametrize("token", ["", "wrong", "expired", "inactive", "basic", "elsewhere", CALLER[:-1], CALLER + "x"])
def test_any_other_token_is_refused_with_what_to_do(server: Server, token: str) -> None:
    answer = execute(server, "Double", {"n": 1}, token)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "open_execution" in answer.json()["message"]


def test_without_a_token_nothing_is_taken_in(server: Server) -> None:
    assert server.post("/api/workflow/Double", json={"input": {}}).status == 401


def test_a_script_sees_its_callers_token_but_never_the_admins(server: Server) -> None:
    assert CALLER in execute(server, "Sees", {}).json()["output"]["header"]
    assert ADMIN not in execute(server, "Sees", {}, ADMIN).json()["output"]["header"]


def test_another_method_is_refused_with_the_allowed_one(server: Server) -> None:
    answer = server.get("/api/workflow/Double")
    assert (answer.status, answer.headers["Allow"], answer.json()["code"]) == (405, "POST", 405)


def test_an_unknown_path_of_the_api_is_nobodys(server: Server) -> None:
    for path in ("/api/nothing", "/api/workflow", "/api/workflow/", "/api/workflow/a/b/c", "/api/admin"):
        assert server.post(path).status == 404


def test_open_execution_asks_for_no_token_and_for_every_login(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "auth.js").write_text("function auth() { if (!profile) { next = 'login' } }")
    flows = playbook(
        Guarded=chain("/guarded", "payload.user = get_profile().username", nflow_auth="true"),
        Login=chain("/enter", "set_profile({username: payload.user})", method="POST"),
    )
    server = launch(flows, f"[api]\nopen_execution = true\n[files]\ntriggers = '{tmp_path}'\n")
    refused = server.post("/api/workflow/Guarded", json={})
    assert (refused.status, refused.json()["success"]) == (401, False)
    assert "login" in refused.json()["error"]["message"]
    entered = server.post("/api/workflow/Login", json={"input": {"user": "ana"}})
    cookie = entered.headers["Set-Cookie"].partition(";")[0]
    let_in = server.post("/api/workflow/Guarded", json={}, headers={"Cookie": cookie})
    assert let_in.json()["output"] == {"user": "ana"}


def test_a_flow_below_api_is_served_unless_the_server_answers_its_path(launch: Launch) -> None:
    flows = playbook(
        Mine=chain("/api/mine", "c.String(200, 'mine')"),
        Hidden=chain("/api/workflow/:id", "c.String(200, 'hidden')", method="POST"),
    )
    server = launch(flows)
    assert server.get("/api/mine").text == "mine"
    assert server.post("/api/workflow/x", json={}).status == 401
    assert "POST /api/workflow/:id is never reached: the server answers this path itself" in server.log()
    off = launch(flows, "[api]\nenabled = false\n")
    assert off.post("/api/workflow/x", json={}).text == "hidden"
    assert off.get("/openapi.json").status == 404
