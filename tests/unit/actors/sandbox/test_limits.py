"""Each limit of one run: what is told when it is hit, and that nothing a script does hides it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from actors.sandbox.sources import sources
from actors.sandbox.vm import GRAIN, Engine, check_version, stops_scripts
from protocol.sandbox import Limits

ENDLESS = [
    "while (true) {}",
    "for (;;) try { while (true) {} } catch {}",
    "try { while (true) {} } finally { while (true) {} }",
    "(function f() { try { f() } catch {} f() })()",
    "for (;;) Promise.resolve().then(() => {})",
    "[1, 2].sort(() => { for (;;); })",
    "/(a+)+$/.test('a'.repeat(40) + 'b')",
    "new Proxy({}, {get() { for (;;); }}).x",
    "c.JSON(200, {get a() { for (;;); }})",
    "payload = {toJSON() { for (;;); }}",
    "payload = {get a() { for (;;); }}",
    "throw {toString() { for (;;); }}",
    "throw {get name() { for (;;); }, __proto__: Error.prototype}",
    "const e = new Error; Object.defineProperty(e, 'message', {get() { for (;;); }}); throw e",
    "console.log({toJSON() { for (;;); }})",
    "next = {toString() { for (;;); }}",
    "c.String(200, {toString() { for (;;); }})",
    "function* g() { for (;;) yield 1 } for (const x of g());",
]


@pytest.mark.parametrize("body", ENDLESS)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_a_script_without_end_is_stopped_by_the_clock(bench_with: Any, realm: str, body: str) -> None:
    bench = bench_with(execution_seconds=0.05)
    begun = time.monotonic()
    failed = bench.failed(f"function main(){{ {body} }}", realm=realm)
    assert (failed.kind, failed.discard) == ("time", True)
    assert time.monotonic() - begun < 2.0
    assert bench.value("1 + 1", realm=realm) == 2


@pytest.mark.parametrize(
    "source",
    [
        "async function main(){ for (;;) await null }",
        "async function main(){ const f = () => Promise.resolve().then(f); await f() }",
        "function main(){ const f = () => { Promise.resolve().then(f).then(f) }; f() }",
    ],
)
def test_endless_jobs_are_stopped_by_the_clock(bench_with: Any, source: str) -> None:
    bench = bench_with(execution_seconds=0.05)
    assert bench.failed(source).kind == "time"


@pytest.mark.parametrize("body", ENDLESS[:4])
def test_a_script_without_end_is_stopped_by_its_operations(bench_with: Any, body: str) -> None:
    bench = bench_with(operations=5 * GRAIN)
    failed = bench.failed(f"function main(){{ {body} }}")
    assert (failed.kind, failed.discard) == ("operations", True)


def test_operations_are_counted_in_grains(bench: Any) -> None:
    used = bench.done("function main(){ for (let i = 0; i < 1e5; i++); }").result.operations
    assert 9 * GRAIN <= used <= 25 * GRAIN
    assert bench.done("function main(){}").result.operations <= GRAIN


def test_logs_before_the_end_are_kept(bench_with: Any) -> None:
    failed = bench_with(execution_seconds=0.05).failed("function main(){ console.log('here'); for (;;); }")
    assert failed.logs == (("log", "here"),)


def test_a_host_call_stops_the_clock(bench_with: Any) -> None:
    bench = bench_with(execution_seconds=0.2)

    def slow(name: str, arguments: Any) -> str:
        time.sleep(0.15)
        return "1null"

    bench.reply = slow
    assert bench.value("[sleep(), sleep(), sleep()]") == [None] * 3


@pytest.mark.parametrize("body", ["'x'.repeat(2 ** 30)", "new ArrayBuffer(2 ** 40)", "new Array(2 ** 32)"])
def test_one_impossible_allocation_is_just_an_exception(bench: Any, body: str) -> None:
    assert bench.failed(f"function main(){{ {body} }}").kind == "exception"


def test_the_stack_has_an_end(bench: Any) -> None:
    failed = bench.failed("function main(){ (function f() { f() })() }")
    assert (failed.kind, failed.discard) == ("stack", False)
    assert "call stack" in failed.message
    assert bench.value("(() => { try { (function f() { f() })() } catch (e) { return e.name } })()") == "RangeError"


@pytest.mark.parametrize(
    "body",
    [
        "c.String(200, 'x'.repeat(2000))",
        "c.JSON(200, new Array(2000).fill(1))",
        "payload = 'x'.repeat(2000)",
        "payload = 'é'.repeat(700)",
        "c.String(200, 'é'.repeat(700))",
        "for (let i = 0; i < 300; i++) c.String(200, '12345')",
        "try { c.String(200, 'x'.repeat(2000)) } catch {}",
        "c.SetHeader('a', 'x'.repeat(2000))",
        "sleep('x'.repeat(2000))",
        "let a = []; for (let i = 0; i < 40; i++) a = [a, a]; c.JSON(200, a)",
    ],
)
def test_output_is_capped_also_where_the_script_catches_it(bench_with: Any, body: str) -> None:
    failed = bench_with(output_bytes=1000).failed(f"function main(){{ {body} }}")
    assert (failed.kind, failed.discard) == ("output", False)


def test_output_up_to_the_cap_is_fine(bench_with: Any) -> None:
    bench = bench_with(output_bytes=1000)
    assert len(bench.body("c.String(200, 'x'.repeat(1000))")) == 1000
    assert len(bench.body("c.String(200, '\\u0001'.repeat(1000))")) == 1000
    assert len(bench.body("c.Blob(200, 'a/b', new Uint8Array(1000))")) == 1000
    assert len(bench.done("function main(){ payload = 'x'.repeat(998) }").result.payload) == 1000


def test_no_reply_is_larger_than_a_frame(bench_with: Any) -> None:
    bench = bench_with(output_bytes=8 << 20)
    assert bench.failed("function main(){ c.String(200, 'x'.repeat(6e6)) }").kind == "output"
    assert bench.failed("function main(){ payload = '\\u0001'.repeat(1e6) }").kind == "output"


def test_the_version_is_checked_and_the_hook_is_tested(engine: Engine) -> None:
    check_version()
    assert engine.hooked
    assert stops_scripts(engine)


def test_without_the_c_interface_scripts_run_all_the_same(bench_with: Any) -> None:
    bench = type(bench_with())(
        Engine({name: text.encode() for name, text in sources().items()}, native=False), Limits()
    )
    assert bench.body("c.JSON(200, {b: 1, a: 2})") == '{"a":2,"b":1}\n'
    assert bench.value("payload.x + 1", payload={"x": 1}) == 2
    failed = bench.failed("function main(){ let = ; }")
    assert (failed.kind, failed.message[:11]) == ("compile", "SyntaxError")
    assert bench.failed("}, leak = 1, function(){").kind == "compile"
    assert bench.failed("function main(){ throw new Error('x') }").kind == "exception"
