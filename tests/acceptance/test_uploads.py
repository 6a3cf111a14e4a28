"""Uploads and bodies over HTTP, in both dialects: what a form sends is what a script gets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server

TYPE = {"Content-Type": "multipart/form-data; boundary=XX"}
FORM = (
    b'--XX\r\nContent-Disposition: form-data; name="title"\r\n\r\n\xc3\xb1\r\n'
    b'--XX\r\nContent-Disposition: form-data; name="f"; filename="dir/a.txt"\r\nContent-Type: text/csv\r\n\r\n1;2\r\n'
    b'--XX\r\nContent-Disposition: form-data; name="f"; filename="b.bin"\r\n\r\n\x00\xff\r\n--XX--\r\n'
)
SCRIPTS = {
    "/go": "const f = c.FormFile('f');"
    "c.JSON(200, [c.FormValue('title'), payload.title, post_data.title, form.title, f.filename, f.text(), f.size,"
    " c.MultipartForm().file.f[1].base64()])",
    "/manual": "const { body, files } = c.request;"
    "c.JSON(200, [body, files.f.map((f) => [f.filename, f.type, f.size]), [...files.f[1].bytes()]])",
    "/missing": "c.FormFile('other')",
    "/body": "c.JSON(200, c.request.body)",
    "/echo": "c.Blob(200, 'application/octet-stream', c.FormFile('f').bytes())",
}


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(playbook(*[chain(path, script, method="POST") for path, script in SCRIPTS.items()]))


def test_an_upload_reaches_scripts_as_go_gives_it(server: Server) -> None:
    answer = server.post("/go", body=FORM, headers=TYPE)
    assert answer.json() == ["ñ", "ñ", "ñ", ["ñ"], "a.txt", "1;2", 3, "AP8="]


def test_an_upload_reaches_scripts_in_the_manuals_dialect(server: Server) -> None:
    answer = server.post("/manual", body=FORM, headers=TYPE)
    assert answer.json() == [{"title": "ñ"}, [["a.txt", "text/csv", 3], ["b.bin", "text/plain", 2]], [0, 255]]


def test_a_file_that_was_not_sent_is_an_exception(server: Server) -> None:
    answer = server.post("/missing", body=FORM, headers=TYPE)
    assert answer.status == 500
    assert "http: no such file" in answer.json()["message"]


def test_bytes_arrive_as_they_were_sent(server: Server) -> None:
    data = bytes(range(256)) * 1_000
    head = b'--XX\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
    answer = server.post("/echo", body=head + data + b"\r\n--XX--\r\n", headers=TYPE)
    assert (answer.status, answer.body == data) == (200, True)


@pytest.mark.parametrize("body", [FORM[:-6], b"nonsense", b"", FORM.replace(b"form-data", b"x", 1)])
def test_a_malformed_upload_is_a_400_that_says_what_is_wrong(server: Server, body: bytes) -> None:
    answer = server.post("/body", body=body or b" ", headers=TYPE)
    assert answer.status == 400
    assert answer.json()["message"].startswith("body: not well-formed multipart/form-data: ")


@pytest.mark.parametrize(
    ("content_type", "body", "given"),
    [
        ("application/json", b'{"a": {"b": [1]}}', {"a": {"b": [1]}}),
        ("application/x-www-form-urlencoded", b"a=1&b=2&a=3", {"a": ["1", "3"], "b": "2"}),
        ("text/plain", b"hello", "hello"),
    ],
)
def test_the_manuals_body(server: Server, content_type: str, body: bytes, given: Any) -> None:
    assert server.post("/body", body=body, headers={"Content-Type": content_type}).json() == given
