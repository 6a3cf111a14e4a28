"""What a script can answer with `c`, byte for byte as it goes over the wire, and what it can read with it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, received, statuses

JSON, TEXT, HTML = "application/json", "text/plain; charset=UTF-8", "text/html; charset=UTF-8"

ANSWERS: dict[str, tuple[str, int, str | None, bytes]] = {
    "JSON sorts keys and ends with a newline": (
        "c.JSON(201, {b: 1, a: {d: null, c: [1, 'x']}})", 201, JSON, b'{"a":{"c":[1,"x"],"d":null},"b":1}\n',
    ),
    "JSON escapes what HTML could read": (
        "c.JSON(200, '<a href=\"?x&y\">ñ\\u2028')", 200, JSON,
        '"\\u003ca href=\\"?x\\u0026y\\"\\u003eñ\\u2028"\n'.encode(),
    ),
    "JSON writes numbers as Go does": (
        "c.JSON(200, [2.0, 1e21, -0, 1e-7, 123456789012])", 200, JSON, b"[2,1e+21,-0,1e-7,123456789012]\n",
    ),
    "JSON writes dates, maps, sets, holes and patterns as Go does": (
        "c.JSON(200, [new Date(0), new Map([[1, 2]]), new Set([3]), [,1], /x/, undefined])",
        200, JSON, b'["1970-01-01T00:00:00Z",[[1,2]],[3],[null,1],{},null]\n',
    ),
    "JSON of nothing is null": ("c.JSON(200)", 200, JSON, b"null\n"),
    "JSONPretty indents": (
        "c.JSONPretty(200, {b: [1], a: {}}, '  ')", 200, JSON, b'{\n  "a": {},\n  "b": [\n    1\n  ]\n}\n',
    ),
    "JSONBlob sends a text as it is": ("c.JSONBlob(200, '{\"b\":1,  \"a\":2}')", 200, JSON, b'{"b":1,  "a":2}'),
    "String": ("c.String(202, 'ñ 😀 <b>')", 202, TEXT, "ñ 😀 <b>".encode()),
    "String of a number": ("c.String(200, 42)", 200, TEXT, b"42"),
    "String with NUL": ("c.String(200, 'a\\0b')", 200, TEXT, b"a\0b"),
    "String that is empty": ("c.String(200, '')", 200, TEXT, b""),
    "HTML": ("c.HTML(200, '<p>hé</p>')", 200, HTML, "<p>hé</p>".encode()),
    "HTMLBlob": ("c.HTMLBlob(200, [60, 98, 62])", 200, HTML, b"<b>"),
    "Blob of bytes": (
        "c.Blob(200, 'image/png', new Uint8Array([137, 80, 0, 255]))", 200, "image/png", b"\x89P\x00\xff",
    ),
    "Blob of a buffer": ("c.Blob(200, 'x/y', new Uint8Array([1, 2, 3]).buffer)", 200, "x/y", b"\1\2\3"),
    "Blob of a text": ("c.Blob(200, 'text/csv', 'a;ñ')", 200, "text/csv", "a;ñ".encode()),
    "NoContent": ("c.NoContent(204)", 204, None, b""),
    "NoContent with another status": ("c.NoContent(418)", 418, None, b""),
    "a status as text": ("c.String('201', 'x')", 201, TEXT, b"x"),
    "nothing at all": ("", 200, None, b""),
    "two answers of one node are joined and the first status wins": (
        "c.String(201, 'one'); c.String(500, 'two')", 201, TEXT, b"onetwo",
    ),
    "a JSON and a text are joined": ("c.JSON(200, {a: 1}); c.String(500, 'two')", 200, JSON, b'{"a":1}\ntwo'),
    "a text and bytes are joined": (
        "c.String(200, 'ñ'); c.Blob(200, 'x/y', new Uint8Array([255]))", 200, TEXT, "ñ".encode() + b"\xff",
    ),
    "the type of SetHeader wins": (
        "c.SetHeader('content-type', 'text/yaml'); c.String(200, 'a: 1')", 200, "text/yaml", b"a: 1",
    ),
    "async main": ("async function main() { await null; c.String(200, 'later') }", 200, TEXT, b"later"),
    "echo_context is c": ("echo_context.String(200, String(echo_context === c))", 200, TEXT, b"true"),
}  # fmt: skip

READERS: dict[str, tuple[str, Any]] = {
    "QueryParam": ("[c.QueryParam('a'), c.QueryParam('none')]", ["1", ""]),
    "QueryParams": ("c.QueryParams()", {"a": ["1", "2"], "b": ["x y"]}),
    "QueryString": ("c.QueryString()", "a=1&a=2&b=x+y"),
    "FormValue": ("[c.FormValue('f'), c.FormValue('a'), c.FormValue('none')]", ["field", "1", ""]),
    "FormParams": ("c.FormParams()", {"f": ["field"], "a": ["1", "2"], "b": ["x y"]}),
    "Param": ("[c.Param('name'), c.Param('*')]", ["v w", "read/5/v%20w"]),
    "GetHeader": ("[c.GetHeader('x-one'), c.GetHeader('None')]", ["1", ""]),
    "Cookie": ("c.Cookie('session').Value", "s=1"),
    "Cookies": ("c.Cookies().map(x => x.Name)", ["session", "other"]),
    "RealIP": ("c.RealIP()", "127.0.0.1"),
    "Scheme": ("c.Scheme()", "http"),
    "IsTLS and IsWebSocket": ("[c.IsTLS(), c.IsWebSocket()]", [False, False]),
    "Path and ParamNames": ("[c.Path(), c.ParamNames()]", ["/*", ["*"]]),
    "Set and Get": ("(c.Set('a', {b: 1}), [c.Get('a'), c.Get('none')])", [{"b": 1}, None]),
    "Request": ("[c.Request().userAgent(), c.Request().formValue('f')]", ["tester", "field"]),
}


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    answers = {name: chain(f"/answer/{i}", code) for i, (name, (code, *_)) in enumerate(ANSWERS.items())}
    readers = {
        name: chain(f"/read/{i}/:name", f"c.JSON(200, {code})", method="POST")
        for i, (name, (code, _)) in enumerate(READERS.items())
    }
    return launch(
        playbook(
            chain("/redirect/:code", "c.Redirect(Number(vars.code), 'https://example.com/a?b=c')"),
            chain("/head/:name/:value", "c.SetHeader(vars.name, vars.value); c.String(200, 'hello')"),
            chain(
                "/heads",
                "c.SetHeader('X-A', '1'); c.SetHeader('X-B', '1'); c.SetCookie({Name: 'a', Value: '1'});"
                "c.SetHeader('Content-Type', 'text/yaml')",
                "c.SetHeader('X-A', '2'); c.SetCookie({Name: 'a', Value: '2'}); c.String(200, 'a: 1')",
                "c.SetHeader('X-B', '3'); c.SetHeader('X-C', '3')",
            ),
            chain("/joined", "c.String(201, 'one ')", "c.SetHeader('X-Late', '1'); c.String(500, 'two')"),
            chain("/early", "c.SetHeader('X-Early', 'yes'); c.SetHeader('X-Early', 'twice')", "c.NoContent(204)"),
            chain("/header", "c.SetHeader('x-note', 'a\\r\\nSet-Cookie: forged=1'); c.NoContent(204)"),
            chain("/header/name", "c.SetHeader('X Bad: name', '1')"),
            chain(
                "/cookies",
                "c.SetCookie({Name: 'a', Value: '1', Path: '/', HttpOnly: true, MaxAge: 60, SameSite: 3});"
                "c.SetCookie({name: 'b', value: 'x y', secure: true}); c.NoContent(204)",
            ),
            chain("/no/cookie", "c.Cookie('none')"),
            chain("/body/:code", "c.String(Number(vars.code), 'body')"),
            chain("/code/:code", "c.NoContent(Number(vars.code))"),
            chain("/unwritable", "c.JSON(200, {f() {}})"),
            chain("/response/header", "c.Response().header().set('X-Way', 'old'); c.NoContent(204)"),
            **answers,
            **readers,
        ),
    )


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_of_a_script_goes_out_as_it_wrote_it(server: Server, name: str) -> None:
    _, status, content_type, body = ANSWERS[name]
    answer = server.get(f"/answer/{list(ANSWERS).index(name)}")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (status, content_type, body)


@pytest.mark.parametrize("name", READERS)
def test_a_script_reads_its_request(server: Server, name: str) -> None:
    _, expected = READERS[name]
    answer = server.post(
        f"/read/{list(READERS).index(name)}/v%20w?a=1&a=2&b=x+y",
        body="f=field",
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "X-One": "1",
            "Cookie": 'session="s=1"; other=2',
            "User-Agent": "tester",
            "X-Forwarded-For": "9.9.9.9",
        },
    )
    assert (answer.status, answer.json()) == (200, expected)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_has_status_and_location(server: Server, code: int) -> None:
    answer = server.get(f"/redirect/{code}")
    assert (answer.status, answer.headers["Location"], answer.body) == (code, "https://example.com/a?b=c", b"")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/redirect/200", "invalid redirect status code"),
        ("/code/99", "invalid status code: 99"),
        ("/code/600", "invalid status code: 600"),
        ("/code/1.5", "invalid status code"),
        ("/code/x", "invalid status code: NaN"),
        ("/unwritable", "json: unsupported type: function"),
        ("/no/cookie", "http: named cookie not present"),
        ("/header/name", "invalid header name"),
    ],
)
def test_an_answer_that_cannot_be_is_an_error_of_the_script(server: Server, path: str, words: str) -> None:
    answer = server.get(path)
    assert answer.status == 500
    assert words in answer.json()["message"]


def test_answers_of_two_nodes_are_joined_and_the_first_status_wins(server: Server) -> None:
    answer = server.get("/joined")
    assert (answer.status, answer.body) == (201, b"one two")
    assert answer.headers["X-Late"] == "1", "an answer leaves at the end of the run"


def test_a_header_set_before_the_answering_node_goes_out_with_the_answer(server: Server) -> None:
    answer = server.get("/early")
    assert (answer.status, answer.headers.get_all("X-Early")) == (204, ["twice"])
    assert server.get("/response/header").headers["X-Way"] == "old"


def test_no_header_value_can_begin_another_header(server: Server) -> None:
    answer = server.get("/header")
    assert answer.status == 204
    assert answer.headers["X-Note"] == "a  Set-Cookie: forged=1"
    assert "Set-Cookie" not in answer.headers


def test_every_cookie_has_a_header_of_its_own(server: Server) -> None:
    assert server.get("/cookies").headers.get_all("Set-Cookie") == [
        "a=1; Path=/; Max-Age=60; HttpOnly; SameSite=Strict",
        'b="x y"; Secure',
    ]


def test_headers_of_several_nodes_go_out_in_their_order_and_a_later_node_replaces_an_earlier_one(
    server: Server,
) -> None:
    answer = server.get("/heads")
    assert (answer.status, answer.headers.get_all("Content-Type"), answer.body) == (200, ["text/yaml"], b"a: 1")
    assert [answer.headers.get_all(name) for name in ("X-A", "X-B", "X-C")] == [["2"], ["3"], ["3"]]
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "a=2"]


@pytest.mark.parametrize(
    "name", ["Content-Length", "content-length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Trailer"]
)
@pytest.mark.parametrize("value", ["1", "chunked", "x"])
def test_a_script_cannot_say_where_its_answer_ends(server: Server, name: str, value: str) -> None:
    with server.connect() as connection:
        request = f"GET /head/{name}/{value} HTTP/1.1\r\nHost: h\r\n"
        connection.sendall(f"{request}\r\n{request}Connection: close\r\n\r\n".encode())
        wire = received(connection)
    assert statuses(wire) == [200, 200]
    assert wire.count(b"\r\nContent-Length: 5\r\n") == 2
    assert wire.endswith(b"\r\n\r\nhello")
    assert b"chunked" not in wire


@pytest.mark.parametrize("code", [100, 101, 199])
def test_a_status_that_ends_no_response_is_an_error(server: Server, code: int) -> None:
    assert server.get(f"/code/{code}").status == 500


@pytest.mark.parametrize("code", [204, 304])
def test_a_status_without_a_body_has_none(server: Server, code: int) -> None:
    with server.connect() as connection:
        connection.sendall(f"GET /body/{code} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        head, _, body = received(connection).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {code} ".encode())
    assert body == b""
