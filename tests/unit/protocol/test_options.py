"""`nflow_options`: what an author may ask of the runtime, and every mistake told with its path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocol.flow import Cache, Options, Retry
from protocol.formats import Reading, read


def document(node: Any = None, start: Any = None) -> Reading:
    def data(given: Any, **more: Any) -> dict[str, Any]:
        return more if given is None else more | {"nflow_options": given}

    flow = {
        "s": {
            "data": data(start, type="starter", method="POST", urlpattern="/a"),
            "outputs": {"output_1": {"connections": [{"node": "n"}]}},
        },
        "n": {"data": data(node, type="js", code="function main(){}"), "outputs": {}},
    }
    return read(json.dumps({"drawflow": {"Home": {"data": flow}}}), "app")


def test_options_of_a_node_are_read() -> None:
    (flow,) = document(
        {
            "retry": {"attempts": 3, "wait": 0, "backoff": 1, "max_wait": 5},
            "timeout": 1.5,
            "input": {"id": "{{customer.id}}"},
            "output": {"sum": "{{total}}"},
            "cache": {"seconds": 60, "key": ["{{id}}"]},
        }
    ).flows
    assert flow.nodes["n"].options == Options(
        Retry(3, 0.0, 1.0, 5.0), 1.5, {"id": "{{customer.id}}"}, {"sum": "{{total}}"}, Cache(60.0, ["{{id}}"])
    )


def test_numbers_alone_are_enough() -> None:
    (flow,) = document({"retry": 4, "cache": 10}).flows
    assert flow.nodes["n"].options == Options(Retry(4, 1.0, 2.0, 30.0), cache=Cache(10.0))
    assert [flow.nodes["n"].options.retry.wait_after(n) for n in (1, 2, 3, 9, 10_000)] == [1, 2, 4, 30, 30]


def test_a_node_without_options_has_none() -> None:
    assert document().flows[0].nodes["n"].options is None


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        ([], "", "must be an object of"),
        ({"retries": 3}, ".retries", "unknown name"),
        ({"retry": 0}, ".retry.attempts", "from 1 to 100"),
        ({"retry": True}, ".retry", "must be a whole number of attempts, or an object of"),
        ({"cache": "1"}, ".cache", "must be a number of seconds, or an object of"),
        ({"retry": {"attempts": 3, "wait": -1}}, ".retry.wait", "at least 0"),
        ({"retry": {"attempts": 3, "backoff": 0.5}}, ".retry.backoff", "at least 1"),
        ({"timeout": 0}, ".timeout", "more than 0"),
        ({"timeout": "5"}, ".timeout", "must be a number"),
        ({"input": ["a"]}, ".input", "name to value"),
        ({"cache": {}}, ".cache.seconds", "missing"),
        ({"schema": {}}, ".schema", "unknown name"),
    ],
)
def test_every_mistake_of_a_node_is_told_with_its_path(options: Any, path: str, message: str) -> None:
    reading = document(options)
    (problem,) = reading.errors
    assert problem.path == "drawflow.Home.data.n.data.nflow_options" + path
    assert message in problem.message
    assert reading.flows == ()


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        ({"schema": {"type": "objekt"}}, ".schema", "is no JSON Schema"),
        ({"schema": {"$ref": "https://example.com/x.json"}}, ".schema", "is no JSON Schema"),
        ({"schema": {"pattern": "(?=(a+))\\1b"}}, ".schema", "lookaround and back-references are not taken"),
        ({"schema": {"patternProperties": {"(?!x)y": {}}}}, ".schema", "lookaround and back-references are not taken"),
        ({"compress": "yes"}, ".compress", "true or false"),
        ({"retry": 1}, ".retry", "unknown name"),
    ],
)
def test_every_mistake_of_a_start_is_told_with_its_path(options: Any, path: str, message: str) -> None:
    (problem,) = document(start=options).errors
    assert problem.path == "drawflow.Home.data.s.data.nflow_options" + path
    assert message in problem.message


def test_an_input_that_does_not_fit_is_told_with_every_path() -> None:
    schema = {
        "type": "object",
        "required": ["customer"],
        "properties": {"items": {"items": {"properties": {"price": {"type": "number"}}}}},
    }
    (start,) = document(start={"schema": schema, "compress": True}).flows[0].starts
    assert start.compress
    assert start.schema.problems({"customer": 1, "items": [{"price": 2}]}) == []
    found = start.schema.problems({"items": [{"price": 1}, {"price": "x"}]})
    assert sorted((problem.path, problem.message) for problem in found) == [
        ("input", '"customer" is a required property'),
        ("input.items.1.price", '"x" is not of type "number"'),
    ]


def test_a_thousand_problems_are_not_all_told() -> None:
    (start,) = document(start={"schema": {"items": {"type": "string"}}}).flows[0].starts
    assert len(start.schema.problems(list(range(1000)))) == 20
