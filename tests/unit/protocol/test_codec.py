"""The codec refuses what cannot be written again, speaks Go's JSON where it must, and makes ids that sort."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codec import MAX_DEPTH, TimeOrderedIds, canonical, dumps, go_json, loads, loads_from_script
from protocol.errors import BadDocument

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=20
)


@given(json_values)
def test_what_is_written_reads_back(value: Any) -> None:
    assert loads(dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"NaN", b"[Infinity]", b'{"a":-Infinity}', b'"\xff"', b'"\\ud800"', b'"\\udc00x"', b"{} x", b"'a'",
        b"[1,]", b"01", b"\xef\xbb\xbf{}", '{"a": 1}'.encode("utf-16"), b'"\x00"',
    ],
)  # fmt: skip
def test_text_that_is_no_json_is_refused_with_its_position(text: bytes) -> None:
    with pytest.raises(BadDocument, match=r"^body: .*line \d+ column \d+$"):
        loads(text, "body")


def test_every_truncation_of_a_document_is_refused() -> None:
    whole = dumps({"name": "añb", "list": [1, -2.5e7, True, None], "object": {"k": "v"}})
    for cut in range(len(whole)):
        with pytest.raises(BadDocument):
            loads(whole[:cut])


@pytest.mark.parametrize("opened", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 1_500, 1_000_000])
def test_nesting_beyond_the_bound_is_refused(opened: str, depth: int) -> None:
    closed = "]" if opened == "[" else "}"
    with pytest.raises(BadDocument):
        loads(opened * depth + "1" + closed * depth)


def test_nesting_up_to_the_bound_is_read_and_written() -> None:
    text = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert dumps(loads(text)) == text


def test_many_shallow_brackets_are_not_deep() -> None:
    assert len(loads("[" + ",".join(["[]"] * 10_000) + "]")) == 10_000


@pytest.mark.parametrize("text", [r'"a\u0000"', r'{"\u0000":1}', r'[{"a":["\u0000"]}]'])
def test_nul_is_refused_in_texts_and_keys(text: str) -> None:
    with pytest.raises(BadDocument, match=r"U\+0000"):
        loads(text)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert loads(r'"a\\u0000"') == r"a\u0000"


def test_a_str_with_half_a_pair_is_refused() -> None:
    with pytest.raises(BadDocument):
        loads('"\ud800"')


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'"\u0000"', "\0"),
        (rb'"\ud800"', "\ufffd"),
        (rb'"\udc00\ud800"', "\ufffd\ufffd"),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\\ud800\ud800"', "\\ud800\ufffd"),
        (rb'["\ud800\ud83d\ude00", 1]', ["\ufffd😀", 1]),
    ],
)
def test_a_script_may_say_what_only_javascript_can(text: bytes, value: Any) -> None:
    assert loads_from_script(text) == value


@pytest.mark.parametrize("text", [b"{", rb'"\u12"', b"[" * 1_500, b"NaN", rb'"\ud800'])
def test_what_is_no_json_is_refused_from_a_script_too(text: bytes) -> None:
    with pytest.raises(BadDocument):
        loads_from_script(text)


@given(st.text(st.characters()))
def test_any_javascript_text_can_be_read(text: str) -> None:
    read = loads_from_script(json.dumps(text).encode())
    assert read == text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@pytest.mark.parametrize("value", [object(), {1: 2}, 2**70, "\ud800", b"x", {"a": {1, 2}}])
def test_what_json_cannot_say_is_a_value_error(value: Any) -> None:
    for write in (dumps, canonical):
        with pytest.raises(ValueError, match="cannot be written as JSON"):
            write(value)


@given(json_values)
def test_the_canonical_form_ignores_the_order_of_keys(value: Any) -> None:
    assert canonical(_reversed(value)) == canonical(value)


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"code": 404, "message": "not found"}, '{"code":404,"message":"not found"}'),
        ({"zeta": 1, "hello": "bob"}, '{"hello":"bob","zeta":1}'),
        ("<a>&\u2028\u2029é", '"\\u003ca\\u003e\\u0026\\u2028\\u2029é"'),
        ({"<": 1}, '{"\\u003c":1}'),
        ([2.0, 1.5, -0.0, 1e20, 1e21], "[2,1.5,-0,100000000000000000000,1e+21]"),
        ([1e-6, 1e-7, 1.2345e-5], "[0.000001,1e-7,0.000012345]"),
        ([5e-324, 1.7976931348623157e308, 123456789012345680.0], "[5e-324,1.7976931348623157e+308,123456789012345680]"),
        ("a\ud800b", '"a\ufffdb"'),
        ([None, True, False, (1,)], "[null,true,false,[1]]"),
    ],
)  # fmt: skip
def test_error_bodies_follow_the_rules_of_go(value: Any, text: str) -> None:
    assert go_json(value) == text.encode() + b"\n"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_in_the_form_of_go_read_back(number: float) -> None:
    text = go_json(number).decode().strip()
    assert float(text) == number
    plain = number == 0 or 1e-6 <= abs(number) < 1e21
    assert ("e" in text) is not plain


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf], object()])
def test_go_refuses_what_is_no_number(value: Any) -> None:
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        go_json(value)


def test_over_deep_error_bodies_are_a_value_error() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="cannot be written"):
        go_json(value)
    with pytest.raises(ValueError, match="cannot be written"):
        dumps(value)


class Clock:
    """A clock that is told the time, in Unix nanoseconds."""

    def __init__(self, *millis: int) -> None:
        self.millis = list(millis)

    def __call__(self) -> int:
        return (self.millis.pop(0) if len(self.millis) > 1 else self.millis[0]) * 1_000_000


def test_ids_are_uuids_of_version_7_with_their_time() -> None:
    text = TimeOrderedIds(Clock(0x0123456789AB))()
    assert re.fullmatch(r"01234567-89ab-7000-[89ab][0-9a-f]{3}-[0-9a-f]{12}", text)


def test_ids_increase_while_the_clock_stands_still_and_steps_back() -> None:
    ids = TimeOrderedIds(Clock(*[1_000] * 10_000, *range(1_000, 900, -1), 1_005))
    made = [ids() for _ in range(11_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_of_the_real_clock_increase_and_differ() -> None:
    ids = TimeOrderedIds()
    made = [ids() for _ in range(20_000)]
    assert made == sorted(set(made))
