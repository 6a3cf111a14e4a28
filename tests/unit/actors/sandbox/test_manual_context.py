"""`c.request` and `c.response`, as the manuals show them: what is read, what is set, and answers sent chunk by chunk."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.codec import dumps, loads
from protocol.sandbox import ScriptAnswer

TEXT, JSON, HTML = "text/plain; charset=UTF-8", "application/json", "text/html; charset=UTF-8"
BYTES = "application/octet-stream"
REQUEST = {
    "body": {"json": {"email": "a@b", "list": [1, {"x": None}]}},
    "headers": {
        "X-Webhook-Signature": ["s1"],
        "Accept": ["a/b", "c/d"],
        "Cookie": ["a=1; b=2", "a=3"],
        "__proto__": ["p"],
    },
    "query": [["q", "1"], ["tag", "x"], ["tag", "ñ"], ["__proto__", "y"]],
    "query_string": "q=1&tag=x&tag=%C3%B1",
    "vars": {"id": "7"},
    "meta": {"method": "POST", "path": "/a%20b", "host": "h:80", "scheme": "http", "client": "10.0.0.1"},
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("c.request.body.email", "a@b"),
        ("c.request.body", {"email": "a@b", "list": [1, {"x": None}]}),
        ("c.request.headers['x-webhook-signature']", "s1"),
        ("c.request.headers['X-Webhook-Signature'] === undefined", True),
        ("c.request.headers.accept", "a/b, c/d"),
        ("c.request.headers.cookie", "a=1; b=2; a=3"),
        ("Object.keys(c.request.headers)", ["x-webhook-signature", "accept", "cookie", "__proto__"]),
        ("c.request.get('ACCEPT') + (c.request.get('none') === undefined)", "a/b, c/dtrue"),
        ("c.request.query.q", "1"),
        ("c.request.query.tag", ["x", "ñ"]),
        ("c.request.query.none === undefined && c.request.query.toString !== undefined", True),
        ("Object.hasOwn(c.request.query, '__proto__')", True),
        ("c.request.params", {"id": "7"}),
        ("c.request.cookies", {"a": "1", "b": "2"}),
        ("[c.request.method, c.request.path, c.request.url]", ["POST", "/a%20b", "/a%20b?q=1&tag=x&tag=%C3%B1"]),
        ("[c.request.host, c.request.protocol, c.request.ip]", ["h:80", "http", "10.0.0.1"]),
        ("c.request.files", {}),
        ("(c.request.body.own = 5, c.request.body.own)", 5),
        ("c.request === c.request && c.request.query === c.request.query", True),
        ("(() => { 'use strict'; try { c.request.body = 1 } catch (e) { return e.name } })()", "TypeError"),
        ("(({ body: { email } }) => email)(c.request)", "a@b"),
    ],
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_what_is_read(bench: Any, realm: str, expression: str, expected: object) -> None:
    assert bench.value(expression, request=REQUEST, realm=realm) == expected


@pytest.mark.parametrize(
    ("body", "expression", "expected"),
    [
        ({"json": None}, "c.request.body", None),
        ({"json": 5}, "c.request.body", 5),
        ({"json": False}, "c.request.body", False),
        ({"form": [["a", "1"], ["b", "2"], ["a", "3"]]}, "c.request.body", {"a": ["1", "3"], "b": "2"}),
        ({"form": [["__proto__", "1"]]}, "Object.keys(c.request.body)", ["__proto__"]),
        ({"text": "plain ñ"}, "c.request.body", "plain ñ"),
        ({"text": ""}, "c.request.body", ""),
        ({"base64": "AP8="}, "c.request.body instanceof Uint8Array && [...c.request.body]", [0, 255]),
        (None, "c.request.body", {}),
        (None, "c.request.body.email === undefined", True),
    ],
)
def test_a_body_is_what_it_was_sent_as(bench: Any, body: object, expression: str, expected: object) -> None:
    assert bench.value(expression, request={} if body is None else {"body": body}) == expected


def test_a_request_of_which_nothing_was_sent_is_empty(bench: Any) -> None:
    parts = "r.headers, r.query, r.params, r.cookies, r.files, r.method, r.path, r.url, r.host, r.protocol, r.ip"
    value = bench.value(f"((r) => [{parts}])(c.request)")
    assert value == [{}, {}, {}, {}, {}, "", "", "", "", "http", ""]


def test_what_one_run_made_of_its_request_is_not_the_nexts(bench: Any) -> None:
    bench.done("function main(){ c.request.body.leak = 1; c.request.query.leak = 1; c.response.status = 404 }")
    assert bench.value("[c.request.body, c.request.query, c.response.status]") == [{}, {}, 200]


# --- answers at the end of the run ---


@pytest.mark.parametrize(
    ("statements", "status", "headers"),
    [
        ("c.response.status = 201", 201, ()),
        ("c.response.status = '404'", 404, ()),
        ("c.response.set('content-type', 'a/b')", 0, (("Content-Type", "a/b"),)),
        ("c.response.set('X-A', 1).set('x-a', 2)", 0, (("X-A", "2"),)),
        ("c.response.set({'A': 'b', 'C': ['d', 'e']})", 0, (("A", "b"), ("C", "d"), ("C", "e"))),
        ("c.response.set('a', 'b'); c.response.remove('A')", 0, ()),
        ("c.response.set('a', 'x\\r\\ny: z')", 0, (("A", "x  y: z"),)),
        ("c.response.status = 302; c.SetHeader('Location', '/')", 302, (("Location", "/"),)),
    ],
)
def test_status_and_headers_wait_for_the_answer_of_the_last_payload(
    bench: Any, statements: str, status: int, headers: tuple[tuple[str, str], ...]
) -> None:
    result = bench.done(f"{statements}; return {{error: 'x'}}", entry="body").result
    assert (result.status, result.headers, result.answer) == (status, headers, None)
    assert loads(result.payload) == {"error": "x"}


@pytest.mark.parametrize(
    ("statements", "answer"),
    [
        ("c.response.end('x')", ScriptAnswer(200, TEXT, b"x")),
        ("c.response.end()", ScriptAnswer(200, "", b"")),
        ("c.response.status = 204; c.response.end(); c.response.end()", ScriptAnswer(204, "", b"")),
        ("c.response.end(5)", ScriptAnswer(200, TEXT, b"5")),
        ("c.response.end(new Uint8Array([0, 255]))", ScriptAnswer(200, BYTES, b"\x00\xff")),
        ("c.response.set('Content-Type', 'a/b'); c.response.end([1])", ScriptAnswer(200, "a/b", b"\x01")),
        (
            "c.response.status = 201; c.response.json({b: 1, a: '<'})",
            ScriptAnswer(201, JSON, b'{"a":"\\u003c","b":1}\n'),
        ),
        ("c.response.send('<p>')", ScriptAnswer(200, HTML, b"<p>")),
        ("c.response.send({a: 1})", ScriptAnswer(200, JSON, b'{"a":1}\n')),
        ("c.response.send([1])", ScriptAnswer(200, JSON, b"[1]\n")),
        ("c.response.send(null)", ScriptAnswer(200, JSON, b"null\n")),
        ("c.response.send(new Uint8Array([1]).buffer)", ScriptAnswer(200, BYTES, b"\x01")),
        ("c.response.status = 201; c.JSON(200, 1)", ScriptAnswer(200, JSON, b"1\n")),
        ("c.JSON(200, 1); c.response.status = 500", ScriptAnswer(200, JSON, b"1\n")),
        (
            "const r = c.response; const seen = [r.headersSent, r.status, r.get('a')]; r.set('a', 'b'); seen.push(r.get('A'));"
            "r.json(1); r.set('a', 'c'); r.end(JSON.stringify([...seen, r.headersSent, r.status, r.get('a')]))",
            ScriptAnswer(200, JSON, b'1\n[false,200,null,"b",true,200,"b"]', (("A", "b"),)),
        ),
    ],
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_whole_answers(bench: Any, realm: str, statements: str, answer: ScriptAnswer) -> None:
    assert bench.done(f"function main(){{ {statements} }}", realm=realm).result.answer == answer
    assert bench.calls == []


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("c.response.status = 99", "RangeError"),
        ("c.response.status = 'x'", "RangeError"),
        ("c.response.status = undefined", "RangeError"),
        ("c.response.set('a b', 'c')", "TypeError"),
        ("c.response.write()", "TypeError"),
        ("c.response.write(null)", "TypeError"),
        ("c.response.write({a: 1})", "TypeError"),
        ("c.response.write(() => 1)", "TypeError"),
        ("c.response.write(Symbol())", "TypeError"),
        ("c.response.end('x'); c.response.write('y')", "Error"),
        ("c.response.end('x'); c.JSON(200, 1)", "Error"),
        ("c.response.end(); c.response.json(1)", "Error"),
        ("c.File('a'); c.response.write('x')", "Error"),
    ],
)
def test_what_cannot_be_is_an_exception(bench: Any, statement: str, name: str) -> None:
    failed = bench.failed(f"function main(){{ {statement} }}")
    assert (failed.kind, failed.name) == ("exception", name)
    assert bench.calls == []


# --- streams ---


def head(status: int = 200, content_type: str = TEXT, *headers: list[str]) -> dict[str, Any]:
    return {"status": status, "type": content_type, "headers": list(headers)}


def test_the_manuals_stream_sends_its_head_once_and_each_chunk_as_it_comes(bench: Any) -> None:
    source = """
      c.response.set("Content-Type", "text/event-stream");
      c.response.set("Cache-Control", "no-cache");
      for (let i = 0; i < 3; i++) c.response.write(`data: ${i} ñ\\n\\n`);
      c.response.end();
    """
    result = bench.done(source, entry="body").result
    assert bench.calls == [
        ("response.write", [head(200, "text/event-stream", ["Cache-Control", "no-cache"]), {"text": "data: 0 ñ\n\n"}]),
        ("response.write", [None, {"text": "data: 1 ñ\n\n"}]),
        ("response.write", [None, {"text": "data: 2 ñ\n\n"}]),
        ("response.end", [None]),
    ]
    assert (result.answer, result.headers, result.status) == (None, (), 0)


@pytest.mark.parametrize(
    ("statements", "calls"),
    [
        ("c.response.status = 201; c.response.write('a')", [[head(201), {"text": "a"}]]),
        ("c.response.write(new Uint8Array([0, 255]))", [[head(200, BYTES), {"base64": "AP8="}]]),
        ("c.response.write('a\\0ñ')", [[head(), {"base64": "YQDDsQ=="}]]),
        ("c.response.write('\\ud800')", [[head(), {"text": "\ufffd"}]]),
        ("c.response.write('')", [[head(), {"text": ""}]]),
        ("c.response.write('a'); c.response.write('')", [[head(), {"text": "a"}]]),
        ("c.response.write('a'); c.JSON(404, {b: 1})", [[head(), {"text": "a"}], [None, {"text": '{"b":1}\n'}]]),
        ("c.response.write('a'); c.Blob(200, 'x/y', [255])", [[head(), {"text": "a"}], [None, {"base64": "/w=="}]]),
        ("c.String(202, 'a'); c.response.write('b')", [[head(202), {"text": "ab"}]]),
        ("c.JSON(200, 1); c.response.write([255])", [[head(200, JSON), {"base64": "MQr/"}]]),
        ("c.response.write('a'); c.SetHeader('x', 'y'); c.response.status = 500", [[head(), {"text": "a"}]]),
        ("c.Response().flush()", [[head(200, ""), {"text": ""}]]),
        ("c.Response().write('a'); c.Response().flush(); c.Response().write('b'); c.Response().flush()",
         [[head(200, "text/plain; charset=utf-8"), {"base64": "YQ=="}], [None, {"base64": "Yg=="}]]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_chunks(bench: Any, realm: str, statements: str, calls: list[Any]) -> None:
    result = bench.done(f"function main(){{ {statements} }}", realm=realm).result
    assert [(name, arguments) for name, arguments in bench.calls] == [("response.write", call) for call in calls]
    assert (result.answer, result.headers, result.status) == (None, (), 0)


def test_the_last_chunk_may_come_with_the_end(bench: Any) -> None:
    bench.done("function main(){ c.response.write('a'); c.response.end('b'); c.response.end() }")
    assert [name for name, _ in bench.calls] == ["response.write", "response.write", "response.end"]


def test_a_client_that_left_is_an_error_to_catch(bench: Any) -> None:
    bench.reply = lambda name, arguments: "0" + dumps({"name": "AbortError", "message": "the client left"}).decode()
    source = """
      const seen = []
      for (let i = 0; i < 2; i++) try { c.response.write('x') } catch (e) { seen.push([e.name, e.message]) }
      return seen
    """
    assert loads(bench.done(source, entry="body").result.payload) == [["AbortError", "the client left"]] * 2
    failed = bench.failed("c.response.write('x')", entry="body")
    assert (failed.kind, failed.name) == ("exception", "AbortError")


def test_one_chunk_is_bounded_and_all_together_are_not(bench_with: Any) -> None:
    small = bench_with(output_bytes=1_000)
    small.done("function main(){ for (let i = 0; i < 20; i++) c.response.write('x'.repeat(500)) }")
    assert len(small.calls) == 20
    assert small.failed("function main(){ c.response.write('x'.repeat(1001)) }").kind == "output"


def test_a_stream_of_one_run_is_not_the_nexts(bench: Any) -> None:
    bench.done("function main(){ c.response.status = 201; c.response.write('a') }")
    answer = bench.done("function main(){ c.String(200, 'b') }").result.answer
    assert answer == ScriptAnswer(200, TEXT, b"b")
    assert len(bench.calls) == 1


def test_it_leaves_the_realm_clean(bench: Any) -> None:
    assert bench.keeps_realm_of(
        "c.request.body; c.response.status = 201; c.response.write('a'); c.response.end()", entry="body"
    )
