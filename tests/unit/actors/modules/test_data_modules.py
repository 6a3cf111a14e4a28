"""The modules that answer JSON, branch, loop, and move values about."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.codec import loads

PAYLOAD = {"a": {"b": [{"c": 5}, None]}, "n": "7", "z": None}


@pytest.mark.parametrize("field", [None, "", "*"])
def test_json_answers_the_whole_payload(modules: Any, field: str | None) -> None:
    data = {} if field is None else {"field": field}
    assert modules.answer("json", data, payload={"b": 1, "a": "<"}) == (200, '{"a":"\\u003c","b":1}\n')


@pytest.mark.parametrize(
    ("field", "body"),
    [("a.b.0.c", "5\n"), ("a.b.1", "null\n"), ("n", '"7"\n'), ("z", "null\n"), ("a.b", '[{"c":5},null]\n')],
)
def test_json_answers_a_part_of_the_payload(modules: Any, field: str, body: str) -> None:
    assert modules.answer("json", {"field": field, "http_code": "201"}, payload=PAYLOAD) == (201, body)


@pytest.mark.parametrize("field", ["missing", "a.x", "a.b.2", "a.b.0.c.d", "z.y", "constructor", "a.b.length.x"])
def test_json_fails_clearly_for_a_path_that_is_not_there(modules: Any, field: str) -> None:
    failed = modules.failed("json", {"field": field}, payload=PAYLOAD)
    assert failed.kind == "exception"
    assert f'json: the payload has no "{field}"' in failed.message


@pytest.mark.parametrize("payload", [None, 5, "text", [1, 2]])
def test_json_answers_any_payload(modules: Any, payload: Any) -> None:
    order = {"payload": payload} if payload is not None else {}
    status, _ = modules.answer("json", {}, **order)
    assert status == 200


@pytest.mark.parametrize(
    ("held", "value", "following"),
    [
        (1, "1", "output_1"),
        ("a", "a", "output_1"),
        ("a", "b", "output_2"),
        (None, "x", "output_2"),
        (0, "", "output_1"),
    ],
)
def test_if_equals_compares_loosely(modules: Any, held: Any, value: str, following: str) -> None:
    result = modules.run("if_equals", {"field": "f", "value": value}, payload={"f": held})
    assert (result.next, loads(result.payload)) == (following, {"f": held})


@pytest.mark.parametrize(
    ("held", "limit", "following"),
    [("11", "10", "output_1"), (10, "10", "output_2"), ("x", "1", "output_2"), (2.5, 2, "output_1")],
)
def test_if_major_compares_numbers(modules: Any, held: Any, limit: Any, following: str) -> None:
    assert modules.run("if_major", {"field": "f", "limit": limit}, payload={"f": held}).next == following


@pytest.mark.parametrize("name", ["if_equals", "if_major"])
@pytest.mark.parametrize("payload", [5, "text", [1]])
def test_branches_take_payloads_that_are_no_objects(modules: Any, name: str, payload: Any) -> None:
    assert modules.run(name, {"field": "f", "value": "v", "limit": "1"}, payload=payload).next == "output_2"


def test_a_variable_is_set(modules: Any) -> None:
    result = modules.run("js_set_var", {"var_name": "v", "var_value": "1"}, payload={"a": 0})
    assert (result.next, loads(result.payload)) == ("output_1", {"a": 0, "v": "1"})


def test_the_query_goes_into_the_payload_first_values_first(modules: Any) -> None:
    request = {"query": [["a", "1"], ["a", "2"], ["__proto__", "x"], ["b", ""]]}
    result = modules.run("parser_query_param", {}, payload={"b": "old", "c": 1}, request=request)
    assert result.payload == b'{"b":"","c":1,"a":"1","__proto__":"x"}'


def loop(modules: Any, payload: dict[str, Any], field: str = "l", box: str = "box") -> tuple[str, dict[str, Any]]:
    data = {"field": field, "item_name": "it"}
    result = modules.run("js_foreach", data, payload=payload, statics={"nflow_data": data, "current_box": box})
    return result.next, loads(result.payload)


def test_a_loop_gives_each_item_and_leaves_the_list_alone(modules: Any) -> None:
    seen, payload = [], {"l": ["a", None, {"x": 1}]}
    following, payload = loop(modules, payload)
    while following == "output_2":
        seen.append(payload["it"])
        following, payload = loop(modules, payload)
    assert seen == ["a", None, {"x": 1}]
    assert (following, payload["l"], payload["__foreach"]) == ("output_1", ["a", None, {"x": 1}], [])
    assert "__foreach_of" not in payload


def test_a_loop_can_run_again_and_loops_stand_within_loops(modules: Any) -> None:
    payload: dict[str, Any] = {"l": [1, 2], "m": ["x", "y"]}
    seen = []
    for _ in range(2):
        following, payload = loop(modules, payload, box="outer")
        while following == "output_2":
            outer = payload["it"]
            inner, payload = loop(modules, payload, field="m", box="inner")
            while inner == "output_2":
                seen.append((outer, payload["it"]))
                inner, payload = loop(modules, payload, field="m", box="inner")
            following, payload = loop(modules, payload, box="outer")
    assert seen == [(1, "x"), (1, "y"), (2, "x"), (2, "y")] * 2


@pytest.mark.parametrize("held", ["text", 5, None, {"a": 1}, []])
def test_a_loop_over_no_list_is_over(modules: Any, held: Any) -> None:
    assert loop(modules, {"l": held})[0] == "output_1"


def test_the_older_name_of_the_loop_is_the_same_module(modules: Any) -> None:
    assert modules.sources["_js_foreach"] == modules.sources["js_foreach"]


def test_the_end_answers_an_empty_object(modules: Any) -> None:
    assert modules.answer("_end", payload={"a": 1}) == (200, "{}\n")
