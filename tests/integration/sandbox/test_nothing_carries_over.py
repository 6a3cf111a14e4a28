"""The oracle of the warm sandbox: script B after script A on a used process answers as B alone on a new one.

Scripts are drawn from statements that write to everything a script can reach and statements that read it; a seed names
each pair, and is printed when it fails.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from actors.sandbox import frames

FUNCTIONS = ("crm.add",)
NAMES = ("leak", "payload", "next", "c", "key", "Math", "JSON", "toString", "constructor", "x1", "__proto__", "then")
OBJECTS = (
    "globalThis", "Object.prototype", "Array.prototype", "Function.prototype", "String.prototype", "Error.prototype",
    "Promise.prototype", "RegExp.prototype", "Object", "Array", "Promise", "JSON", "Math", "c", "c.JSON", "console",
    "console.log", "c.Request()", "c.Response().header()", "sleep", "arguments.callee", "arguments.callee.prototype",
    "Object.getPrototypeOf(globalThis)", "Object.getPrototypeOf([].values())", "Object.getPrototypeOf(function* () {})",
    "Object.getPrototypeOf(async function () {})", "((s) => s)`t`", "((s) => s)`t`.raw", "Symbol.for('leak')", "/re/g",
    "Object.getPrototypeOf(Int8Array)", "payload", "vars", "header", "form", "nflow_data", "new Error('e')", "atob",
    "Object.getPrototypeOf(vars)", "vars.get", "c.request", "c.response", "http", "http.get", "db", "db.query", "setTimeout",
    "Buffer", "Buffer.prototype", "URL", "URL.prototype", "crypto", "require", "require('util')", "mail", "crm", "crm.add",
    "Object.getPrototypeOf(http.get('u'))", "redis_hget('k')", "queueMicrotask", "structuredClone", "rule_run",
)  # fmt: skip
WRITES = (
    "{o}.{n} = '{v}'",
    "{o}['{n}'] = () => '{v}'",
    "{n} = '{v}'",
    "{n} = {{toString() {{ return '{v}' }}, toJSON() {{ {n2} = '{v}'; return '{v}' }}}}",
    "delete {o}.{n}",
    "delete globalThis.{n}",
    "Object.defineProperty({o}, '{n}', {{value: '{v}', configurable: true}})",
    "Object.defineProperty({o}, '{n}', {{value: '{v}', configurable: false}})",
    "Object.defineProperty({o}, '{n}', {{get() {{ return '{v}' }}, set(v) {{ {n2} = v }}, configurable: true}})",
    "Object.defineProperty(globalThis, Symbol.for('{n}'), {{value: '{v}'}})",
    "Object.setPrototypeOf({o}, {{{n}: '{v}'}})",
    "Object.setPrototypeOf({o}, null)",
    "Object.freeze({o})",
    "Object.preventExtensions({o})",
    "Reflect.set({o}, '{n}', '{v}')",
    "{o}.__defineGetter__('{n}', () => '{v}')",
    "Promise.resolve().then(() => {{ {n} = '{v}' }})",
    "Promise.reject('{v}')",
    "(async () => {{ await null; globalThis.{n} = payload; await null; {n2} = '{v}' }})()",
    "payload = {{toJSON() {{ Promise.resolve().then(() => {{ {n} = '{v}' }}); return '{v}' }}}}",
    "next = {{toString() {{ globalThis.{n} = '{v}'; return '{v}' }}}}",
    "for ({n} in {{'{v}': 1}});",
    "for ({n} of ['{v}', 1]);",
    "{n} ??= '{v}'; {n2} ||= {n}",
    "c.Set('{n}', '{v}')",
    "vars.set('{n}', '{v}'); vars.{n2} = ['{v}']",
    "set_env('{n}', '{v}'); env.{n2} = '{v}'",
    "rule_add_fx('{n}', () => '{v}')",
    "crm.add('{v}').then(() => {{ {n} = '{v}' }})",
    "setTimeout(() => {{ {n} = '{v}'; {n2} = payload }}, 0)",
    "const i = setInterval(() => {{ clearInterval(i); {n} = '{v}'; throw '{v}' }}, 1); throw '{v}'",
    "clearTimeout(setTimeout(() => {{ {n} = '{v}' }}, 1e8)); throw '{v}'",
    "queueMicrotask(() => {{ {n} = '{v}'; throw '{v}' }})",
    "http.get('{v}').then((r) => {{ r.{n} = '{v}' }}, (e) => {{ e.{n} = '{v}' }})",
    "db.transaction(async (tx) => {{ tx.{n} = '{v}'; globalThis.{n2} = tx }})",
    "db.query('q', {{toJSON() {{ {n} = '{v}'; return 1 }}}})",
    "payload = {{toJSON() {{ crm.add(1).then(() => {{ {n} = '{v}' }}); setTimeout(() => {{ {n2} = 1 }}); return '{v}' }}}}",
    "class P extends Promise {{}}; P.all([crm.add('{v}')]).then(() => {{ {n} = '{v}' }})",
    "const p = crm.add(1); p.then = (f) => {{ {n} = f; f('{v}') }}; await_ = Promise.resolve(p)",
    "c.response.status = 201; c.response.set('X-{v}', '{v}')",
    "Buffer.from('{v}').{n} = 1; require('util').inspect.{n} = '{v}'; Buffer.poolSize = 1",
    "c.SetHeader('X-{v}', '{v}')",
    "c.String(200, '{v}')",
    "c.JSON(201, {{{n}: '{v}'}})",
    "console.log('{v}', {o})",
    "sleep('{v}')",
    "arguments.callee.{n} = '{v}'",
    "payload.{n} = '{v}'",
    "payload = '{v}'",
    "next = '{v}'",
    "vars.{n} = '{v}'; header.{n} = ['{v}']; nflow_data.{n} = '{v}'",
    "Error.prepareStackTrace = () => '{v}'; Error.stackTraceLimit = 1",
    "/(a)(b)/.exec('ab'); new Date(5); Math.random()",
    "with ({o}) {{ {n} = '{v}' }}",
    "[3, 1].sort(() => {{ {n} = '{v}'; return 1 }})",
    "throw '{v}'",
    "null.{n}",
)
READS = (
    "say({o}.{n})",
    "say('{n}' in Object({o}), Object.isExtensible({o}))",
    "say(typeof {n})",
    "say({n})",
    "say(Reflect.ownKeys({o}).length)",
    "say(Object.keys({o}))",
    "say(JSON.stringify(Object.getOwnPropertyDescriptor({o}, '{n}')))",
    "say(Object.getPrototypeOf({o}) === null, String(Object.getPrototypeOf({o})))",
    "say(Symbol.for('{n}') in globalThis)",
    "say(c.Get('{n}'), c.QueryParam('{n}'), c.Response().header().get('X-{v}'))",
    "say(`${{{o}}}`)",
    "say(vars.getAll(), vars.get('{n}'), vars.has('{n2}'), get_env('{n}'), env)",
    "say(rule_run({{}}, {{}}, '{n}() == 1 | a = 1'))",
    "say(await Promise.all([crm.add('{v}'), crm.add(1)])); say(typeof {n})",
    "await new Promise((done) => setTimeout(done, 0)); say(typeof {n}, typeof {n2})",
    "say(Object.keys(http), Object.keys(db), Object.keys(crm), Object.keys(require('url')))",
    "say(Buffer.from('{v}').toString('hex'), new URL('http://a/{v}').pathname, crypto.createHash('md5').update('{v}').digest('hex'))",
    "say(c.request.headers, c.request.query, c.response.status, c.response.{n})",
    "say(setTimeout(() => {{}}, 0), setTimeout(() => {{}}, 0))",
    "try {{ say(await http.get('u')) }} catch (e) {{ say(e.name, e.message, e.{n}) }}",
    "say(JSON.stringify({{a: [1, {{b: 2}}]}}), [1, 2].map((x) => x + 1), 'a-b'.split('-'), {{}} + '')",
    "say(payload, next, vars, header, form, nflow_data, env, wid)",
    "say(new Error('m').stack.split('\\n').length > 1, new Error('m') + '', Object.keys(new Error('m')))",
    "say([...'ab'], [...[1, 2].values()], [...new Map([[1, 2]])], /(?<g>a)/g.exec('a').groups.g)",
    "try {{ missing_{v} }} catch (e) {{ say(e.name, e.message, e.{n}) }}",
    "try {{ (() => 1).constructor('1') }} catch (e) {{ say(e.message) }}",
    "await 0; say(typeof {n}, typeof globalThis.{n2})",
    "say(arguments.callee.{n}, arguments.length, this === globalThis)",
    "say(Object.keys(globalThis))",
    "say(Object.getOwnPropertySymbols(globalThis).length)",
)
PREAMBLE = """
const said = []
function show(x, depth) {
  try {
    if (x === globalThis) return 'global'
    if (typeof x === 'function') return 'f:' + x.name + ':' + x.length
    if (typeof x !== 'object' || x === null || depth > 2) return typeof x + ':' + String(x)
    return Array.isArray(x) ? x.map((y) => show(y, depth + 1))
      : Object.getOwnPropertyNames(x).sort().map((k) => k + '=' + show(x[k], depth + 1))
  } catch (e) { return 'e:' + String(e) }
}
function say(...all) { said[said.length] = all.map((x) => show(x, 0)) }
"""


def script(random_: random.Random, names: list[str], objects: list[str], *, reads: bool) -> tuple[str, str]:
    """(entry, source) of one script over these names and objects: few, so that reads meet writes."""
    entry = random_.choice(("body", "async"))
    lines = []
    for _ in range(random_.randint(3, 8)):
        template = random_.choice(READS if reads and random_.random() < 0.8 else WRITES)
        if "await" in template and entry == "body" and "async ()" not in template:
            continue
        line = template.format(
            o=random_.choice(objects),
            n=random_.choice(names),
            n2=random_.choice(names),
            v="v" + str(random_.randint(0, 2)),
        )
        lines.append(f"try {{ {line} }} catch (e) {{ say('caught', String(e)) }}" if random_.random() < 0.85 else line)
    return entry, PREAMBLE + "\n".join(lines) + ("\nreturn said" if reads else "")


REQUEST = {"vars": {"a": "1"}, "headers": {"X-A": ["1"]}, "query": [["leak", "q"]], "wid": "w"}
STATICS = {"nflow_data": {"field": "f"}, "current_box": "b"}


def run(child: Any, entry: str, source: str) -> Any:
    return child.run(source, entry=entry, request=REQUEST, statics=STATICS, payload=b'{"p":1}')


def told(outcome: Any) -> Any:
    """What a caller sees of an outcome."""
    if isinstance(outcome, frames.Done):
        result = outcome.result
        return result.next, result.payload, result.answer, result.headers, result.logs
    if isinstance(outcome, frames.Failed):
        return outcome.kind, outcome.name, outcome.message, outcome.stack, outcome.logs
    return outcome


@pytest.mark.parametrize("block", range(6))
def test_a_script_answers_after_any_other_as_it_does_alone(nursery: Any, block: int) -> None:
    for seed in range(block * 40, block * 40 + 40):
        random_ = random.Random(seed)
        names, objects = random_.sample(NAMES, 2), random_.sample(OBJECTS, 4)
        entry, source = script(random_, names, objects, reads=True)
        before = [script(random_, names, objects, reads=False) for _ in range(random_.randint(1, 3))]
        alone = nursery.child(functions=FUNCTIONS)
        expected = told(run(alone, entry, source))
        alone.close()
        used = nursery.child(functions=FUNCTIONS)
        for earlier in before:
            if getattr(run(used, *earlier), "discard", False):
                used.close()
                used = nursery.child(functions=FUNCTIONS)
        got = told(run(used, entry, source))
        again = told(run(used, entry, source))
        used.close()
        assert got == expected, f"seed {seed}, after {before}: {source}"
        assert again == expected, f"seed {seed}, after itself: {source}"


def test_payloads_of_one_run_are_never_seen_in_another(nursery: Any) -> None:
    child = nursery.child(functions=FUNCTIONS)
    keeper = """
      globalThis.kept = payload; c.Set('kept', payload); arguments.callee.kept = payload
      const later = () => { globalThis.seen = payload; Promise.resolve().then(later) }
      return {toJSON() { Promise.resolve().then(later); return payload.n }}
    """
    for number in range(50):
        kept = child.run(keeper, entry="body", payload=b'{"n":"secret-%d"}' % number)
        assert kept.result.payload == b'"secret-%d"' % number
        looked = child.run(
            "return [typeof kept, typeof seen, c.Get('kept'), arguments.callee.kept, payload]",
            entry="body",
            payload=b'"mine"',
        )
        assert looked.result.payload == b'["undefined","undefined",null,null,"mine"]'
    child.close()
