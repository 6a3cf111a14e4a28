"""/api/admin/workflows: apps are installed, listed, replaced, set back and removed while the server runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook, write
from tests.acceptance.servers import Answer, Server

ADMIN = "an admin's token"
KEY = {"Authorization": f"Bearer {ADMIN}"}
FIRST = playbook(Shop=chain("/shop", "c.String(200, 'one')"))
SECOND = playbook(Shop=chain("/shop", "c.String(200, 'two')"))
MANUAL = {
    "in": {
        "data": {"type": "httpstart", "method": "POST", "path": "/calc"},
        "outputs": {"output": {"connections": [{"node": "n"}]}},
    },
    "n": {"data": {"type": "js", "script": "return { twice: payload.n * 2 };"}},
}


@pytest.fixture(scope="module")
def server(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder = tmp_path_factory.mktemp("apps")
    write(folder / "onfile.json", playbook(Kept=chain("/onfile", "c.String(200, 'from a file')")))
    return launch(folder, f'[api]\nadmin_token = "{ADMIN}"\n')


def put(server: Server, app: str, document: Any) -> Answer:
    return server.ask(f"/api/admin/workflows/{app}", "PUT", json=document, headers=KEY)


def get(server: Server, path: str) -> Any:
    answer = server.get(f"/api/admin/workflows{path}", headers=KEY)
    assert answer.status == 200, answer.text
    return answer.json()


def delete(server: Server, app: str) -> Answer:
    return server.ask(f"/api/admin/workflows/{app}", "DELETE", headers=KEY)


def test_an_app_lives_from_its_installation_to_its_removal(server: Server) -> None:
    created = put(server, "shop", FIRST)
    told = created.json()
    assert (created.status, told["id"], told["version"], told["flows"]) == (201, "shop", 1, ["Shop"])
    assert server.get("/shop").text == "one"
    replaced = put(server, "shop", SECOND)
    assert (replaced.status, replaced.json()["version"]) == (200, 2)
    assert server.get("/shop").text == "two"
    assert [each["version"] for each in get(server, "/shop/versions")["versions"]] == [2, 1]
    assert get(server, "/shop/versions/1") == FIRST
    back = server.post("/api/admin/workflows/shop/rollback", json={"version": 1}, headers=KEY)
    assert (back.status, back.json()["version"], back.json()["hash"]) == (200, 3, told["hash"])
    assert server.get("/shop").text == "one"
    shown = get(server, "/shop")
    assert (shown["document"], shown["version"], shown["source"]) == (FIRST, 3, "api")
    assert [each["source"] for each in shown["versions"]] == ["rollback", "api", "api"]
    removed = delete(server, "shop")
    assert (removed.status, removed.json()) == (200, {"id": "shop", "served": False})
    assert server.get("/shop").status == 404
    assert delete(server, "shop").status == 404
    assert len(get(server, "/shop/versions")["versions"]) == 3


def test_the_manuals_shape_is_installed_and_run_by_its_name(server: Server) -> None:
    assert put(server, "calc", MANUAL).status == 201
    answer = server.post("/api/workflow/calc", json={"input": {"n": 21}}, headers=KEY)
    assert answer.json()["output"] == {"twice": 42}


def test_the_list_names_every_app_and_its_ways_in(server: Server) -> None:
    put(server, "listed", FIRST)
    told = get(server, "")
    apps = {each["id"]: each for each in told["workflows"]}
    assert told["total"] == len(apps)
    assert (apps["onfile"]["source"], apps["listed"]["source"]) == ("file", "api")
    flow = apps["onfile"]["flows"][0]
    assert (flow["name"], flow["nodes"], len(flow["hash"])) == ("Kept", 2, 64)
    assert flow["starts"] == [{"node": "s", "method": "GET", "path": "/onfile", "auth": False}]
    page = get(server, "?limit=1&offset=1")
    assert (len(page["workflows"]), page["total"], page["limit"], page["offset"]) == (1, told["total"], 1, 1)
    assert page["workflows"][0] == told["workflows"][1]
    wrong = server.get("/api/admin/workflows?limit=1001&offset=x", headers=KEY)
    assert [each["path"] for each in wrong.json()["problems"]] == ["query.limit", "query.offset"]


def test_a_bad_document_is_refused_with_everything_that_is_wrong_and_changes_nothing(server: Server) -> None:
    put(server, "careful", FIRST)
    bad = json.loads(json.dumps(FIRST))
    del bad["drawflow"]["Shop"]["data"]["n1"]["data"]["type"]
    bad["drawflow"]["Shop"]["data"]["s"]["data"]["nflow_auth"] = 7
    refused = put(server, "careful", bad)
    told = refused.json()
    assert (refused.status, told["code"]) == (400, 400)
    paths = {problem["path"] for problem in told["problems"] if problem["severity"] == "error"}
    assert paths == {"drawflow.Shop.data.n1.data.type", "drawflow.Shop.data.s.data.nflow_auth"}
    assert get(server, "/careful")["document"] == FIRST
    assert len(get(server, "/careful/versions")["versions"]) == 1


@pytest.mark.parametrize("body", ["", "{", "[]", "5", "{}", '{"a": NaN}', "\ud83d"])
def test_what_is_no_playbook_is_a_400(server: Server, body: str) -> None:
    sent = body.encode("utf-8", "surrogatepass")
    answer = server.ask("/api/admin/workflows/odd", "PUT", body=sent, headers=KEY)
    assert (answer.status, bool(answer.json()["problems"])) == (400, True)


def test_a_warning_is_told_and_hinders_nothing(server: Server) -> None:
    put(server, "one", playbook(One=chain("/same", "c.String(200, '1')")))
    second = put(server, "two", playbook(Two=chain("/same", "c.String(200, '2')")))
    assert second.status == 201
    assert [each["severity"] for each in second.json()["problems"]] == ["warning"]
    assert server.get("/same").text == "1"


def test_an_app_of_a_file_is_overruled_but_not_removed(server: Server) -> None:
    refused = delete(server, "onfile")
    assert refused.status == 409
    assert "onfile.json" in refused.json()["message"]
    assert put(server, "onfile", playbook(Kept=chain("/onfile", "c.String(200, 'installed')"))).status == 200
    assert server.get("/onfile").text == "installed"
    assert delete(server, "onfile").json() == {"id": "onfile", "served": True}
    assert server.get("/onfile").text == "from a file"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nobody", 404),
        ("GET", "/nobody/versions", 404),
        ("GET", "/onfile/versions/99", 404),
        ("GET", "/onfile/versions/x", 400),
        ("DELETE", "/nobody", 404),
        ("POST", "/onfile/rollback", 400),
        ("PUT", "/a%2Fb", 400),
        ("PATCH", "/onfile", 405),
    ],
)
def test_what_cannot_be_done_is_said(server: Server, method: str, path: str, status: int) -> None:
    answer = server.ask(f"/api/admin/workflows{path}", method, json=FIRST, headers=KEY)
    assert (answer.status, answer.json()["code"]) == (status, status)


def test_a_version_that_is_not_there_cannot_be_gone_back_to(server: Server) -> None:
    put(server, "few", FIRST)
    for version, status in ((99, 404), (0, 400), ("1", 400), (True, 400), (1.5, 400)):
        answer = server.post("/api/admin/workflows/few/rollback", json={"version": version}, headers=KEY)
        assert answer.status == status, version


def test_a_document_over_the_bound_is_refused(launch: Launch) -> None:
    server = launch(FIRST, f'[api]\nadmin_token = "{ADMIN}"\n[server]\nmax_body_mb = 1\n')
    assert server.ask("/api/admin/workflows/big", "PUT", body="x" * (1 << 20) + "yy", headers=KEY).status == 413


@pytest.mark.parametrize("token", [None, "", "wrong", ADMIN + "x", ADMIN.upper()])
def test_nobody_but_the_admin_administers(server: Server, token: str | None) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    for method, path in (("GET", ""), ("PUT", "/x"), ("DELETE", "/onfile"), ("POST", "/onfile/rollback")):
        answer = server.ask(f"/api/admin/workflows{path}", method, json=FIRST, headers=headers)
        assert (answer.status, answer.json()["code"]) == (401, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_without_an_admin_token_administration_is_off(launch: Launch) -> None:
    server = launch(FIRST)
    for key in ({}, KEY, {"Authorization": "Bearer "}):
        answer = server.get("/api/admin/workflows", headers=key)
        assert (answer.status, answer.json()["message"]) == (403, "administration is off: set [api] admin_token")
