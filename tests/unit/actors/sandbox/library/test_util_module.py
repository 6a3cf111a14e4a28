"""What `util` gives beyond texts: promises of callbacks, inheritance, warnings."""

from __future__ import annotations

from typing import Any

UTIL = "const util = require('util');"


def test_promisify_turns_a_callback_into_a_promise(library: Any) -> None:
    assert library.run(
        UTIL
        + """
        const add = function (a, b, done) { done(null, this.base + a + b); };
        const object = { base: 1, add: util.promisify(add) };
        const fails = util.promisify((done) => done(new RangeError('no')));
        const own = () => {};
        own[util.promisify.custom] = async () => 'own';
        return [await object.add(2, 3), await fails().catch((error) => error.name), await util.promisify(own)(),
          object.add.name];
        """
    ) == [6, "RangeError", "own", "add"]
    assert library.thrown(UTIL + "util.promisify(5);").code == "ERR_INVALID_ARG_TYPE"


def test_callbackify_turns_a_promise_into_a_callback(library: Any) -> None:
    assert library.run(
        UTIL
        + """
        const got = [];
        util.callbackify(async (x) => x * 2)(4, (error, value) => got.push(error, value));
        util.callbackify(async () => { throw new Error('no'); })((error) => got.push(error.message));
        util.callbackify(() => Promise.reject(null))((error) => got.push(error.code));
        for (let i = 0; i < 5; i++) await null;
        return got;
        """
    ) == [None, 8, "no", "ERR_FALSY_VALUE_REJECTION"]


def test_inherits_links_the_prototypes(library: Any) -> None:
    assert library.run(
        UTIL
        + """
        function Parent() {}
        Parent.prototype.hello = () => 'hello';
        function Child() {}
        util.inherits(Child, Parent);
        return [new Child().hello(), Child.super_ === Parent, new Child() instanceof Parent];
        """
    ) == ["hello", True, True]


def test_deprecate_warns_once_per_function_and_not_for_the_next_run(library: Any) -> None:
    body = (
        UTIL
        + """
        const warned = [];
        globalThis.console = { warn: (text) => warned.push(text) };
        const old = util.deprecate((x) => x + 1, 'old() goes', 'DEP1');
        const sum = old(1) + old(2);
        delete globalThis.console;
        return [sum, warned];
        """
    )
    assert library.run(body) == library.run(body) == [5, ["[DEP1] DeprecationWarning: old() goes"]]


def test_errors_are_shown_with_their_place_code_and_cause(library: Any) -> None:
    shown = library.run(
        UTIL + "const e = new TypeError('bad', { cause: new Error('root') }); e.code = 'MINE'; e.extra = { a: 1 };"
        " return util.inspect(e);"
    )
    assert shown.startswith("TypeError: bad\n    at ")
    assert "code: 'MINE'" in shown
    assert "extra: { a: 1 }" in shown
    assert "[cause]: Error: root\n" in shown


def test_methods_of_modules_need_no_module_in_hand(library: Any) -> None:
    assert library.run(
        "const { inspect, format, types: { isMap }, isDeepStrictEqual } = require('util');"
        " const { join } = require('path'), { parse } = require('querystring'), { createHash } = require('crypto');"
        " return [inspect([1]), format('%s', 1), isMap(new Map()), isDeepStrictEqual([1], [1]), join('a', 'b'),"
        " parse('a=b').a, createHash('md5').update('').digest('hex').length];"
    ) == ["[ 1 ]", "1", True, True, "a/b", "b", 32]
