"""One table: every error has a status, and no error shows what it should not."""

from __future__ import annotations

import json

import pytest

from gateway import statuses
from protocol import errors
from protocol.errors import (
    BadDocument,
    CallRefused,
    Crashed,
    Expired,
    Gone,
    LimitExceeded,
    NflowError,
    NodeError,
    NoLogin,
    NotWaiting,
    Overloaded,
    Problem,
    RunCancelled,
    SandboxLost,
    ScriptError,
    Unavailable,
    Undecipherable,
)
from protocol.flow import Node
from protocol.sessions import SessionEnded

NODE = Node("n", "js", "n", {"type": "js", "code": "SECRET", "field": 1}, {"output_1": "m", "output_2": None})
TABLE: list[tuple[NflowError, int]] = [
    (ScriptError("Error: x"), 500),
    (ScriptError("SyntaxError: x", compiling=True), 500),
    (LimitExceeded("memory", "vm_pool.max_memory_mb", 128), 408),
    (SandboxLost("the script killed its sandbox", own_fault=True), 500),
    (SandboxLost("the sandbox process ended", own_fault=False), 503),
    (NodeError("Type node not found", kind="x"), 500),
    (NodeError("no"), 500),
    (Overloaded("full", retry_after=2.2), 503),
    (Unavailable("no store", retry_after=0.1), 503),
    (Expired("late"), 503),
    (RunCancelled("by a script"), 200),
    (BadDocument([Problem("body", "not JSON")]), 400),
    (CallRefused("the session would be larger than 1024 kB"), 500),
    (NotWaiting("no run of yours waits at node n"), 409),
    (NoLogin(), 500),
    (Undecipherable("the key then is not known"), 500),
    (SessionEnded(), 503),
    (Crashed(RuntimeError("SECRET"), "/root/x"), 500),
    (Gone("SECRET"), 500),
    (NflowError("SECRET"), 500),
]


def test_a_failing_auth_script_is_told_as_go_tells_it() -> None:
    answer = statuses.error_answer(ScriptError("Error: boom"), None, debug=False)
    assert (answer.status, json.loads(answer.body)) == (500, {"error": "Error: boom"})


@pytest.mark.parametrize(("error", "status"), TABLE, ids=lambda value: type(value).__name__)
def test_every_error_has_its_status_and_a_json_body(error: NflowError, status: int) -> None:
    answer = statuses.error_answer(error, NODE, debug=False)
    assert answer.status == status
    assert b"SECRET" not in answer.body
    if status != 200:
        json.loads(answer.body)
        assert answer.body.endswith(b"\n")


def test_the_table_knows_every_error_of_the_tree() -> None:
    def leaves(kind: type[NflowError]) -> set[type[NflowError]]:
        below = [each for each in kind.__subclasses__() if each.__module__ == "protocol.errors"]
        return set().union(*map(leaves, below)) if below else {kind}

    never_answers = {
        errors.UnusableStore,
        errors.UnusableAddress,
        errors.UnusableCertificate,
        errors.RestartsExhausted,
        errors.BadFrame,
    }
    ours = leaves(NflowError) | {SessionEnded}
    assert ours - never_answers == {type(error) for error, _ in TABLE} - {NflowError}


@pytest.mark.parametrize(("seconds", "told"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (9.3, "10")])
def test_retry_after_is_whole_seconds_and_never_too_early(seconds: float, told: str) -> None:
    assert statuses.unavailable("why", seconds).headers == (("Retry-After", told),)


def test_the_failed_node_is_shown_as_go_shows_it() -> None:
    body = json.loads(statuses.error_answer(ScriptError("x"), NODE, debug=False).body)
    assert body["actor"]["outputs"] == {
        "output_1": {"connections": [{"node": "m", "output": "input_1"}]},
        "output_2": {"connections": []},
    }
    assert set(body["actor"]["data"]) == {"type", "field", "storage_id"}


def test_its_source_is_shown_in_debug_mode_only() -> None:
    assert b"SECRET" in statuses.error_answer(ScriptError("x"), NODE, debug=True).body
