"""Every way from text to code is closed, in both realms, however it is spelled."""

from __future__ import annotations

from typing import Any

import pytest

ROUTES = [
    "eval('1')",
    "(0, eval)('1')",
    "globalThis.eval('1')",
    "this.eval('1')",
    "globalThis['ev' + 'al']('1')",
    "\\u0065val('1')",
    "Reflect.get(globalThis, 'eval')('1')",
    "Function('return 1')()",
    "new Function('return 1')()",
    "Function.call(null, 'return 1')()",
    "Function.apply(null, ['return 1'])()",
    "Function.bind(null)('return 1')()",
    "globalThis['Fun' + 'ction']('return 1')()",
    "(() => 1).constructor('return 1')()",
    "(function () {}).constructor('return 1')()",
    "(async () => 1).constructor('return 1')()",
    "(function* () {}).constructor('yield 1')().next()",
    "(async function* () {}).constructor('yield 1')().next()",
    "Object.getPrototypeOf(async function () {}).constructor('return 1')()",
    "Object.getPrototypeOf(function* () {}).constructor('return 1')()",
    "Object.getPrototypeOf(async function* () {}).constructor('return 1')()",
    "Object.getPrototypeOf(Object.getPrototypeOf(function* () {})).constructor('return 1')()",
    "Function.prototype.constructor('return 1')()",
    "Function.constructor('return 1')()",
    "Function.prototype.constructor.constructor('return 1')()",
    "Object.constructor('return 1')()",
    "Math.max.constructor('return 1')()",
    "[].map.constructor('return 1')()",
    "(class {}).constructor('return 1')()",
    "({ m() {} }).m.constructor('return 1')()",
    "(function () {}).bind().constructor('return 1')()",
    "new Proxy(function () {}, {}).constructor('return 1')()",
    "Reflect.construct(Function, ['return 1'])()",
    "Reflect.construct(Object, ['return 1'], Function)()",
    "Reflect.construct((() => 1).constructor, ['return 1'])()",
    "Reflect.apply(Function, null, ['return 1'])()",
    "new (class extends Function {})('return 1')()",
    "new (class extends (function () {}).constructor {})('return 1')()",
    "c.JSON.constructor('return 1')()",
    "console.log.constructor('return 1')()",
    "sleep.constructor('return 1')()",
    "c.constructor.constructor('return 1')()",
    "payload.constructor.constructor('return 1')()",
    "JSON.parse('{}').constructor.constructor('return 1')()",
    "c.QueryParams().constructor.constructor('return 1')()",
    "Promise.resolve().then.constructor('return 1')()",
    "Object.getOwnPropertyDescriptor(Map.prototype, 'size').get.constructor('return 1')()",
    "Object.getOwnPropertyDescriptor(function () { return arguments }(), 'callee').value.constructor('return 1')()",
    "(() => { try { null.x } catch (e) { return e.constructor.constructor('return 1')() } })()",
    "(() => { try { Function() } catch (e) { return e.constructor.constructor('return 1')() } })()",
    "(() => { try { sleep(1n) } catch (e) { return e.constructor.constructor('return 1')() } })()",
    "(() => { try { c.JSON(1) } catch (e) { return e.constructor.constructor('return 1')() } })()",
    "(() => { Error.prepareStackTrace = (_, s) => s; return new Error().stack[0].getFunction().constructor('1')() })()",
    "(() => { const o = {}; Error.captureStackTrace(o); return o.stack[0].getFunction()('return 1') })()",
    "[1].map(Function)[0]()",
    "['return 1'].map(Function)[0]()",
    "'x'.replace('x', Function)()",
    "Array.from(['return 1'], Function)[0]()",
    "[].constructor.from.call(Function, ['return 1'])()",
    "Array.of.call(Function, 'return 1')()",
    "Promise.resolve.call(Function, 1)",
    "setTimeout('1')",
    "new Worker('data:,1')",
    "__loadScript('/etc/passwd')",
    "require('fs')",
    "globalThis.__nflow",
    "bjson.read(new ArrayBuffer(8))",
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_text_does_not_become_code(bench: Any, realm: str, route: str) -> None:
    source = f"""
      let got
      try {{ got = {route} }} catch (e) {{ return 'refused' }}
      return got === undefined ? 'refused' : ['ran', String(got)]
    """
    assert bench.done(source, entry="body", realm=realm).result.payload == b'"refused"'


@pytest.mark.parametrize(
    "what", ["'fs'", "'data:text/javascript,1'", "'./a.js'", "'/etc/passwd'", "'std'", "'os'", "'bjson'"]
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_nothing_can_be_imported(bench: Any, realm: str, what: str) -> None:
    source = f"try {{ await import({what}); return 'imported' }} catch (e) {{ return 'refused' }}"
    assert bench.done(source, entry="async", realm=realm).result.payload == b'"refused"'


@pytest.mark.parametrize(
    "restore",
    [
        "Function.prototype.constructor = Object",
        "Object.defineProperty(Function.prototype, 'constructor', {value: Object})",
        "delete Function.prototype.constructor",
        "Object.setPrototypeOf(Function, async function () {}.constructor)",
    ],
)
def test_the_closed_ways_stay_closed(bench: Any, restore: str) -> None:
    source = f"try {{ {restore} }} catch {{}} return [typeof eval, (() => 1).constructor === Function]"
    for realm in ("warm", "fresh"):
        assert bench.done(source, entry="body", realm=realm).result.payload == b'["undefined",true]'
