"""The flat shape of the manuals: `httpstart`, `path`, `output`, a body with `return`; one flow to a document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import write
from tests.acceptance.servers import Server


def flat(path: str, *scripts: str, method: str = "POST", **data: Any) -> dict[str, Any]:
    """A chain as the manuals draw it."""
    nodes: dict[str, Any] = {
        "node1": {"data": {"type": "httpstart", "method": method, "path": path, **data}, "outputs": _to("node2")}
    }
    for number, script in enumerate(scripts, 2):
        outputs = _to(f"node{number + 1}") if number < len(scripts) + 1 else {}
        nodes[f"node{number}"] = {"data": {"type": "js", "script": script}, "outputs": outputs}
    return nodes


def _to(node: str) -> dict[str, Any]:
    return {"output": {"connections": [{"node": node, "output": "input"}]}}


@pytest.fixture(scope="module")
def server(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder = tmp_path_factory.mktemp("manual")
    flows = {
        "manual": flat("/api/process", "return {result: payload.value * 2};"),
        "chain": flat("/chain", "return [payload, 1]", "payload.push(2)", "return payload.concat(3)"),
        "kinds": flat("/kinds", "return {of: typeof payload, payload}"),
        "sleep": flat("/sleep", "const began = Date.now(); await sleep(120); return Date.now() - began >= 100"),
        "order": flat("/await", "const value = await Promise.resolve(20); return value + 1", "return payload + 1"),
        "answer": flat("/answer", "c.String(201, 'own answer'); return {not: 'this'}", method="GET"),
        "main": flat("/main", "function main() { return {from: 'main'} }", method="GET"),
        "early": flat("/early", "if (payload.stop) return 'stopped'; return 'went on'"),
        "nothing": flat("/nothing", "const unused = 1", method="GET"),
        "choose": {
            "s": {"data": {"type": "httpstart", "method": "GET", "path": "/choose/:way"}, "outputs": _to("a")},
            "a": {
                "data": {"type": "js", "script": "if (vars.way === 'left') next = 'left'; return vars.way"},
                "outputs": {**_to("b"), "left": _to("c")["output"]},
            },
            "b": {"data": {"type": "js", "script": "return 'right of ' + payload"}},
            "c": {"data": {"type": "js", "script": "return 'left of ' + payload"}},
        },
        "throws": flat("/throws", "throw new Error('of line one')", method="GET"),
        "rejects": flat("/rejects", "await Promise.reject(new RangeError('later'))", method="GET"),
        "return": flat("/promise", "return Promise.resolve({kept: true})", method="GET"),
    }
    for name, flow in flows.items():
        write(folder / f"{name}.json", flow)
    return launch(folder)


def test_the_example_of_the_manual_runs(server: Server) -> None:
    answer = server.post("/api/process", json={"value": 21})
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "application/json", b'{"result":42}\n')
    assert answer.headers["Nflow-Wid-1"]


def test_what_a_script_returns_is_the_next_payload_and_a_changed_payload_too(server: Server) -> None:
    assert server.post("/chain", json={"n": 0}).json() == [{"n": 0}, 1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("object", {"a": [1]}),
        ("object", [1, "two"]),
        ("object", None),
        ("number", 3.5),
        ("string", "text"),
        ("boolean", True),
    ],
)
def test_any_json_body_is_the_first_payload(server: Server, kind: str, body: Any) -> None:
    assert server.post("/kinds", json=body).json() == {"of": kind, "payload": body}


def test_a_body_in_lines_is_a_payload_too(server: Server) -> None:
    headers = {"Content-Type": "application/json"}
    answer = server.post("/kinds", body='{\n  "a": "x\\ny",\r\n  "b": [1,\n 2]\n}\n', headers=headers)
    assert answer.json() == {"of": "object", "payload": {"a": "x\ny", "b": [1, 2]}}


def test_without_a_body_the_query_is_the_payload(server: Server) -> None:
    assert server.post("/kinds?a=1&a=2").json() == {"of": "object", "payload": {"a": ["1", "2"]}}


def test_a_form_is_the_payload(server: Server) -> None:
    answer = server.post("/kinds", body="a=1&b=x+y", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.json()["payload"] == {"a": "1", "b": "x y"}


@pytest.mark.parametrize(
    ("body", "column"),
    [
        (b"{", 2),
        (b'{"a": 1,}', 8),
        (b'{"a": {"b": NaN}}', 13),
        (b'{"a": {"b": "\\ud800"}}', 14),
        (b"\xff\xfe", 1),
        (b"[" * 5000, 1026),
        (b"[" * 5000 + b"]" * 5000, 1026),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_body_that_is_no_json_is_answered_400_saying_where(server: Server, body: bytes, column: int) -> None:
    answer = server.post("/api/process", body=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.json()["code"]) == (400, 400)
    message = answer.json()["message"]
    assert message.startswith("body: ")
    assert message.endswith(f": line 1 column {column}")


def test_top_level_await_waits(server: Server) -> None:
    assert server.post("/await", json=None).json() == 22


def test_await_sleep_sleeps(server: Server) -> None:
    assert server.post("/sleep", json=None).json() is True


def test_an_answer_by_c_goes_before_the_last_payload(server: Server) -> None:
    answer = server.get("/answer")
    assert (answer.status, answer.text) == (201, "own answer")


def test_a_body_may_define_main(server: Server) -> None:
    assert server.get("/main").json() == {"from": "main"}


def test_an_early_return_returns(server: Server) -> None:
    assert server.post("/early", json={"stop": True}).json() == "stopped"
    assert server.post("/early", json={}).json() == "went on"


def test_a_script_that_returns_nothing_leaves_the_payload(server: Server) -> None:
    assert server.get("/nothing?kept=yes").json() == {"kept": "yes"}


def test_a_promise_that_is_returned_is_awaited(server: Server) -> None:
    assert server.get("/promise").json() == {"kept": True}


@pytest.mark.parametrize(("way", "said"), [("left", "left of left"), ("ahead", "right of ahead")])
def test_next_chooses_among_outputs(server: Server, way: str, said: str) -> None:
    assert server.get(f"/choose/{way}").json() == said


@pytest.mark.parametrize(
    ("path", "message"),
    [("/throws", "Error: of line one at workflow:1:11"), ("/rejects", "RangeError: later at workflow:1:26")],
)
def test_an_error_of_a_body_is_told_with_its_place(server: Server, path: str, message: str) -> None:
    answer = server.get(path)
    assert (answer.status, answer.json()["message"]) == (500, message)


def test_the_example_file_runs(launch: Launch) -> None:
    example = Path(__file__).parents[2] / "examples" / "double.json"
    assert launch(example).post("/manual/double", json={"value": 60}).json() == {"result": 120, "size": "large"}
