"""The rest of Go's `c`: JSONP, XML, bytes, files, uploads, binding, logger; byte for byte where Go has an answer."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.codec import loads
from protocol.sandbox import ScriptAnswer

SCRIPT, XML = "application/javascript; charset=UTF-8", "application/xml; charset=UTF-8"
JSON, TEXT = "application/json", "text/plain; charset=UTF-8"
HEADER = b'<?xml version="1.0" encoding="UTF-8"?>\n'


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("c.JSONP(200, 'cb', {a: '<'})", ScriptAnswer(200, SCRIPT, b'cb({"a":"\\u003c"}\n);')),
        ("c.JSONP(201, 'x.y', 'ñ')", ScriptAnswer(201, SCRIPT, 'x.y("ñ"\n);'.encode())),
        ("c.XMLBlob(200, '<a>ñ</a>')", ScriptAnswer(200, XML, HEADER + "<a>ñ</a>".encode())),
        ("c.XMLBlob(200, [60, 97, 47, 62])", ScriptAnswer(200, XML, HEADER + b"<a/>")),
        ("c.Stream(200, 'a/b', 'ñ')", ScriptAnswer(200, "a/b", "ñ".encode())),
        ("c.Stream(200, 'a/b', [0, 255])", ScriptAnswer(200, "a/b", b"\x00\xff")),
        ("c.Stream(200, 'a/b', new Uint8Array([1, 2]).buffer)", ScriptAnswer(200, "a/b", b"\x01\x02")),
        ("c.File('in/a.txt')", ScriptAnswer(200, "", b"", (), "in/a.txt")),
        ("c.SetHeader('content-type', 'x/y'); c.File('ñ')", ScriptAnswer(200, "x/y", b"", (), "ñ")),
        ("c.Error(new Error('secret'))", ScriptAnswer(500, JSON, b'{"message":"Internal Server Error"}\n')),
        ("c.Error('text')", ScriptAnswer(500, JSON, b'{"message":"Internal Server Error"}\n')),
        ("c.Error()", ScriptAnswer(500, JSON, b'{"message":"Internal Server Error"}\n')),
        ("c.Error({code: 404})", ScriptAnswer(404, JSON, b'{"message":"Not Found"}\n')),
        ("c.Error({code: 422, message: 'bad <a>'})", ScriptAnswer(422, JSON, b'{"message":"bad \\u003ca\\u003e"}\n')),
        ("c.Error({code: 400, message: {field: 'a'}})", ScriptAnswer(400, JSON, b'{"field":"a"}\n')),
        ("c.Error({code: 200, message: 'x'})", ScriptAnswer(500, JSON, b'{"message":"Internal Server Error"}\n')),
        ("c.String(201, 'x'); c.Error({code: 404})", ScriptAnswer(201, TEXT, b"x")),
        ("c.Response().writeHeader(202)", ScriptAnswer(202, "", b"")),
        ("c.Response().write('ñ')", ScriptAnswer(200, "text/plain; charset=utf-8", "ñ".encode())),
        (
            "const r = c.Response(); r.header().set('a', 'b'); r.writeHeader(201); r.write([1]); r.header().set('c', 'd')",
            ScriptAnswer(201, "", b"\x01", (("A", "b"),)),
        ),
        (
            "const r = c.Response(); const before = [r.status, r.size, r.committed]; const n = r.write('ñ');"
            "c.String(200, JSON.stringify([before, n, r.status, r.size, r.committed]))",
            ScriptAnswer(200, "text/plain; charset=utf-8", "ñ[[200,0,false],2,200,2,true]".encode()),
        ),
    ],
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_answers(bench: Any, realm: str, statement: str, answer: ScriptAnswer) -> None:
    assert bench.done(f"function main(){{ {statement} }}", realm=realm).result.answer == answer


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("'a.txt'", 'attachment; filename="a.txt"'),
        ("'a \"b\\\\c\".txt'", r'attachment; filename="a \"b\\c\".txt"'),
        ("'a;b, c.txt'", 'attachment; filename="a;b, c.txt"'),
        ("'ñandú €.pdf'", "attachment; filename=\"_and_ _.pdf\"; filename*=UTF-8''%C3%B1and%C3%BA%20%E2%82%AC.pdf"),
        ("'😀\\'(1)*.x'", "attachment; filename=\"_'(1)*.x\"; filename*=UTF-8''%F0%9F%98%80%27%281%29%2A.x"),
        ("'a\\r\\nSet-Cookie: x=y'", 'attachment; filename="a__Set-Cookie: x=y"'),
        ("'\\ud800'", "attachment; filename=\"_\"; filename*=UTF-8''%EF%BF%BD"),
        ("undefined", 'attachment; filename=""'),
    ],
)
def test_an_attachment_names_its_file(bench: Any, name: str, line: str) -> None:
    answer = bench.done(f"function main(){{ c.Attachment('f', {name}) }}").result.answer
    assert answer == ScriptAnswer(200, "", b"", (("Content-Disposition", line),), "f")
    inline = bench.done(f"function main(){{ c.Inline('f', {name}) }}").result.answer
    assert inline.headers == (("Content-Disposition", "inline" + line.removeprefix("attachment")),)


@pytest.mark.parametrize(
    ("statement", "name", "message"),
    [
        ("c.File('')", "TypeError", "a file needs a path"),
        ("c.File('a\\0b')", "TypeError", "a file needs a path"),
        ("c.String(200, ''); c.File('a')", "Error", "a file is a whole answer"),
        ("c.File('a'); c.File('b')", "Error", "a file is a whole answer"),
        ("c.File('a'); c.String(200, 'b')", "Error", "nothing can follow a file"),
        ("c.Render(200, 'x', {})", "Error", "renderer not registered"),
        ("c.Validate({})", "Error", "validator not registered"),
        ("c.FormFile('none')", "Error", "http: no such file"),
        ("c.Request().formFile('none')", "Error", "http: no such file"),
        ("c.MultipartForm()", "Error", "request Content-Type isn't multipart/form-data"),
        ("c.SetRequest({})", "TypeError", "SetRequest takes what Request gave"),
        ("c.JSONP(99, 'x', 1)", "RangeError", "invalid status code: 99"),
        ("c.XML('x', 1)", "RangeError", "invalid status code: x"),
        ("c.Response().writeHeader(0)", "RangeError", "invalid status code: 0"),
        ("c.JSONP(200, 'x', () => 1)", "TypeError", "json: unsupported type: function"),
    ],
)
def test_what_cannot_be_is_an_exception(bench: Any, statement: str, name: str, message: str) -> None:
    failed = bench.failed(f"function main(){{ {statement} }}")
    assert (failed.name, failed.kind) == (name, "exception")
    assert message in failed.message


# --- XML ---


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("'x'", "<string>x</string>"),
        ("'<a b=\"c\">&\\'\\t\\n\\r\\0'", "<string>&lt;a b=&#34;c&#34;&gt;&amp;&#39;&#x9;&#xA;&#xD;\ufffd</string>"),
        ("'ñ😀'", "<string>ñ😀</string>"),
        ("'\\ud800'", "<string>\ufffd</string>"),
        ("''", "<string></string>"),
        ("1", "<int64>1</int64>"),
        ("2.0", "<int64>2</int64>"),
        ("-0", "<float64>-0</float64>"),
        ("1.5", "<float64>1.5</float64>"),
        ("1234567.5", "<float64>1.2345675e+06</float64>"),
        ("0.00001", "<float64>1e-05</float64>"),
        ("0.0001", "<float64>0.0001</float64>"),
        ("1e21", "<float64>1e+21</float64>"),
        ("2 ** 53", "<int64>9007199254740992</int64>"),
        ("2 ** 54", "<float64>1.8014398509481984e+16</float64>"),
        ("NaN", "<float64>NaN</float64>"),
        ("-Infinity", "<float64>-Inf</float64>"),
        ("true", "<bool>true</bool>"),
        ("10n", "<int64>10</int64>"),
        ("null", ""),
        ("undefined", ""),
        ("[1, 'a', null, [true]]", "<int64>1</int64><string>a</string><bool>true</bool>"),
        ("[]", ""),
        ("new Date(0)", "<Time>1970-01-01T00:00:00Z</Time>"),
        ("{}", "<xml></xml>"),
        ("{a: 1}", "<a>1</a>"),
        ("{b: 1, a: 'x<'}", "<xml><b>1</b><a>x&lt;</a></xml>"),
        ("{user: {name: 'ñ', tags: ['a', 'b'], none: null, '@id': 7}}",
         '<user id="7"><name>ñ</name><tags>a</tags><tags>b</tags><none></none></user>'),
        ("{p: {'@a': '\"<', '#text': 'x & y'}}", '<p a="&#34;&lt;">x &amp; y</p>'),
        ("{items: [1, 2]}", "<xml><items>1</items><items>2</items></xml>"),
        ("[{a: 1}, {a: 2}]", "<a>1</a><a>2</a>"),
        ("{a: {when: new Date(0), raw: new Uint8Array([1])}}",
         "<a><when>1970-01-01T00:00:00Z</when><raw>AQ==</raw></a>"),
        ("{'ns:a': {'b-c.d_1': true, ñ: 1}}", "<ns:a><b-c.d_1>true</b-c.d_1><ñ>1</ñ></ns:a>"),
    ],
)  # fmt: skip
def test_xml(bench: Any, value: str, text: str) -> None:
    answer = bench.done(f"function main(){{ c.XML(200, {value}) }}").result.answer
    assert (answer.status, answer.content_type) == (200, XML)
    assert answer.body.decode() == HEADER.decode() + text


def test_pretty_xml_is_indented_by_a_step_of_ones_own(bench: Any) -> None:
    value = "{a: {b: 1, c: {d: ['x', 'y'], e: {}}, '@f': 2}}"
    assert bench.body(f"c.XMLPretty(200, {value}, '  ')") == HEADER.decode() + (
        '<a f="2">\n  <b>1</b>\n  <c>\n    <d>x</d>\n    <d>y</d>\n    <e></e>\n  </c>\n</a>'
    )
    assert bench.body("c.XMLPretty(200, [1, 2], '\t')") == HEADER.decode() + "<int64>1</int64>\n<int64>2</int64>"
    assert bench.body("c.XMLPretty(200, {a: {b: 1}}, '')") == HEADER.decode() + "<a><b>1</b></a>"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("{'a b': 1}", "TypeError"),
        ("{'': 1}", "TypeError"),
        ("{'<a>': 1}", "TypeError"),
        ("{'1a': 1}", "TypeError"),
        ("{a: {'@b c': 1}}", "TypeError"),
        ("{a: {'@b': {}}}", "TypeError"),
        ("{a: {'#text': []}}", "TypeError"),
        ("{a: () => 1}", "TypeError"),
        ("Symbol()", "TypeError"),
        ("(() => { const a = {}; a.a = a; return a })()", "RangeError"),
        ("(() => { const a = []; a[0] = a; return a })()", "RangeError"),
        ("(() => { const a = []; a[0] = a; return {a} })()", "RangeError"),
    ],
)
def test_what_is_no_xml_is_an_exception_and_leaves_no_partial_body(bench: Any, value: str, name: str) -> None:
    assert bench.body(f"try {{ c.XML(200, {value}) }} catch (e) {{ c.String(200, e.name) }}") == name


def test_xml_larger_than_the_output_is_stopped(bench_with: Any) -> None:
    failed = bench_with(output_bytes=1_000).failed(
        "function main(){ c.XML(200, {a: 'x'.repeat(600), b: ['y'.repeat(600)]}) }"
    )
    assert failed.kind == "output"


# --- uploads ---

UPLOAD = {
    "fields": [["a", "1"], ["a", "2"], ["b", "x"]],
    "query": [["q", "3"]],
    "headers": {"Content-Type": ["multipart/form-data; boundary=x"]},
    "files": [
        {"field": "f", "name": 'a"b.txt', "type": "text/plain", "size": 3, "content": {"text": "ñ1"}},
        {"field": "f", "name": "b.bin", "type": "image/png", "size": 4, "content": {"base64": "Yf/DsQ=="}},
        {"field": "__proto__", "name": "p", "type": "t", "size": 0, "content": {"text": ""}},
    ],
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("c.FormFile('f').filename", 'a"b.txt'),
        ("c.FormFile('f').size", 3),
        ("c.FormFile('f').header['Content-Type']", ["text/plain"]),
        ("c.FormFile('f').header['Content-Disposition']", ['form-data; name="f"; filename="a\\"b.txt"']),
        ("c.FormFile('f').text()", "ñ1"),
        ("c.FormFile('f').base64()", "w7Ex"),
        ("[...c.FormFile('f').bytes()]", [195, 177, 49]),
        ("c.FormFile('f').open().text()", "ñ1"),
        ("c.FormFile('f').open().close()", None),
        ("Object.keys(c.FormFile('f'))", ["filename", "size", "type", "header"]),
        ("c.MultipartForm().value", {"a": ["1", "2"], "b": ["x"]}),
        ("Object.keys(c.MultipartForm().file)", ["f", "__proto__"]),
        ("c.MultipartForm().file.f.map((f) => f.filename)", ['a"b.txt', "b.bin"]),
        ("c.MultipartForm().file.f[1].text()", "a\ufffdñ"),
        ("[...c.MultipartForm().file.f[1].bytes()]", [97, 255, 195, 177]),
        ("c.MultipartForm().file.f[1].base64()", "Yf/DsQ=="),
        ("c.Request().formFile('f')[0].text() + c.Request().formFile('f')[1].size", "ñ13"),
        ("c.Request().parseMultipartForm(10) ?? null", None),
        ("c.FormFile('__proto__').filename", "p"),
        ("c.FormValue('a') + c.FormValue('q')", "13"),
        ("c.request.files.f[1].type", "image/png"),
        ("c.request.files.f[0] === c.FormFile('f')", True),
    ],
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_uploads(bench: Any, realm: str, expression: str, expected: object) -> None:
    assert bench.value(expression, request=UPLOAD, realm=realm) == expected


@pytest.mark.parametrize(
    ("base64", "text"),
    [
        ("gA==", "\ufffd"),
        ("wMA=", "\ufffd\ufffd"),
        ("7aCA", "\ufffd" * 3),  # half a surrogate pair
        ("9I+/vw==", "\U0010ffff"),
        ("9JCAgA==", "\ufffd" * 4),
        ("4oKs4oI=", "€\ufffd\ufffd"),
        ("", ""),
    ],
)
def test_bytes_that_are_no_text_become_replacements_one_each(bench: Any, base64: str, text: str) -> None:
    upload = {"files": [{"field": "f", "name": "n", "type": "", "size": 0, "content": {"base64": base64}}]}
    assert bench.value("c.FormFile('f').text()", request=upload) == text


def test_a_file_answered_as_json_is_its_facts(bench: Any) -> None:
    answer = bench.done("function main(){ c.JSON(200, c.FormFile('f')) }", request=UPLOAD).result.answer
    assert loads(answer.body) == {
        "filename": 'a"b.txt',
        "header": {
            "Content-Disposition": ['form-data; name="f"; filename="a\\"b.txt"'],
            "Content-Type": ["text/plain"],
        },
        "size": 3,
        "type": "text/plain",
    }


# --- the other readers, and what can be set ---


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("c.Bind()", {"*": "a", "n": 5, "__proto__": 1}),
        ("(() => { const o = {n: 1, m: 2}; return [c.Bind(o) === o, o.n, o.m, o['*']] })()", [True, 5, 2, "a"]),
        ("(c.SetPath('/x/:y'), c.Path())", "/x/:y"),
        ("(c.SetParamNames('a', 'b'), c.SetParamValues('1', '2'), [c.Param('a'), c.Param('b'), c.Param('z')])",
         ["1", "2", ""]),
        ("(c.SetParamNames(['a']), c.SetParamValues(['1', '2']), [c.ParamNames(), c.ParamValues()])", [["a"], ["1"]]),
        ("(c.SetParamNames('a', 'b'), [c.Param('a'), c.ParamValues()])", ["", []]),
        ("(c.SetRequest(c.Request()), 1)", 1),
        ("c.Handler()", None),
        ("(c.SetHandler(() => 7), c.Handler()())", 7),
        ("typeof c.Echo()", "object"),
        ("c.Request().basicAuth()", ["ann", "s:ecret", True]),
        ("c.Request().cookiesNamed('k').map((k) => k.Value)", ["1", "2"]),
        ("[c.Request().protoAtLeast(1, 1), c.Request().protoAtLeast(2, 0)]", [True, False]),
        ("c.IsWebSocket()", False),
    ],
)  # fmt: skip
def test_readers(bench: Any, expression: str, expected: object) -> None:
    request = {
        "post_data": {"*": "a", "n": 5, "__proto__": 1},
        "headers": {"Authorization": ["Basic YW5uOnM6ZWNyZXQ="], "Cookie": ["k=1; k=2"]},
    }
    assert bench.value(expression, request=request) == expected


@pytest.mark.parametrize("authorization", ["", "Bearer x", "Basic", "Basic !!!", "Basic YW5u"])
def test_other_authorizations_are_no_basic_ones(bench: Any, authorization: str) -> None:
    value = bench.value("c.Request().basicAuth()", request={"headers": {"Authorization": [authorization]}})
    assert value == ["", "", False]


def test_the_logger_writes_to_the_log(bench: Any) -> None:
    source = """function main(){
      const l = c.Logger()
      l.print('a', 1); l.info('b'); l.warn('c'); l.error(new Error('d')); l.debug({e: 1})
      l.infof('%s is %d, %.2f, %v %q 100%% %x', 'x', 5.9, 1.239, {a: [1]}, 'q"', 255)
      l.warnf('%d'); l.errorj({a: 1}); l.printf('plain')
      c.Error(new TypeError('told here only'))
    }"""
    assert bench.done(source).result.logs == (
        ("log", "a 1"),
        ("info", "b"),
        ("warn", "c"),
        ("error", "Error: d"),
        ("debug", '{"e":1}'),
        ("info", 'x is 5, 1.24, {"a":[1]} "q\\"" 100% ff'),
        ("warn", "%!d(MISSING)"),
        ("error", '{"a":1}'),
        ("log", "plain"),
        ("error", "TypeError: told here only"),
    )


def test_what_is_set_ends_with_the_run(bench: Any) -> None:
    bench.done("function main(){ c.SetPath('/x'); c.SetParamNames('a'); c.SetParamValues('1'); c.SetHandler(() => 1) }")
    assert bench.value("[c.Path(), c.ParamNames(), c.ParamValues(), c.Handler()]") == ["/*", ["*"], [""], None]


def test_everything_that_hangs_on_c_is_frozen(bench: Any) -> None:
    source = """
      const open = [], seen = new Set()
      const visit = (name, thing) => {
        if (thing === null || (typeof thing !== 'object' && typeof thing !== 'function') || seen.has(thing)) return
        seen.add(thing)
        if (!Object.isFrozen(thing)) open.push(name)
        for (const key of Reflect.ownKeys(thing)) {
          const found = Object.getOwnPropertyDescriptor(thing, key)
          for (const each of [found.value, found.get, found.set]) visit(name + '.' + String(key), each)
        }
      }
      visit('c', c)
      for (const key of ['request', 'response']) visit('c.' + key, c[key])
      for (const key of ['Request', 'Response', 'Logger', 'Echo']) visit('c.' + key + '()', c[key]())
      visit('header', c.Response().header())
      return [open, seen.size]
    """
    for realm in ("warm", "fresh"):
        unfrozen, count = loads(bench.done(source, entry="body", realm=realm).result.payload)
        assert unfrozen == []
        assert count > 100
    assert bench.keeps_realm_of(source, entry="body")
