"""T1: the corpus of hostile scripts through a whole server, on fresh and on warm realms; the next request is right."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import Node, chain, edges, js, playbook, starter
from tests.acceptance.servers import Answer, Server
from tests.torture.row import LONG, tell

CORPUS = tomllib.loads((Path(__file__).parents[1] / "data" / "sandbox_corpus.toml").read_text("utf-8"))["payload"]
TRIED = CORPUS if LONG else CORPUS[::6]
ROUNDS = 3 if LONG else 1
SECONDS = 1.0
GRACE_SECONDS = 0.25
SLACK_SECONDS = 1.5
"""Two cores, shared with whatever else runs."""
STATUSES = {
    "exception": {500},
    "compile": {500},
    "stack": {500, 408},
    "time": {408},
    "memory": {408},
    "output": {408},
    "host_calls": {408},
    "operations": {408},
    "killed": {500, 408},
}
"""How the end of a script looks from outside: an error of the script, a limit, or the death of its process."""
LIMITS = f"""[server]
realm = "%s"
max_host_calls = 200
[security]
enable_static_analysis = false
[vm_pool]
max_size = 2
preload_size = 2
max_memory_mb = 64
max_execution_seconds = {SECONDS}
"""


def allowed(payload: dict[str, Any]) -> set[int]:
    """Statuses the server may answer with. A NUL ends well in the sandbox, and is no payload for the next node."""
    found: set[int] = {500} if "NUL" in payload["name"] else set()
    for outcome in payload["allowed"]:
        found |= {200} if outcome == "ends" or outcome.startswith("=") else STATUSES[outcome]
    return found


def flow(number: int, payload: dict[str, Any]) -> dict[str, Node]:
    """What a payload returns goes on to the next node, which says that it ended."""
    wait = "await null;\n" if payload.get("entry") == "async" else ""  # what waits is run as such
    return {
        "s": starter(f"/hostile/{number}", "hostile"),
        "hostile": {"data": {"type": "js", "script": wait + payload["source"]}, "outputs": edges("end")},
        "end": js("function main() { c.String(200, 'ended') }"),
    }


@pytest.fixture(scope="module", params=["fresh", "warm"])
def server(launch: Launch, request: pytest.FixtureRequest) -> Server:
    flows = {f"Hostile{n}": flow(n, payload) for n, payload in enumerate(TRIED)}
    healthy = chain("/healthy", "c.JSON(200, {sum: [1, 2, 3].reduce((a, b) => a + b), name: 'ñ', url: url_base})")
    return launch(playbook(healthy, **flows), LIMITS % request.param)


def is_healthy(answer: Answer) -> bool:
    return (answer.status, answer.body) == (200, '{"name":"ñ","sum":6,"url":""}\n'.encode())


def test_every_script_ends_as_allowed_in_time_and_the_next_request_is_right(server: Server) -> None:
    assert is_healthy(server.get("/healthy"))
    pid, wrong, slowest = server.process.pid, [], 0.0
    for _ in range(ROUNDS):
        for number, payload in enumerate(TRIED):
            began = time.monotonic()
            answer = server.get(f"/hostile/{number}")
            took = time.monotonic() - began
            slowest = max(slowest, took)
            if answer.status not in allowed(payload) or took > SECONDS + GRACE_SECONDS + SLACK_SECONDS:
                wrong.append((payload["name"], answer.status, answer.text[-200:], round(took, 2)))
            if not is_healthy(server.get("/healthy")):
                wrong.append((payload["name"], "then", "the next request was wrong", 0.0))
    tell("T1", "corpus", f"{len(TRIED)} scripts x {ROUNDS} rounds, slowest {slowest:.2f} s, {len(wrong)} wrong")
    assert wrong == []
    assert server.process.pid == pid
    assert server.process.poll() is None
