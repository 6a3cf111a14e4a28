"""Values made to hurt: getters, proxies, cycles, sizes. The library answers, throws a script's error, or can be stopped."""

from __future__ import annotations

from typing import Any

import pytest

THROWS = (
    "new Proxy({}, { get() { throw new RangeError('trap'); }, ownKeys() { throw new RangeError('trap'); }, "
    "getOwnPropertyDescriptor() { throw new RangeError('trap'); }, getPrototypeOf() { throw new RangeError('trap'); } })"
)


@pytest.mark.parametrize("use", [
    "require('util').inspect(%s)", "require('util').format('%%s %%d %%j', %s, 1)", "structuredClone(%s)",
    "Buffer.from(%s)", "new URLSearchParams(%s)", "new Headers(%s)", "new Response('x', %s)", "require('url').format(%s)",
    "require('path').format(%s)", "require('querystring').stringify(%s)", "require('util').isDeepStrictEqual(%s, {})",
    "new URL(%s)", "new TextDecoder('utf-8', %s)", "crypto.createHash(%s)", "fetch('http://h/', %s)",
])  # fmt: skip
def test_a_trap_of_a_proxy_is_its_callers_error(library: Any, use: str) -> None:
    error = library.thrown(f"await ({use % THROWS});")
    assert error.message == "trap" or error.code == "ERR_INVALID_ARG_TYPE"


def test_getters_are_not_called_to_show_a_value(library: Any) -> None:
    assert library.run(
        "let called = 0; const o = { get a() { called++; return 1; } }; const s = require('util').inspect([o]);"
        " return [s, called];"
    ) == ["[ { a: [Getter] } ]", 0]


def test_a_getter_that_throws_is_shown_as_one(library: Any) -> None:
    assert library.value("require('util').inspect({ get a() { throw 1; } })") == "{ a: [Getter] }"


@pytest.mark.parametrize("make", [
    "Array.from({ length: 200000 }, (_, i) => ({ i, s: 'x'.repeat(50) }))",
    "Object.fromEntries(Array.from({ length: 300000 }, (_, i) => ['key' + i, 'x'.repeat(20)]))",
    "(() => { let o = {}; for (let i = 0; i < 40; i++) o = { a: o, b: o }; return o; })()",
    "new Map(Array.from({ length: 200000 }, (_, i) => [i, { i }]))",
    "'x'.repeat(5e6)",
])  # fmt: skip
def test_the_text_of_a_value_is_bounded(library: Any, make: str) -> None:
    options = "{ depth: null, maxArrayLength: null, maxStringLength: 1000, showHidden: false }"
    assert library.value(f"require('util').inspect({make}, {options}).length") < 3_000_000


@pytest.mark.parametrize("make", ["[[o]]", "{ o }", "new Map([[1, o]])", "new Set([o])", "[structuredClone(o)]"])
def test_deep_values_fail_as_scripts_do(library: Any, make: str) -> None:
    deep = f"let o = []; for (let i = 0; i < 1e5; i++) o = [o]; const all = {make};"
    for use in ("structuredClone(all)", "require('util').isDeepStrictEqual(all, structuredClone([o]))"):
        assert library.thrown(f"{deep} {use};").name == "RangeError"


def test_cycles_end(library: Any) -> None:
    assert library.run(
        """
        const util = require('util');
        const make = () => { const a = { list: [] }, m = new Map(); a.list.push(a, m); m.set('a', a); a.m = m; return a; };
        const a = make();
        return [util.isDeepStrictEqual(a, make()), util.isDeepStrictEqual(structuredClone(a), a), util.inspect(a).length < 200,
          util.format('%j', a)];
        """
    ) == [True, True, True, "[Circular]"]


@pytest.mark.parametrize("body", [
    "new URLSearchParams({ [Symbol.iterator]: function* () { for (;;) yield ['a', 'b']; } });",
    "Buffer.alloc(1e6).indexOf(Buffer.alloc(5e5, 0).fill(1, 499999));",
    "require('util').inspect(new Proxy({}, { ownKeys() { for (;;); } }));",
    "structuredClone({ get a() { for (;;); } });",
    "require('querystring').stringify({ a: new Proxy([], { get: (_, k) => k === 'length' ? 2 ** 53 : 'x' }) });",
])  # fmt: skip
def test_endless_work_can_be_stopped(fresh: Any, body: str) -> None:
    assert fresh.stops(body, operations=20_000_000)


@pytest.mark.parametrize("expression", [
    "Buffer.from('x'.repeat(3e6)).toString('base64').length",
    "Buffer.from('é'.repeat(1e6)).toString().length",
    "Buffer.from('ff'.repeat(1e6), 'hex').toString('latin1').length",
    "Buffer.alloc(3e6, 'abc').includes('abd')",
    "new TextDecoder().decode(new Uint8Array(1e6).fill(255)).length",
    "require('querystring').parse('a&'.repeat(1e6)).a.length",
    "new URLSearchParams('a=%zz&'.repeat(1e5)).size",
    "require('path').normalize('/a/../'.repeat(2e5)).length",
    "require('path').resolve('../'.repeat(2e5)).length",
    "require('url').parse('http://' + 'a'.repeat(1e6) + '@b/' + '?'.repeat(1e6)).search.length",
    "new URL('http://h/' + '../'.repeat(3e5)).href.length",
    "URL.canParse('http://' + '1.'.repeat(1e6)) + ''",
    "URL.canParse('http://' + '%C3%BC'.repeat(1e5) + '/') + ''",
    "new Headers({ a: ' '.repeat(1e6) + 'x' }).get('a').length",
    "new Headers({ a: 'x' + ' '.repeat(2e5) + 'x' }).get('a').length",
    "require('util').stripVTControlCharacters('\\x1b['.repeat(2e5)).length",
    "require('util').format('%s'.repeat(1e5), 'x').length",
])  # fmt: skip
def test_large_values_cost_in_proportion(fresh: Any, expression: str) -> None:
    assert not fresh.stops(f"return {expression};", operations=150_000_000)


def test_lone_surrogates_come_through_every_door(library: Any) -> None:
    assert library.run(
        """
        const lone = 'a\\ud800b';
        return [Buffer.from(lone).toString(), new TextEncoder().encode(lone).length, new URL('http://h/' + lone).href,
          String(new URLSearchParams({ a: lone })), await new Response(lone).text(), require('util').inspect(lone),
          crypto.createHash('md5').update(lone).digest('hex') === crypto.createHash('md5').update('a\\ufffdb').digest('hex')];
        """
    ) == ["a\ufffdb", 5, "http://h/a%EF%BF%BDb", "a=a%EF%BF%BDb", "a\ufffdb", "'a\\ud800b'", True]


def test_names_of_prototypes_are_only_names(library: Any) -> None:
    assert library.run(
        """
        const parsed = require('querystring').parse('__proto__=1&constructor=2&hasOwnProperty=3');
        const params = new URLSearchParams('__proto__=1');
        const cloned = structuredClone(JSON.parse('{"__proto__": {"polluted": 1}}'));
        new Headers({ ['__proto__']: 'x' });
        return [Object.keys(parsed), params.get('__proto__'), cloned.polluted ?? null, {}.polluted ?? null];
        """
    ) == [["__proto__", "constructor", "hasOwnProperty"], "1", None, None]
