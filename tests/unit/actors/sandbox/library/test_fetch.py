"""fetch is one call of the runtime's `http.request`, and its answer a Response."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from protocol.errors import CallRefused

OK = {"status": 200, "statusText": "OK", "url": "http://h/", "headers": {"content-type": "text/plain"}, "body": "hi"}


@pytest.fixture(autouse=True)
def peer(library: Any) -> Iterator[None]:
    """A peer that says hi; tests replace it."""
    library.sent.clear()
    library.answer = lambda name, values: OK
    yield
    library.answer = lambda name, values: None


def answering(library: Any, **fields: Any) -> None:
    library.answer = lambda name, values: {**OK, **fields}


def test_a_get_is_one_call_and_its_text_comes_back(library: Any) -> None:
    assert library.run("const r = await fetch('http://H/a b?c#d'); return [r.status, r.ok, await r.text()];") == [
        200,
        True,
        "hi",
    ]
    assert library.sent == [("http.request", ["GET", "http://h/a%20b?c", {"headers": {}, "redirect": "follow"}])]


@pytest.mark.parametrize(("body", "sent", "content_type"), [
    ("'é'", {"body": "é"}, "text/plain;charset=UTF-8"),
    ("JSON.stringify({ a: 1 })", {"body": '{"a":1}'}, "text/plain;charset=UTF-8"),
    ("new URLSearchParams({ a: 'b c' })", {"body": "a=b+c"}, "application/x-www-form-urlencoded;charset=UTF-8"),
    ("Buffer.from([0, 255])", {"bodyBase64": "AP8="}, None),
    ("new Uint8Array([1]).buffer", {"bodyBase64": "AQ=="}, None),
    ("new Uint16Array([1, 2, 3]).subarray(1, 2)", {"bodyBase64": "AgA="}, None),
    ("'\\ud800'", {"body": "\ufffd"}, "text/plain;charset=UTF-8"),
])  # fmt: skip
def test_bodies_of_every_kind_are_sent(library: Any, body: str, sent: dict[str, str], content_type: str | None) -> None:
    library.run(f"await fetch('http://h/', {{ method: 'post', body: {body} }});")
    ((_, (method, _, options)),) = library.sent
    assert method == "POST"
    assert {key: value for key, value in options.items() if key.startswith("body")} == sent
    assert options["headers"].get("content-type") == content_type


def test_headers_are_sent_in_lower_case_and_own_content_types_kept(library: Any) -> None:
    library.run(
        "await fetch(new Request('http://h/', { method: 'PUT', body: '{}', headers: { 'Content-Type': 'application/json' } }),"
        " { headers: [['X-A', ' 1 '], ['x-a', '2'], ['content-type', 'application/json']], redirect: 'manual' });"
    )
    assert library.sent[0][1][2] == {
        "headers": {"content-type": "application/json", "x-a": "1, 2"},
        "redirect": "manual",
        "body": "{}",
    }


def test_bytes_that_are_answered_are_bytes(library: Any) -> None:
    answering(library, body=None, bodyBase64=base64.b64encode(b"\xef\xbb\xbf\xc3\xa9\xff").decode())
    assert library.run("return [...new Uint8Array(await (await fetch('http://h/')).arrayBuffer())];") == [
        239,
        187,
        191,
        195,
        169,
        255,
    ]
    assert library.run("return (await fetch('http://h/')).text();") == "é\ufffd"
    assert library.run("return [...await (await fetch('http://h/')).bytes()].length;") == 6


def test_json_is_read_and_bad_json_rejects(library: Any) -> None:
    answering(library, body='{"a":[1]}')
    assert library.run("return (await fetch('http://h/')).json();") == {"a": [1]}
    answering(library, body="<html>")
    assert library.thrown("await (await fetch('http://h/')).json();").name == "SyntaxError"


def test_a_body_is_read_once_and_a_clone_once_more(library: Any) -> None:
    assert library.run(
        """
        const first = await fetch('http://h/'), second = first.clone();
        const texts = [await first.text(), await second.text(), first.bodyUsed];
        for (const use of [() => first.text(), () => first.json(), async () => first.clone()])
          await use().catch((error) => texts.push(error.name));
        return texts;
        """
    ) == ["hi", "hi", True, "TypeError", "TypeError", "TypeError"]


def test_where_an_answer_came_from_is_told(library: Any) -> None:
    answering(library, url="http://other/x", status=404, statusText="Not Found")
    assert library.run(
        "const r = await fetch('http://h/'); return [r.redirected, r.url, r.ok, r.status, r.statusText, r.type];"
    ) == [True, "http://other/x", False, 404, "Not Found", "basic"]
    answering(library)
    assert library.run("return (await fetch('http://h/#x')).redirected;") is False


def test_headers_of_an_answer_can_be_read_whatever_they_are(library: Any) -> None:
    answering(library, headers={"x-a": "b", "set-cookie": ["a=1; Expires=Thu, 1 Jan", "b=2"], "x-odd": "caf\u0101\n"})
    assert library.run(
        "const { headers } = await fetch('http://h/');"
        " return [headers.get('X-A'), headers.getSetCookie(), headers.get('x-odd'), headers.has('y')];"
    ) == ["b", ["a=1; Expires=Thu, 1 Jan", "b=2"], "caf??", False]


def test_a_transport_failure_is_a_type_error_with_its_reason(library: Any) -> None:
    def refuse(name: str, values: Any) -> Any:
        raise CallRefused("connection refused: h:80", name="NetworkError")

    library.answer = refuse
    assert library.run(
        "return fetch('http://h/').catch((error) => [error.name, error.message, error.cause.name, error.cause.message]);"
    ) == ["TypeError", "fetch failed: connection refused: h:80", "NetworkError", "connection refused: h:80"]


@pytest.mark.parametrize("arguments", [
    "", "'/relative'", "'http://u:p@h/'", "'http://h/', { body: 'x' }", "'http://h/', { method: 'CONNECT' }",
    "'http://h/', { method: 'A B' }", "'http://h/', { headers: { 'a b': 'c' } }", "'http://h/', { headers: { a: 'b\\r\\nc: d' } }",
    "'http://h/', { redirect: 'sometimes' }", "'http://h/', { signal: {} }", "'http://h/', { headers: 5 }",
])  # fmt: skip
def test_a_request_that_cannot_be_meant_is_never_sent(library: Any, arguments: str) -> None:
    assert (
        library.run(f"const promise = fetch({arguments}); return promise.catch((error) => error.name);") == "TypeError"
    )
    assert library.sent == []


def test_empty_answers_have_no_body(library: Any) -> None:
    answering(library, status=204, body="")
    assert library.run("const r = await fetch('http://h/'); return [r.body, await r.text(), await r.text()];") == [
        None,
        "",
        "",
    ]


def test_a_stream_is_refused_with_what_to_use_instead(library: Any) -> None:
    assert "use text()" in library.thrown("(await fetch('http://h/')).body.getReader();").message


def test_requests_can_be_cloned_and_sent_twice(library: Any) -> None:
    library.run(
        "const one = new Request('http://h/', { method: 'POST', body: 'x' }), two = one.clone();"
        " await fetch(one); await fetch(two);"
    )
    assert [call[1][2]["body"] for call in library.sent] == ["x", "x"]
    assert library.thrown(
        "const r = new Request('http://h/', { method: 'POST', body: 'x' }); await fetch(r); await fetch(r);"
    ).name == ("TypeError")
