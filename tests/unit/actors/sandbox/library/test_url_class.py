"""URL reads, resolves and writes addresses as the WHATWG standard has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CASES = json.loads((Path(__file__).parents[4] / "data" / "url_cases.json").read_text("utf-8"))["cases"]


def test_urls_are_read_and_resolved(library: Any) -> None:
    given = json.dumps([[case[0], case[1]] for case in CASES])
    got = library.run(
        f"""
        return {given}.map(([input, base]) => {{
          if (!URL.canParse(input, base ?? undefined)) return [null, null];
          const url = new URL(input, base ?? undefined);
          const {{ href, origin, username, password, host, pathname, search, hash }} = url;
          return [href, [origin, username, password, host, pathname, search, hash]];
        }});
        """
    )
    wrong = [(case, result) for case, result in zip(CASES, got, strict=True) if case[2:] != result]
    assert wrong == []


def test_what_was_written_is_read_as_the_same(library: Any) -> None:
    hrefs = json.dumps(sorted({case[2] for case in CASES if case[2] is not None}))
    assert library.run(f"return {hrefs}.filter((href) => new URL(href).href !== href);") == []


def test_a_text_that_is_no_url_is_told_with_the_text(library: Any) -> None:
    assert library.run(
        """
        try { new URL('nope', 'also:nope'); } catch (error) {
          return [error instanceof TypeError, error.code, error.message, error.input, error.base];
        }
        """
    ) == [True, "ERR_INVALID_URL", "Invalid URL", "nope", "also:nope"]
    assert library.value("[URL.canParse('/a', 'http://h'), URL.parse('/a'), URL.parse('/a', 'http://h').href]") == [
        True,
        None,
        "http://h/a",
    ]


SETTERS = [
    ("http://h/", "protocol", "https", "https://h/"),
    ("http://h/", "protocol", "https:x", "https://h/"),
    ("http://h/", "protocol", "foo", "http://h/"),
    ("foo://h/", "protocol", "http", "foo://h/"),
    ("https://h:80/", "protocol", "http", "http://h/"),
    ("file:///x", "protocol", "http", "file:///x"),
    ("http://u@h/", "protocol", "file", "http://u@h/"),
    ("http://h/", "username", "a b@", "http://a%20b%40@h/"),
    ("http://u:p@h/", "username", "", "http://:p@h/"),
    ("file:///x", "username", "u", "file:///x"),
    ("mailto:a@b", "username", "u", "mailto:a@b"),
    ("http://h/", "password", "p:/", "http://:p%3A%2F@h/"),
    ("http://h:81/", "host", "x", "http://x:81/"),
    ("http://h:81/", "host", "x:80", "http://x/"),
    ("http://h/", "host", "x:82/y?z", "http://x:82/"),
    ("http://h/", "host", "", "http://h/"),
    ("http://h/", "host", "a b", "http://h/"),
    ("foo://h/", "host", "", "foo:///"),
    ("http://h:81/", "hostname", "x:99", "http://h:81/"),
    ("http://h:81/", "hostname", "[::1]", "http://[::1]:81/"),
    ("http://h/", "hostname", "münchen.de", "http://xn--mnchen-3ya.de/"),
    ("file:///a", "hostname", "localhost", "file:///a"),
    ("mailto:a@b", "hostname", "x", "mailto:a@b"),
    ("http://h/", "port", "8080", "http://h:8080/"),
    ("http://h:81/", "port", "", "http://h/"),
    ("http://h:81/", "port", "80", "http://h/"),
    ("http://h:81/", "port", "90x", "http://h:90/"),
    ("http://h:81/", "port", "x", "http://h:81/"),
    ("http://h:81/", "port", "65536", "http://h:81/"),
    ("http://h/a", "pathname", "b/../c d?e#f", "http://h/c%20d%3Fe%23f"),
    ("http://h/a", "pathname", "", "http://h/"),
    ("foo://h/a", "pathname", "", "foo://h"),
    ("foo:/a", "pathname", "//b", "foo:/.//b"),
    ("mailto:a@b", "pathname", "x", "mailto:a@b"),
    ("http://h/?a", "search", "", "http://h/"),
    ("http://h/?a", "search", "?", "http://h/?"),
    ("http://h/", "search", "b c#'", "http://h/?b%20c%23%27"),
    ("http://h/#a", "hash", "", "http://h/"),
    ("http://h/", "hash", "#b c", "http://h/#b%20c"),
    ("http://h/", "href", "foo:bar", "foo:bar"),
]


@pytest.mark.parametrize(("href", "part", "value", "wanted"), SETTERS)
def test_parts_can_be_set(library: Any, href: str, part: str, value: str, wanted: str) -> None:
    arguments = json.dumps([href, value])
    assert library.run(
        f"const [href, value] = {arguments}, url = new URL(href); url.{part} = value; return url.href;"
    ) == (wanted)


def test_a_url_is_its_text_in_json_and_in_texts(library: Any) -> None:
    assert library.value("[{ u: new URL('http://h') }, `${new URL('http://h')}`]") == [{"u": "http://h/"}, "http://h/"]


def test_a_very_long_host_is_no_host(library: Any) -> None:
    assert library.value(
        "[URL.canParse('http://' + 'ü'.repeat(100000)), URL.canParse('http://[' + ':'.repeat(1e6) + ']')]"
    ) == ([False, False])


def test_a_long_address_costs_time_in_proportion(library: Any) -> None:
    assert library.run(
        """
        const segment = '../a b/'.repeat(20000);
        const url = new URL('http://h/' + segment + '?' + 'ü'.repeat(20000) + '#' + ' x'.repeat(20000));
        return [url.pathname, url.search.length, url.hash.length];
        """
    ) == ["/a%20b/", 120_001, 80_001]


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("a†--", "xn--a---kp0a"),
        ("x..ß", "x..xn--zca"),
        ("≠", "xn--1ch"),
        ("עברית.co.il", "xn--5dbqzzl.co.il"),
        ("ي.", "xn--mhb."),
        ("يa", None),
        ("1ע.il", None),
        ("xn--a-yoc", None),
        ("xn--tešla", None),
        ("\u200d.example", None),
        ("xn--1ug.example", None),
        ("ශ\u0dca\u200dරී", "xn--10cl1a0b660p"),
        ("\u0646\u0627\u0645\u0647\u200c\u0627\u06cc", "xn--mgba3gch31f060k"),
    ],
)
def test_names_of_other_alphabets(library: Any, host: str, wanted: str | None) -> None:
    assert library.value(f"URL.parse('https://' + {json.dumps(host)} + '/')?.host ?? null") == wanted
