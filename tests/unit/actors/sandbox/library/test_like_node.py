"""The library gives what Node.js gives: values recorded there, case by case (`tests/data/node_cases.json`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CASES: dict[str, list[tuple[str, Any]]] = {
    group: rows
    for group, rows in json.loads(
        (Path(__file__).parents[4] / "data" / "node_cases.json").read_text("utf-8"),
    ).items()
    if group != "about"
}
_COMPARE = """
const [util, url, querystring, path, buffer] = ['util', 'url', 'querystring', 'path', 'buffer'].map(require);
const got = [];
for (const make of [%s])
  try {
    got.push(make());
  } catch (error) {
    got.push({ throws: [error.name, error.code ?? ''] });
  }
return got;
"""


@pytest.mark.parametrize("group", CASES)
def test_the_library_gives_what_node_gives(library: Any, group: str) -> None:
    expressions = ",\n".join(f"() => ({expression})" for expression, _ in CASES[group])
    got = library.run(_COMPARE % expressions)
    wrong = {
        expression: {"got": value, "node": wanted}
        for (expression, wanted), value in zip(CASES[group], got, strict=True)
        if value != wanted
    }
    assert wrong == {}
