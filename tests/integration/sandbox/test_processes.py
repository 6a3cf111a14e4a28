"""Zygote, launcher and sandbox processes: their births, their ends, and what is told of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from actors.sandbox import frames
from actors.sandbox.launcher import ZygoteProcess, fault_of, send_signal
from protocol.errors import SandboxLost
from protocol.sandbox import Fault

ROOT = Path(__file__).resolve().parents[3]
ENDLESS = "function main(){ for (;;); }"


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_until(condition: Any, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


# --- deaths and what is told of them ---


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_death_is_told_with_its_signal_and_cpu(nursery: Any, number: signal.Signals) -> None:
    child = nursery.child()
    child.run("function main(){ for (let i = 0; i < 3e5; i++); }")
    child.signal(number)
    died = child.end(killed=False)
    assert died.signal == number
    assert died.cpu > 0.001
    assert fault_of(died.status, 0.0, False) is (Fault.SCRIPT if number == signal.SIGSEGV else Fault.OUTSIDE)


def test_a_dead_sandbox_is_seen_on_its_socket_at_once_and_signals_to_it_are_no_error(nursery: Any) -> None:
    child = nursery.child()
    begun = time.monotonic()
    child.signal(signal.SIGKILL)
    assert child.receive(2.0) is None
    assert time.monotonic() - begun < 0.5
    nursery.exit_of(child.pid)
    child.signal(signal.SIGKILL)
    child.close()


def test_a_stopped_sandbox_is_killed_at_its_deadline_and_not_blamed(nursery: Any) -> None:
    child = nursery.child(execution_seconds=0.2)
    child.run("function main(){}")
    child.signal(signal.SIGSTOP)
    died = child.run("function main(){}")
    assert died.killed_at_deadline
    assert fault_of(died.status, died.cpu - 0.01, True) is Fault.OUTSIDE


def test_a_native_loop_is_killed_at_its_deadline_and_blamed(nursery: Any) -> None:
    child = nursery.child(execution_seconds=0.2)
    died = child.run("function main(){ Array.prototype.reverse.call({length: 2 ** 53 - 1}) }")
    assert died.killed_at_deadline
    assert fault_of(died.status, died.cpu, True) is Fault.SCRIPT


def test_many_forks_and_kills_lose_nothing(nursery: Any) -> None:
    async def storm() -> list[Any]:
        return await asyncio.gather(*(nursery.zygote.fork() for _ in range(60)))

    forked = nursery.runner.run(storm())
    assert len({f.pid for f in forked}) == 60
    for f in forked[::2]:
        send_signal(f.pidfd, signal.SIGKILL)
    for f in forked[1::2]:
        f.socket.close()
    for f in forked:
        nursery.exit_of(f.pid)
        os.close(f.pidfd)
        f.socket.close()


def test_a_cancelled_fork_request_leaves_no_process(nursery: Any) -> None:
    seen = set(nursery.exits)

    async def cancel() -> None:
        nursery.zygote.fork().cancel()
        await asyncio.sleep(0.1)

    nursery.runner.run(cancel())

    async def turn() -> None:
        until = time.monotonic() + 5
        while not set(nursery.exits) - seen:
            assert time.monotonic() < until
            await asyncio.sleep(0.01)

    nursery.runner.run(turn())


# --- the end of the zygote ---


def test_a_killed_zygote_takes_its_sandboxes_along_and_is_told_once(own_nursery: Any) -> None:
    child = own_nursery.child()
    own_nursery.zygote.kill()

    async def turn() -> None:
        until = time.monotonic() + 5
        while not own_nursery.lost:
            assert time.monotonic() < until
            await asyncio.sleep(0.005)
        with pytest.raises(SandboxLost):
            await own_nursery.zygote.fork()

    own_nursery.runner.run(turn())
    assert child.receive(2.0) is None
    wait_until(lambda: not is_running(child.pid))
    assert own_nursery.lost == 1
    child.close()


def test_closing_ends_everything_and_tells_nothing(own_nursery: Any) -> None:
    child = own_nursery.child()
    pid = own_nursery.zygote.pid
    own_nursery.close()
    own_nursery.runner = asyncio.Runner()
    assert not is_running(pid)
    wait_until(lambda: not is_running(child.pid))
    assert own_nursery.lost == 0
    child.close()


def test_a_pending_fork_fails_when_the_zygote_ends(own_nursery: Any) -> None:
    async def ask() -> None:
        os.kill(own_nursery.zygote.pid, signal.SIGSTOP)
        future = own_nursery.zygote.fork()
        own_nursery.zygote.kill()
        with pytest.raises(SandboxLost):
            await asyncio.wait_for(future, 5)

    own_nursery.runner.run(ask())


def test_zygote_and_sandboxes_die_with_the_server(tmp_path: Path) -> None:
    program = """
import asyncio, os, sys
from actors.sandbox.launcher import ZygoteProcess
async def main():
    zygote = ZygoteProcess(lambda *_: None, lambda: None)
    zygote.start()
    forked = await zygote.fork()
    print(zygote.pid, forked.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    server = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    pids = [int(text) for text in server.stdout.readline().split()]
    assert all(map(is_running, pids))
    server.kill()
    server.wait()
    server.stdout.close()
    for pid in pids:
        wait_until(lambda pid=pid: not is_running(pid))


def test_a_zygote_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.sandbox.launcher._BOOT", "raise SystemExit(3)")
    lost = []

    async def start() -> None:
        zygote = ZygoteProcess(lambda *_: None, lambda: lost.append(1))
        zygote.start()
        future = zygote.fork()
        with pytest.raises(SandboxLost):
            await zygote.ready()
        with pytest.raises(SandboxLost):
            await future
        zygote.close()

    asyncio.run(start())
    assert lost == [1]


def test_it_works_on_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def session() -> None:
        exits: asyncio.Queue[tuple[int, int, float]] = asyncio.Queue()
        zygote = ZygoteProcess(lambda *told: exits.put_nowait(told), lambda: None)
        zygote.start()
        await zygote.ready()
        forked = await zygote.fork()
        send_signal(forked.pidfd, signal.SIGKILL)
        pid, status, _ = await asyncio.wait_for(exits.get(), 5)
        assert (pid, os.WTERMSIG(status)) == (forked.pid, signal.SIGKILL)
        forked.socket.close()
        os.close(forked.pidfd)
        zygote.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(session())


# --- one sandbox at work ---


def test_host_calls_block_the_script_and_not_its_clock(nursery: Any) -> None:
    child = nursery.child(execution_seconds=0.3)

    def slow(call: frames.Call) -> tuple[bool, Any]:
        time.sleep(0.25)
        return True, {"name": call.name, "arguments": call.arguments.decode()}

    child.host = slow
    done = child.run("function main(){ payload = [sleep(5), wkill('w')] }", seconds=3.0)
    assert done.result.payload == b'[{"name":"sleep","arguments":"[5]"},{"name":"wkill","arguments":"[\\"w\\"]"}]'
    child.host = lambda call: (False, {"name": "Unavailable", "message": "no"})
    assert child.run("function main(){ sleep(1) }").message == "Unavailable: no at main (workflow:1:18)"
    child.close()


def test_more_host_calls_than_allowed_end_the_script(nursery: Any) -> None:
    child = nursery.child(host_calls=3)
    assert isinstance(child.run("function main(){ sleep(); sleep(); sleep() }"), frames.Done)
    failed = child.run("function main(){ for (let i = 0; i < 4; i++) try { sleep() } catch {} }")
    assert (failed.kind, failed.discard) == ("host_calls", True)
    child.close()


def test_a_cancelled_script_stops_soon_and_says_so(nursery: Any) -> None:
    child = nursery.child(execution_seconds=5.0)
    order, known = child.order(ENDLESS)
    child.socket.sendall(frames.write_run(order, remembered=known))
    time.sleep(0.1)
    begun = time.monotonic()
    child.signal(signal.SIGUSR1)
    failed = child.receive(2.0)
    assert isinstance(failed, frames.Failed)
    assert (failed.kind, failed.discard) == ("cancelled", True)
    assert time.monotonic() - begun < 0.5
    child.close()


def test_a_script_that_waits_for_a_host_call_can_be_cancelled(nursery: Any) -> None:
    child = nursery.child(execution_seconds=5.0)
    order, known = child.order("function main(){ for (;;) try { sleep(1e6) } catch {} }")
    child.socket.sendall(frames.write_run(order, remembered=known))
    assert isinstance(child.receive(2.0), frames.Call)
    child.signal(signal.SIGUSR1)
    failed = child.receive(2.0)
    assert isinstance(failed, frames.Failed)
    assert failed.kind == "cancelled"
    child.close()


def test_a_cancel_that_comes_too_late_harms_nobody(nursery: Any) -> None:
    child = nursery.child()
    for _ in range(20):
        assert isinstance(child.run("function main(){ payload = 1 }"), frames.Done)
        child.signal(signal.SIGUSR1)
    assert isinstance(child.run("function main(){ payload = 1 }"), frames.Done)
    child.close()


@pytest.mark.parametrize("realm", ["warm", "fresh"])
@pytest.mark.parametrize(
    "body",
    [
        "const a = []; for (;;) a.push({})",
        "const a = []; for (;;) a.push(new Uint8Array(1e6))",
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, 'x'.repeat(1000) + i)",
        "const a = []; try { for (;;) a.push(new Array(1000).fill({})) } catch (e) { throw e }",
    ],
)
def test_out_of_memory_is_told_as_such_and_the_process_not_trusted_further(nursery: Any, body: str, realm: str) -> None:
    child = nursery.child(memory_mb=32, execution_seconds=5.0)
    failed = child.run(f"function main(){{ {body} }}", realm=realm)
    assert isinstance(failed, frames.Failed), failed
    assert (failed.kind, failed.discard) == ("memory", True)
    child.close()


def test_out_of_memory_that_the_script_catches_is_noticed(nursery: Any) -> None:
    child = nursery.child(memory_mb=32, execution_seconds=5.0)
    source = "const a = []; try { for (;;) a.push({}) } catch { a.length = 0 } return 'survived'"
    outcome = child.run(source, entry="body")
    assert outcome.discard
    if isinstance(outcome, frames.Done):
        assert outcome.result.payload == b'"survived"'
    child.close()


def test_memory_within_the_limit_is_fine_again_and_again(nursery: Any) -> None:
    child = nursery.child(memory_mb=64)
    for _ in range(20):
        done = child.run("function main(){ const a = new Array(5e5).fill(1).map((x, i) => i); payload = a.length }")
        assert done.result.payload == b"500000"
        assert not done.discard
    child.close()


def test_cpu_is_told_with_every_answer(nursery: Any) -> None:
    child = nursery.child()
    first = child.run("function main(){ for (let i = 0; i < 1e6; i++); }")
    second = child.run("function main(){ for (let i = 0; i < 1e6; i++); }")
    assert 0 < first.cpu < second.cpu
    child.close()


def test_forgotten_scripts_are_sent_again(nursery: Any) -> None:
    child = nursery.child()
    source = "function main(){ payload = 'kept' }"
    order, _ = child.order(source)
    child.socket.sendall(frames.write_run(order, remembered=False))
    assert isinstance(child.receive(2.0), frames.Done)
    child.socket.sendall(frames.write_forget([order.script.key, "unknown"]) + frames.write_run(order, remembered=False))
    assert isinstance(child.receive(2.0), frames.Done)
    child.close()


def test_large_frames_cross_both_ways(nursery: Any) -> None:
    child = nursery.child(output_bytes=1 << 20)
    text = b'"' + "ñ".encode() * 400_000 + b'"'
    assert child.run("function main(){ payload = payload + '' }", payload=text).result.payload == text
    big = b'"' + b"x" * 12_000_000 + b'"'
    assert (
        child.run("function main(){ payload = payload.length }", payload=big, seconds=5.0).result.payload == b"12000000"
    )
    child.close()


def test_a_larger_memory_limit_is_really_there(request: pytest.FixtureRequest) -> None:
    nursery = type(request.getfixturevalue("nursery"))(memory_mb=512)
    child = nursery.child(execution_seconds=10.0)
    source = "function main(){ const a = []; for (let i = 0; i < 40; i++) a.push(new Uint8Array(1e7).fill(1)); payload = a.length }"
    assert child.run(source).result.payload == b"40"
    child.close()
    nursery.close()
