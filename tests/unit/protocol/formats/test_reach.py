"""The scan of a script's text never misses what the script can read; the engine itself is the oracle."""

from __future__ import annotations

import json
import random

import pytest
import quickjs

from protocol.formats.reach import EVERYTHING, awaits, changes_built_ins, needs_of, reads_own_data

QUERY = frozenset({"query", "query_string"})

# A realm whose globals write down that they were read. What a method of `c` reads is written down by its name.
WATCHED_REALM = """
var __read = [];
(() => {
  const read = __read, push = (name) => { read[read.length] = name; };
  const parts = { vars: 'vars', path_vars: 'vars', post_data: 'post_data', header: 'headers', env: 'env',
                  url_base: 'url_base', nflow_endpoint: 'endpoint', wid: 'wid', form: 'fields' };
  for (const name of Object.keys(parts))
    Object.defineProperty(globalThis, name, { get() { push(parts[name]); return {}; }, set() {}, configurable: true });
  const methods = { QueryParam: 'query', QueryString: 'query', FormValue: 'fields', GetHeader: 'headers',
                    RealIP: 'meta', Cookie: 'headers', Path: 'meta', Request: 'post_data',
                    JSON: '', String: '', SetHeader: '' };
  const request = {};
  for (const [name, part] of [['body', 'body'], ['query', 'query'], ['headers', 'headers'], ['files', 'files']])
    Object.defineProperty(request, name, { get() { push(part); return {}; } });
  const c = { request, response: {} };
  for (const name of Object.keys(methods))
    c[name] = () => { if (methods[name]) push(methods[name]); return {}; };
  globalThis.c = globalThis.echo_context = c;
  globalThis.payload = {};
})();
"""

FRAGMENTS = [
    "c.QueryParam('a')",
    "c . QueryParam('a')",
    "c\n.QueryParam('a')",
    "c?.QueryParam('a')",
    "c['QueryParam']('a')",
    "c/**/.QueryParam('a')",
    "(c).QueryParam('a')",
    "(0, c.QueryParam)('a')",
    "echo_context.Cookie('x')",
    "c.RealIP()",
    "(({ QueryParam: q }) => q('a'))(c)",
    "[c][0].GetHeader('x')",
    "((o) => o.FormValue('x'))(c)",
    "c.Request()",
    "c.Path()",
    "c.request.body",
    "c?.request?.query",
    "c.request\n . headers",
    "(({ body }) => body)(c.request)",
    "c.request['files']",
    "((r) => r.body)(c.request)",
    "c.response.x = c.request.files",
    "(({ request }) => request.body)(c)",
    "var d = c; d.QueryString()",
    "payload.c = c; payload.c.Cookie('a')",
    "Reflect.get(c, 'Cookie')('a')",
    "c.JSON(200, header)",
    "c.JSON(200, { c })",
    "c.JSON(200, c.QueryParam('a'))",
    "c.String(200, `${c.QueryParam('a')}`)",
    "c.JSON(200, {})",
    "header",
    "header['X-A']",
    "payload.x = [...[form]]",
    "`${wid}`",
    "`$${wid}`",
    "`wid`",
    "'wid'",
    '"env"',
    "1.5.env",
    "1..env",
    "payload.vars",
    "payload?.vars",
    "payload\n.vars",
    "payload['vars']",
    "vars.a",
    "path_vars.a",
    "typeof post_data",
    "{ let vars = 1; vars }",
    "(function () { var env = 2; return env })()",
    "this.env",
    "this['en' + 'v']",
    "globalThis.env",
    "globalThis['url' + '_base']",
    "(function () { return this })()['wid']",
    "(() => this)()['env']",
    "Object.values(globalThis)",
    "with (globalThis) { env }",
    "with ({ a: 1 }) { header }",
    "h\\u0065ader",
    "v\\u{61}rs",
    "/'/.env; wid",
    "/wid/.test('')",
    "a: for (;;) { break a }",
    "env\n",
    ";env;",
    "((env) => env)(1)",
    "({ env: 1 }).env",
    "({ env })",
    "({ get env() { return 1 } }).env",
    "0 in env",
    "!env",
    "-wid",
    "env?1:2",
    "nflow_endpoint",
    "(() => { try { return url_base } catch { } })()",
    "new (class { wid = 1 })().wid",
    "new (class { static x = wid })()",
    "éenv = 1",
    "$env = 1",
    "[1].map(() => env)",
    "[1].map(function () { return this.env })",
    "Function.prototype.call.call(function () { return this }).env",
]


def test_what_a_script_reads_is_always_found() -> None:
    generator = random.Random(7)
    programs = [f"({fragment})" for fragment in FRAGMENTS] + list(FRAGMENTS)
    programs += ["\n;".join(generator.sample(FRAGMENTS, 3)) for _ in range(600)]
    programs += ["var r = " + " , ".join(generator.sample(FRAGMENTS, 2)) for _ in range(200)]
    ran = 0
    for program in programs:
        read = _read_by_engine(program)
        if read is not None:
            ran += 1
            assert read <= needs_of(program), program
    assert ran > 400


def _read_by_engine(program: str) -> set[str] | None:
    """The parts of a request the program read when it ran; None when it does not compile."""
    context = quickjs.Context()
    context.eval(WATCHED_REALM)
    try:
        context.eval(program)
    except quickjs.JSException as error:
        if "SyntaxError" in str(error):
            return None
    return set(json.loads(context.eval("JSON.stringify(__read)")))


@pytest.mark.parametrize(
    ("source", "needs"),
    [
        ("function main() { c.JSON(200, { a: 1 }) }", set()),
        ("function main() { payload.n = 1; next = 'output_2' }", set()),
        ("function main() { c.JSON(200, { hello: vars.name, lang: c.QueryParam('lang') }) }", QUERY | {"vars"}),
        (
            "header['X-A'][0] + env.key + url_base + wid + nflow_endpoint",
            {"headers", "env", "url_base", "wid", "endpoint"},
        ),
        ("form.a", QUERY | {"fields"}),
        ("c.FormValue('a')", QUERY | {"fields"}),
        ("post_data.items", {"post_data"}),
        ("c.GetHeader('A')", {"headers"}),
        ("echo_context.Cookie('a')", {"headers"}),
        ("c.Scheme()", {"meta", "headers"}),
        ("c\n  .JSON(200, 1)", set()),
        ("c?.JSON(200, 1)", set()),
        ("c.Response().header().set('X-A', '1')", set()),
        ("payload.vars = payload.env", set()),
        ("payload.list = ['a', 'b', 'c']", set()),
        ('payload.list = ["c d", `env`]', set()),
        ("const value = [...form]", QUERY | {"fields"}),
        ("Math.PI.c", set()),
        ("`${wid}`", {"wid"}),
        ("c.request.body.email", {"body"}),
        ("c . request\n.body", {"body"}),
        ("c?.request?.headers['x-a']", {"headers"}),
        ("c.request.query.a + c.request.params.b", {"query", "vars"}),
        ("c.request.url", {"meta", "query_string"}),
        ("c.request.files.a", {"files"}),
        ("c.response.status = 201; c.response.set('A', 'b').write('x')", set()),
        ("const r = c.response", set()),
        ("c.FormFile('a').text()", {"files"}),
        ("c.MultipartForm()", {"files", "fields", "headers"}),
        ("c.Bind({})", {"post_data"}),
        ("c.Param('name')", {"vars", "meta"}),
        ("c.JSONP(200, 'f', {}); c.XML(200, 1); c.File('a'); c.Stream(200, 'a/b', ''); c.Logger().info(1)", set()),
    ],
)
def test_only_what_the_text_names_is_needed(source: str, needs: set[str]) -> None:
    assert needs_of(source) == needs


@pytest.mark.parametrize(
    "source",
    [
        "globalThis.x",
        "this.x",
        "with (x) y",
        "'\\u0041'",
        "c[name]()",
        "f(c)",
        "x = c",
        "({ c })",
        "c.Request()",
        "c.request",
        "const { body } = c.request",
        "c.request[name]",
        "c.request /* x */ .body",
        "c.request.unknown",
        "c.request.body2",
        "c.request.body$",
        "c.requests.body",
        "f(c.request)",
        "c.Unknown()",
        "c.JSON2()",
        "c.QueryParamé()",
        "c",
        "for (const c of x) {}",
        "c /* x */ .JSON(200, 1)",
        "`${c}`",
        "echo_context",
        "c.\u0130()",
    ],
)
def test_a_text_that_could_reach_anything_needs_everything(source: str) -> None:
    assert needs_of(source) == EVERYTHING


@pytest.mark.parametrize(
    ("source", "reads"),
    [("nflow_data.field", True), ("dromedary_data", True), ("this['nflow' + '_data']", True), ("payload.x", False)],
)
def test_own_data_is_found_when_it_can_be_reached(source: str, reads: bool) -> None:
    assert reads_own_data(source) is reads


@pytest.mark.parametrize(("source", "found"), [("const x = await f();", True), ("return 1", False)])
def test_await_is_found(source: str, found: bool) -> None:
    assert awaits(source) is found


@pytest.mark.parametrize(
    "source",
    [
        "Array.prototype.last = function () {}",
        "Array.prototype['last'] = 1",
        "Object.defineProperty(Array.prototype, 'x', {})",
        "const p = String.prototype; p.shout = 1",
        "x.__proto__.y = 1",
        "Object.setPrototypeOf(Math, null)",
        "Object.assign(Math, { x: 1 })",
        "Object.assign( Array.prototype, {})",
        "Math.double = (x) => 2 * x",
        "JSON['own'] = 1",
        "Reflect.defineProperty(JSON, 'x', {})",
        "Array.from = null",
        "Array.prototype.map.call = 1",
        "Object.prototype.x",
    ],
)
def test_a_script_that_changes_built_ins_is_noticed(source: str) -> None:
    assert changes_built_ins(source)


@pytest.mark.parametrize(
    "source",
    [
        "Array.prototype.slice.call(arguments)",
        "Object.prototype.hasOwnProperty.call(x, 'a')",
        "Object.assign({}, x)",
        "Object.assign(payload, x)",
        "payload.Math = 1",
        "Math.PI == x",
        "Math.max(1, 2)",
        "const x = Math.PI",
        "JSON.stringify(x)",
        "Object.defineProperty(x, 'y', {})",
        "prototypes = 1",
        "x => Math.abs(x)",
        "if (Number.MAX_VALUE === x) {}",
    ],
)
def test_ordinary_scripts_keep_the_warm_realm(source: str) -> None:
    assert not changes_built_ins(source)


@pytest.mark.parametrize(
    "text", ["Object[" * 200_000, "c" + " " * 400_000, "Object " * 200_000, ".prototype" * 100_000, "(" * 500_000]
)
def test_the_scan_takes_time_in_proportion_to_the_text(text: str) -> None:
    """A quadratic scan would take hours on these."""
    needs_of(text)
    changes_built_ins(text)
