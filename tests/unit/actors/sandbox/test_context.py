"""`c`, the request and response object: what a script reads of its request, and the answers it makes."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.codec import loads
from protocol.sandbox import ScriptAnswer

REQUEST = {
    "vars": {"name": "bob", "n/a": "x"},
    "query": [["lang", "es"], ["lang", "en"], ["q", "ñ &"]],
    "query_string": "lang=es&lang=en&q=%C3%B1+%26",
    "fields": [["lang", "body"], ["field", "1"]],
    "headers": {
        "User-Agent": ["probe/1"],
        "Referer": ["http://r/"],
        "Cookie": ['a=1; b="two"; bad name=x; c', "d=4=4"],
        "X-Many": ["one", "two"],
        "Upgrade": ["WebSocket"],
    },
    "meta": {"method": "POST", "path": "//w1/x", "host": "h", "scheme": "https", "client": "10.0.0.1"},
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("c.QueryParam('lang')", "es"),
        ("c.QueryParam('q')", "ñ &"),
        ("c.QueryParam('none')", ""),
        ("c.QueryParam()", ""),
        ("c.QueryParams()", {"lang": ["es", "en"], "q": ["ñ &"]}),
        ("c.QueryString()", "lang=es&lang=en&q=%C3%B1+%26"),
        ("c.FormValue('lang')", "body"),
        ("c.FormValue('q')", "ñ &"),
        ("c.FormValue('none')", ""),
        ("c.FormParams()", {"lang": ["body", "es", "en"], "field": ["1"], "q": ["ñ &"]}),
        ("c.Param('*')", "w1/x"),
        ("c.Param('name')", "bob"),
        ("c.Param('none') + c.Param('toString')", ""),
        ("c.ParamNames()", ["*"]),
        ("c.ParamValues()", ["w1/x"]),
        ("c.Cookie('a').Value", "1"),
        ("c.Cookie('b').value", "two"),
        ("c.Cookie('d').Value", "4=4"),
        ("c.Cookies().map((k) => k.Name)", ["a", "b", "c", "d"]),
        ("c.GetHeader('user-agent')", "probe/1"),
        ("c.GetHeader('X-MANY')", "one"),
        ("c.GetHeader('none') + c.GetHeader('__proto__') + c.GetHeader('constructor')", ""),
        ("c.RealIP()", "10.0.0.1"),
        ("c.Scheme()", "https"),
        ("c.IsTLS()", True),
        ("c.IsWebSocket()", True),
        ("c.Path()", "/*"),
        ("c.Request().userAgent()", "probe/1"),
        ("c.Request().referer()", "http://r/"),
        ("c.Request().formValue('field') + c.Request().postFormValue('q')", "1"),
        ("c.Request().cookie('a').Name", "a"),
        ("typeof c.Request().Method", "undefined"),
        ("(c.Set('k', [1]), c.Get('k'))", [1]),
        ("c.Get('unset')", None),
        ("c.Get('__proto__')", None),
        ("typeof c.request + typeof c.response", "objectobject"),
    ],
)
def test_readers(bench: Any, expression: str, expected: object) -> None:
    assert bench.value(expression, request=REQUEST) == expected


def test_readers_of_a_request_that_was_not_sent_give_nothing(bench: Any) -> None:
    assert bench.value("[c.QueryParam('a'), c.FormValue('a'), c.RealIP(), c.Scheme(), c.IsTLS(), c.Cookies()]") == (
        ["", "", "", "http", False, []]
    )


def test_query_names_are_data(bench: Any) -> None:
    query = [["__proto__", "p"], ["constructor", "k"], ["toString", "t"]]
    value = bench.value("[c.QueryParams(), c.QueryParam('__proto__'), Object.keys(form)]", request={"query": query})
    assert value == [
        {"__proto__": ["p"], "constructor": ["k"], "toString": ["t"]},
        "p",
        ["__proto__", "constructor", "toString"],
    ]


def test_the_address_is_what_the_server_found_out(bench: Any) -> None:
    assert bench.value("[c.RealIP(), c.request.ip]", request={"meta": {"client": "2001:db8::1"}}) == ["2001:db8::1"] * 2
    assert bench.value("c.RealIP()", request={"meta": {}}) == ""


def test_a_cookie_that_is_not_there_throws(bench: Any) -> None:
    assert bench.failed("function main(){ c.Cookie('x') }").message.startswith("Error: http: named cookie not present")


# --- answers ---

JSON, TEXT, HTML = "application/json", "text/plain; charset=UTF-8", "text/html; charset=UTF-8"


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("c.JSON(200, {a: 1})", ScriptAnswer(200, JSON, b'{"a":1}\n')),
        ("c.JSON('201', [])", ScriptAnswer(201, JSON, b"[]\n")),
        ("c.JSON(200)", ScriptAnswer(200, JSON, b"null\n")),
        ("c.JSONPretty(200, {a: 1}, '\t')", ScriptAnswer(200, JSON, b'{\n\t"a": 1\n}\n')),
        ("c.JSONBlob(200, '{\"a\" : 1}')", ScriptAnswer(200, JSON, b'{"a" : 1}')),
        ("c.String(200, 'ñ<')", ScriptAnswer(200, TEXT, "ñ<".encode())),
        ("c.String(404, 5)", ScriptAnswer(404, TEXT, b"5")),
        ("c.String(200)", ScriptAnswer(200, TEXT, b"undefined")),
        ("c.String(200, 'a\\0b')", ScriptAnswer(200, TEXT, b"a\0b")),
        ("c.String(200, '\\ud800')", ScriptAnswer(200, TEXT, "\ufffd".encode())),
        ("c.String(200, '')", ScriptAnswer(200, TEXT, b"")),
        ("c.HTML(200, '<p>')", ScriptAnswer(200, HTML, b"<p>")),
        ("c.HTMLBlob(200, '<p>')", ScriptAnswer(200, HTML, b"<p>")),
        ("c.Blob(200, 'a/b', 'ñ')", ScriptAnswer(200, "a/b", "ñ".encode())),
        ("c.Blob(200, 'a/b', new Uint8Array([0, 255]))", ScriptAnswer(200, "a/b", b"\x00\xff")),
        ("c.Blob(200, 'a/b', new Uint8Array([1, 2, 3]).subarray(1))", ScriptAnswer(200, "a/b", b"\x02\x03")),
        ("c.Blob(200, 'a/b', new Uint16Array([1]).buffer)", ScriptAnswer(200, "a/b", b"\x01\x00")),
        ("c.Blob(200, 'a/b', [1, 256])", ScriptAnswer(200, "a/b", b"\x01\x00")),
        ("c.Blob(200, 'a\\r\\nb: c', '')", ScriptAnswer(200, "a  b: c", b"")),
        ("c.NoContent(204)", ScriptAnswer(204, "", b"")),
        ("c.Redirect(302, '/x?y=1')", ScriptAnswer(302, "", b"", (("Location", "/x?y=1"),))),
        ("c.SetHeader('x-one', 'v'); c.String(200, '')", ScriptAnswer(200, TEXT, b"", (("X-One", "v"),))),
        ("c.SetHeader('content-type', 'x/y'); c.String(200, '')", ScriptAnswer(200, "x/y", b"")),
        ("c.Response().header().set('Content-Type', 'x/y'); c.JSON(200, 1)", ScriptAnswer(200, "x/y", b"1\n")),
        (
            "const h = c.Response().header(); h.add('a', '1'); h.add('A', '2'); h.set('b', '3'); h.set('B', '4');"
            "c.String(200, h.get('a') + h.values('a').length + h.get('none'))",
            ScriptAnswer(200, TEXT, b"12", (("A", "1"), ("A", "2"), ("B", "4"))),
        ),
        (
            "const h = c.Response().header(); h.set('a', '1'); h.del('A'); c.String(200, '')",
            ScriptAnswer(200, TEXT, b""),
        ),
        ("c.SetHeader('a', 'x\\r\\ny: z\\0'); c.String(200, '')", ScriptAnswer(200, TEXT, b"", (("A", "x  y: z"),))),
    ],
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_answers(bench: Any, realm: str, statement: str, answer: ScriptAnswer) -> None:
    assert bench.done(f"function main(){{ {statement} }}", realm=realm).result.answer == answer


@pytest.mark.parametrize(
    ("statements", "status", "content_type", "body"),
    [
        ("c.String(201, 'one'); c.String(500, 'two')", 201, TEXT, b"onetwo"),
        ("c.JSON(200, 1); c.JSON(200, 2)", 200, JSON, b"1\n2\n"),
        ("c.JSON(200, {}); c.String(200, 'x')", 200, JSON, b"{}\nx"),
        ("c.String(200, 'ñ'); c.Blob(200, 'a/b', new Uint8Array([255]))", 200, TEXT, b"\xc3\xb1\xff"),
        ("c.Blob(200, 'a/b', new Uint8Array([255])); c.JSON(200, 'ñ')", 200, "a/b", b'\xff"\xc3\xb1"\n'),
        ("c.NoContent(204); c.String(200, 'x')", 204, "", b"x"),
    ],
)
def test_two_answers_are_joined_and_the_first_status_wins(
    bench: Any, statements: str, status: int, content_type: str, body: bytes
) -> None:
    answer = bench.done(f"function main(){{ {statements} }}").result.answer
    assert (answer.status, answer.content_type, answer.body) == (status, content_type, body)


def test_headers_after_the_answer_are_lost(bench: Any) -> None:
    answer = bench.done("function main(){ c.String(200, ''); c.SetHeader('a', 'b') }").result.answer
    assert answer.headers == ()


def test_headers_without_an_answer_wait_for_a_later_node(bench: Any) -> None:
    result = bench.done("function main(){ c.SetHeader('a', 'b'); c.SetCookie({Name: 'k', Value: 'v'}) }").result
    assert result.answer is None
    assert result.headers == (("A", "b"), ("Set-Cookie", "k=v"))


@pytest.mark.parametrize(
    "code", ["99", "600", "200.5", "NaN", "'x'", "null", "undefined", "{}", "[200]", "1e9", "-200", "200n", "Symbol()"]
)
@pytest.mark.parametrize("method", ["JSON", "String", "HTML", "NoContent", "Redirect", "JSONPretty"])
def test_a_status_that_is_none_is_an_exception(bench: Any, method: str, code: str) -> None:
    failed = bench.failed(f"function main(){{ c.{method}({code}, 'x', 'y') }}")
    assert failed.kind == "exception"
    assert bench.body(f"try {{ c.{method}({code}, 'x', 'y') }} catch (e) {{ c.String(200, e.name) }}") in (
        "RangeError",
        "TypeError",
    )


def test_a_redirect_needs_a_redirecting_status(bench: Any) -> None:
    for code in (200, 299, 309):
        assert bench.failed(f"function main(){{ c.Redirect({code}, '/') }}").name == "RangeError"


@pytest.mark.parametrize("name", ["''", "'a b'", "'a:'", "'ñ'", "'a\\n'", "undefined + ' '"])
def test_a_header_name_that_is_none_is_an_exception(bench: Any, name: str) -> None:
    assert bench.failed(f"function main(){{ c.SetHeader({name}, 'x') }}").name == "TypeError"


@pytest.mark.parametrize(
    ("cookie", "line"),
    [
        ("{Name: 'a', Value: 'b'}", "a=b"),
        ("{name: 'a', value: 'b'}", "a=b"),
        ("{Name: 'a'}", "a="),
        ("{Name: 'a', Value: 'b c'}", 'a="b c"'),
        ("{Name: 'a', Value: 'b,c'}", 'a="b,c"'),
        ("{Name: 'a', Value: 'x\"y;z\\\\\\n\\0ñ'}", "a=xyz"),
        ("{Name: 'a', Value: 'b', Path: '/p;x'}", "a=b; Path=/px"),
        ("{Name: 'a', Value: 'b', Domain: '.ex.com'}", "a=b; Domain=ex.com"),
        ("{Name: 'a', Value: 'b', Domain: 'e x'}", "a=b"),
        ("{Name: 'a', Value: 'b', Domain: '127.0.0.1'}", "a=b; Domain=127.0.0.1"),
        ("{Name: 'a', Value: 'b', MaxAge: 60}", "a=b; Max-Age=60"),
        ("{Name: 'a', Value: 'b', MaxAge: -1}", "a=b; Max-Age=0"),
        ("{Name: 'a', Value: 'b', MaxAge: 0}", "a=b"),
        ("{Name: 'a', Value: 'b', Expires: new Date(0)}", "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        ("{Name: 'a', Value: 'b', Expires: 'nonsense'}", "a=b"),
        ("{Name: 'a', Value: 'b', HttpOnly: true, Secure: true}", "a=b; HttpOnly; Secure"),
        ("{Name: 'a', Value: 'b', SameSite: 2}", "a=b; SameSite=Lax"),
        ("{Name: 'a', Value: 'b', sameSite: 'Strict'}", "a=b; SameSite=Strict"),
        ("{Name: 'a', Value: 'b', SameSite: 'none', Secure: 1}", "a=b; Secure; SameSite=None"),
        ("{Name: 'a', Value: 'b', SameSite: 1}", "a=b"),
        (
            "{name: 'a', value: 'b', path: '/', domain: 'h', maxAge: 5, httpOnly: true, secure: true, sameSite: 3,"
            " expires: 0}",
            "a=b; Path=/; Domain=h; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=5; HttpOnly; Secure; SameSite=Strict",
        ),
    ],
)
def test_cookies_are_written_as_go_writes_them(bench: Any, cookie: str, line: str) -> None:
    assert bench.done(f"function main(){{ c.SetCookie({cookie}) }}").result.headers == (("Set-Cookie", line),)


@pytest.mark.parametrize("cookie", ["null", "'a=b'", "{}", "{Name: 'a b', Value: 'x'}", "{Name: 'a=b'}", "{Name: ''}"])
def test_a_cookie_without_a_name_is_an_exception(bench: Any, cookie: str) -> None:
    assert bench.failed(f"function main(){{ c.SetCookie({cookie}) }}").name == "TypeError"


def test_nothing_hangs_on_c(bench: Any) -> None:
    source = """
      const seen = []
      for (const o of [c, c.JSON, c.Request(), c.Request().userAgent, c.Response(), c.Response().header(),
                       c.Response().header().set, console, console.log])
        seen.push(Object.isFrozen(o))
      c.extra = 1; c.JSON.extra = 1; c.Request().extra = 1; c.Response().header().extra = 1
      return [seen, c.extra, c.JSON.extra, c.Request().extra, c.Response().header().extra]
    """
    for realm in ("warm", "fresh"):
        frozen, *extras = loads(bench.done(source, entry="body", realm=realm).result.payload)
        assert all(frozen)
        assert extras == [None] * 4


def test_what_is_set_on_c_ends_with_the_run(bench: Any) -> None:
    bench.done("function main(){ c.Set('k', 1); c.SetHeader('a', 'b') }")
    result = bench.done("function main(){ payload = c.Get('k') }").result
    assert (result.payload, result.headers) == (b"null", ())
