"""What runs share of the library cannot be changed, and keeps nothing."""

from __future__ import annotations

from typing import Any

import pytest


def test_every_object_of_the_library_is_frozen(library: Any) -> None:
    loose = library.run(
        """
        const seen = new Set(), loose = [];
        const visit = (value, path) => {
          if (value === null || typeof value !== 'object' && typeof value !== 'function' || seen.has(value)) return;
          seen.add(value);
          if (!Object.isFrozen(value)) loose.push(path);
          visit(Object.getPrototypeOf(value), path + '.__proto__');
          for (const key of Reflect.ownKeys(value)) {
            const found = Object.getOwnPropertyDescriptor(value, key);
            for (const part of ['value', 'get', 'set']) visit(found[part], `${path}.${String(key)}`);
          }
        };
        const names = ['AbortController', 'AbortSignal', 'Buffer', 'Headers', 'Request', 'Response', 'TextDecoder',
          'TextEncoder', 'URL', 'URLSearchParams', 'crypto', 'fetch', 'structuredClone'];
        for (const name of names) visit(globalThis[name], name);
        for (const name of ['buffer', 'crypto', 'path', 'querystring', 'url', 'util']) visit(require(name), name);
        return loose;
        """
    )
    assert loose == []


@pytest.mark.parametrize(
    "thing",
    [
        "crypto.createHash('md5')",
        "crypto.createHmac('md5', 'k')",
        "new Response('x')",
        "Response.error()",
        "new Response('x').clone()",
        "new Request('http://a/').signal",
        "new AbortController().signal",
        "AbortSignal.timeout(5)",
        "new URL('http://a/').searchParams",
        "new URL('http://a/').searchParams.entries()",
        "new Headers().keys()",
        "Buffer.from('a').slice(0)",
        "require('url').parse('http://a/')",
        "require('url').parse('a').resolveObject('b')",
        "new TextDecoder()",
    ],
)
def test_what_scripts_are_given_has_frozen_prototypes(library: Any, thing: str) -> None:
    loose = library.run(
        f"""
        const loose = [];
        for (let at = Object.getPrototypeOf({thing}); at !== null; at = Object.getPrototypeOf(at))
          if (!Object.isFrozen(at)) loose.push(Object.getOwnPropertyNames(at).join());
        return loose;
        """
    )
    assert loose == []


def test_instances_can_be_given_properties_and_classes_be_extended(library: Any) -> None:
    assert library.run(
        """
        class Mine extends Buffer { toString() { return 'mine'; } }
        class Place extends URL { get port() { return 'p'; } }
        const buffer = Buffer.from('a');
        buffer.note = 1;
        buffer.toString = () => 'own';
        const error = new TypeError('x');
        error.code = 'MINE';
        return [`${new Mine(1)}`, new Place('http://a:1/').port, buffer.note, `${buffer}`, error.code];
        """
    ) == ["mine", "p", 1, "own", "MINE"]


def test_names_of_classes_are_seen_in_a_frozen_realm(library: Any) -> None:
    shown = "[new Mine(), new Error('e').constructor.name, require('url').parse('a').constructor.name]"
    assert library.value(f"(() => {{ class Mine {{}} return require('util').inspect({shown}); }})()") == (
        "[ Mine {}, 'Error', 'Url' ]"
    )


def test_the_library_works_where_built_ins_can_be_changed(fresh: Any) -> None:
    assert fresh.run(
        """
        Object.prototype.extra = 'polluted';
        Array.prototype.mine = () => 1;
        return [new URL('http://a/?x=1').searchParams.get('x'), Buffer.from('aGk', 'base64').toString(),
          require('util').inspect({ a: [1] }), new Headers({ a: 'b' }).get('extra'),
          require('querystring').parse('b=1').extra ?? null, structuredClone({ a: 1 }).a];
        """
    ) == ["1", "hi", "{ a: [ 1 ] }", None, None, 1]
