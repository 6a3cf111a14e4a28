"""Drawflow exports: what is served, what is refused, and every reason with its path."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from actors.modules.defaults import default_sources
from protocol.flow import Durability, Flow, Realm
from protocol.formats import Reading, read
from protocol.routing import RouteTable

ROOT = Path(__file__).resolve().parents[4]
DATA = ROOT / "tests" / "data"
GOLDEN = DATA / "nflow_golden" / "compat_flows.json"


def wire(node: Any, *more: Any) -> dict[str, Any]:
    """An output that leads to `node`."""
    return {"connections": [{"node": target, "output": "input_1"} for target in (node, *more)]}


def starter(first: Any = "a", **data: Any) -> dict[str, Any]:
    return {
        "data": {"type": "starter", "method": "GET", "urlpattern": "/x", "nflow_auth": "false", **data},
        "outputs": {"output_1": wire(first)},
    }


def js(code: str = "function main() {}", **outputs: Any) -> dict[str, Any]:
    return {"data": {"type": "js", "code": code}, "outputs": {name: wire(target) for name, target in outputs.items()}}


def playbook(**flows: Any) -> dict[str, Any]:
    return {"drawflow": {name: {"data": nodes} for name, nodes in flows.items()}}


def reading(document: Any) -> Reading:
    return read(json.dumps(document), "app")


def one(nodes: dict[str, Any]) -> Flow:
    """The one flow of these nodes, which must be without fault."""
    result = reading(playbook(Home=nodes))
    assert result.errors == ()
    (flow,) = result.flows
    return flow


def lines(document: Any) -> list[str]:
    return [str(problem) for problem in reading(document).problems]


# --- what is served ---------------------------------------------------------------------------------------------------


def test_a_flow_is_its_nodes_its_edges_and_its_starts() -> None:
    flow = one({"s": starter(), "a": js(output_1="b", output_2="s"), "b": js()})
    assert (flow.app, flow.name, flow.tenant, flow.answer_with_payload) == ("app", "Home", "default", False)
    assert {node.id: (node.kind, node.label, dict(node.outputs)) for node in flow.nodes.values()} == {
        "s": ("starter", "s", {"output_1": "a"}),
        "a": ("js", "a", {"output_1": "b", "output_2": "s"}),
        "b": ("js", "b", {}),
    }
    (start,) = flow.starts
    assert (start.node, start.method, start.pattern, start.first) == ("s", "GET", "/x", "a")
    assert (start.auth, start.body_as_payload, start.durability, start.finish_on_disconnect) == (
        False,
        False,
        None,
        None,
    )
    assert flow.nodes["s"].script is None
    script = flow.nodes["a"].script
    assert script is not None
    assert (script.source, script.entry, script.realm) == ("function main() {}", "main", Realm.WARM)
    assert json.loads(script.statics)["__outputs"] == {"output_1": "b", "output_2": "s"}


@pytest.mark.parametrize(
    ("flag", "auth"), [("false", False), (False, False), (None, False), ("true", True), (True, True), ("", True)]
)
def test_any_text_but_false_asks_for_authentication(flag: Any, auth: bool) -> None:
    assert one({"s": starter(nflow_auth=flag), "a": js()}).starts[0].auth is auth


def test_settings_of_a_flow_stand_in_its_starter() -> None:
    start = one({"s": starter(durability="durable", finish_on_disconnect="true"), "a": js()}).starts[0]
    assert (start.durability, start.finish_on_disconnect) == (Durability.DURABLE, True)
    start = one({"s": starter(durability="", finish_on_disconnect=False), "a": js()}).starts[0]
    assert (start.durability, start.finish_on_disconnect) == (None, False)


def test_the_label_is_the_name_box() -> None:
    node = js()
    node["data"]["name_box"] = "check stock"
    assert one({"s": starter(), "a": node}).nodes["a"].label == "check stock"


def test_every_key_of_a_flow_is_a_map_of_its_nodes() -> None:
    result = reading({"drawflow": {"Home": {"data": {"s": starter()}, "more": {"a": js()}, "zoom": 1}}})
    (flow,) = result.flows
    assert set(flow.nodes) == {"s", "a"}
    assert [str(problem) for problem in result.problems] == ["drawflow.Home.zoom: ignored: not an object of nodes"]


def test_other_keys_of_the_top_are_only_warned_of() -> None:
    document = playbook(Home={"s": starter(), "a": js()}) | {"version": 1}
    result = reading(document)
    assert len(result.flows) == 1
    assert [str(problem) for problem in result.problems] == ["version: ignored: only `drawflow` is read"]


def test_an_output_without_connection_leads_to_nothing() -> None:
    node = js()
    node["outputs"] = {"output_1": {"connections": []}, "output_2": {}, "output_3": {"connections": None}}
    assert dict(one({"s": starter(), "a": node}).nodes["a"].outputs) == {
        "output_1": None,
        "output_2": None,
        "output_3": None,
    }


def test_a_module_is_source_when_it_exists() -> None:
    nodes = {"s": starter(), "a": {"data": {"type": "js", "script": "json", "field": "x"}}}
    document = json.dumps(playbook(Home=nodes))
    (flow,) = read(document, "app", {"json": "function main() { nflow_data.field }"}).flows
    script = flow.nodes["a"].script
    assert script is not None
    assert script.entry == "main"
    assert json.loads(script.statics)["nflow_data"]["field"] == "x"
    changed = read(document, "app", {"json": "function main() { 2 }"}).flows[0]
    assert changed.hash != flow.hash


def test_a_script_that_is_no_module_is_source() -> None:
    flow = one({"s": starter(), "a": {"data": {"type": "js", "script": "return payload"}}})
    script = flow.nodes["a"].script
    assert script is not None
    assert (script.source, script.entry) == ("return payload", "body")


# --- warnings ---------------------------------------------------------------------------------------------------------


def test_only_the_first_connection_is_followed_and_the_others_are_warned_of() -> None:
    node = js()
    node["outputs"] = {"output_1": wire("b", "c")}
    result = reading(playbook(Home={"s": starter(), "a": node, "b": js(), "c": js()}))
    assert dict(result.flows[0].nodes["a"].outputs) == {"output_1": "b"}
    (problem,) = result.problems
    assert problem.path == "drawflow.Home.data.a.outputs.output_1.connections"
    assert problem.message == "only the first of 2 connections is followed; use a gorutine node to fork"
    assert not problem.fatal


def test_an_edge_to_nowhere_ends_the_run_and_is_warned_of() -> None:
    result = reading(playbook(Home={"s": starter(), "a": js(output_1="gone")}))
    assert dict(result.flows[0].nodes["a"].outputs) == {"output_1": None}
    assert [problem.path for problem in result.problems] == ["drawflow.Home.data.a.outputs.output_1.connections[0]"]


def test_an_unknown_node_type_is_served_and_warned_of() -> None:
    result = reading(playbook(Home={"s": starter(), "a": {"data": {"type": "teleport"}}}))
    assert result.flows[0].nodes["a"].kind == "teleport"
    (problem,) = result.problems
    assert problem.path == "drawflow.Home.data.a.data.type"
    assert '"teleport" is no built-in node type' in problem.message
    assert not problem.fatal


@pytest.mark.parametrize("outputs", [None, {}, {"output_1": {}}, {"output_1": wire("gone")}, {"output_2": wire("a")}])
def test_a_starter_that_leads_nowhere_is_skipped(outputs: Any) -> None:
    node = starter(method=7)  # whatever else is wrong with it does not matter
    node["outputs"] = outputs
    result = reading(playbook(Home={"s": node, "t": starter(urlpattern="/kept"), "a": js()}))
    assert [start.pattern for start in result.flows[0].starts] == ["/kept"]
    assert result.errors == ()
    assert any("start node skipped" in problem.message for problem in result.problems)


@pytest.mark.parametrize("pattern", ["", "hello", ":x"])
def test_a_pattern_that_matches_nothing_is_skipped(pattern: str) -> None:
    result = reading(playbook(Home={"s": starter(urlpattern=pattern), "a": js()}))
    assert result.flows[0].starts == ()
    assert [problem.fatal for problem in result.problems] == [False, False]


def test_a_js_node_without_source_fails_only_when_it_is_reached() -> None:
    result = reading(playbook(Home={"s": starter(), "a": {"data": {"type": "js"}}}))
    script = result.flows[0].nodes["a"].script
    assert script is not None
    assert (script.source, script.entry) == ("", "main")
    assert [problem.path for problem in result.problems] == ["drawflow.Home.data.a.data"]


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "line"),
    [
        ({"data": {}}, ".data.type: missing: every node needs a type"),
        ({"data": {"type": 3}}, ".data.type: must be a string, not a number"),
        ({"data": None}, ".data: must be an object with `type`, not nothing"),
        ({"data": []}, ".data: must be an object with `type`, not a list"),
        ({}, ".data: must be an object with `type`, not nothing"),
        (None, ": must be an object with `data`, not nothing"),
        ("js", ": must be an object with `data`, not a string"),
        ({"data": {"type": "js", "code": 1}}, ".data.code: must be a string, not a number"),
        ({"data": {"type": "js", "name_box": []}}, ".data.name_box: must be a string, not a list"),
        ({"data": {"type": "a"}, "outputs": 1}, ".outputs: must be an object of outputs, not a number"),
        ({"data": {"type": "a"}, "outputs": {"o": 1}},
         ".outputs.o: must be an object with `connections`, not a number"),
        ({"data": {"type": "a"}, "outputs": {"o": {"connections": "n"}}},
         ".outputs.o.connections: must be a list, not a string"),
        ({"data": {"type": "a"}, "outputs": {"o": {"connections": ["n"]}}},
         ".outputs.o.connections[0]: must be an object with `node`, not a string"),
        ({"data": {"type": "a"}, "outputs": {"o": {"connections": [{"node": 7}]}}},
         ".outputs.o.connections[0].node: must be a node id as a string, not a number"),
        (starter(method=7), ".data.method: must be a string, not a number"),
        (starter(method="GET /"),
         '.data.method: "GET /" is no HTTP method: write GET, POST, PUT, PATCH, DELETE, ANY'),
        (starter(urlpattern=None), ".data.urlpattern: must be a string, not nothing"),
        (starter(nflow_auth=1), '.data.nflow_auth: must be "true", "false" or a boolean, not a number'),
        (starter(durability="some"),
         '.data.durability: must be one of none, tracked, durable, not "some"'),
        (starter(durability=[]), ".data.durability: must be one of none, tracked, durable, not a list"),
        (starter(finish_on_disconnect=3), ".data.finish_on_disconnect: must be true or false"),
    ],
)  # fmt: skip
def test_a_fault_refuses_its_flow_and_no_other(node: Any, line: str) -> None:
    nodes = {"s": starter(), "a": js(), "x": node}
    result = reading(playbook(Before=one_good("/before"), Home=nodes, After=one_good("/after")))
    assert [flow.name for flow in result.flows] == ["Before", "After"]
    assert f"drawflow.Home.data.x{line}" in [str(problem) for problem in result.errors]


def one_good(path: str) -> dict[str, Any]:
    return {"s": starter(urlpattern=path), "a": js()}


def test_every_fault_of_every_flow_is_told_at_once() -> None:
    document = playbook(
        A={"s": starter(durability="x"), "a": js(), "b": {"data": {}}, "c": {"data": {"type": "js", "script": 1}}},
        B={"s": {"data": {}}},
        C=one_good("/c"),
    )
    assert [problem.path for problem in reading(document).errors] == [
        "drawflow.A.data.b.data.type",
        "drawflow.A.data.c.data.script",
        "drawflow.A.data.s.data.durability",
        "drawflow.B.data.s.data.type",
    ]


def test_the_same_node_id_twice_refuses_the_flow() -> None:
    document = {"drawflow": {"Home": {"data": {"s": starter(), "a": js()}, "more": {"a": js()}}}}
    assert lines(document) == ["drawflow.Home.more.a: the node id is taken already by drawflow.Home.data.a"]


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ([], "document: must be an object: "),
        (7, "document: must be an object: "),
        ({}, "document: has no flow in it: "),
        ({"a": 1}, "document: has no flow in it: "),
        ({"drawflow": None}, "drawflow: must be an object of flows"),
        ({"drawflow": {"Home": []}}, "drawflow.Home: must be an object with `data`"),
        ({"drawflow": {"Home": {"data": []}}}, "drawflow.Home.data: must be an object of nodes"),
    ],
)
def test_a_document_of_no_known_shape_says_what_would_be_right(document: Any, line: str) -> None:
    result = reading(document)
    assert result.flows == ()
    assert str(result.problems[0]).startswith(line)


@pytest.mark.parametrize(
    ("blemish", "path"),
    [
        ('"limit": NaN', "drawflow.Bad.data.a.data.limit"),
        ('"limit": 1e999', "drawflow.Bad.data.a.data.limit"),
        ('"note": "\\ud800"', "drawflow.Bad.data.a.data.note"),
        ('"note": "\\u0000"', "drawflow.Bad.data.a.data.note"),
        ('"type": "js"', "drawflow.Bad.data.a.data"),
        ('"deep": ' + "[" * 200 + "]" * 200, "drawflow.Bad.data.a.data.deep" + "[0]" * 97),
    ],
)
def test_what_is_no_json_refuses_the_flow_it_stands_in(blemish: str, path: str) -> None:
    good, bad = json.dumps(one_good("/good")), json.dumps(one_good("/bad"))
    bad = bad.replace('"a": {"data": {', '"a": {"data": {' + blemish + ", ")
    result = read(f'{{"drawflow": {{"Bad": {{"data": {bad}}}, "Good": {{"data": {good}}}}}}}', "app")
    assert [flow.name for flow in result.flows] == ["Good"]
    assert result.errors[0].path == path


def test_a_flow_written_twice_is_refused_and_the_others_are_served() -> None:
    good = json.dumps({"data": one_good("/x")})
    result = read(f'{{"drawflow": {{"A": {good}, "B": {good}, "A": {good}}}}}', "app")
    assert [flow.name for flow in result.flows] == ["B"]
    assert [problem.path for problem in result.errors] == ["drawflow.A"]
    assert read(f'{{"drawflow": {{"A": {good}}}, "drawflow": {{}}}}', "app").flows == ()


# --- hash -------------------------------------------------------------------------------------------------------------


def test_the_drawing_does_not_change_the_hash() -> None:
    plain = one({"s": starter(), "a": js(output_1="s")})
    drawn = {"s": starter(), "a": js(output_1="s")}
    drawing = {
        "html": "<b>",
        "class": "x",
        "pos_x": 1.5,
        "pos_y": -2,
        "id": "z",
        "name": "n",
        "typenode": False,
        "inputs": {},
    }
    for node in drawn.values():
        node.update(drawing)
    drawn["a"]["outputs"]["output_1"]["connections"][0]["points"] = [1, 2]
    flow = one(dict(reversed(drawn.items())))
    assert flow.hash == plain.hash
    assert {key: node.script for key, node in flow.nodes.items()} == {
        key: node.script for key, node in plain.nodes.items()
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda nodes: nodes["a"]["data"].update(code="function main() { 1 }"),
        lambda nodes: nodes["a"]["data"].update(extra=1),
        lambda nodes: nodes["a"].update(outputs={}),
        lambda nodes: nodes["s"]["data"].update(urlpattern="/y"),
        lambda nodes: nodes.update(b=js()),
        lambda nodes: nodes.update(b=nodes.pop("a"), s=starter("b")),
    ],
)
def test_whatever_a_run_hangs_on_changes_the_hash(change: Any) -> None:
    nodes = {"s": starter(), "a": js(output_1="s")}
    before = one(copy.deepcopy(nodes)).hash
    change(nodes)
    assert one(nodes).hash != before


# --- real documents ---------------------------------------------------------------------------------------------------


def test_the_twelve_recorded_playbooks_compile() -> None:
    result = read(GOLDEN.read_bytes(), "app")
    assert result.errors == ()
    assert [flow.name for flow in result.flows] == [f"W{number}" for number in range(1, 13)]
    assert {problem.path for problem in result.problems} == {
        "drawflow.W3.data.w3b.data.script",
        "drawflow.W5.data.w5b.data.script",
    }


def test_every_recorded_request_finds_its_flow() -> None:
    table = RouteTable.build(read(GOLDEN.read_bytes(), "app").flows)
    for record in json.loads(GOLDEN.with_name("golden_go.json").read_bytes()):
        match = table.find(record["method"], record["path"].partition("?")[0])
        name = record["case"].split()[0]
        assert (match.flow.name if match else None) == (None if record["status"] == 404 else name), record["case"]


def test_a_busy_designers_export_is_served_as_it_is() -> None:
    result = read((DATA / "designer_export.json").read_bytes(), "app")
    assert [flow.name for flow in result.flows] == ["Hello", "Branch", "Login", "", "Skipped"]
    assert len(result.errors) == 2
    assert all(problem.path.startswith("drawflow.Draft.") for problem in result.errors)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.json")), ids=lambda path: path.name)
def test_the_examples_are_without_fault(path: Path) -> None:
    result = read(path.read_bytes(), path.stem, default_sources())
    assert result.flows
    assert result.problems == ()
    assert RouteTable.build(result.flows).conflicts == ()
