"""The parser of documents remembers what other parsers hide, and never raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Problem
from protocol.formats.document import MAX_DEPTH, MAX_PROBLEMS, Document, join, parse, show


def blemishes(text: str | bytes) -> list[str]:
    document = parse(text)
    assert isinstance(document, Document)
    return [str(problem) for problem in document.blemishes(document.value, "top")]


def test_a_sound_document_has_none() -> None:
    assert blemishes('{"a": [1, 2.5, -0, true, null, "ñ😀"], "b": {}}') == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"a": NaN}', ["top.a: NaN is not JSON"]),
        ('{"a": [Infinity, -Infinity]}', ["top.a[0]: Infinity is not JSON", "top.a[1]: -Infinity is not JSON"]),
        ('{"a": 1e999}', ["top.a: the number 1e999 is not JSON"]),
        ('{"a": "\\ud800"}', ["top.a: the text holds a lone surrogate, which is no character"]),
        ('{"a": "\\u0000"}', ["top.a: the text holds the character U+0000"]),
        ('{"\\u0000": 1}', ['top: the key "\\0" holds the character U+0000']),
        ('{"\\udfff": 1}', ['top: the key "\\udfff" holds a lone surrogate, which is no character']),
        ('{"a": {"b": 1, "b": 2, "b": 3}}', ['top.a: the key "b" is written more than once']),
        ('{"a": 1, "b": [{"c": 1, "c": 1}], "a": 2}',
         ['top: the key "a" is written more than once', 'top.b[0]: the key "c" is written more than once']),
    ],
)  # fmt: skip
def test_each_blemish_is_told_with_its_path(text: str, lines: list[str]) -> None:
    assert blemishes(text) == lines


def test_a_number_beyond_64_bits_is_the_nearest_double() -> None:
    document = parse('{"a": 123456789012345678901234567890, "b": 12, "c": -9007199254740993}')
    assert isinstance(document, Document)
    assert document.value == {"a": 1.2345678901234568e29, "b": 12, "c": -9007199254740993}


def test_ten_thousand_digits_are_no_trouble() -> None:
    assert blemishes('{"a": ' + "9" * 10_000 + "}") == ["top.a: the number " + "9" * 40 + " is not JSON"]


def test_deep_nesting_is_told_once() -> None:
    (line,) = blemishes("[" * (MAX_DEPTH + 5) + "]" * (MAX_DEPTH + 5))
    assert line.endswith(f"nested deeper than {MAX_DEPTH} levels")


def test_endless_problems_are_cut() -> None:
    assert len(blemishes("[" + ",".join(["NaN"] * 5_000) + "]")) == MAX_PROBLEMS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: Expecting value: line 1 column 1"),
        ('{"a": }', "not JSON: Expecting value: line 1 column 7"),
        ("{'a': 1}", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2"),
        ("[" * 200_000, "not readable: nested too deep"),
        ('{"a":' * 200_000, "not readable: nested too deep"),
        (b"\xff\xfe{}", "not UTF-8 at byte 0"),
        ("{} {}", "not JSON: Extra data: line 1 column 4"),
    ],
)
def test_what_is_no_json_at_all_is_one_problem(text: str | bytes, message: str) -> None:
    assert parse(text) == Problem("document", message)


def test_a_document_over_the_cap_is_not_read() -> None:
    assert parse(b" " * 100 + b"{", max_bytes=100) == Problem("document", "larger than 100 bytes")


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf{}", "\ufeff{}", "{}"])
def test_a_byte_order_mark_is_no_part_of_it(text: str | bytes) -> None:
    assert parse(text) == Document({})


@given(st.binary(max_size=200) | st.text(st.characters(), max_size=200))
def test_any_bytes_or_text_are_read_or_refused(text: bytes | str) -> None:
    assert isinstance(parse(text), Document | Problem)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("b", "a.b"),
        ("n-1", "a.n-1"),
        (3, "a[3]"),
        ("", 'a[""]'),
        ("b.c", 'a["b.c"]'),
        ("ñ", "a.ñ"),
        ("x y", 'a["x y"]'),
    ],
)
def test_a_path_tells_odd_keys_apart(key: str | int, path: str) -> None:
    assert join("a", key) == path


@given(st.text(st.characters()))
def test_what_is_shown_can_be_printed_on_one_line(text: str) -> None:
    shown = show(text)
    assert "\n" not in shown
    assert "\0" not in shown
    shown.encode()
