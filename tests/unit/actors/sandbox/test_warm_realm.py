"""A shared realm: built-ins that no run can change, ordinary scripts that work all the same, and nothing left behind."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from actors.sandbox.child import realms
from protocol.codec import loads

WORKS = [
    ("err.name = …", "const e = new Error('x'); e.name = 'Mine'; e.message += 'y'; return String(e)", "Mine: xy"),
    (
        "an error class with its own name",
        "class E extends TypeError { constructor(m) { super(m); this.name = 'E'; this.code = 5 } }\n"
        "const e = new E('m'); return [String(e), e instanceof TypeError, e.code, Object.keys(e)]",
        ["E: m", True, 5, ["name", "code"]],
    ),
    ("o.toString = …", "const o = {}; o.toString = () => 'mine'; return `${o}`", "mine"),
    ("o.valueOf and o.constructor", "const o = {}; o.valueOf = () => 2; o.constructor = 1; return o * 3 + o.constructor", 7),
    ("o.hasOwnProperty = …", "const o = {}; o.hasOwnProperty = 5; return o.hasOwnProperty", 5),
    ("in strict code too", "'use strict'; const o = {}; o.toString = () => 'mine'; return `${o}`", "mine"),
    ("array.toString = …", "const a = [1]; a.toString = () => 'mine'; return `${a}`", "mine"),
    ("date.toJSON = …", "const d = new Date(0); d.toJSON = () => 'mine'; return {d}", {"d": "mine"}),
    ("function.toString = …", "const f = () => 1; f.toString = () => 'mine'; return `${f}`", "mine"),
    (
        "prototypes of one's own",
        "function A() {} A.prototype.toString = function () { return 'A!' }; A.prototype.constructor = A\n"
        "function B() {} B.prototype = Object.create(A.prototype); B.prototype.constructor = B\n"
        "return [`${new A}`, `${new B}`, new B().constructor === B]",
        ["A!", "A!", True],
    ),
    ("assigning twice", "const o = {}; o.toString = 1; o.toString = 2; return [o.toString, Object.keys(o)]", [2, ["toString"]]),
    ("a name of Object.prototype as data", "const o = {}; for (const k of ['constructor', 'valueOf']) o[k] = (o[k] || 0) + 1;"
     " return typeof o.constructor", "string"),
    ("undeclared loop variables", "for (key in {a: 1, b: 2}); return key", "b"),
    ("undeclared results", "total = 0; for (i = 0; i < 4; i++) total += i; return total", 6),
    ("undeclared names of built-in properties", "valueOf = 3; toString = 4; return valueOf + toString", 7),
    ("globals through this", "this.made = 5; globalThis.other = 6; return made + other", 11),
    ("closures, classes, generators", "class A { #p = 1; static s = 2; get p() { return this.#p } }\n"
     "function* g() { yield* [1, 2] } return [new A().p, A.s, [...g()]]", [1, 2, [1, 2]]),
    ("Array extension", "class L extends Array { sum() { return this.reduce((a, b) => a + b, 0) } } return L.from([1, 2]).sum()", 3),
    ("JSON with reviver and replacer", "return JSON.parse(JSON.stringify({a: 1, b: 2}, ['a']), (k, v) => k === 'a' ? v + 1 : v)", {"a": 2}),
    ("regular expressions", "return 'a1b22'.replace(/\\d+/g, (d) => d * 2).match(/(?<l>[a-z])(\\d)/).groups.l", "a"),
    ("sorting", "return [3, 1, 2].sort((a, b) => a - b)", [1, 2, 3]),
    ("Math.random", "return Math.random() !== Math.random()", True),
    ("reading built-ins", "return typeof Object.getOwnPropertyDescriptor(Object.prototype, 'toString')", "object"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), [case[1:] for case in WORKS], ids=[case[0] for case in WORKS])
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_scripts_written_for_an_open_engine_work(bench: Any, realm: str, source: str, expected: object) -> None:
    for _ in range(2):
        assert loads(bench.done(source, entry="body", realm=realm).result.payload) == expected
    if realm == "warm":
        assert bench.keeps_realm_of(source, entry="body")


def test_a_script_that_hangs_things_on_its_own_functions_finds_none_of_them(bench: Any) -> None:
    source = """
      class A { static n = (A.n ?? 0) + 1 }
      function tag(s) { return s }
      const things = () => [arguments.callee, arguments.callee.prototype, main, main.prototype, A, A.prototype]
      const texts = [tag`x`, tag`x`.raw]
      const found = [...things(), ...texts].map((thing) => 'leak' in thing)
      for (const thing of [...things(), ...texts]) try { thing.leak = 1 } catch {}
      function main() { main.n = (main.n ?? 0) + 1; return [found, main.n, A.n, /a/g.lastIndex] }
    """
    for _ in range(3):
        payload = loads(bench.done(source, entry="body").result.payload)
        assert payload == [[False] * 8, 1, 1, 0]
    assert bench.keeps_realm_of(source, entry="body")


def test_undeclared_variables_of_one_run_are_gone_in_the_next(bench: Any) -> None:
    bench.done("function main(){ for (key in {a: 1}); left = 5 }")
    assert bench.value("[typeof key, typeof left, typeof globalThis.left]") == ["undefined"] * 3


ATTEMPTS = [
    "Object.prototype.leak = 1",
    "Array.prototype.leak = 1",
    "Array.prototype.map = () => 'leak'",
    "Object.prototype.toString = () => 'leak'",
    "JSON.stringify = () => 'leak'",
    "Math.leak = 1",
    "Function.prototype.leak = 1",
    "Array.prototype.map.leak = 1",
    "Object.defineProperty(Array.prototype.map, 'name', {value: 'leak'})",
    "delete Array.prototype.map",
    "Object.getOwnPropertyDescriptor(Object.prototype, 'toString').get.leak = 1",
    "Object.getPrototypeOf(function* () {}).leak = 1",
    "Object.getPrototypeOf(async function () {}).prototype = 1",
    "Object.getPrototypeOf([].values()).next = 1",
    "Object.getPrototypeOf(''[Symbol.iterator]()).leak = 1",
    "Object.getPrototypeOf(/a/[Symbol.matchAll]('')).leak = 1",
    "Object.getPrototypeOf(new Map().keys()).leak = 1",
    "Object.getPrototypeOf(Object.getPrototypeOf((function* () {})())).leak = 1",
    "Object.getPrototypeOf([].values().map((x) => x)).leak = 1",
    "Object.getPrototypeOf(Iterator.from({next() {}})).leak = 1",
    "Object.getPrototypeOf(Int8Array).leak = 1",
    "RegExp.prototype.exec = () => null",
    "Promise.prototype.then = () => 1",
    "Promise.resolve = () => 1",
    "String.prototype.leak = 1",
    "Number.prototype.leak = 1",
    "Symbol.prototype.leak = 1",
    "BigInt.prototype.toJSON = () => 'leak'",
    "Date.prototype.toJSON = () => 'leak'",
    "Error.prototype.name = 'leak'",
    "Error.prototype.message = 'leak'",
    "Error.leak = 1",
    "Error.stackTraceLimit = 0",
    "Error.prepareStackTrace = () => 'leak'",
    "(() => { try { null.x } catch (e) { Object.getPrototypeOf(e).leak = 1 } })()",
    "(() => { try { atob('!') } catch (e) { Object.getPrototypeOf(e).leak = 1 } })()",
    "Object.setPrototypeOf(Array.prototype, {leak: 1})",
    "Object.setPrototypeOf(Object.prototype, {leak: 1})",
    "Array.prototype.__proto__ = {leak: 1}",
    "Array.prototype.push(1)",
    "Array.prototype[0] = 'leak'",
    "Reflect.set(Object.prototype, 'leak', 1)",
    "Object.prototype.__defineGetter__('leak', () => 1)",
    "arguments.callee.leak = 1",
    "arguments.callee.prototype.leak = 1",
    "arguments.callee.constructor.leak = 1",
    "((s) => { s.leak = 1; s.raw.leak = 1 })`x`",
    "((s) => Object.defineProperty(s, 'leak', {value: 1}))`x`",
    "Symbol.for('leak').leak = 1",
    "c.leak = 1",
    "c.JSON.leak = 1",
    "c.JSON = () => 'leak'",
    "console.log = () => 'leak'",
    "sleep.leak = 1",
    "Math = 5",
    "Object = 5",
    "undefined = 5",
    "NaN = 5",
    "globalThis = {leak: 1}",
    "globalThis.Math = 5",
    "delete globalThis.Math",
    "Object.defineProperty(globalThis, 'Math', {value: 5})",
]
FINDS_NOTHING = """
  const found = []
  const things = [Object.prototype, Array.prototype, Function.prototype, Array.prototype.map, JSON, Math, Error,
    Object.getPrototypeOf(function* () {}), Object.getPrototypeOf([].values()), Object.getPrototypeOf(''[Symbol.iterator]()),
    Object.getPrototypeOf(/a/[Symbol.matchAll]('')), Object.getPrototypeOf(new Map().keys()),
    Object.getPrototypeOf([].values().map((x) => x)), Object.getPrototypeOf(Int8Array), String.prototype,
    Number.prototype, Symbol.prototype, c, c.JSON, console, sleep, arguments.callee, arguments.callee.prototype,
    arguments.callee.constructor, ((s) => s)`x`, Object(Symbol.for('leak')), globalThis]
  for (const thing of things) if ('leak' in Object(thing)) found.push('leak')
  try { null.x } catch (e) { if ('leak' in e) found.push('error') }
  try { atob('!') } catch (e) { if ('leak' in e) found.push('atob error') }
  if (Array.prototype.map.name !== 'map' || [1].map((x) => x + 1)[0] !== 2) found.push('map')
  if ({} + '' !== '[object Object]' || JSON.stringify([1]) !== '[1]' || Math.max(1, 2) !== 2) found.push('built-in')
  if (/a/.exec('a') === null || Promise.resolve(1).then === undefined || typeof Promise.resolve(1) !== 'object') found.push('p')
  if (new Error('m').name !== 'Error' || new Error().message !== '' || typeof new Error().stack !== 'string') found.push('e')
  if (JSON.stringify(new Date(0)) !== '"1970-01-01T00:00:00.000Z"' || undefined !== void 0 || NaN === 5) found.push('d')
  if ('0' in [] || [].length !== 0 || [...[1]].length !== 1 || [...'ab'].length !== 2) found.push('i')
  return found
"""


@pytest.mark.parametrize("attempt", ATTEMPTS)
@pytest.mark.parametrize("strict", [False, True])
def test_no_run_changes_what_the_next_finds(bench: Any, strict: bool, attempt: str) -> None:
    directive = "'use strict'; " if strict and "arguments.callee" not in attempt else ""
    for source in (f"{directive}try {{ {attempt} }} catch {{}}", f"{directive}{attempt}"):
        bench.run(source, entry="body")
        assert loads(bench.done(FINDS_NOTHING, entry="body").result.payload) == []


DIRTY = [
    "Object.defineProperty(globalThis, 'leak', {value: 1})",
    "Object.defineProperty(globalThis, Symbol('leak'), {value: 1})",
    "Object.defineProperty(globalThis, 'payload', {configurable: false})",
    "Object.defineProperty(globalThis, 'next', {get() { return 'leak' }, configurable: false})",
    "Object.preventExtensions(globalThis)",
    "Object.freeze(globalThis)",
    "Object.setPrototypeOf(globalThis, {leak: 1})",
    "__proto__ = {leak: 1}",
    "globalThis.__proto__ = null",
    "payload = {toJSON() { Object.defineProperty(globalThis, 'leak', {value: 1}) }}",
    "payload = {toJSON() { Promise.resolve().then(() => { leak = 1 }) }}",
    "next = {toString() { Promise.resolve().then(() => { leak = payload }); return 'x' }}",
]


@pytest.mark.parametrize("dirty", DIRTY)
def test_a_realm_that_cannot_be_swept_is_dropped(bench: Any, dirty: str) -> None:
    assert not bench.keeps_realm_of(f"function main(){{ {dirty} }}")
    assert bench.value("[typeof leak, 'leak' in globalThis, Object.isExtensible(globalThis)]") == (
        ["undefined", False, True]
    )


SWEPT = [
    "leak = 1",
    "globalThis.leak = 1",
    "globalThis[Symbol('leak')] = 1",
    "Object.defineProperty(globalThis, 'leak', {get() { return 1 }, configurable: true})",
    "Object.defineProperty(globalThis, 'payload', {get() { return 'mine' }, configurable: true})",
    "payload = {toJSON() { leak = 1; return 2 }}",
    "delete globalThis.payload; delete globalThis.c",
    "globalThis.Math2 = Math; toString = 1; constructor = 2",
]


@pytest.mark.parametrize("left", SWEPT)
def test_what_can_be_swept_is_swept(bench: Any, left: str) -> None:
    assert bench.keeps_realm_of(f"function main(){{ {left} }}")
    assert bench.value("[typeof leak, Object.keys(globalThis).includes('Math2'), typeof toString]", payload={}) == (
        ["undefined", False, "function"]
    )
    assert bench.value("[Reflect.ownKeys(globalThis).filter((k) => typeof k === 'symbol').length, typeof c.JSON]") == (
        [0, "function"]
    )


@pytest.mark.parametrize("source", ["throw 1", "null.x", "c.JSON(1)", "leak = 1; throw leak"])
def test_a_realm_is_kept_after_an_error_that_left_no_trace(bench: Any, source: str) -> None:
    assert bench.keeps_realm_of(f"function main(){{ {source} }}")


@pytest.mark.parametrize(
    "source",
    [
        "Promise.resolve().then(() => {}); throw 1",
        "Object.defineProperty(globalThis, 'leak', {value: 1}); throw 1",
        "Object.preventExtensions(globalThis); throw 1",
        "const f = () => f(); f()",
    ],
)
def test_a_realm_is_dropped_after_an_error_that_left_one(bench: Any, source: str) -> None:
    assert not bench.keeps_realm_of(f"function main(){{ {source} }}")


def test_a_realm_is_kept_when_a_script_does_not_compile_as_nothing_of_it_ran(bench: Any) -> None:
    assert bench.keeps_realm_of("function main(){")


def test_a_realm_is_dropped_after_many_runs(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realms, "RUNS_PER_REALM", 3)
    used = set()
    for _ in range(8):
        bench.done("function main(){}")
        used.add(bench.realms._shared["flow"])
    assert len(used) == 3


def test_realms_of_flows_are_bounded_and_the_oldest_goes_first(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realms, "MAX_REALMS", 2)
    for flow in ("a", "b", "a", "c"):
        bench.done("function main(){}", flow=flow)
    assert sorted(bench.realms._shared) == ["a", "c"]


def test_a_forgotten_script_is_compiled_again_when_it_is_sent_again(bench: Any) -> None:
    order = bench.order("function main(){ payload = 1 }")
    bench.realms.run(order)
    bench.realms.forget([order.key, "never sent"])
    assert b"\n1" in bench.realms.run(order)


def test_a_fresh_realm_may_be_changed_and_is_gone_after_its_run(bench: Any) -> None:
    source = "Array.prototype.last = function () { return this[this.length - 1] }; String.prototype.x = 1; return [1, 2].last()"
    assert bench.done(source, entry="body", realm="fresh").result.payload == b"2"
    assert bench.value("[typeof [].last, typeof ''.x]", realm="fresh") == ["undefined"] * 2
    assert not bench.realms._shared


def test_every_object_a_script_can_reach_without_making_it_is_frozen(bench: Any) -> None:
    walk = """
      const seen = new Set(), loose = []
      const visit = (o, path) => {
        if (o === null || (typeof o !== 'object' && typeof o !== 'function') || seen.has(o) || o === globalThis) return
        seen.add(o)
        if (!Object.isFrozen(o)) loose.push(path)
        visit(Object.getPrototypeOf(o), path + '.__proto__')
        for (const k of Reflect.ownKeys(o)) {
          const d = Object.getOwnPropertyDescriptor(o, k)
          for (const part of ['value', 'get', 'set']) visit(d[part], `${path}.${String(k)}`)
        }
      }
      const proto = Object.getPrototypeOf
      visit(proto(globalThis), 'globals')
      for (const k of ['c', 'console', 'sleep', 'wkill']) visit(globalThis[k], k)
      const made = [[], {}, () => 1, function () {}, class {}, async () => 1, function* () {}, async function* () {}, /a/,
        new Map, new Set, new WeakMap, new WeakSet, new Date, 1n, 1, 'a', true, Symbol.iterator, new Proxy({}, {}),
        [].values(), [].entries(), new Map().keys(), new Set().values(), ''[Symbol.iterator](), 'a'.matchAll(/a/g),
        (function* () {})(), (async function* () {})(), (async () => 1)(), Promise.withResolvers().promise,
        Iterator.from({next() {}}), [].values().map((x) => x), [].values().filter((x) => x), [].values().take(1),
        [].values().drop(1), [].values().flatMap((x) => x), Iterator.concat([]), Iterator.zip?.([]),
        new Int8Array(1), new Int8Array(1).values(), new ArrayBuffer(1), new DataView(new ArrayBuffer(1)),
        (function () { return arguments })(), new Error, new AggregateError([]), new (class extends Array {}),
        c.Request(), c.Response(), c.Response().header(), Object.groupBy([], (x) => x), Map.groupBy([], (x) => x)]
      for (const e of ['null.x', "atob('!')", "JSON.parse('{')", "decodeURI('%')", "'x'.repeat(-1)"]) void e
      const thrown = [() => null.x, () => atob('!'), () => JSON.parse('{'), () => decodeURI('%'), () => 'x'.repeat(-1),
        () => (function f() { f() })(), () => Function(), () => missing, () => c.JSON(1), () => new Array(-1), () => Symbol() + 1]
      for (const f of thrown) try { f() } catch (e) { made.push(e) }
      for (const o of made) if (o !== undefined && o !== null) visit(proto(o), 'proto of ' + String(Object.prototype.toString.call(o)))
      for (const key of ['get', 'set']) {
        visit(Object.getOwnPropertyDescriptor((function () { 'use strict'; return arguments })(), 'callee')[key], 'thrower')
        visit(Object.getOwnPropertyDescriptor(Object.prototype, '__proto__')[key], '__proto__')
      }
      return loose
    """
    # class fields and constructors made here are the script's own and are not visited: only their prototypes' chain is.
    loose = loads(bench.done(walk, entry="body").result.payload)
    own = {"proto of [object Array]"}  # the prototype of the class that extends Array
    own |= {"proto of [object Array].constructor", "proto of [object Array].constructor.prototype"}
    own |= {"proto of [object Generator]", "proto of [object AsyncGenerator]"}  # of the script's own generators
    assert set(loose) <= own


SHADOWS = """
  const say = console.log
  const evil = (real, name) => {
    const fake = function (...values) { say('evil ' + name); return new.target ? Reflect.construct(real, values) : real.apply(this, values) }
    for (const k of Reflect.ownKeys(real)) {
      const value = real[k]
      try { Object.defineProperty(fake, k, {value: typeof value === 'function' && k !== 'prototype'
        ? (...values) => { say('evil ' + name + '.' + String(k)); return value.apply(real, values) } : value}) } catch {}
    }
    return fake
  }
  const fakes = {}
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(globalThis))) {
    const real = globalThis[name]
    if (typeof real === 'function') fakes[name] = evil(real, name)
  }
  const define = Object.defineProperty
  for (const name of Object.keys(fakes)) define(globalThis, name, {value: fakes[name], configurable: true})
"""
TOUCHES = (
    "c.request.headers; c.request.query; c.request.body; c.response.status = 200",
    "c.Request().userAgent(); c.Request().cookies(); c.Request().basicAuth()",
    "c.Response().header().get('a'); c.Response().status",
    "c.Logger().infof('%d', 1)",
    "c.XML(200, {a: 1})",
    "c.FormParams(); c.MultipartForm(); c.Bind({})",
    "vars.set('a', 1); vars.getAll()",
    "for (const m of ['util', 'url', 'querystring', 'path', 'crypto', 'buffer']) require(m)",
    "require('util').inspect({a: [1]}); require('querystring').parse('a=1'); new (require('url').URL)('http://ñ/')",
    "Buffer.from('a').toString('hex'); structuredClone({a: [1]}); new URLSearchParams('a=1').toString()",
    "new TextEncoder().encode('a'); new Headers({a: 'b'}); new AbortController().signal.aborted",
    "crypto.createHash('md5').update('a').digest('hex'); uuid(); template('{{.a}}', {a: 1})",
    "setTimeout(() => {}, 0); queueMicrotask(() => {})",
    "rule_add_fx('f', () => 1); rule_run({}, {}, 'f() == 1 | a = 1'); clean_json('{}'); find_element('a', {a: 1})",
    "db.prepare('q'); http.get('u').catch(() => {}); db.query('q').catch(() => {})",
    "redis_hget('a', 'b').val; set_env('a', 'b'); get_env('a'); time_now_day()",
)


@pytest.mark.parametrize("touch", TOUCHES)
def test_nothing_is_linked_with_what_a_run_put_before_the_built_ins(bench: Any, touch: str) -> None:
    """Most objects scripts see are made when first asked for: then they must not take up a run's own `Object`."""
    request = {"headers": {"Cookie": ["a=b"], "Authorization": ["Basic YTpi"]}, "query": [["a", "1"]], "fields": []}
    for source in (f"{SHADOWS}; try {{ {touch} }} catch {{}}", f"{SHADOWS}; {touch}"):
        bench.run(source, entry="body", request=request)
        after = bench.run(f"try {{ {touch} }} catch (e) {{ console.log(e.message) }}", entry="body", request=request)
        logs = after.result.logs if hasattr(after, "result") else after.logs
        assert not [text for _, text in logs if "evil" in text]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "sleep(0)",
        "http.get('u').catch(() => {})",
        "Promise.reject(1)",
        "c.XML(200, {}); c.request",
        "throw 1",
        "require('util')",
    ],
)
def test_a_used_realm_is_freed_without_the_collector(bench: Any, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """A sandbox has none: it would touch, and so copy, the pages it shares."""
    made: list[weakref.ref[realms.Realm]] = []
    make = realms.Realm.__init__

    def remembered(realm: realms.Realm, *given: Any, **options: Any) -> None:
        made.append(weakref.ref(realm))
        make(realm, *given, **options)

    monkeypatch.setattr(realms.Realm, "__init__", remembered)
    gc.disable()
    try:
        for _ in range(5):
            bench.run(source, entry="body", realm="fresh")
        alive = [realm for realm in made if realm() is not None]
    finally:
        gc.enable()
    assert len(made) >= 5
    assert len(alive) == 1, "the spare one"
