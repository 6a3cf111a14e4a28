"""The rules of requests: what may leave, what follows a redirect, how an answer is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.reach.http_message import HttpRequest, HttpResponse, checked, header_pairs, joined, redirected
from protocol.errors import CallRefused


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=12))
def test_nothing_that_passes_could_end_a_line(name: str, value: str, method: str) -> None:
    try:
        request = checked(HttpRequest(method, "http://x/", ((name, value),)))
    except CallRefused:
        return
    written = request.method + "".join(name + value for name, value in request.headers)
    assert not set("\r\n\0") & set(written)
    assert " " not in request.method


def test_methods_become_upper_case_and_the_clients_own_headers_go() -> None:
    request = checked(HttpRequest("patch", "http://x/", (("HOST", "y"), ("X-A", "tab\tis fine"))))
    assert request.method == "PATCH"
    assert request.headers == (("X-A", "tab\tis fine"),)


def test_what_follows_a_redirect_to_another_origin_holds_no_secret() -> None:
    names = ("Authorization", "cookie", "X-API-Key", "x-apikey", "X-Auth-Token", "Api-Secret", "X-Signature", "Accept")
    request = HttpRequest("GET", "http://a/", tuple((name, "v") for name in names))
    assert [name for name, _ in redirected(request, 302, "http://b/", same_origin=False).headers] == ["Accept"]
    assert redirected(request, 302, "http://a/2", same_origin=True).headers == request.headers


def test_a_body_that_is_dropped_takes_its_headers_along() -> None:
    request = HttpRequest("POST", "http://a/", (("Content-Type", "text/plain"), ("X", "y")), b"x")
    followed = redirected(request, 303, "http://a/2", same_origin=True)
    assert (followed.method, followed.body, followed.headers) == ("GET", None, (("X", "y"),))
    assert redirected(request._replace(method="HEAD"), 303, "http://a/2", same_origin=True).method == "HEAD"


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/plain", "grüße".encode(), "grüße"),
        ("text/plain; charset=iso-8859-1", "grüße".encode("latin-1"), "grüße"),
        ('text/plain; charset="UTF-16"', "grüße".encode("utf-16"), "grüße"),
        ("text/plain; charset=gbk", "你好".encode("gbk"), "你好"),
        ("text/plain; charset=utf-8", b"\xff", "\ufffd"),
        ("text/plain; charset=idna", b"plain", "plain"),
        ("text/plain; charset=zlib_codec", b"plain", "plain"),
        ("text/plain; charset=iso-8859-99", b"plain", "plain"),
        ("", b"\xef\xbb\xbfx", "x"),
        ("", b"\xff", None),
        ("image/png", b"", ""),
    ],
)
def test_a_body_is_read_by_its_charset_if_that_is_one_of_the_web(kind: str, body: bytes, text: str | None) -> None:
    assert HttpResponse(200, "OK", "", (("Content-Type", kind),), body).text() == text


def test_headers_are_written_as_scripts_like() -> None:
    headers = {"A": "b", "N": 5, "B": True, "L": ["x", 1, None], "Z": None}
    assert header_pairs(headers, "f") == (("A", "b"), ("N", "5"), ("B", "true"), ("L", "x"), ("L", "1"))
    with pytest.raises(CallRefused, match="header A"):
        header_pairs({"A": [{}]}, "f")


def test_repeated_headers_are_joined_and_cookies_stay_apart() -> None:
    pairs = (("A", "1"), ("a", "2"), ("Set-Cookie", "x=1; Expires=Mon, 1 Jan"), ("set-cookie", "y=2"))
    assert joined(pairs) == {"a": "1, 2", "set-cookie": "x=1; Expires=Mon, 1 Jan\ny=2"}
