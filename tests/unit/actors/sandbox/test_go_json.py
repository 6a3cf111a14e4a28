"""JSON as Go's encoder writes it: every expectation here is written by hand, from the recorded rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.codec import go_json

RULES = [
    ("{zeta: 1, alpha: 2}", '{"alpha":2,"zeta":1}'),
    ("{b: {d: 1, c: 2}, a: []}", '{"a":[],"b":{"c":2,"d":1}}'),
    ("{}", "{}"),
    ("[]", "[]"),
    ("'<a>&'", '"\\u003ca\\u003e\\u0026"'),
    ("{'<k>': 1}", '{"\\u003ck\\u003e":1}'),
    ("'\\u2028\\u2029'", '"\\u2028\\u2029"'),
    ("'ñ日本😀'", '"ñ日本😀"'),
    ("undefined", "null"),
    ("{u: undefined}", '{"u":null}'),
    ("[1,,3]", "[1,null,3]"),
    ("[undefined, null]", "[null,null]"),
    ("2.0", "2"),
    ("1.5", "1.5"),
    ("1e21", "1e+21"),
    ("1e20", "100000000000000000000"),
    ("1e-6", "0.000001"),
    ("1e-7", "1e-7"),
    ("123456789012345680000", "123456789012345680000"),
    ("[2 ** -24, -(2 ** -24), 2 ** 863]", "[5.960464477539063e-8,-5.960464477539063e-8,6.150157786156811e+259]"),
    (
        "[2 ** -44, 3.98973513776888e-264, 1.7976931348623157e308]",
        "[5.684341886080802e-14,3.98973513776888e-264,1.7976931348623157e+308]",
    ),
    ("[0.30000000000000004, 2 ** 60, 5e-324]", "[0.30000000000000004,1152921504606847000,5e-324]"),
    ("-0", "-0"),
    ("[0, -0]", "[0,-0]"),
    ("0.1 + 0.2", "0.30000000000000004"),
    ("9007199254740993", "9007199254740992"),
    ("true", "true"),
    ("null", "null"),
    ("10n ** 30n", "1000000000000000000000000000000"),
    ("new Date(0)", '"1970-01-01T00:00:00Z"'),
    ("new Date(123)", '"1970-01-01T00:00:00.123Z"'),
    ("new Date(120)", '"1970-01-01T00:00:00.12Z"'),
    ("new Date(100)", '"1970-01-01T00:00:00.1Z"'),
    ("new Date(1001)", '"1970-01-01T00:00:01.001Z"'),
    ("new Date(10000)", '"1970-01-01T00:00:10Z"'),
    ("new Date(NaN)", '"0001-01-01T00:00:00Z"'),
    ("new (class extends Date {})(0)", '"1970-01-01T00:00:00Z"'),
    ("new Map([[1, 2]])", "[[1,2]]"),
    ("new Map([['b', {z: 1, a: 2}], ['a', undefined]])", '[["b",{"a":2,"z":1}],["a",null]]'),
    ("new Map()", "[]"),
    ("new Set([1, 'x'])", '[1,"x"]'),
    ("/a/g", "{}"),
    ("new Error('x')", "{}"),
    ("new Number(5)", "5"),
    ("new String('x<')", '"x\\u003c"'),
    ("new Boolean(false)", "false"),
    ("Object(7n)", "7"),
    ("new (class { constructor() { this.b = 1; this.a = 2 } })()", '{"a":2,"b":1}'),
    ("Object.assign(Object.create(null), {b: 1, a: 2})", '{"a":2,"b":1}'),
    ("new Uint8Array([104, 105])", '"aGk="'),
    ("new Uint8ClampedArray([104, 105])", '"aGk="'),
    ("new Int16Array([1, -2])", "[1,-2]"),
    ("new Float64Array([0.5, -0])", "[0.5,-0]"),
    ("new ArrayBuffer(4)", "{}"),
    ("Promise.resolve(1)", "{}"),
    ("{10: 1, 9: 2, '01': 3}", '{"01":3,"10":1,"9":2}'),
    ("{a: 1, B: 2, _: 3}", '{"B":2,"_":3,"a":1}'),
    ("{'\\uffff': 1, '\\u{10000}': 2, a: 3}", '{"a":3,"\uffff":1,"\U00010000":2}'),
    ("{'\\ue000x': 1, '\\u{1f600}': 2, '\\ue000': 3}", '{"\ue000":3,"\ue000x":1,"😀":2}'),
    ("'\\u0000\\u0001\\u001f'", '"\\u0000\\u0001\\u001f"'),
    ("'\\n\\r\\t\\b\\f'", '"\\n\\r\\t\\b\\f"'),
    ("'\\x7f'", '"\x7f"'),
    ("'\"\\\\/'", '"\\"\\\\/"'),
    ("'\\ud800'", '"\\ufffd"'),
    ("'a\\udc00b'", '"a\\ufffdb"'),
    ("'\\\\ud800'", '"\\\\ud800"'),
    ("'\\\\\\ud800'", '"\\\\\\ufffd"'),
    ("{'\\ud800': 1}", '{"\\ufffd":1}'),
    ("{__proto__: {x: 1}, a: 2}", '{"a":2}'),
    ("JSON.parse('{\"__proto__\": 5}')", '{"__proto__":5}'),
    ("Object.defineProperty({a: 1}, 'hidden', {value: 2})", '{"a":1}'),
    ("{[Symbol('s')]: 1, a: 2}", '{"a":2}'),
    ("{get a() { return 1 }}", '{"a":1}'),
    ("new Proxy({b: 1, a: 2}, {})", '{"a":2,"b":1}'),
    ("new Proxy([1, 2], {})", "[1,2]"),
    ("[[[]], [{}]]", "[[[]],[{}]]"),
    ("(function () { return arguments })(1, 'b')", '{"0":1,"1":"b"}'),
]


@pytest.mark.parametrize(("expression", "expected"), RULES, ids=[rule[0] for rule in RULES])
def test_values_are_written_as_go_writes_them(bench: Any, expression: str, expected: str) -> None:
    assert bench.body(f"c.JSON(200, {expression})") == expected + "\n"


REFUSED = [
    "NaN",
    "Infinity",
    "{a: -Infinity}",
    "() => 1",
    "{f: function () {}}",
    "[class {}]",
    "Symbol('s')",
    "Object(Symbol('s'))",
    "[new Date(8.64e15)]",
    "(() => { const a = {}; a.a = a; return a })()",
    "(() => { const a = []; a[0] = a; return a })()",
    "(() => { let a = {}; for (let i = 0; i < 600; i++) a = {a}; return a })()",
    "{get a() { throw new Error('mine') }}",
]


@pytest.mark.parametrize("expression", REFUSED)
def test_what_go_cannot_write_is_an_exception_the_script_can_catch(bench: Any, expression: str) -> None:
    assert bench.failed(f"function main() {{ c.JSON(200, {expression}) }}").kind == "exception"
    caught = f"let told; try {{ c.JSON(200, {expression}) }} catch (e) {{ told = 'caught' }} c.String(200, told)"
    assert bench.body(caught) == "caught"


def test_depth_up_to_the_cap_is_written(bench: Any) -> None:
    text = bench.body("let a = 1; for (let i = 0; i < 499; i++) a = [a]; c.JSON(200, a)")
    assert text == "[" * 499 + "1" + "]" * 499 + "\n"


def test_a_script_cannot_forge_the_text(bench: Any) -> None:
    forging = """
      Object.prototype.toJSON = () => 'forged'; Array.prototype.toJSON = () => 'forged'
      String.prototype.toJSON = () => 'forged'; JSON.stringify = () => 'forged'
      c.JSON(200, {b: 'x', a: [1]})
    """
    assert bench.body(forging, realm="fresh") == '{"a":[1],"b":"x"}\n'


def test_to_json_is_not_asked(bench: Any) -> None:
    assert bench.body("class A { constructor() { this.x = 1 } toJSON() { return 'no' } } c.JSON(200, new A())") == (
        '{"x":1}\n'
    )


PRETTY = [
    ("{b: 1, a: [1, 2], e: {}, f: []}", '{\n  "a": [\n    1,\n    2\n  ],\n  "b": 1,\n  "e": {},\n  "f": []\n}\n'),
    ("'a{[,:]}\\\\\"'", '"a{[,:]}\\\\\\""\n'),
    ("1", "1\n"),
]


@pytest.mark.parametrize(("expression", "expected"), PRETTY)
def test_pretty_text_is_indented_as_go_does(bench: Any, expression: str, expected: str) -> None:
    assert bench.body(f"c.JSONPretty(200, {expression}, '  ')") == expected


def test_the_recorded_types_workflow(bench: Any) -> None:
    script = """c.JSON(200, {two: 2.0, f: 1.5, e: 1e21, d: new Date(0), m: new Map([[1, 2]]), s: new Set([1]),
      re: /x/, u: undefined, arr: [1, , 3], html: '<a>&'})"""
    assert bench.body(script) == (
        '{"arr":[1,null,3],"d":"1970-01-01T00:00:00Z","e":1e+21,"f":1.5,"html":"\\u003ca\\u003e\\u0026",'
        '"m":[[1,2]],"re":{},"s":[1],"two":2,"u":null}\n'
    )


def test_powers_of_two_are_as_short_as_they_can_be(bench: Any) -> None:
    powers = [sign * 2.0**exponent for exponent in range(-1074, 1024) for sign in (1, -1)]
    answer = bench.done("function main(){ c.JSON(200, payload) }", payload=powers).result.answer
    assert answer.body == go_json(powers)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_script_and_the_runtime_write_the_same_text(bench: Any, value: Any) -> None:
    """Two encoders that know nothing of each other: this one in JavaScript, and the one of the error bodies."""
    answer = bench.done("function main(){ c.JSON(200, payload.v) }", payload={"v": value}).result.answer
    assert answer.body == go_json(value)
