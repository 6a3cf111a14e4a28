"""The parent's side of a script with several host calls under way: its deadline, and what a child may not do."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actors.sandbox import frames
from actors.sandbox.sandbox import GRACE_SECONDS, Sandbox, SandboxEndedError
from protocol.flow import Realm, Script
from protocol.sandbox import HostCall, HostReply, Limits, RunLost, RunScript, SandboxFree, ScriptResult

LIMITS = Limits(execution_seconds=2.0, host_call_seconds=10.0, host_calls=200)


class Ear:
    """Whoever is told something."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def tell(self, message: Any) -> None:
        self.heard.append(message)


class Clock:
    """An actor's context, of which a sandbox uses little; its time stands still."""

    def __init__(self) -> None:
        self.time = 100.0
        self.ref = Ear()

    def now(self) -> float:
        return self.time

    def after(self, seconds: float, message: Any) -> Any:
        class Timer:
            def cancel(self) -> None: ...

        return Timer()


class Wire:
    """The socket to the child."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)


@pytest.fixture
def stage() -> tuple[Any, ...]:
    """A sandbox with a script at work; also its clock, socket, pool and the script's owner."""
    pool, owner, clock, wire = Ear(), Ear(), Clock(), Wire()
    sandbox = Sandbox(pool, Ear(), LIMITS)  # type: ignore[arg-type]
    sandbox.context = clock  # type: ignore[assignment]
    sandbox._link = wire  # type: ignore[assignment]
    script = Script("k", "", "main", frozenset(), b"{}", Realm.WARM)
    sandbox.receive(RunScript(7, "t", "f", script, b"{}", b"{}", "", owner))  # type: ignore[arg-type]
    wire.sent.clear()
    return sandbox, clock, wire, pool, owner


def reply(call: int, run: int = 7, value: bytes = b"null") -> HostReply:
    return HostReply(run, call, True, value)


def test_the_deadline_waits_for_the_last_call_under_way(stage: Any) -> None:
    sandbox, clock, wire, _, owner = stage
    assert sandbox._deadline == 100.0 + 2.0 + GRACE_SECONDS
    clock.time += 0.5
    left = 1.5 + GRACE_SECONDS
    sandbox.receive(frames.Call(7, 1, "a", b"[]"))
    assert sandbox._deadline == clock.time + 10.0 + GRACE_SECONDS + left
    clock.time += 4.0
    sandbox.receive(frames.Call(7, 2, "b", b"[]"))
    assert sandbox._deadline == clock.time + 10.0 + GRACE_SECONDS + left, "what remains is what the first call found"
    before = sandbox._deadline
    clock.time += 1.0
    sandbox.receive(reply(1))
    assert sandbox._deadline == before, "one is still under way"
    sandbox.receive(reply(2))
    assert sandbox._deadline == clock.time + left
    assert [(call.call, call.name) for call in owner.heard] == [(1, "a"), (2, "b")]
    assert len(wire.sent) == 2


def test_each_call_is_answered_once_and_only_in_its_run(stage: Any) -> None:
    sandbox, _, wire, _, _ = stage
    sandbox.receive(frames.Call(7, 1, "a", b"[]"))
    for message in (reply(1, run=6), reply(2), reply(1), reply(1)):
        sandbox.receive(message)
    assert len(wire.sent) == 1


def test_a_run_may_end_with_calls_under_way_and_their_answers_reach_nobody(stage: Any) -> None:
    sandbox, _, wire, pool, owner = stage
    sandbox.receive(frames.Call(7, 1, "a", b"[]"))
    sandbox.receive(frames.Done(ScriptResult(7, "output_1", b"{}"), 0.1, False))
    assert isinstance(pool.heard[-1], SandboxFree)
    assert isinstance(owner.heard[-1], ScriptResult)
    assert sandbox._deadline == math.inf
    sandbox.receive(reply(1))
    assert wire.sent == []
    script = Script("k", "", "main", frozenset(), b"{}", Realm.WARM)
    sandbox.receive(RunScript(8, "t", "f", script, b"{}", b"{}", "", owner))
    sandbox.receive(frames.Call(8, 1, "a", b"[]"))
    sandbox.receive(reply(1, run=7))
    assert len(wire.sent) == 1, "the order alone"


def test_an_answer_too_large_to_send_is_an_error_in_the_script(stage: Any) -> None:
    sandbox, _, wire, _, _ = stage
    sandbox.receive(frames.Call(7, 1, "a", b"[]"))
    sandbox.receive(reply(1, value=b'"' + b"x" * frames.TO_CHILD_CAP + b'"'))
    assert b'"ok":false' in wire.sent[0]
    assert b"RangeError" in wire.sent[0]


def misbehave(kind: str) -> list[frames.Call]:
    if kind == "a number twice":
        return [frames.Call(7, 1, "a", b"[]")] * 2
    if kind == "too many at once":
        return [frames.Call(7, number, "a", b"[]") for number in range(1, frames.CALLS_AT_ONCE + 3)]
    return [frames.Call(6, 1, "a", b"[]")]


@pytest.mark.parametrize("kind", ["a number twice", "too many at once", "another run"])
def test_a_child_that_calls_as_it_may_not_is_ended_and_at_fault(stage: Any, kind: str) -> None:
    sandbox, _, _, pool, owner = stage
    *well, last = misbehave(kind)
    for call in well:
        sandbox.receive(call)
    with pytest.raises(SandboxEndedError):
        sandbox.receive(last)
    lost = pool.heard[-1]
    assert isinstance(lost, RunLost)
    assert lost.host_calls == len(well)
    assert len([m for m in owner.heard if isinstance(m, HostCall)]) == len(well)


def test_chunks_of_an_answer_weigh_a_hundredth_of_a_call(stage: Any) -> None:
    sandbox, *_ = stage
    for number in range(1, LIMITS.host_calls * 100 + 1):
        sandbox.receive(frames.Call(7, number, "response.write", b"[]"))
        sandbox.receive(reply(number))
    with pytest.raises(SandboxEndedError):
        sandbox.receive(frames.Call(7, 0, "response.write", b"[]"))


def test_a_child_that_makes_more_calls_than_its_limit_is_ended(stage: Any) -> None:
    sandbox, *_ = stage
    for number in range(1, LIMITS.host_calls + 1):
        sandbox.receive(frames.Call(7, number, "a", b"[]"))
        sandbox.receive(reply(number))
    with pytest.raises(SandboxEndedError):
        sandbox.receive(frames.Call(7, 999, "a", b"[]"))
