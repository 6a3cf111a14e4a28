"""Calls that are sent, promises, timers: what a run waits for, in which order, and what is left of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors.sandbox.frames import CALLS_AT_ONCE
from protocol.codec import dumps, loads

PLUGINS = ("ask", "crm.find")


@pytest.fixture
def loop(bench_with: Callable[..., Any]) -> Any:
    """A sandbox with two plugin functions, which are promises; each answers its own first argument."""
    bench = bench_with(functions=PLUGINS)
    bench.reply = lambda name, arguments: "1" + dumps(arguments[0] if arguments else None).decode()
    return bench


def result(bench: Any, source: str, **order: Any) -> Any:
    return loads(bench.done(source, entry="async", **order).result.payload)


@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_calls_that_are_sent_go_out_before_any_is_answered(loop: Any, realm: str) -> None:
    under_way: list[int] = []
    loop.pick = lambda waiting: under_way.append(len(waiting)) or 0
    source = "return await Promise.all([ask(1), crm.find(2), ask(3)])"
    assert result(loop, source, realm=realm) == [1, 2, 3]
    assert under_way == [3, 2, 1]
    assert [name for name, _ in loop.calls] == ["ask", "crm.find", "ask"]


def test_answers_find_their_promises_in_any_order(loop: Any) -> None:
    loop.pick = lambda waiting: len(waiting) - 1
    source = "const order = []; await Promise.all([1, 2, 3].map(async (n) => order.push(await ask(n)))); return order"
    assert result(loop, source) == [3, 2, 1]


def test_a_call_that_blocks_keeps_the_answers_of_those_under_way(loop: Any) -> None:
    source = "const a = ask('a'), b = ask('b'); const s = sleep(7); return [s, await b, await a]"
    assert result(loop, source) == [7, "b", "a"]


def test_a_run_waits_for_what_nobody_awaits(loop: Any) -> None:
    source = "function main() { ask(1).then((n) => { payload.later = n; return ask(2) }).then((n) => { next = 'output_' + n }) }"
    done = loop.done(source).result
    assert (done.payload, done.next) == (b'{"later":1}', "output_2")


def test_errors_of_the_runtime_reject_with_name_message_and_place(loop: Any) -> None:
    loop.reply = lambda name, arguments: '0{"name":"Unavailable","message":"no"}'
    caught = "try { await ask(1) } catch (e) { return [e.name, e.message, e instanceof Error] }"
    assert result(loop, caught) == ["Unavailable", "no", True]
    failed = loop.failed("async function main() {\n  await ask(1)\n}")
    assert (failed.name, failed.message) == ("Unavailable", "Unavailable: no at main (workflow:2:9)")


def test_arguments_that_are_no_json_reject(loop: Any) -> None:
    assert result(loop, "try { await ask(1n) } catch (e) { return e.name }") == "TypeError"
    assert loop.failed("async function main() { await ask('x'.repeat(2 ** 21)) }").kind == "output"


@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_a_rejection_nobody_handles_is_a_warning_and_one_that_is_handled_late_is_none(loop: Any, realm: str) -> None:
    source = """
      Promise.reject(new Error('lost')); (async () => { throw 5 })()
      const late = Promise.reject(1); await null; late.catch(() => {})
    """
    logs = loop.done(source, entry="async", realm=realm).result.logs
    assert logs == (("warn", "unhandled rejection: Error: lost"), ("warn", "unhandled rejection: 5"))
    assert loop.done("", entry="body", realm=realm).result.logs == ()


def test_many_rejections_are_no_burden(loop: Any) -> None:
    source = "for (let i = 0; i < 1e4; i++) Promise.reject({i, self: {}}); return 1"
    for _ in range(3):
        done = loop.done(source, entry="body").result
        assert 1 <= len(done.logs) <= 17
    assert loop.value("1 + 1") == 2


def test_a_rejected_main_ends_its_run_at_once(loop: Any) -> None:
    failed = loop.failed(
        "async function main() { ask(1); setTimeout(() => {}, 1e9); await null; throw new Error('out') }"
    )
    assert failed.message.startswith("Error: out at main")
    assert len(loop.waiting) == 1, "nobody asked for its answer"
    assert result(loop, "return await ask(5)") == 5


def test_awaiting_what_never_comes_is_an_exception_once_nothing_is_under_way(loop: Any) -> None:
    failed = loop.failed("async function main() { ask(1); await new Promise(() => {}) }")
    assert "awaits something that never comes" in failed.message


@pytest.mark.parametrize(
    "source",
    [
        "return await ask({then: 1})",
        "const p = ask('x'); p.then = () => 'mine'; return await p",
        "const p = ask('x'); Object.defineProperty(p, 'constructor', {get() { throw 1 }}); try { return await p } catch (e) { return e }",
        "class P extends Promise {} return await P.all([ask('x')])",
        "return await {then(f) { f(ask('x')) }}",
        "return await {get then() { throw 'x' }}",
        "return await Promise.race([ask('x'), new Promise(() => {})])",
        "return await Promise.any([Promise.reject(1), ask('x')])",
    ],
)
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_thenables_and_tampered_promises_harm_nobody(loop: Any, realm: str, source: str) -> None:
    outcome = loop.run(source, entry="async", realm=realm)
    assert getattr(outcome, "kind", "exception") == "exception"
    assert result(loop, "return await ask('well')", realm=realm) == "well"


def test_a_fresh_realm_with_its_own_promises_still_gets_its_answers(loop: Any) -> None:
    source = """
      Promise.prototype.then = () => 'mine'; globalThis.Promise = null; JSON.parse = () => 'mine'
      Map.prototype.get = null; Object.prototype.settle = 1
      return await ask('x')
    """
    assert result(loop, source, realm="fresh") == "x"


def test_more_calls_at_once_than_the_parent_allows_wait_their_turn(bench_with: Any) -> None:
    bench = bench_with(functions=PLUGINS, host_calls=1000, execution_seconds=10.0)
    most: list[int] = []
    bench.pick = lambda waiting: most.append(len(waiting)) or 0
    bench.reply = lambda name, arguments: f"1{arguments[0]}"
    source = "const all = await Promise.all(Array.from({length: 1000}, (_, i) => ask(i))); return all.reduce((a, b) => a + b)"
    assert loads(bench.done(source, entry="async").result.payload) == 499_500
    assert max(most) == CALLS_AT_ONCE
    assert bench.failed("for (let i = 0; i < 1001; i++) ask(i)", entry="body").kind == "host_calls"


def test_what_a_run_sent_while_its_reply_was_written_is_not_the_next_ones(loop: Any) -> None:
    source = "payload = {toJSON() { ask('late').then((v) => { globalThis.leak = v }); setTimeout(() => { leak = 2 }, 0); return 1 }}"
    assert loop.done(f"function main() {{ {source} }}").result.payload == b"1"
    assert result(loop, "await ask(1); return typeof leak") == "undefined"


# --- timers ---


@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_timers_run_in_the_order_of_their_time(loop: Any, realm: str) -> None:
    source = """
      const seen = []
      setTimeout((a, b) => seen.push('late' + a + b), 3, 1, 2); setTimeout(() => seen.push('first'))
      setTimeout(() => { seen.push('second'); queueMicrotask(() => seen.push('job')) }, 0)
      setImmediate(() => seen.push('third')); clearTimeout(setTimeout(() => seen.push('never'), 1)); clearTimeout('x')
      queueMicrotask(() => seen.push('micro'))
      await new Promise((done) => setTimeout(done, 5))
      return seen
    """
    loop.reply = lambda name, arguments: wait(arguments[0])
    assert result(loop, source, realm=realm) == ["micro", "first", "second", "job", "third", "late12"]
    assert {name for name, _ in loop.calls} <= {"sleep"}


def wait(milliseconds: float) -> str:
    """What the runtime does for `sleep`."""
    import time

    time.sleep(milliseconds / 1000)
    return "1null"


def test_a_run_waits_for_its_timers_and_asks_for_one_sleep_at_a_time(loop: Any) -> None:
    loop.reply = lambda name, arguments: wait(arguments[0])
    source = "function main() { for (let i = 1; i < 6; i++) setTimeout(() => { payload.n = (payload.n ?? 0) + 1 }, 2) }"
    assert loop.done(source).result.payload == b'{"n":5}'
    assert len(loop.calls) <= 2
    assert loop.waiting == []


def test_an_interval_runs_until_it_is_cleared(loop: Any) -> None:
    loop.reply = lambda name, arguments: wait(arguments[0])
    source = "let n = 0; await new Promise((done) => { const id = setInterval(() => { if (++n === 3) { clearInterval(id); done() } }, 1) }); return n"
    assert result(loop, source) == 3


def test_the_shortest_interval_sleeps_too(bench_with: Any) -> None:
    bench = bench_with(execution_seconds=0.1)
    bench.reply = lambda name, arguments: wait(arguments[0])
    bench.done("function main() { let n = 0; const id = setInterval(() => { if (++n === 150) clearInterval(id) }, 1) }")
    assert len(bench.calls) >= 100


def test_a_streamed_answer_may_have_a_hundred_times_as_many_chunks(bench_with: Any) -> None:
    bench = bench_with(host_calls=2)
    assert bench.failed("for (let i = 0; i < 201; i++) c.response.write('x')", entry="body").kind == "host_calls"
    bench.done("for (let i = 0; i < 200; i++) c.response.write('x')", entry="body")


def test_an_interval_that_is_never_cleared_ends_by_the_host_calls(bench_with: Any) -> None:
    bench = bench_with(host_calls=10)
    bench.reply = lambda name, arguments: wait(arguments[0])
    assert bench.failed("function main() { setInterval(() => {}, 2) }").kind == "host_calls"


def test_timers_without_end_are_on_the_scripts_clock(bench_with: Any) -> None:
    bench = bench_with(execution_seconds=0.05)
    assert bench.failed("function main() { const f = () => setTimeout(f, 0); f() }").kind == "time"


def test_a_cleared_timer_keeps_nobody(loop: Any) -> None:
    def never(name: str, arguments: Any) -> str:
        raise AssertionError("nobody may wait for this")

    loop.reply = never
    loop.done("function main() { clearTimeout(setTimeout(() => {}, 1e6)) }")


def test_a_callback_that_throws_is_a_warning(loop: Any) -> None:
    done = loop.done("function main() { setTimeout(() => null.x, 0); queueMicrotask(() => { throw 7 }) }").result
    assert sorted(done.logs) == [
        ("warn", "uncaught in a timer: TypeError: cannot read property 'x' of null"),
        ("warn", "unhandled rejection: 7"),
    ]


@pytest.mark.parametrize("call", ["setTimeout('text')", "setInterval()", "queueMicrotask(5)"])
def test_only_functions_are_called_back(loop: Any, call: str) -> None:
    assert loop.failed(f"function main() {{ {call} }}").name == "TypeError"


def test_a_script_has_a_bounded_number_of_timers(loop: Any) -> None:
    assert loop.failed("function main() { for (;;) setTimeout(() => {}, 1e6) }").name == "RangeError"


def test_a_delay_longer_than_one_sleep_is_slept_in_parts(bench_with: Any) -> None:
    bench = bench_with(host_call_seconds=0.01)
    bench.reply = lambda name, arguments: wait(arguments[0])
    bench.done("function main() { setTimeout(() => { payload.x = 1 }, 35) }")
    assert all(arguments[0] <= 10 for _, arguments in bench.calls)
    assert len(bench.calls) >= 3


def test_sleep_blocks_and_may_be_awaited(loop: Any) -> None:
    loop.reply = lambda name, arguments: "1null"
    source = "let ran = false; queueMicrotask(() => { ran = true }); sleep(5); const before = ran; await sleep(5); return [before, ran]"
    assert result(loop, source) == [False, True]


@pytest.mark.parametrize("end", ["throw 1", "Promise.reject(4); throw 1", "payload = {toJSON() { Promise.reject(3); return 1 }}", "next = {toString() { Promise.resolve().then(() => { throw 5 }); throw 2 }}"])  # fmt: skip
@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_rejections_of_a_run_that_failed_are_gone_with_it(loop: Any, realm: str, end: str) -> None:
    for _ in range(3):
        loop.run(f"function main() {{ Promise.resolve().then(() => {{ throw 6 }}); {end} }}", realm=realm)
        assert not loop.engine.rejections.held
        assert loop.done("", entry="body", realm=realm).result.logs == ()
