"""The audit of a running server: who did what from where, in a file whose changes show."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, until
from tests.acceptance.test_cli import NFLOW

ADMIN = "an admin's token"
KEY = {"Authorization": f"Bearer {ADMIN}"}
FLOWS = playbook(
    In=chain("/in", "set_profile({username: 'ana', rol: 'user'}); c.NoContent(204)"),
    Again=chain("/again", "set_profile({username: 'ana', rol: 'user'}); c.NoContent(204)"),
    Out=chain("/out", "delete_profile(); c.NoContent(204)"),
    Wrong=chain("/wrong", "validate_user('bob', 'hunter22'); c.NoContent(204)"),
    Reach=chain("/reach", "try { http_get('http://169.254.169.254/') } catch (e) {} c.NoContent(204)"),
    Kill=chain("/kill", "wkill(c.QueryParam('wid')); c.NoContent(204)"),
    Long=chain("/long", "sleep(20000); c.NoContent(204)"),
)


@pytest.fixture(scope="module")
def server(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Server:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    return launch(FLOWS, f'[log]\naudit = "{path}"\n[api]\nadmin_token = "{ADMIN}"\n')


def audit(server: Server) -> Path:
    config = (server.folder / "config.toml").read_text()
    return Path(config.partition('audit = "')[2].partition('"')[0])


def events(server: Server, **wanted: Any) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in audit(server).read_bytes().splitlines()]
    return [line for line in told if all(line.get(name) == value for name, value in wanted.items())]


def verify(*arguments: object) -> tuple[int, str]:
    done = subprocess.run(
        [*NFLOW, "audit", "verify", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout


def test_logins_and_logouts_are_told_once_each(server: Server) -> None:
    cookie = server.get("/in").headers["Set-Cookie"].partition(";")[0]
    server.get("/again", headers={"Cookie": cookie})
    server.get("/out", headers={"Cookie": cookie})
    (out,) = until(lambda: events(server, kind="logout"))
    (login,) = events(server, kind="login", outcome="done")
    assert (login["who"], login["where"], login["what"]) == ("ana", "127.0.0.1", "/in")
    assert (out["where"], out["what"]) == ("127.0.0.1", "/out")


def test_a_wrong_password_is_told_with_the_user_it_was_tried_for_and_without_itself(server: Server) -> None:
    for _ in range(5):
        server.get("/wrong")
    (wrong,) = until(lambda: events(server, kind="login", outcome="refused"))
    assert (wrong["who"], wrong["what"]) == ("bob", "validate_user")
    assert "hunter22" not in audit(server).read_text()


def test_a_token_that_is_not_valid_is_told_without_itself(server: Server) -> None:
    answer = server.get("/api/admin/workflows", headers={"Authorization": "Bearer guessed-token"})
    assert answer.status == 401
    (refused,) = until(lambda: events(server, kind="token"))
    assert (refused["what"], refused["outcome"]) == ("GET /api/admin/workflows", "refused")
    assert "guessed-token" not in audit(server).read_text()


def test_changes_of_flows_are_told_with_who_made_them_and_how_they_came_out(server: Server) -> None:
    document = playbook(New=chain("/new", "c.NoContent(204)"))
    path = "/api/admin/workflows/new"
    headers = {**KEY, "X-Request-ID": "r-1"}
    assert server.ask(path, "PUT", json=document, headers=headers).status == 201
    assert server.ask(path, "PUT", json={"drawflow": 1}, headers=KEY).status == 400
    assert server.ask(path, "DELETE", headers=KEY).status == 200
    until(lambda: events(server, what=f"DELETE {path}"))
    done, failed = events(server, what=f"PUT {path}")
    assert (done["who"], done["where"], done["outcome"], done["request"]) == ("admin", "127.0.0.1", "done", "r-1")
    assert failed["outcome"] == "failed"
    assert events(server, what="app new new")
    assert events(server, what="app new gone")


def long_run(server: Server) -> str:
    """Begins a run that would take long; its id."""
    threading.Thread(target=lambda: server.get("/long"), daemon=True).start()

    def found() -> list[str]:
        processes = server.get("/api/processes", headers=KEY).json()["processes"]
        return [each["id"] for each in processes if each["flow"] == "Long"]

    (wid,) = until(found)
    return str(wid)


def test_kills_are_told_whoever_does_it(server: Server) -> None:
    path = f"/api/processes/{long_run(server)}"
    server.ask(path, "DELETE", headers=KEY)
    assert until(lambda: events(server, kind="kill", what=f"DELETE {path}", who="admin"))
    until(lambda: not server.get("/api/processes", headers=KEY).json()["processes"])
    wid = long_run(server)
    server.get(f"/kill?wid={wid}")
    assert until(lambda: events(server, kind="kill", what=f"wkill {wid}", who="script app/Kill/n1"))


def test_an_address_that_a_script_is_kept_from_is_told(server: Server) -> None:
    server.get("/reach")
    (refused,) = until(lambda: events(server, kind="address"))
    assert "169.254.169.254" in refused["what"]


def test_a_reload_is_told(server: Server) -> None:
    os.kill(server.process.pid, signal.SIGHUP)
    assert until(lambda: events(server, kind="configuration", what="reload", outcome="done"))


def test_an_import_writes_into_the_same_file_while_the_server_runs(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "more.json"
    file.write_text(json.dumps(playbook(More=chain("/more", "c.NoContent(204)"))))
    config = server.folder / "config.toml"
    subprocess.run([*NFLOW, "import", str(file), "-c", str(config)], capture_output=True, timeout=60, check=True)
    (told,) = until(lambda: events(server, what=f"import {file}"))
    assert (told["kind"], told["outcome"]) == ("flow", "done")
    server.get("/in")
    code, out = verify(audit(server))
    assert (code, out.splitlines()[-1]) == (0, "whole")


def test_the_last_line_is_told_to_the_log_and_what_is_changed_shows(server: Server, tmp_path: Path) -> None:
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    head = server.log().rpartition("head=")[2].split()[0]
    file = audit(server)
    assert verify(file, "--head", head)[0] == 0
    cut = tmp_path / "cut"
    cut.write_bytes(b"\n".join(file.read_bytes().splitlines()[:-1]) + b"\n")
    assert verify(cut, "--head", head)[0] == 1
    changed = tmp_path / "changed"
    changed.write_bytes(file.read_bytes().replace(b'"who":"bob"', b'"who":"eve"'))
    code, out = verify(changed)
    assert code == 1
    assert "does not follow the line before it" in out
    assert verify(tmp_path / "none")[0] == 1
