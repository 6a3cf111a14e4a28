"""Ten thousand damaged documents: each is read or refused with its reasons, and a good flow beside it is served."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.formats import Reading, read
from protocol.routing import RouteTable

GOLDEN = Path(__file__).resolve().parents[3] / "data" / "nflow_golden" / "compat_flows.json"

JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    2.5,
    10**30,
    "",
    "a",
    "output_1",
    "\0",
    "\ud800",
    "/x",
    ":",
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"type": "js"},
    {"connections": [{"node": "a"}]},
    {"data": {"type": "starter"}},
    "this",
    "\\u0063",
    "GET",
    "ANY",
    "durable",
    "__proto__",
]
TEXTS = [
    "NaN",
    "-Infinity",
    "1e999",
    '"\\ud800"',
    '"\\u0000"',
    "[" * 400,
    "}",
    "",
    '"a":',
    "\x00",
    "{" * 3,
    "\\",
    '"',
    "9" * 5_000,
]
GOOD = {
    "s": {
        "data": {"type": "starter", "method": "GET", "urlpattern": "/good"},
        "outputs": {"output_1": {"connections": [{"node": "a", "output": "input_1"}]}},
    },
    "a": {"data": {"type": "js", "code": "function main() { c.JSON(200, 1) }"}, "outputs": {}},
}


def check(result: Reading) -> None:
    """What holds of any reading whatever the document was."""
    assert result.flows or result.problems
    for problem in result.problems:
        assert problem.path
        str(problem).encode()
    for flow in result.flows:
        assert len(flow.hash) == 64
        for start in flow.starts:
            assert start.first in flow.nodes
            assert start.node in flow.nodes
        for node in flow.nodes.values():
            assert all(target is None or target in flow.nodes for target in node.outputs.values())
            assert (node.script is not None) is (node.kind == "js")
    RouteTable.build(result.flows)


def test_ten_thousand_damaged_documents_never_raise_and_never_hide_the_good_flow() -> None:
    generator = random.Random(2_024)
    flows = json.loads(GOLDEN.read_bytes())["drawflow"]
    names = list(flows)
    served = 0
    for _ in range(10_000):
        victim = json.loads(json.dumps(flows[generator.choice(names)]))
        for _ in range(generator.randint(1, 3)):
            victim = _damaged(generator, victim)
        result = read(_text({"drawflow": {"Victim": victim, "Good": {"data": GOOD}}}), "app")
        check(result)
        assert "Good" in [flow.name for flow in result.flows]
        if len(result.flows) == 2:
            served += 1
        else:
            assert any(problem.path.startswith("drawflow.Victim") for problem in result.errors)
    assert 1_000 < served < 9_000


def test_five_thousand_documents_cut_and_overwritten_as_text_never_raise() -> None:
    generator = random.Random(4_202)
    flows = json.loads(GOLDEN.read_bytes())["drawflow"]
    texts = [json.dumps({"drawflow": {name: flow}}) for name, flow in flows.items()]
    for _ in range(5_000):
        text = generator.choice(texts)
        at, until = sorted(generator.sample(range(len(text) + 1), 2))
        if generator.random() < 0.7:
            until = min(until, at + 3)
        damaged = text[:at] + generator.choice(TEXTS) + text[until:]
        check(read(damaged if generator.random() < 0.5 else damaged.encode("utf-8", "replace"), "app"))


def _damaged(generator: random.Random, value: Any) -> Any:
    """The value with one part of it, at any depth, replaced, removed, renamed or doubled."""
    if not isinstance(value, dict | list) or not value or generator.random() < 0.1:
        return generator.choice(JUNK)
    if isinstance(value, list):
        place = generator.randrange(len(value))
        return [*value[:place], _damaged(generator, value[place]), *value[place + generator.randint(0, 1) :]]
    key = generator.choice(list(value))
    match generator.randrange(8):
        case 0:
            return {name: item for name, item in value.items() if name != key}
        case 1:
            return {(str(generator.choice(JUNK)) if name == key else name): item for name, item in value.items()}
        case 2:
            return value | {str(generator.choice(JUNK)): generator.choice(JUNK)}
        case _:
            return value | {key: _damaged(generator, value[key])}


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["drawflow", "data", "type", "outputs", "connections", "node", "x"]), inner, max_size=4
        )
    ),
    max_leaves=15,
)


@settings(max_examples=500, deadline=None)
@given(json_values)
def test_any_value_at_all_is_read_or_refused(value: Any) -> None:
    check(read(_text(value), "app"))
    check(read(_text({"drawflow": value}), "app"))


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
parameters = st.dictionaries(
    names, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | names | st.lists(names, max_size=2), max_size=3
)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """A sound map of nodes: any parameters, any edges between them."""
    ids = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    nodes: dict[str, Any] = {}
    for node in ids:
        data = {
            key: value
            for key, value in draw(parameters).items()
            if key not in ("code", "script", "compile", "name_box")
        }
        targets = draw(st.dictionaries(st.sampled_from(["output_1", "output_2"]), st.sampled_from(ids)))
        nodes[node] = {
            "data": {**data, "type": draw(st.sampled_from(["js", "gorutine", "other"])), "code": draw(names)},
            "outputs": {name: {"connections": [{"node": target}]} for name, target in targets.items()},
        }
    return nodes


@settings(max_examples=300, deadline=None)
@given(graphs(), st.randoms())
def test_a_sound_graph_is_served_and_equal_documents_have_equal_hashes(
    nodes: dict[str, Any], generator: random.Random
) -> None:
    document = {"drawflow": {"F": {"data": nodes}}}
    (flow,) = read(_text(document), "app").flows
    assert set(flow.nodes) == set(nodes)
    for node, raw in nodes.items():
        assert flow.nodes[node].data == raw["data"]
    again = read(json.dumps(_shuffled(document, generator), ensure_ascii=False, indent=3).encode(), "app").flows[0]
    assert again.hash == flow.hash
    assert {key: node.script and node.script.needs for key, node in again.nodes.items()} == {
        key: node.script and node.script.needs for key, node in flow.nodes.items()
    }


def _shuffled(value: Any, generator: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        generator.shuffle(keys)
        return {key: _shuffled(value[key], generator) for key in keys}
    return [_shuffled(item, generator) for item in value] if isinstance(value, list) else value
