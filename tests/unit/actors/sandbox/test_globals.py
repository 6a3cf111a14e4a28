"""What a script finds when it begins, and what becomes of what it leaves."""

from __future__ import annotations

from typing import Any

import pytest

from actors.sandbox.child.names import OF_THE_RUN, ROOMS, Names
from protocol.codec import loads

REQUEST = {
    "vars": {"name": "bob"},
    "query": [["a", "1"], ["a", "2"], ["b", "q"]],
    "query_string": "a=1&a=2&b=q",
    "fields": [["b", "f"], ["x", "3"]],
    "headers": {"X-A": ["one", "two"]},
    "post_data": {"*": "p"},
    "env": {"K": "v"},
    "url_base": "http://h/",
    "wid": "w1",
    "endpoint": "/e",
}
STATICS = {
    "nflow_data": {"field": "f"},
    "current_box": "b1",
    "__outputs": {"output_1": "b2"},
    "__flow_name": "W",
    "__flow_app": "app",
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("payload", {"p": [1]}),
        ("next", "output_1"),
        ("vars", {"name": "bob"}),
        ("vars === path_vars", True),
        ("post_data", {"*": "p"}),
        ("form", {"b": ["f", "q"], "x": ["3"], "a": ["1", "2"]}),
        ("header['X-A'][0]", "one"),
        ("env.K", "v"),
        ("config", {}),
        ("nflow_data", {"field": "f"}),
        ("nflow_data === dromedary_data", True),
        ("nflow_endpoint", "/e"),
        ("wid", "w1"),
        ("url_base", "http://h/"),
        ("current_box", "b1"),
        ("prev_box", "b0"),
        ("__outputs['output_1']", "b2"),
        ("__flow_name + __flow_app", "Wapp"),
        ("c === echo_context", True),
        ("typeof console.log + typeof console.error + typeof console.debug", "functionfunctionfunction"),
        ("typeof sleep + typeof wkill", "functionfunction"),
        ("Object.keys(globalThis).length >= 20", True),
        ("globalThis.payload.p[0]", 1),
        ("(function () { return this.wid })()", "w1"),
        ("w\\u0069d", "w1"),
        ("({ m() { return super.valueOf() } }).m.call(undefined).wid", "w1"),
    ],
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_the_globals_of_nflow(bench: Any, realm: str, expression: str, expected: object) -> None:
    assert (
        bench.value(expression, request=REQUEST, statics=STATICS, payload={"p": [1]}, previous="b0", realm=realm)
        == expected
    )


@pytest.mark.parametrize(
    "expression",
    [
        "typeof eval",
        "typeof WeakRef",
        "typeof FinalizationRegistry",
        "typeof SharedArrayBuffer",
        "typeof Atomics",
        "typeof performance",
        "typeof InternalError",
        "typeof process",
        "typeof __nflow",
        "typeof globalThis.__nflow",
        "typeof hostCall",
        "typeof scripts",
    ],
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_what_is_not_there(bench: Any, realm: str, expression: str) -> None:
    assert bench.value(expression, realm=realm) == "undefined"


def test_missing_request_parts_are_empty_not_absent(bench: Any) -> None:
    assert bench.value("[vars, post_data, form, header, env, wid, url_base, nflow_endpoint]") == (
        [{}, {}, {}, {}, {}, "", "", ""]
    )


@pytest.mark.parametrize(
    ("text", "names", "rooms"),
    [
        ("function main(){ c.JSON(200, payload) }", {"c", "payload"}, set()),
        ("function main(){ x.form = `${wid}` }", {"form", "wid"}, set()),
        ("sleep(1); uuid()", {"sleep", "uuid"}, {"functions"}),
        ("o.sleep(o.http, o?.db, o.uuid)", set(), set()),
        ("[...uuid()]", {"uuid"}, {"functions"}),
        ("'http://x' + my_http + $db + db$", set(), set()),
        ("await http.get('https://x')", {"http"}, {"http"}),
        ("require('crypto')", {"require", "crypto"}, {"library"}),
        ("this", set(OF_THE_RUN), set()),
        ("super.x()", set(OF_THE_RUN), set()),
        ("'\\u0041'", set(OF_THE_RUN), set()),
        ("globalThis['sle' + 'ep']", set(OF_THE_RUN), set()),
        ("globalThis.sleep(1)", {*OF_THE_RUN, "sleep"}, {"functions"}),
        ("tell(1); crm.add(2); crm.more", {"tell", "crm"}, {"functions"}),
    ],
)
def test_a_text_is_given_what_it_reaches_and_nothing_else(text: str, names: set[str], rooms: set[str]) -> None:
    reach = Names(("tell", "crm.add")).reach(text)
    assert (set(reach.names), set(reach.rooms)) == (names, rooms)


@pytest.mark.parametrize("name", sorted(name for names in ROOMS.values() for name in names))
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_every_global_of_a_room_is_there_when_it_is_named(bench: Any, realm: str, name: str) -> None:
    assert bench.value(f"typeof {name}", realm=realm) in ("function", "object")


# --- payload and next ---


def test_payload_and_next_are_what_main_leaves(bench: Any) -> None:
    result = bench.done("function main(){ payload.b = 2; next = 'output_2' }", payload={"a": 1}).result
    assert (loads(result.payload), result.next) == ({"a": 1, "b": 2}, "output_2")


@pytest.mark.parametrize(
    ("left", "payload"),
    [
        ("payload = undefined", b"null"),
        ("payload = null", b"null"),
        ("payload = 5", b"5"),
        ("payload = 'x'", b'"x"'),
        ("payload = [1, , undefined]", b"[1,null,null]"),
        ("payload = () => 1", b"null"),
        ("payload = {u: undefined, n: NaN, f() {}}", b'{"n":null}'),
        ("payload = new Date(0)", b'"1970-01-01T00:00:00.000Z"'),
        ("payload = {toJSON() { return 7 }}", b"7"),
        ("delete payload", b"null"),
        ("payload = {s: '\\ud800', t: '\\\\ud800'}", b'{"s":"\\ufffd","t":"\\\\ud800"}'),
        ("payload = {s: 'a\\0b'}", b'{"s":"a\\u0000b"}'),
        ("payload = 'x'.repeat(100000)", b'"' + b"x" * 100_000 + b'"'),
    ],
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_any_json_value_is_a_payload(bench: Any, realm: str, left: str, payload: bytes) -> None:
    assert bench.done(f"function main(){{ {left} }}", realm=realm).result.payload == payload


def test_a_payload_the_text_cannot_reach_goes_on_byte_for_byte(bench: Any) -> None:
    order = bench.order("function main(){ c.String(200, 'x') }")._replace(payload=b'{ "b":1, "a":2.0 }')
    assert b'{ "b":1, "a":2.0 }' in bench.realms.run(order)


@pytest.mark.parametrize(
    "left", ["payload = 1n", "payload = {}; payload.a = payload", "payload = {get x() { throw 1 }}"]
)
def test_a_payload_that_is_no_json_is_an_exception(bench: Any, left: str) -> None:
    assert bench.failed(f"function main(){{ {left} }}").kind == "exception"


@pytest.mark.parametrize(
    ("value", "following"), [("'x'", "x"), ("5", "5"), ("null", "null"), ("undefined", "undefined"), ("'é'", "é")]
)
def test_next_is_always_text(bench: Any, value: str, following: str) -> None:
    assert bench.done(f"function main(){{ next = {value} }}").result.next == following


def test_next_and_payload_may_be_declared_by_the_script(bench: Any) -> None:
    declared = "var next = 'output_2', payload = {own: 1}\nfunction main(){ payload.more = 2 }"
    result = bench.done(declared).result
    assert (result.next, loads(result.payload)) == ("output_2", {"own": 1, "more": 2})
    local = "function main(){ let node = {}; let next = node.next; payload.n = next === undefined }"
    result = bench.done(local).result
    assert (result.next, loads(result.payload)) == ("output_1", {"n": True})


# --- entries ---


def test_main_returns_nothing_that_counts(bench: Any) -> None:
    assert bench.done("function main(){ return {a: 1} }", payload={"b": 2}).result.payload == b'{"b":2}'
    assert bench.done("function main(){ payload.c = 3; return {a: 1} }", payload={"b": 2}).result.payload == (
        b'{"b":2,"c":3}'
    )


def test_top_level_statements_run_before_main(bench: Any) -> None:
    source = "const seen = [];\nseen.push(1);\nfunction helper(){ seen.push(2) }\nfunction main(){ helper(); payload = seen }"
    assert bench.done(source).result.payload == b"[1,2]"


def test_a_body_may_return_its_payload_or_define_main(bench: Any) -> None:
    assert bench.done("return {a: payload.b}", entry="body", payload={"b": 1}).result.payload == b'{"a":1}'
    assert bench.done("payload.c = 1", entry="body", payload={"b": 1}).result.payload == b'{"b":1,"c":1}'
    assert bench.done("function main(){ return [1] }", entry="body").result.payload == b"[1]"
    assert bench.done("function main(){ payload = 2 }", entry="body").result.payload == b"2"


def test_an_async_body_may_await(bench: Any) -> None:
    source = "const x = await Promise.resolve(20); payload.seen = x; return {x: x + 1}"
    assert bench.done(source, entry="async").result.payload == b'{"x":21}'
    assert bench.done("async function main(){ await 1; return [2] }", entry="async").result.payload == b"[2]"


def test_an_async_main_is_awaited(bench: Any) -> None:
    assert bench.done("async function main(){ await null; payload.late = true }").result.payload == b'{"late":true}'


def test_jobs_run_before_the_step_ends(bench: Any) -> None:
    source = "function main(){ Promise.resolve().then(() => { payload.job = 1 }).then(() => { next = 'output_2' }) }"
    result = bench.done(source).result
    assert (result.payload, result.next) == (b'{"job":1}', "output_2")


def test_a_rejected_async_main_is_an_exception(bench: Any) -> None:
    failed = bench.failed("async function main(){ await null; throw new TypeError('late') }")
    assert (failed.kind, failed.name) == ("exception", "TypeError")
    assert failed.message == "TypeError: late at main (workflow:1:46)"


def test_awaiting_what_never_comes_is_an_exception(bench: Any) -> None:
    failed = bench.failed("async function main(){ await new Promise(() => {}) }")
    assert failed.kind == "exception"
    assert "awaits something that never comes" in failed.message


# --- errors ---


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("function main(){ throw new Error('boom') }", "Error: boom at main (workflow:1:28)"),
        ("function main(){\n\n  null.x }", "TypeError: cannot read property 'x' of null at main (workflow:3:3)"),
        ("\nlet a = 1\nmissing()\nfunction main(){}", "ReferenceError: missing is not defined at workflow:3:1"),
        ("function main(){ throw new RangeError }", "RangeError at main (workflow:1:28)"),
        ("function main(){ const e = new Error('x'); e.name = 'Mine'; throw e }", "Mine: x at main (workflow:1:32)"),
        ("function main(){ throw 'text' }", "text"),
        ("function main(){ throw 7 }", "7"),
        ("function main(){ throw null }", "null"),
        ("function main(){ throw undefined }", "undefined"),
        ("function main(){ throw Symbol('s') }", "Symbol(s)"),
        ("function main(){ throw {} }", "[object Object]"),
        ("function main(){ throw Object.create(null) }", "the script threw something that cannot be read"),
        ("function main(){ throw {toString(){ throw 1 }} }", "the script threw something that cannot be read"),
        ("function main(){ throw new Proxy({}, {}) }", "[object Object]"),
        ("var x = 1", "ReferenceError: main is not defined at workflow:2:9"),
    ],
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_what_a_caller_is_told_of_an_exception(bench: Any, realm: str, source: str, message: str) -> None:
    failed = bench.failed(source, realm=realm)
    assert (failed.kind, failed.message, failed.discard) == ("exception", message, False)


def test_lines_are_those_of_the_author_in_every_entry(bench: Any) -> None:
    for entry in ("body", "async"):
        failed = bench.failed("let a = 1\nthrow new Error('b')", entry=entry)
        assert failed.message == "Error: b at workflow:2:11"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("function main(){ let = ; }", "workflow:1:24"),
        ("let a\nlet b\n  foo bar", "workflow:3:7"),
        ("function main(){ `", "workflow:1:18"),
        ("const a = 1\nconst a = 2", "workflow:2:9"),
        ("await 1", "workflow:1:7"),
        ("import x from 'y'", "workflow:1:8"),
        ("import.meta", "workflow:1:8"),
    ],
)
def test_a_source_that_does_not_compile_is_told_with_its_place(bench: Any, source: str, place: str) -> None:
    failed = bench.failed(source)
    assert (failed.kind, failed.name, failed.discard) == ("compile", "SyntaxError", False)
    assert failed.message.startswith("SyntaxError: ")
    assert f"at {place}" in failed.message
    assert bench.failed(source).kind == "compile"


@pytest.mark.parametrize(
    "source",
    [
        "}, leak = 1, function(){",
        "}); leak = 1; (function(){",
        "})(); leak = 1; (function(){ return function(){",
        "}[leak = 1] = function(){",
        "}\n(leak = 1)\n+function(){",
        "}}); leak = 1; ({m(){",
        "}; leak = 1; function f(){",
        "} leak = 1; {",
        "}}, leak: {m(){",
        "}, m(){}, leak(){",
        "}`${leak = 1}`; function x(){",
        "/*",
        "} /*",
        "`",
        "}, get a(){",
        "<!--\n}, a(){",
    ],
)
@pytest.mark.parametrize("entry", ["main", "body", "async"])
def test_no_text_breaks_out_of_its_function(bench: Any, entry: str, source: str) -> None:
    assert bench.failed(source, entry=entry).kind == "compile"
    assert bench.done("return typeof leak", entry="body").result.payload == b'"undefined"'


def test_comments_and_line_ends_do_not_swallow_the_wrapper(bench: Any) -> None:
    for source in ("function main(){ payload = 1 } // end", "function main(){ payload = 1 } <!-- end", "#!no"):
        outcome = bench.run(source)
        assert getattr(outcome, "kind", "") == "compile" or outcome.result.payload == b"1"


# --- console ---


def test_the_console_is_kept_with_its_levels(bench: Any) -> None:
    source = """function main(){
      console.log('a', 1, {b: [2]}, null, undefined, true); console.error(new Error('e')); console.warn(5n)
      console.info(Symbol('s')); console.debug(() => 1, [1]); console.log()
    }"""
    assert bench.done(source).result.logs == (
        ("log", 'a 1 {"b":[2]} null undefined true'),
        ("error", "Error: e"),
        ("warn", "5"),
        ("info", "Symbol(s)"),
        ("debug", "[function] [1]"),
        ("log", ""),
    )


def test_logs_come_with_failures_too(bench: Any) -> None:
    assert bench.failed("function main(){ console.log('before'); throw 1 }").logs == (("log", "before"),)


def test_unreadable_things_do_not_stop_the_console(bench: Any) -> None:
    source = "function main(){ const a = {}; a.a = a; console.log('x', a, {toJSON(){ throw 1 }}, 'y') }"
    assert bench.done(source).result.logs == (("log", "x [unreadable] [unreadable] y"),)


def test_logs_are_capped(bench_with: Any) -> None:
    bench = bench_with(log_bytes=100)
    (first, _last) = bench.done("function main(){ console.log('x'.repeat(1e6)); console.log('y') }").result.logs
    assert len(first[1]) <= 100


def test_many_short_log_lines_are_capped_sooner_than_their_bytes(bench_with: Any) -> None:
    bench = bench_with(log_bytes=2560)
    logs = bench.done("function main(){ for (let i = 0; i < 1000; i++) console.log('0123456789') }").result.logs
    assert len(logs) == 11, "each counts as 256 bytes at least"
    assert logs[-1] == ("warn", "further logs of this run were dropped")


@pytest.mark.parametrize("end", ["throw new Error('y'.repeat(9000))", "payload = 1n", "next = 'z'.repeat(9000)"])
@pytest.mark.parametrize("entry", ["body", "async"])
def test_long_texts_come_whole_whatever_the_end(bench: Any, entry: str, end: str) -> None:
    """The engine keeps long concatenations as trees, which its binding cannot take."""
    outcome = bench.run(f"for (let i = 0; i < 5; i++) console.log('x'.repeat(5000)); {end}", entry=entry)
    logs = outcome.result.logs if hasattr(outcome, "result") else outcome.logs
    assert [len(text) for _, text in logs] == [5000] * 5
    assert getattr(outcome, "kind", "exception") == "exception"


# --- host functions ---


def test_host_functions_ask_the_runtime(bench: Any) -> None:
    bench.reply = lambda name, arguments: '1{"v":' + str(len(bench.calls)) + "}"
    assert bench.value("[sleep(5), wkill('w', {a: 1}), sleep()]") == [{"v": 1}, {"v": 2}, {"v": 3}]
    assert bench.calls == [("sleep", [5]), ("wkill", ["w", {"a": 1}]), ("sleep", [])]


def test_errors_of_the_runtime_are_thrown_and_can_be_caught(bench: Any) -> None:
    bench.reply = lambda name, arguments: '0{"name":"Unavailable","message":"no"}'
    assert bench.failed("function main(){\n sleep(1) }").message == "Unavailable: no at main (workflow:2:2)"
    caught = "try { sleep(1) } catch (e) { return [e.name, e.message, e instanceof Error] }"
    assert loads(bench.done(caught, entry="body").result.payload) == ["Unavailable", "no", True]


def test_arguments_of_host_functions_are_json(bench: Any) -> None:
    assert bench.value("sleep(undefined, NaN, '\\ud800', () => 1)") is None
    assert bench.calls == [("sleep", [None, None, "\ufffd", None])]
    assert bench.failed("function main(){ sleep(1n) }").kind == "exception"
    assert bench.failed("function main(){ const a = []; a[0] = a; sleep(a) }").kind == "exception"


def test_a_host_call_within_the_arguments_of_another_is_just_two_calls(bench: Any) -> None:
    source = "function main(){ sleep({toJSON(){ wkill('inner'); return 'outer' }}) }"
    bench.done(source)
    assert bench.calls == [("wkill", ["inner"]), ("sleep", ["outer"])]
