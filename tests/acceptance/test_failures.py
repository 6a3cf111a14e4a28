"""What is told of a run that failed: to its client, and in the log of whoever runs the server."""

from __future__ import annotations

import secrets
import time

import pytest

from actors.sessions.cookie import CookieSettings, sign
from loadtests.server import free_port
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, edges, playbook, starter
from tests.acceptance.servers import Server, until
from tests.acceptance.wizard import EXAMPLES, FORM, Walker, import_people

KEY = "a key of the configuration"


@pytest.fixture(scope="module")
def failing(launch: Launch) -> Server:
    flows = playbook(
        Throws=chain("/throws", "c.JSON(200, {a: nowhere})"),
        Long=chain("/long", "throw new Error('x'.repeat(100000))"),
        Unknown={"s": starter("/unknown", "n"), "n": {"data": {"type": "teleport"}, "outputs": edges()}},
        Session=chain("/session", "get_session('cart', 'n'); c.NoContent(204)"),
        Caught=chain("/caught", "try { get_session('cart', 'n') } catch (error) { c.String(200, error.name) }"),
        Private=chain("/private", "c.NoContent(204)", nflow_auth="true"),
    )
    place = f"127.0.0.1:{free_port()}"  # where no Redis is
    config = f'[server]\naccess_log = false\n[session]\nkey = "{KEY}"\nstore = "redis"\n[redis]\nhost = "{place}"\n'
    return launch(flows, config, expects=["session store reachable=false"])


def test_a_run_that_failed_is_one_line_of_the_log_with_its_id_its_node_and_why(failing: Server) -> None:
    for path, flow, why in (
        ("/throws", "Throws", "ReferenceError: nowhere is not defined"),
        ("/unknown", "Unknown", "Type node not found"),
    ):
        answer = failing.get(path)
        assert answer.status == 500
        wid = answer.headers["Nflow-Wid-1"]
        (line,) = until(lambda wid=wid: [line for line in failing.log().splitlines() if f"wid={wid}" in line])
        assert f"[ERROR] {flow} failed: {why}" in line
        assert "node=n" in line


def test_an_error_of_any_length_is_a_line_of_bounded_length(failing: Server) -> None:
    assert failing.get("/long").status == 500
    (line,) = until(lambda: [line for line in failing.log().splitlines() if "Long failed" in line])
    assert len(line) < 1200


def test_what_the_client_did_wrong_is_not_in_the_log(failing: Server) -> None:
    answer = failing.get("/throws?nflow_next_node_run=n1")
    assert answer.status in {409, 503}
    assert answer.headers["Nflow-Wid-1"] not in failing.log()


def test_a_store_out_of_reach_while_a_script_asks_it_is_503(failing: Server) -> None:
    value = sign(CookieSettings((KEY.encode(),)), secrets.token_urlsafe(24), time.time())
    cookie = {"Cookie": f"nflow_session={value}"}
    answer = failing.get("/session", headers=cookie)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert "Redis is out of reach" in answer.json()["error"]
    assert "127.0.0.1" not in answer.text, "where it is, is in the log only"
    told = failing.get("/health")
    assert told.status == 503, "requests need their sessions"
    assert told.json()["components"]["sessions"] == {"status": "unhealthy", "message": "it is out of reach"}
    assert told.json()["checks"]["redis"] == "failed"
    assert "127.0.0.1" not in told.text
    assert failing.get("/caught", headers=cookie).text == "Unavailable"


def test_a_login_that_is_not_there_or_wrong_is_said_to_be_the_login(failing: Server, launch: Launch) -> None:
    assert "write it in triggers/auth.js or the app's default_js" in failing.get("/private").json()["error"]
    (failing.folder / "triggers").mkdir()
    (failing.folder / "triggers" / "auth.js").write_text("function auth() {\n  nowhere()\n}")
    config = f'[files]\ntriggers = "{failing.folder}/triggers"\n'
    server = launch(playbook(chain("/private", "c.NoContent(204)", nflow_auth="true")), config)
    answer = server.get("/private")
    assert answer.status == 500
    assert answer.json()["error"].startswith("auth(): ReferenceError: nowhere is not defined")
    assert until(lambda: "Flow1 failed: auth(): ReferenceError" in server.log())


def test_after_a_wrong_password_the_browsers_back_button_leads_to_another_try(launch: Launch) -> None:
    server = launch(EXAMPLES / "wizard.json", f'[files]\ntriggers = "{EXAMPLES / "triggers"}"\n')
    import_people(server)
    walker = Walker(server)
    walker.get("/trip")
    walker.get("/nflow_login")
    form = walker.node
    assert walker.send("/nflow_login", username="ana", password="wrong").status == 401
    walker.node = form
    again = walker.send("/nflow_login", username="ana", password="clave de ana")
    assert (again.status, again.headers["Location"]) == (303, "/trip")


def test_a_wrong_password_from_nowhere_begins_no_session(launch: Launch) -> None:
    check = {"data": {"type": "js", "script": "Validate Login"}, "outputs": edges()}
    server = launch(playbook({"s": starter("/in", "n", "POST"), "n": check}))
    answer = server.post("/in", body="username=ana&password=wrong", headers=FORM)
    assert (answer.status, answer.headers["Set-Cookie"]) == (401, None)


def test_of_many_flows_the_first_are_shown_and_the_rest_counted(launch: Launch) -> None:
    server = launch(playbook(*(chain(f"/f{number}", "c.NoContent(204)") for number in range(25))))
    lines = [line for line in server.log().splitlines() if line.startswith("  ")]
    assert (len(lines), lines[19], lines[20]) == (21, f"  curl '{server.url}/f19'", "  … and 5 more")
