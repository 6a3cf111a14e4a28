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
    "W7 fork",
    "W8 bench",
    "W10 json types",
    "W11 unknown type",
    "404",
)
WID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Answer:
    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


def ask(url: str, case: dict[str, Any]) -> Answer:
    request = urllib.request.Request(url + case["path"], method=case["method"], headers=case["headers"] or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


@pytest.fixture(scope="module", params=["warm", "fresh"])
def url(serve: Callable[..., str], request: pytest.FixtureRequest) -> str:
    """In either realm the answers are the same."""
    return serve(GOLDEN / "compat_flows.json", f'[server]\nrealm = "{request.param}"\n')


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
