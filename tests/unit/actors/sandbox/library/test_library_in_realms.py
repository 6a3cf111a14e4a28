"""The library as scripts meet it: in the realms of a sandbox, one run after another."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("realm", ["warm", "fresh"])
@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("Buffer.from('héllo').toString('base64')", "aMOpbGxv"),
        ("new URL('/b?c=d', 'http://a/').searchParams.get('c')", "d"),
        ("new TextDecoder().decode(new TextEncoder().encode('€'))", "€"),
        ("structuredClone({ a: [new Date(0)] }).a[0].getTime()", 0),
        ("crypto.createHmac('sha1', 'k').update('d').digest('hex').length", 40),
        ("require('crypto').randomUUID().length", 36),
        ("require('node:util').inspect({ a: 1 })", "{ a: 1 }"),
        ("require('path').join('a', '..', 'b')", "b"),
        ("require('querystring').parse('a=1&a=2').a", ["1", "2"]),
        ("require('url').parse('http://a:1/b').host", "a:1"),
        ("require('buffer').Buffer === Buffer", True),
        ("new Response('x').status", 200),
    ],
)
def test_scripts_find_the_library(bench: Any, realm: str, expression: str, wanted: object) -> None:
    assert bench.value(expression, realm=realm) == wanted


@pytest.mark.parametrize(
    "thing",
    [
        "Buffer",
        "Buffer.prototype",
        "URL",
        "URLSearchParams.prototype",
        "require('util')",
        "require('util').inspect",
        "require('url').parse('a').constructor.prototype",
        "crypto",
        "Object.getPrototypeOf(crypto.createHash('md5'))",
        "new Response('x').constructor.prototype",
        "new Request('http://a/').signal.constructor.prototype",
        "require",
    ],
)
def test_what_a_run_writes_on_the_library_the_next_does_not_see(bench: Any, thing: str) -> None:
    bench.run(f"{thing}.left = 'secret'; return 1;", entry="body")
    assert bench.value(f"{thing}.left ?? null") is None


def test_a_realm_stays_warm_after_a_script_that_used_the_library(bench: Any) -> None:
    assert bench.keeps_realm_of(
        "return [Buffer.from('a'), new URL('http://a'), require('util').format('%o', {}), structuredClone([1]),"
        " crypto.createHash('md5').update('x').digest()].length",
        entry="body",
    )
