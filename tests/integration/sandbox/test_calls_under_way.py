"""Several calls under way in a real sandbox process, and what is done in the process itself, behind its confinement."""

from __future__ import annotations

import base64
import hashlib
import hmac
import signal
import time
from typing import Any

import pytest

from actors.sandbox import frames
from protocol.codec import dumps, loads
from protocol.sandbox import HostReply

FUNCTIONS = ("ask",)


def begin(child: Any, source: str, **given: Any) -> int:
    """Hand the child a script; the number of its run."""
    order, known = child.order(source, **given)
    child.socket.sendall(frames.write_run(order, remembered=known))
    return order.run


def calls(child: Any, count: int) -> list[frames.Call]:
    got = [child.receive(2.0) for _ in range(count)]
    assert all(isinstance(call, frames.Call) for call in got), got
    return got


def answer(child: Any, call: frames.Call, value: Any, run: int | None = None) -> None:
    reply = HostReply(call.run if run is None else run, call.call, True, dumps(value))
    child.socket.sendall(frames.write_reply(reply))


def test_all_calls_are_sent_before_one_is_answered_and_the_clock_stands_still(nursery: Any) -> None:
    child = nursery.child(execution_seconds=0.3, functions=FUNCTIONS)
    begin(child, "return await Promise.all([ask(1), ask(2), ask(3)])", entry="async")
    first, second, third = calls(child, 3)
    time.sleep(0.4)
    for call in (third, first, second):
        answer(child, call, call.call * 10)
        time.sleep(0.1)
    done = child.receive(2.0)
    assert isinstance(done, frames.Done), done
    assert done.result.payload == b"[10,20,30]"
    child.close()


def test_a_script_that_goes_on_while_calls_are_under_way_is_on_its_clock(nursery: Any) -> None:
    child = nursery.child(execution_seconds=0.2, functions=FUNCTIONS)
    begin(child, "ask(1); for (;;);", entry="body")
    calls(child, 1)
    failed = child.receive(2.0)
    assert isinstance(failed, frames.Failed)
    assert failed.kind == "time"
    child.close()


@pytest.mark.parametrize(
    "source",
    [
        "await ask(1)",
        "await Promise.all([ask(1), ask(2)])",
        "ask(1); sleep(1e6)",
        "setTimeout(() => {}, 1e6)",
        "for (let i = 0; i < 100; i++) ask(i); await ask(0)",
        "for (;;) try { await ask(1) } catch {}",
    ],
)
def test_every_wait_can_be_cancelled(nursery: Any, source: str) -> None:
    child = nursery.child(execution_seconds=5.0, functions=FUNCTIONS)
    begin(child, source, entry="async")
    calls(child, 1)
    time.sleep(0.05)
    begun = time.monotonic()
    child.signal(signal.SIGUSR1)
    outcome = child.receive(2.0)
    while isinstance(outcome, frames.Call):
        outcome = child.receive(2.0)
    assert isinstance(outcome, frames.Failed), outcome
    assert outcome.kind == "cancelled"
    assert time.monotonic() - begun < 1.0
    child.close()


def test_answers_to_an_ended_run_are_nobodys(nursery: Any) -> None:
    child = nursery.child(functions=FUNCTIONS)
    begin(child, "ask(1).then((v) => { globalThis.leak = v }); throw new Error('out')", entry="body")
    (late,) = calls(child, 1)
    assert isinstance(child.receive(2.0), frames.Failed)
    begin(child, "return [await ask(2), typeof leak]", entry="async")
    (call,) = calls(child, 1)
    answer(child, late, "old")
    answer(child, call, "old", run=late.run)
    answer(child, call, "new")
    done = child.receive(2.0)
    assert done.result.payload == b'["new","undefined"]'
    answer(child, late, "after")
    assert child.run("payload = 1", entry="body").result.payload == b"1"
    child.close()


def test_a_thousand_calls_are_all_answered(nursery: Any) -> None:
    child = nursery.child(functions=FUNCTIONS, host_calls=1000, execution_seconds=5.0)
    child.host = lambda call: (True, loads(call.arguments)[0])
    source = "const all = await Promise.all(Array.from({length: 1000}, (_, i) => ask(i))); return all.reduce((a, b) => a + b)"
    for _ in range(3):
        assert child.run(source, entry="async", seconds=20.0).result.payload == b"499500"
    failed = child.run("for (let i = 0; i < 1001; i++) ask(i).catch(() => {}); await null", entry="async", seconds=20.0)
    assert (failed.kind, failed.discard) == ("host_calls", True)
    child.close()


def test_large_answers_to_many_calls_do_not_lock_up_both_ends(nursery: Any) -> None:
    child = nursery.child(functions=FUNCTIONS, execution_seconds=5.0)
    child.host = lambda call: (True, "x" * 200_000)
    source = "const big = 'y'.repeat(50000); const all = await Promise.all(Array.from({length: 60}, () => ask(big))); return all.length"
    order, known = child.order(source, entry="async")
    child.socket.sendall(frames.write_run(order, remembered=known))
    waiting = calls(child, 60)
    for call in waiting:
        answer(child, call, "x" * 200_000)
    done = child.receive(5.0)
    assert done.result.payload == b"60"
    child.close()


def test_timers_sleep_by_the_parents_clock(nursery: Any) -> None:
    child = nursery.child(execution_seconds=0.2)

    def sleep(call: frames.Call) -> tuple[bool, Any]:
        time.sleep(loads(call.arguments)[0] / 1000)
        return True, None

    child.host = sleep
    source = "const t = []; for (const n of [300, 100]) setTimeout(() => t.push(n), n); await new Promise((f) => setTimeout(f, 400)); return t"
    assert child.run(source, entry="async", seconds=5.0).result.payload == b"[100,300]"
    child.close()


# --- in the confined process ---


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("md5", "md5"),
        ("SHA1", "sha1"),
        ("sha224", "sha224"),
        ("SHA-256", "sha256"),
        ("sha384", "sha384"),
        ("sha512", "sha512"),
        ("sha512-224", "sha512_224"),
        ("sha512-256", "sha512_256"),
        ("sha3-256", "sha3_256"),
        ("sha3-512", "sha3_512"),
    ],
)
def test_digests_are_those_of_the_library_in_the_server(child: Any, name: str, algorithm: str) -> None:
    source = (
        f"const h = crypto.createHash('{name}').update('ñ').update('b').digest('hex');"
        f" return [h, crypto.createHmac('{name}', 'key').update('ñb').digest('base64')]"
    )
    done = child.run(source, entry="body")
    assert isinstance(done, frames.Done), done
    digest, keyed = loads(done.result.payload)
    assert digest == hashlib.new(algorithm, "ñb".encode()).hexdigest()
    assert base64.b64decode(keyed) == hmac.digest(b"key", "ñb".encode(), algorithm)


def test_what_is_done_in_the_process_needs_nothing_it_may_not_have(child: Any) -> None:
    """A file opened or a module imported would be the end of the process."""
    source = """
      const told = [uuid().length, crypto.randomBytes(8).toString('hex').length, crypto.randomUUID().length]
      for (const bad of [() => template('{{'), () => template('{{range .a}}{{.b.c}}{{end}}', {a: [1]}), () => crypto.createHash('no'),
        () => template('{{template "x"}}', {}), () => mustache('{{#a}}', {}), () => find_element('a.b', {}), () => require('fs')])
        try { bad(); told.push('none') } catch (e) { told.push(typeof e.message) }
      told.push(template('{{.t}} {{printf "%05.1f|%q|%x" 3.14159 "é" 255}} {{len .l}} <a href="{{.u}}" onclick="f({{.l}})">', {t: '<', u: 'javascript:x', l: [1, {a: 'é'}]}).length > 10)
      told.push(mustache('{{#l}}{{.}},{{/l}}{{{h}}}{{^n}}-{{/n}}', {l: [1, 2.5], h: '<'}))
      return told
    """
    for realm in ("warm", "fresh"):
        done = child.run(source, entry="body", realm=realm)
        assert isinstance(done, frames.Done), done
        payload = loads(done.result.payload)
        assert payload[:3] == [36, 16, 36]
        assert payload[-1] == "1,2.5,<-"


def test_two_sandboxes_share_no_randomness(nursery: Any) -> None:
    one, other = nursery.child(), nursery.child()
    source = "return [uuid(), crypto.randomBytes(8).toString('hex'), Math.random()]"
    drawn = [loads(child.run(source, entry="body").result.payload) for child in (one, other, one, other)]
    assert len({str(part) for parts in drawn for part in parts}) == 12
    one.close()
    other.close()
