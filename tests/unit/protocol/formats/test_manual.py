"""The shape of the manuals runs, as they promise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocol.flow import Script
from protocol.formats import Reading, read

# "Core Concepts" of the manual, word for word.
FROM_THE_MANUAL = """
{
  "node1": {
    "data": { "type": "httpstart", "method": "POST", "path": "/api/process" },
    "outputs": { "output": { "connections": [{ "node": "node2", "output": "input" }] } }
  },
  "node2": { "data": { "type": "js", "script": "return {result: payload.value * 2};" } }
}
"""


TO_NODE2 = {"output": {"connections": [{"node": "node2"}]}}


def reading(change: dict[str, Any]) -> Reading:
    return read(json.dumps(json.loads(FROM_THE_MANUAL) | change), "calc")


def script_of(node: dict[str, Any]) -> Script:
    result = reading({"node2": {"data": node}})
    assert result.errors == ()
    script = result.flows[0].nodes["node2"].script
    assert script is not None
    return script


def test_the_manuals_example_compiles() -> None:
    result = read(FROM_THE_MANUAL, "calc")
    assert result.problems == ()
    (flow,) = result.flows
    assert (flow.app, flow.name, flow.answer_with_payload) == ("calc", "calc", True)
    (start,) = flow.starts
    assert (start.method, start.pattern, start.first, start.body_as_payload) == ("POST", "/api/process", "node2", True)
    script = flow.nodes["node2"].script
    assert script is not None
    assert (script.source, script.entry, script.needs) == ("return {result: payload.value * 2};", "body", frozenset())


def test_output_is_the_first_output_under_both_names() -> None:
    flow = reading({}).flows[0]
    assert dict(flow.nodes["node1"].outputs) == {"output": "node2", "output_1": "node2"}


def test_a_script_may_await_at_its_top_level() -> None:
    assert script_of({"type": "js", "script": "const r = await http.get('x'); return r"}).entry == "async"


def test_code_is_a_body_too_and_wins() -> None:
    script = script_of({"type": "js", "script": "return 1", "code": "return 2"})
    assert (script.source, script.entry) == ("return 2", "body")


def test_the_words_of_the_designer_are_understood_in_the_flat_shape() -> None:
    start = {"type": "starter", "method": "any", "urlpattern": "/y"}
    output = {"output_1": {"connections": [{"node": "node2"}]}}
    flow = reading({"node1": {"data": start, "outputs": output}}).flows[0]
    assert [(way.method, way.pattern, way.body_as_payload) for way in flow.starts] == [("ANY", "/y", False)]


def test_the_words_of_the_manual_are_understood_in_an_export() -> None:
    nodes = {
        "s": {
            "data": {"type": "httpstart", "method": "GET", "path": "/y"},
            "outputs": {"output_1": {"connections": [{"node": "a"}]}},
        },
        "a": {"data": {"type": "js", "script": "return 1"}},
    }
    (flow,) = read(json.dumps({"drawflow": {"Home": {"data": nodes}}}), "app").flows
    assert flow.answer_with_payload
    assert flow.starts[0].body_as_payload


def test_what_is_no_node_is_ignored_with_a_warning() -> None:
    result = reading({"version": 1, "name": "x"})
    assert len(result.flows) == 1
    assert [str(problem) for problem in result.problems] == [
        "version: ignored: not a node",
        "name: ignored: not a node",
    ]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"node1": {"data": {"type": "httpstart", "path": "/x"}, "outputs": TO_NODE2}}, "node1.data.method"),
        ({"node1": {"data": {"type": "httpstart", "method": "GET"}, "outputs": TO_NODE2}}, "node1.data.path"),
        ({"node3": {"data": {}}}, "node3.data.type"),
        ({"node3": {}}, "node3.data"),
        ({"node 3": {"data": {"type": "js", "script": []}}}, '["node 3"].data.script'),
    ],
)
def test_a_fault_is_told_with_its_path(change: dict[str, Any], path: str) -> None:
    result = reading(change)
    assert result.flows == ()
    assert [problem.path for problem in result.errors] == [path]


def test_the_two_shapes_never_share_a_hash() -> None:
    nodes = json.loads(FROM_THE_MANUAL)
    nodes["node1"]["outputs"]["output_1"] = nodes["node1"]["outputs"]["output"]
    drawn = read(json.dumps({"drawflow": {"calc": {"data": nodes}}}), "calc").flows[0]
    assert drawn.hash != read(json.dumps(nodes), "calc").flows[0].hash
