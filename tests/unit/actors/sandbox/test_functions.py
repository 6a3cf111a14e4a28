"""The functions nFlow gives to scripts: what crosses to the runtime, and what is done where the script runs."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from actors.sandbox.child.names import ROOMS
from protocol.codec import loads

HERE = {
    *(
        "calcular_sha512",
        "calcular_sha512_224",
        "calcular_sha512_256",
        "template",
        "mustache",
        "mail",
        "security",
        "program",
    ),
    *("redis_hset", "redis_hget", "redis_hdel", "redis_expire", "uuid", "find_element", "clean_json", "atob"),
    *("url_values_to_map", "new_map", "get_env", "set_env"),
}
CALLS = sorted(name for name in ROOMS["functions"] if name not in HERE and not name.startswith("time_now_"))


@pytest.mark.parametrize("name", CALLS)
def test_a_function_of_nflow_asks_the_runtime_under_its_own_name(bench: Any, name: str) -> None:
    bench.reply = lambda name, arguments: '1{"a":[1]}'
    assert bench.value(f"[{name}('x', {{a: [1]}}, 2), {name}.name]") == [{"a": [1]}, name]
    assert bench.calls == [(name, ["x", {"a": [1]}, 2])]


@pytest.mark.parametrize("name", ["redis_hset", "redis_hget", "redis_hdel", "redis_expire"])
def test_a_redis_function_gives_a_command_to_ask(bench: Any, name: str) -> None:
    bench.reply = lambda name, arguments: '1{"val":"v","err":null}'
    source = f"const r = {name}('k', 'f', 'v'); return [r.val(), r.err(), r.result()]"
    assert loads(bench.done(source, entry="body").result.payload) == ["v", None, "v"]
    bench.reply = lambda name, arguments: '1{"val":"","err":"redis: nil"}'
    source = f"const r = {name}('k'); try {{ r.result() }} catch (e) {{ return [r.val(), r.err(), e.message] }}"
    assert loads(bench.done(source, entry="body").result.payload) == ["", "redis: nil", "redis: nil"]


def test_mail_is_sent_by_a_promise_and_security_answers_at_once(bench: Any) -> None:
    bench.reply = lambda name, arguments: f'1"{name}"'
    source = "return [security.encrypt('a'), security.decrypt('b'), await mail.send({to: 'x'})]"
    payload = bench.done(source, entry="async").result.payload
    assert loads(payload) == ["security.encrypt", "security.decrypt", "mail.send"]
    assert bench.calls[2] == ("mail.send", [{"to": "x"}])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("find_element('a.b.0.c', {a: {b: [{c: 5}]}})", 5),
        ("find_element('a', {a: null})", None),
        ("find_element('1', ['x', 'y'])", "y"),
        ("clean_json('```json\\n{\"a\": 1}\\n```')", '{"a": 1}'),
        ("clean_json(' ```\\n[1]``` ')", "[1]"),
        ("clean_json('{}')", "{}"),
        ("atob('aG9sYSDDsQ==')", "hola ñ"),
        ("atob('?')", ""),
        ("atob(btoa('\\xff\\xfe')) === '\\xff\\xfe'", True),
        ("url_values_to_map({a: ['1', '2'], b: 'x'})", {"a": ["1", "2"], "b": ["x"]}),
        ("new_map()", {}),
        ("get_env('K') + get_env('none') + get_env('toString')", "v"),
        ("(set_env('K', 5), [get_env('K'), env.K])", ["5", "5"]),
        ("calcular_sha512_256('abc')", "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
        ("calcular_sha512_224('abc')", "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa"),
        ("calcular_sha512('ñ').slice(0, 16)", "3a3a27b210190f85"),
        ("template('<p>{{.name}}</p>', {name: '<b>'})", "<p>&lt;b&gt;</p>"),
        ("mustache('<p>{{name}}</p>', {name: '<b>'})", "<p>&lt;b&gt;</p>"),
        ("mustache('{{#a}}', {})", ""),
    ],
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_functions_done_where_the_script_runs(bench: Any, realm: str, expression: str, expected: Any) -> None:
    assert bench.value(expression, realm=realm, request={"env": {"K": "v"}}) == expected
    assert bench.calls == []


def test_nflows_atob_is_the_scripts_and_not_the_librarys(bench: Any) -> None:
    source = "[atob('w7E='), Buffer.from('w7E=', 'base64').toString('latin1'), (() => { try { structuredClone(() => 1) } catch (e) { return e.name } })()]"
    assert bench.value(source) == ["ñ", "\xc3\xb1", "DataCloneError"]


@pytest.mark.parametrize("path", ["b", "a.x", "a.b.c", "a.b.9", "", "a..b", "toString", "a.__proto__"])
def test_a_path_that_leads_nowhere_is_thrown(bench: Any, path: str) -> None:
    failed = bench.failed(f"function main() {{ find_element('{path}', {{a: {{b: [1]}}}}) }}")
    assert failed.message.startswith("Error: find_element: there is no ")


@pytest.mark.parametrize("source", ["template('{{', {})", "template('{{nope .a}}', {})", "template(5)"])
def test_a_template_that_fails_is_thrown_and_can_be_caught(bench: Any, source: str) -> None:
    assert bench.failed(f"function main() {{ {source} }}").kind == "exception"
    caught = f"try {{ {source} }} catch (e) {{ return e instanceof Error && e.message !== '' }}"
    assert bench.done(caught, entry="body").result.payload == b"true"


def test_the_result_of_a_local_function_is_capped(bench_with: Any) -> None:
    failed = bench_with(output_bytes=1000).failed("function main() { template('{{.a}}'.repeat(900), {a: 'xx'}) }")
    assert (failed.kind, failed.name) == ("exception", "RangeError")


def test_an_uuid_is_one_of_version_4_and_never_the_same(bench: Any) -> None:
    ids = bench.value("Array.from({length: 20}, () => uuid())")
    assert len(set(ids)) == 20
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one) for one in ids)


def test_the_time_is_told_in_its_parts(bench: Any) -> None:
    parts = bench.value(
        "[time_now_unix(), time_now_unix_nano(), time_now_year(), time_now_month(), time_now_day(), time_now_hour(),"
        " time_now_minute(), time_now_second(), time_now_weekday()]"
    )
    assert abs(parts[0] - time.time()) < 5
    assert abs(parts[1] / 1e9 - time.time()) < 5
    now = time.gmtime(parts[0])
    assert parts[2:] == [
        now.tm_year,
        now.tm_mon,
        now.tm_mday,
        now.tm_hour,
        now.tm_min,
        now.tm_sec,
        (now.tm_wday + 1) % 7,
    ]


def test_what_one_run_sets_in_its_environment_is_not_there_in_the_next(bench: Any) -> None:
    bench.value("set_env('K', 'changed')", request={"env": {"K": "v"}})
    assert bench.value("[get_env('K'), env]", request={"env": {"K": "v"}}) == ["v", {"K": "v"}]
    assert bench.value("get_env('K')") == ""


# --- plugins ---


def test_functions_of_plugins_are_promises_under_their_names(bench_with: Any) -> None:
    bench = bench_with(functions=("crm.add", "crm.find", "notify", "uuid"))
    bench.reply = lambda name, arguments: f'1["{name}",{len(arguments)}]'
    source = "return [await notify(1), await crm.find(), await crm.add(1, 2), typeof uuid(), Object.keys(crm), crm.find.name]"
    payload = loads(bench.done(source, entry="async").result.payload)
    assert payload[:3] == [["notify", 1], ["crm.find", 0], ["crm.add", 2]]
    assert payload[3:] == ["string", ["add", "find"], "find"], "a plugin cannot take a name of nFlow's"


def test_a_plain_function_of_a_plugin_gives_its_value_at_once(bench_with: Any) -> None:
    bench = bench_with(functions=("myPlugin.doSomething!", "saludar!"))
    bench.reply = lambda name, arguments: f'1["{name}",{len(arguments)}]'
    assert bench.value("[myPlugin.doSomething('x'), saludar(), Object.keys(myPlugin), saludar.name]") == [
        ["myPlugin.doSomething", 1], ["saludar", 0], ["doSomething"], "saludar",
    ]  # fmt: skip


def test_no_function_given_to_scripts_can_be_changed_in_a_shared_realm(bench_with: Any) -> None:
    bench = bench_with(functions=("crm.add",))
    names = sorted(name for names in ROOMS.values() for name in names)
    source = f"""
      const loose = [], seen = new Set()
      const visit = (o, path) => {{
        if (o === null || (typeof o !== 'object' && typeof o !== 'function') || seen.has(o)) return
        seen.add(o)
        if (!Object.isFrozen(o)) loose.push(path)
        visit(Object.getPrototypeOf(o), path + '.__proto__')
        for (const k of Reflect.ownKeys(o)) {{
          const d = Object.getOwnPropertyDescriptor(o, k)
          for (const part of ['value', 'get', 'set']) visit(d[part], `${{path}}.${{String(k)}}`)
        }}
      }}
      for (const [name, value] of Object.entries({{{", ".join(names)}, crm}})) visit(value, name)
      return loose
    """
    assert bench.done(source, entry="body").result.payload == b"[]"


# --- rules ---


@pytest.mark.parametrize(
    ("rules", "output"),
    [
        (["n > 1 | level = 'high'"], {"plan": "free", "level": "high"}),
        (["n > 9 | level = 'high'"], {"plan": "free"}),
        (["plan == 'free' && who.age >= 18 | adult = true, plan = 'paid'", "plan == 'paid' | x = n * 2 + 1"],
         {"plan": "paid", "adult": True, "x": 11}),
        (["!(n < 5) || missing | a = -n"], {"plan": "free", "a": -5}),
        (["twice(n) == 10 | a = twice(add(n, 1))"], {"plan": "free", "a": 12}),
        (["true | t = \"q\\\"\" ; u = null"], {"plan": "free", "t": 'q"', "u": None}),
        (["false && missing | a = 1"], {"plan": "free"}),
        (["2 + 3 * 4 - 6 / 2 % 2 == 13 | ok = true"], {"plan": "free", "ok": True}),
    ],
)  # fmt: skip
def test_rules_assign_where_their_condition_holds(bench: Any, rules: list[str], output: dict[str, Any]) -> None:
    source = f"""
      rule_add_fx('twice', (x) => 2 * x, null); rule_add_fx('add', (a, b) => a + b)
      return rule_run({{n: 5, who: {{age: 20}}}}, {{plan: 'free'}}, ...{rules})
    """
    assert loads(bench.done(source, entry="body").result.payload) == {"output": output, "err": None}


@pytest.mark.parametrize(
    "rule",
    ["missing > 1 | a = 1", "nope() | a = 1", "n > | a = 1", "n | a", "n", "n @ 1 | a = 1", "n | a = 1 b", "(" * 500],
)
def test_a_rule_that_fails_is_told_and_not_thrown(bench: Any, rule: str) -> None:
    told = bench.value(f"rule_run({{n: 1}}, {{}}, '{rule}')")
    assert "rule: " in told["err"]


def test_functions_of_rules_are_those_of_the_run(bench: Any) -> None:
    bench.done("rule_add_fx('mine', () => 1)", entry="body")
    assert "there is no function mine" in bench.value("rule_run({}, {}, 'mine() | a = 1')")["err"]


# --- require ---


@pytest.mark.parametrize("name", ["util", "url", "querystring", "path", "crypto", "buffer", "console", "node:util"])
def test_modules_that_may_be_required(bench: Any, name: str) -> None:
    assert bench.value(f"typeof require('{name}')") in ("object", "function")


@pytest.mark.parametrize(
    "name", ["fs", "child_process", "./mod.js", "/etc/passwd", "toString", "__proto__", "", "constructor"]
)
def test_any_other_module_is_refused(bench: Any, name: str) -> None:
    failed = bench.failed(f"function main() {{ require('{name}') }}")
    assert failed.message.startswith(
        f"Error: module '{name}' is not allowed; there are console, util, url, querystring, path, crypto, buffer"
    )
