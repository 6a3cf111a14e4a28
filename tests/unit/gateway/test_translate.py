"""Requests into the system's words."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.nodes.script_request import EMPTY, script_request
from gateway import translate
from protocol.codec import loads
from protocol.errors import BadDocument
from protocol.flow import Durability, Flow, Start
from protocol.process import Request, StartProcess
from protocol.routing import Match

FLOW = Flow("app", "Home", {}, (), "hash")


class Nobody:
    def tell(self, message: object) -> None: ...


def request(method: str = "GET", path: str = "/a", query: str = "", body: bytes = b"", content: str = "") -> Request:
    form, files = translate.parse_body(content, body)
    headers = ((b"Host", b"h"), (b"x-trace-ID", b"1"), (b"X-Trace-Id", b"2"), (b"Content-Type", content.encode()))
    return Request(
        method, path, query, translate.parse_query(query), form,
        headers if content else headers[:-1], body, "127.0.0.1:5", "http", files,
    )  # fmt: skip


def start(asked: Request, *, content: str = "", body_as_payload: bool = False) -> StartProcess:
    way = Start("s", asked.method, asked.path, "a", body_as_payload=body_as_payload)
    match = Match(FLOW, way, (("name", "a b"),), asked.path)
    return translate.start_process("wid", match, asked, content, Durability.NONE, Nobody())


def given_to(script: StartProcess, *needs: str) -> dict:
    return loads(script_request(script, frozenset(needs), {"A": "1"}, "http://base"))


def test_a_script_that_needs_nothing_is_given_nothing() -> None:
    assert script_request(start(request()), frozenset(), {}, "") == EMPTY


def test_the_first_payload_is_made_of_query_values() -> None:
    assert loads(start(request(query="x=1&x=2&y=3&nflow_next_node_run=n")).payload) == {"x": ["1", "2"], "y": "3"}


def test_a_form_joins_the_query_in_the_payload() -> None:
    asked = request(
        "POST", query="x=1", body=b"x=2&name=ana+b", content="application/x-www-form-urlencoded; charset=utf-8"
    )
    assert loads(start(asked).payload) == {"x": ["1", "2"], "name": "ana b"}


def test_a_json_body_is_not_the_payload_of_a_playbook() -> None:
    assert start(request("POST", body=b'{"a":1}'), content="application/json").payload == EMPTY


@pytest.mark.parametrize("body", [b'{"value":2}', b"[1,2]", b"3", b'"text"', b"null"])
def test_a_json_body_is_the_payload_of_a_manual_flow(body: bytes) -> None:
    assert start(request("POST", body=body), content="application/json", body_as_payload=True).payload == body


def test_a_manual_flow_refuses_a_body_that_is_no_json() -> None:
    with pytest.raises(BadDocument, match="body"):
        start(request("POST", body=b"{"), content="application/json", body_as_payload=True)


def test_post_data_holds_the_path_and_the_fields_of_a_json_object() -> None:
    told = given_to(start(request("POST", "/a/b", "q=1", b'{"n":[1]}'), content="application/json"), "post_data")
    assert told == {"post_data": {"*": "a/b", "n": [1]}}


def test_post_data_of_a_get_holds_its_query() -> None:
    assert given_to(start(request(query="q=1&q=2")), "post_data") == {"post_data": {"*": "a", "q": "1"}}


def test_post_data_survives_a_body_that_is_no_json() -> None:
    assert given_to(start(request("POST", body=b"{")), "post_data") == {"post_data": {"*": "a"}}


def test_headers_have_canonical_names_and_all_their_values() -> None:
    assert given_to(start(request()), "headers") == {"headers": {"Host": ["h"], "X-Trace-Id": ["1", "2"]}}


def test_the_other_globals_are_told_by_name() -> None:
    told = given_to(start(request(query="q=1")), "vars", "query", "meta", "env", "url_base", "wid", "endpoint")
    assert told == {
        "vars": {"name": "a b"},
        "query": [["q", "1"]],
        "query_string": "q=1",
        "meta": {"method": "GET", "path": "/a", "host": "h", "scheme": "http", "client": "127.0.0.1"},
        "env": {"A": "1"},
        "url_base": "http://base",
        "wid": "wid",
        "endpoint": "/a",
    }


def test_a_query_of_too_many_fields_is_refused() -> None:
    with pytest.raises(BadDocument, match="more than 1000"):
        translate.parse_query("&".join(["a=1"] * 1_001))


@given(
    st.text(),
    st.binary(max_size=200),
    st.sampled_from(["", "application/json", "application/x-www-form-urlencoded", "x;y;"]),
)
def test_no_query_and_no_body_is_a_crash(query: str, body: bytes, content: str) -> None:
    with contextlib.suppress(BadDocument):
        asked = request("POST", "/a", query.encode("utf-8", "replace").decode(), body, content)
        given_to(start(asked, content=content, body_as_payload=True), "post_data", "query", "fields", "headers")


# --- bodies and files ---

FORM_DATA = (
    b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--X\r\nContent-Disposition: form-data; name="f"; filename="t.txt"\r\nContent-Type: text/plain\r\n\r\nhi\r\n'
    b'--X\r\nContent-Disposition: form-data; name="f"; filename="b.bin"\r\n\r\n\xff\r\n--X--\r\n'
)
MULTIPART = "multipart/form-data; boundary=X"


def test_fields_of_an_upload_are_payload_and_post_data_as_those_of_a_form() -> None:
    asked = request("POST", query="q=2", body=FORM_DATA, content=MULTIPART)
    begun = start(asked, content=MULTIPART)
    assert loads(begun.payload) == {"q": "2", "a": "1"}
    assert given_to(begun, "fields")["fields"] == [["a", "1"]]
    assert given_to(begun, "post_data")["post_data"] == {"*": "a", "a": "1", "q": "2"}


def test_files_are_told_as_text_where_they_are_and_else_as_base64() -> None:
    asked = request("POST", body=FORM_DATA, content=MULTIPART)
    assert given_to(start(asked), "files")["files"] == [
        {"field": "f", "name": "t.txt", "type": "text/plain", "size": 2, "content": {"text": "hi"}},
        {"field": "f", "name": "b.bin", "type": "text/plain", "size": 1, "content": {"base64": "/w=="}},
    ]


@pytest.mark.parametrize(
    ("content", "body", "told"),
    [
        ("application/json", b'{"a": [1]}', {"json": {"a": [1]}}),
        ("application/json; charset=utf-8", b"null", {"json": None}),
        ("application/problem+json", b"5", {"json": 5}),
        ("", b'"x"', {"json": "x"}),
        ("", b"plain", {"text": "plain"}),
        ("application/json", b"{bad", {"text": "{bad"}),
        ("text/plain", b'{"a":1}', {"text": '{"a":1}'}),
        ("application/octet-stream", b"\xff\x00", {"base64": "/wA="}),
        ("application/x-www-form-urlencoded", b"a=1&a=2", {"form": [["a", "1"], ["a", "2"]]}),
        (MULTIPART, FORM_DATA, {"form": [["a", "1"]]}),
    ],
)
def test_the_body_is_told_in_the_form_it_has(content: str, body: bytes, told: dict) -> None:
    assert given_to(start(request("POST", body=body, content=content)), "body") == {"body": told}


def test_no_body_is_not_told() -> None:
    assert given_to(start(request()), "body", "files") == {"files": []}


def test_a_malformed_upload_is_refused_with_what_is_wrong() -> None:
    with pytest.raises(BadDocument, match="body: not well-formed multipart/form-data: "):
        translate.parse_body(MULTIPART, FORM_DATA[:-8])
