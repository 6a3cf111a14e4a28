"""What database cells mean: texts stored as bytes, flags and numbers in every dialect."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from actors.library import cells

DOCUMENT = '{"drawflow": {"ñ": {}}}'


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (DOCUMENT, DOCUMENT),
        (DOCUMENT.encode(), DOCUMENT),
        (base64.b64encode(DOCUMENT.encode()).decode(), DOCUMENT),  # a blob, as a Database gives it
        ({"a": [1, None]}, '{"a":[1,null]}'),  # a JSON column
        ("function main() { return 1 }", "function main() { return 1 }"),
        ("abcd", "abcd"),  # short texts are texts
        ("/wA/wA/wA/wA/wA/wA==", "/wA/wA/wA/wA/wA/wA=="),  # decodes to no text
    ],
)
def test_a_source_is_read_as_text_or_bytes(cell: Any, text: str) -> None:
    assert cells.source(cell) == text


@pytest.mark.parametrize("cell", [True, 1, 2.0, "1", "true", "T", "yes", "on", " t "])
def test_yes_in_every_dialect(cell: Any) -> None:
    assert cells.flag(cell) is True


@pytest.mark.parametrize("cell", [False, 0, None, "", "0", "false", "F", "no", "off"])
def test_no_in_every_dialect(cell: Any) -> None:
    assert cells.flag(cell) is False


@pytest.mark.parametrize(
    ("cell", "number"), [(5, 5.0), ("5", 5.0), (None, None), ("soon", None), (True, None), ([], None)]
)
def test_a_number_or_nothing(cell: Any, number: float | None) -> None:
    assert cells.number(cell) == number
