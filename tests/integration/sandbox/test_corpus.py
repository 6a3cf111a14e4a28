"""The corpus of hostile scripts, each on a fresh and on a warm sandbox, and a healthy request after each."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from actors.sandbox import frames
from actors.sandbox.launcher import fault_of
from protocol.codec import loads_from_script
from protocol.sandbox import Fault

CORPUS = tomllib.loads((Path(__file__).parents[2] / "data" / "sandbox_corpus.toml").read_text("utf-8"))["payload"]
SECONDS = 0.3
SLACK_SECONDS = 2.0
"""Two cores, shared with whatever else runs."""
CLASSES = {"host reach", "bridge", "carry-over", "CPU and stack", "memory", "engine memory safety"}
HEALTHY = """
const own = ['payload', 'next', 'c', 'echo_context', 'console', 'vars', 'path_vars', 'post_data', 'form', 'header', 'env', 'config',
  'nflow_data', 'dromedary_data', 'nflow_endpoint', 'wid', 'url_base', 'current_box', 'prev_box', '__outputs',
  '__flow_name', '__flow_app', 'sleep', 'wkill']
const strange = Object.keys(globalThis).filter((k) => !own.includes(k))
for (const o of [Object.prototype, Array.prototype, Function.prototype, String.prototype, Error.prototype, Promise.prototype])
  strange.push(...Object.keys(o))
if (typeof leak !== 'undefined' || Symbol.for('leak') in globalThis) strange.push('leak')
if ([3, 1, 2].sort().map((x) => x + 1).join() !== '2,3,4' || JSON.stringify({a: [1]}) !== '{"a":[1]}') strange.push('built-ins')
if (arguments.callee.leak !== undefined || new Error('m').message !== 'm' || `${{}}` !== '[object Object]') strange.push('state')
c.JSON(200, {b: 2, a: payload.n})
return strange
"""


def outcome_of(outcome: Any) -> str:
    if isinstance(outcome, frames.Done):
        return "=" + outcome.result.payload.decode()
    if isinstance(outcome, frames.Failed):
        return outcome.kind
    if outcome.killed_at_deadline and fault_of(outcome.status, outcome.cpu, True) is Fault.SCRIPT:
        return "killed"
    return f"died by signal {outcome.signal}, status {outcome.status}, cpu {outcome.cpu:.3f}"


def is_allowed(outcome: str, allowed: list[str]) -> bool:
    if not outcome.startswith("="):
        return outcome in allowed
    value = loads_from_script(outcome[1:].encode())
    return "ends" in allowed or any(a[0] == "=" and loads_from_script(a[1:].encode()) == value for a in allowed)


def healthy(child: Any, realm: str) -> None:
    done = child.run(HEALTHY, entry="body", realm=realm, payload=b'{"n":[1,"\xc3\xb1"]}', seconds=5.0)
    assert isinstance(done, frames.Done), done
    assert done.result.payload == b"[]"
    assert done.result.answer is not None
    assert done.result.answer.body == '{"a":[1,"ñ"],"b":2}\n'.encode()


def test_the_corpus_covers_its_classes() -> None:
    assert {payload["class"] for payload in CORPUS} == CLASSES
    assert len(CORPUS) >= 60
    assert len({payload["name"] for payload in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("realm", ["fresh", "warm"])
@pytest.mark.parametrize("payload", CORPUS, ids=[payload["name"] for payload in CORPUS])
def test_a_hostile_script_ends_as_allowed_and_the_next_request_is_right(
    nursery: Any, payload: dict[str, Any], realm: str
) -> None:
    child = nursery.child(memory_mb=64, execution_seconds=SECONDS)
    if realm == "warm":
        healthy(child, realm)
    begun = time.monotonic()
    outcome = child.run(payload["source"], entry=payload.get("entry", "body"), realm=realm)
    took = time.monotonic() - begun
    assert is_allowed(outcome_of(outcome), payload["allowed"]), outcome
    assert took < SECONDS + SLACK_SECONDS
    if not child.alive or getattr(outcome, "discard", False):  # as its actor does
        child.close()
        child = nursery.child()
    healthy(child, realm)
    child.close()
