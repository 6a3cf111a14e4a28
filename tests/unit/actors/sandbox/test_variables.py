"""`vars`: an object of the path's segments that scripts read, change and call, and that goes on with the run."""

from __future__ import annotations

from typing import Any

import pytest

from actors.sandbox.child.names import Names
from protocol.codec import loads

REQUEST = {"vars": {"name": "bob", "n": "1"}}


def left(bench: Any, source: str, **order: Any) -> Any:
    """What a script made of `vars`; None: it did not change them."""
    variables = bench.done(source, entry="body", **{"request": REQUEST, **order}).result.variables
    return None if variables is None else loads(variables)


@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_vars_are_a_plain_object_with_the_methods_of_the_manual(bench: Any, realm: str) -> None:
    source = """
      vars.set('user', {id: 5})
      return [vars.name, vars.get('user').id, vars.get('none'), vars.has('name'), vars.has('none'), vars.getAll(),
        Object.keys(vars), JSON.stringify(vars), 'name' in vars, vars.get('toString'), vars.has('get'), `${vars}`]
    """
    everything = {"name": "bob", "n": "1", "user": {"id": 5}}
    payload = loads(bench.done(source, entry="body", request=REQUEST, realm=realm).result.payload)
    assert payload[:6] == ["bob", 5, None, True, False, everything]
    assert (payload[6], loads(payload[7])) == (["name", "n", "user"], everything)
    assert payload[8:] == [True, None, False, "[object Object]"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("vars.foo = 'x'", {"name": "bob", "n": "1", "foo": "x"}),
        ("path_vars.n = 2", {"name": "bob", "n": 2}),
        ("delete vars.n", {"name": "bob"}),
        ("vars.set('a', [1, {b: null}])", {"name": "bob", "n": "1", "a": [1, {"b": None}]}),
        ("vars.get = 'mine'", {"name": "bob", "n": "1", "get": "mine"}),
        ("vars.set('__proto__', 1)", {"name": "bob", "n": "1", "__proto__": 1}),
        ("const f = (v) => { v.name = 'eve' }; f(vars)", {"name": "eve", "n": "1"}),
        ("[vars.n] = ['3'];", {"name": "bob", "n": "3"}),
        ("({n: vars.n, m: vars.m} = {n: 1, m: 2})", {"name": "bob", "n": 1, "m": 2}),
        ("for (vars.n of [1, 2]);", {"name": "bob", "n": 2}),
        ("-- vars.n;", {"name": "bob", "n": 0}),
        ("(vars.n) = 7", {"name": "bob", "n": 7}),
        ("this.vars; globalThis['va' + 'rs'].n = 8", {"name": "bob", "n": 8}),
        ("vars.s = '\\ud800é\\0'", {"name": "bob", "n": "1", "s": "\ufffdé\ufffd"}),
        ("vars = {other: 1}", None),
        ("vars.name + vars.n;", None),
        ("vars.set('name', 'bob')", None),
        ("vars.f = () => 1", None),
    ],
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_changed_vars_are_told_and_others_are_not(bench: Any, realm: str, source: str, expected: Any) -> None:
    assert left(bench, source, realm=realm) == expected


def test_a_value_inside_of_vars_may_be_changed_where_only_reads_are_written(bench: Any) -> None:
    source = "const held = vars.user; held.id = 6"
    assert left(bench, source, request={"vars": {"user": {"id": 5}}}) == {"user": {"id": 6}}


def test_without_segments_vars_are_empty_and_can_be_set(bench: Any) -> None:
    assert left(bench, "vars.set('a', 1)", request={}) == {"a": 1}
    assert bench.value("vars", request={}) == {}


def test_nothing_set_in_one_run_is_there_in_the_next(bench: Any) -> None:
    bench.done("vars.set('a', 1); vars.b = 2; Object.getPrototypeOf(vars).leak = 3", entry="body", request=REQUEST)
    assert bench.value("[vars, vars.leak, vars.get('a')]", request=REQUEST) == [REQUEST["vars"], None, None]
    source = "Object.setPrototypeOf(Object.getPrototypeOf(vars), {leak: 1}); vars.get.leak = 1"
    bench.run(source, entry="body", request=REQUEST)
    assert bench.value("[vars.leak, vars.get.leak]", request=REQUEST) == [None, None]


@pytest.mark.parametrize(
    "source",
    [
        "vars.a = 'x'.repeat(65537)",
        "vars.a = 'é'.repeat(33000)",
        "vars.toJSON = () => 5",
        "vars.toJSON = () => undefined",
        "vars.a = 1n",
        "vars.a = vars",
    ],
)
def test_vars_that_cannot_go_on_are_an_exception(bench: Any, source: str) -> None:
    assert bench.failed(source, entry="body", request=REQUEST).kind == "exception"


def test_vars_up_to_their_limit_go_on(bench: Any) -> None:
    assert left(bench, "vars.a = 'é'.repeat(32000)", request={}) == {"a": "é" * 32_000}


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("c.JSON(200, {hello: vars.name, lang: 1})", False),
        ("if (vars.a === 'x') go(vars.b + 1)", False),
        ("vars.a = 1", True),
        ("vars.a ||= 1", True),
        ("vars.set('a', 1)", True),
        ("f(vars)", True),
        ("x(vars.a); this.y", True),
    ],
)
def test_only_texts_that_may_change_vars_are_looked_after(source: str, changes: bool) -> None:
    assert Names().reach(source).changes_vars is changes
