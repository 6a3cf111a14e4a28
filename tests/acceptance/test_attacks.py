"""What an attacker tries at the door of a running server, and does not get."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, js, playbook, starter
from tests.acceptance.servers import Answer, Server

FORM = "function main() { payload.note = 'inside'; payload['break'] = true; c.HTML(200, 'form') }"


@pytest.fixture(scope="module")
def guarded(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Server:
    triggers: Path = tmp_path_factory.mktemp("triggers")
    (triggers / "auth.js").write_text(
        "function auth() { if (url_access === '/denied') return false; if (!profile || profile.banned) next = 'login' }"
    )
    trip = {
        "in": starter("/inside", "form", "ANY", nflow_auth="true"),
        "out": starter("/outside", "hello", "ANY"),
        "form": js(FORM, "after"),
        "after": js("function main() { c.JSON(200, payload) }"),
        "hello": js("function main() { c.String(200, 'hello') }"),
    }
    document = playbook(
        chain("/login", "set_profile({username: form.user[0]})"),
        chain("/ban", "set_profile({...get_profile(), banned: true})"),
        chain("/who", "c.JSON(200, get_profile())"),
        chain("/denied", "c.String(200, 'inside')", nflow_auth="true"),
        Heard={
            "in": starter("/heard", "form", "ANY"),
            "form": js(FORM, "after"),
            "after": js("function main() { c.JSON(200, header.Authorization ?? null) }"),
        },
        Trip=trip,
    )
    return launch(document, f'[files]\ntriggers = "{triggers}"\n[api]\nadmin_token = "the-admins-own"\n')


def cookie_of(answer: Answer) -> str:
    return str(answer.headers["Set-Cookie"]).partition(";")[0]


@pytest.mark.parametrize("start", ["/inside", "/outside"])
def test_a_run_that_began_behind_a_login_goes_on_behind_it_by_whichever_start(guarded: Server, start: str) -> None:
    shown = {"Cookie": cookie_of(guarded.get("/login?user=ana"))}
    assert guarded.get("/inside", headers=shown).text == "form"
    onward = f"{start}?nflow_next_node_run=after"
    assert guarded.get(onward, headers=shown).json()["note"] == "inside"
    assert guarded.get("/inside", headers=shown).text == "form"
    guarded.get("/ban", headers=shown)
    answer = guarded.get(onward, headers=shown)
    assert (answer.status, answer.body) == (307, b"")


def test_a_login_in_a_planted_session_of_another_user_is_not_seen_there(guarded: Server) -> None:
    planted = {"Cookie": cookie_of(guarded.get("/login?user=mallory"))}
    victim = guarded.get("/login?user=ana", headers=planted)
    assert guarded.get("/who", headers={"Cookie": cookie_of(victim)}).json() == {"username": "ana"}
    assert guarded.get("/who", headers=planted).json() == {}


def test_an_authenticator_that_says_false_lets_nobody_in(guarded: Server) -> None:
    answer = guarded.get("/denied", headers={"Cookie": cookie_of(guarded.get("/login?user=ana"))})
    assert (answer.status, answer.json()) == (401, {"error": "Unauthorized"})


@pytest.mark.parametrize(("token", "heard"), [("the-admins-own", None), ("another", ["Bearer another"])])
def test_the_admins_token_is_shown_to_no_script(guarded: Server, token: str, heard: list[str] | None) -> None:
    suspended = guarded.get("/heard")
    shown = {"Cookie": cookie_of(suspended), "Authorization": f"Bearer {token}"}
    step = f"/api/processes/{suspended.headers['Nflow-Wid-1']}/step"
    assert guarded.post(step, json={"node": "after"}, headers=shown).json() == heard


def test_a_form_of_nine_megabytes_of_escapes_keeps_nobody_else_waiting(guarded: Server) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    waits = []
    with ThreadPoolExecutor(2) as clients:
        posted = [clients.submit(guarded.post, "/outside", body="a=" + "%41" * 3_000_000, headers=form) for _ in "12"]
        while not all(each.done() for each in posted):
            began = time.perf_counter()
            assert guarded.get("/health").status == 200
            waits.append(time.perf_counter() - began)
    assert [each.result().text for each in posted] == ["hello", "hello"]
    assert max(waits) < 0.6  # taken apart on the loop, one such form takes a second and more
