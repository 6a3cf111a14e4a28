"""A script's key says everything its behaviour hangs on; its source is chosen by one rule."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from protocol.flow import Realm, Script
from protocol.formats.script import Place, Source, build, choose_source

PLACE = Place("app", "Home", "n1", {"output_1": "n2", "output_2": None})


def script(text: str = "function main() {}", **data: Any) -> Script:
    return build(Source(text, "main"), {"type": "js", **data}, PLACE)


@pytest.mark.parametrize(
    ("data", "main_required", "expected"),
    [
        ({"code": "A", "script": "B"}, True, Source("A", "main", key="code")),
        ({"compile": "T", "code": "A"}, True, Source("T", "main", key="compile")),
        ({"code": "A"}, False, Source("A", "body", key="code")),
        ({"code": "", "script": "json"}, True, Source("MODULE", "main", "json")),
        ({"script": "json"}, False, Source("MODULE", "main", "json")),
        ({"script": "return 1"}, True, Source("return 1", "body")),
        ({"script": "return await f()"}, False, Source("return await f()", "async")),
        ({"code": None, "compile": None}, True, None),
        ({}, True, None),
    ],
)
def test_the_source_is_chosen_by_one_rule(data: dict[str, Any], main_required: bool, expected: Source | None) -> None:
    assert choose_source(data, {"json": "MODULE"}, main_required=main_required) == expected


def test_statics_are_what_never_changes_between_runs() -> None:
    statics = json.loads(script("function main() { nflow_data.field }", field="x").statics)
    assert statics == {
        "nflow_data": {"type": "js", "field": "x"},
        "current_box": "n1",
        "__outputs": {"output_1": "n2"},
        "__flow_name": "Home",
        "__flow_app": "app",
    }


def test_own_data_is_left_out_when_the_text_cannot_reach_it() -> None:
    assert json.loads(script(code="x" * 10_000).statics)["nflow_data"] == {}


def test_equal_scripts_have_equal_keys() -> None:
    assert script() == script()


@pytest.mark.parametrize(
    "other",
    [
        script("function main() { }"),
        script("function main() { nflow_data }"),
        build(Source("function main() {}", "body"), {"type": "js"}, PLACE),
        build(Source("function main() {}", "main"), {"type": "js"}, replace(PLACE, node="n2")),
        build(Source("function main() {}", "main"), {"type": "js"}, replace(PLACE, flow="Other")),
        build(Source("function main() {}", "main"), {"type": "js"}, replace(PLACE, outputs={})),
    ],
)
def test_whatever_matters_changes_the_key(other: Script) -> None:
    assert other.key != script().key


def test_parameters_the_text_can_read_change_the_key() -> None:
    text = "function main() { c.JSON(200, nflow_data.field) }"
    assert script(text, field="a").key != script(text, field="b").key


def test_a_script_that_extends_built_ins_runs_in_a_fresh_realm() -> None:
    assert script("Array.prototype.last = 1; function main() {}").realm is Realm.FRESH
    assert script().realm is Realm.WARM
