"""The recorded answers of the Go program, byte for byte, but for the differences `docs/compatibility.md` names."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parents[1] / "data" / "nflow_golden"
RECORDED = {case["case"]: case for case in json.loads((GOLDEN / "golden_go.json").read_text())}
SERVED = (
    "W1 path var",
    "W1 wrong method",
    "W1 trailing slash",
    "W2 big",
    "W2 small",
    "W3 order",
    "W5 foreach",
    "W7 fork",
    "W8 bench",
    "W9 auth redirect",
    "W10 json types",
    "W12 templates",
    "404",
)
WIZARD = ("W4 step 1", "W4 step 2 (cookies, form)", "W4 step 1 again", "W4 step 2 via url tag")
WID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Answer:
    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


class Stay(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer."""

    def redirect_request(self, *_: Any) -> None:
        return None


def ask(url: str, case: dict[str, Any], cookie: str = "") -> Answer:
    body = case.get("body")
    data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
    headers = {**(case["headers"] or {}), **({"Cookie": cookie} if cookie else {})}
    request = urllib.request.Request(url + case["path"], data, headers, method=case["method"])
    opener = urllib.request.build_opener(Stay)
    try:
        with opener.open(request, timeout=10) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


@pytest.fixture(scope="module", params=["warm", "fresh"])
def url(serve: Callable[..., str], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """In either realm the answers are the same."""
    triggers = tmp_path_factory.mktemp("triggers")
    (triggers / "auth.js").write_text("function auth() { if (profile == null) next = 'login' }")
    config = f'[server]\nrealm = "{request.param}"\n[files]\ntriggers = "{triggers}"\n'
    return serve(GOLDEN / "compat_flows.json", config)


@pytest.mark.parametrize("name", SERVED)
def test_the_answer_is_as_recorded(url: str, name: str) -> None:
    case = RECORDED[name]
    answer = ask(url, case)
    assert (answer.status, answer.body.decode()) == (case["status"], case["response"])
    for header, value in case["response_headers"].items():
        assert answer.headers[header] == value
    for header in ("Nflow-Wid-1", "Dromedary-Wid-2"):
        assert (header in answer.headers) == (header in case["header_names"])
        assert WID.fullmatch(answer.headers.get(header, "00000000-0000-7000-8000-000000000000"))


def test_the_wizard_walks_as_recorded_with_the_cookie_of_its_session(url: str) -> None:
    cookie = ""
    for name in WIZARD:
        case = RECORDED[name]
        answer = ask(url, case, cookie)
        assert (answer.status, answer.body.decode()) == (case["status"], case["response"])
        given = answer.headers["Set-Cookie"]
        cookie = given.partition(";")[0] if given else cookie
    assert cookie.startswith("nflow_session=")


def test_the_wizard_goes_on_for_nobody_else(url: str) -> None:
    """In Go anybody may ask for any node."""
    ask(url, RECORDED[WIZARD[0]])
    answer = ask(url, RECORDED[WIZARD[1]])
    assert answer.status == 409
    assert json.loads(answer.body)["code"] == 409


def test_the_type_of_w11_exists_now_and_says_what_it_lacks(url: str) -> None:
    answer = ask(url, RECORDED["W11 unknown type"])
    assert (answer.status, json.loads(answer.body)) == (500, {"error": "an http node needs a url"})


def test_every_recorded_case_is_replayed_here() -> None:
    elsewhere = {*WIZARD, "W1 encoded", "W6 throw", "W11 unknown type"}
    assert set(RECORDED) == {*SERVED, *elsewhere}


def test_a_path_variable_is_percent_decoded_where_go_left_it_as_it_came(url: str) -> None:
    case = RECORDED["W1 encoded"]
    answer = ask(url, case)
    assert answer.body.decode() == case["response"].replace("a%20b", "a b")


def test_a_throwing_script_is_answered_as_recorded_but_without_its_source(url: str) -> None:
    case = RECORDED["W6 throw"]
    answer = ask(url, case)
    told, recorded = json.loads(answer.body), json.loads(case["response"])
    assert answer.status == case["status"]
    assert answer.headers["Content-Type"] == case["response_headers"]["Content-Type"]
    assert told["actor"]["outputs"] == recorded["actor"]["outputs"]
    assert set(told["actor"]["data"]) == set(recorded["actor"]["data"]) - {"code", "compile"}
    assert told["message"].startswith("Error: boom at main (workflow:")
    assert b"throw new Error" not in answer.body


def test_head_is_answered_like_get_without_a_body(url: str) -> None:
    answer = ask(url, RECORDED["W1 path var"] | {"method": "HEAD"})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"] == "application/json"
