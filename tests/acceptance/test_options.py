"""What an author may ask of the runtime, over HTTP: `nflow_options`, joined branches, and `log()` after each run."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, js, playbook, starter
from tests.acceptance.servers import Server, until

SCHEMA = {"type": "object", "required": ["name"], "properties": {"items": {"items": {"type": "number"}}}}


def asked(code: str, **options: Any) -> dict[str, Any]:
    return js(f"function main() {{ {code} }}", "end", nflow_options=options)


def flow(path: str, node: dict[str, Any], end: str = "c.JSON(200, payload)") -> dict[str, Any]:
    return {"s": starter(path, "a"), "a": node, "end": js(f"function main() {{ {end} }}")}


@pytest.fixture(scope="module")
def server(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Server:
    triggers: Path = tmp_path_factory.mktemp("triggers")
    (triggers / "log.js").write_text(
        "function log(entry) { console.log('logged', entry.flow, entry.path, entry.status) }"
    )
    branches = {
        "s": starter("/branches", "p"),
        "p": {
            "data": {"type": "parallel"},
            "outputs": {
                name: {"connections": [{"node": node}]}
                for name, node in (("output_1", "end"), ("output_2", "x"), ("output_3", "y"))
            },
        },
        "x": js("function main() { payload.side = 'x' }"),
        "y": js("function main() { payload.side = 'y' }"),
        "end": js("function main() { c.JSON(200, payload) }"),
    }
    document = playbook(
        flow("/retry", asked("if (Math.random() < 0.5) throw new Error('luck')", retry={"attempts": 60, "wait": 0})),
        flow("/timeout", asked("sleep(5000)", timeout=0.2)),
        flow("/mapped", asked("payload = {sum: payload.x + 1}", input={"x": 41}, output={"total": "{{sum}}"})),
        flow("/cached", asked("payload.random = Math.random()", cache={"seconds": 60, "key": "{{who}}"})),
        branches,
        chain("/checked", "c.JSON(200, post_data.name)", method="POST", nflow_options={"schema": SCHEMA}),
        chain("/large", "c.String(200, 'a'.repeat(5000))", nflow_options={"compress": True}),
        log={
            "s": starter("/forks", "f"),
            "f": {
                "data": {"type": "gorutine"},
                "outputs": {f"output_{n}": {"connections": [{"node": name}]} for n, name in ((1, "m"), (2, "o"))},
            },
            "m": js("function main() { c.String(201, 'main') }"),
            "o": js("function main() {}"),
        },
    )
    return launch(document, f'[files]\ntriggers = "{triggers}"\n')


def test_a_failing_node_is_tried_again(server: Server) -> None:
    assert [server.get("/retry").status for _ in range(12)] == [200] * 12


def test_a_node_that_takes_too_long_is_408_and_names_its_key(server: Server) -> None:
    answer = server.get("/timeout")
    assert answer.status == 408
    assert "nflow_options.timeout" in answer.json()["message"]


def test_a_node_sees_its_input_and_gives_its_output(server: Server) -> None:
    assert server.get("/mapped?kept=1").json() == {"kept": "1", "total": 42}


def test_a_result_is_used_again_for_the_same_key_only(server: Server) -> None:
    first, again, other = (server.get(f"/cached?who={who}").json()["random"] for who in ("a", "a", "b"))
    assert first == again != other


def test_branches_run_and_are_joined(server: Server) -> None:
    joined = {"output_2": {"q": "1", "side": "x"}, "output_3": {"q": "1", "side": "y"}}
    assert server.get("/branches?q=1").json() == {"q": "1", "branches": joined}


def test_an_input_that_does_not_fit_is_400_with_every_path(server: Server) -> None:
    assert server.ask("/checked", "POST", json={"name": "ana", "items": [1]}).json() == "ana"
    answer = server.ask("/checked", "POST", json={"items": [1, "x"]})
    assert answer.status == 400
    assert {problem["path"] for problem in answer.json()["problems"]} == {"input", "input.items.1"}


def test_an_answer_is_compressed_for_those_who_take_it(server: Server) -> None:
    packed = server.get("/large", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == b"a" * 5000
    assert server.get("/large").body == b"a" * 5000


def test_log_is_called_once_for_each_run_and_not_for_its_forks(server: Server) -> None:
    """Also for a flow that happens to be called `log`."""
    server.get("/forks")
    assert until(lambda: "logged log /forks 201" in server.log(), 10)
    server.get("/mapped")
    assert until(lambda: "/mapped 200" in server.log(), 10)
    assert server.log().count("logged log /forks") == 1
