"""The static analysis over HTTP: what is blocked, what is let pass, what a save is told, what a reload changes."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from loadtests.server import nflow
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, js, playbook, starter, write
from tests.acceptance.servers import Answer, Server

TOKEN = "an operator's token"
KEY = {"Authorization": f"Bearer {TOKEN}"}
OPEN = f'[api]\nadmin_token = "{TOKEN}"\n[debug]\nenabled = true\nauth_token = "{TOKEN}"\n'
EVIL = "function main() {\n  const f = payload;\n  return eval('1 + 1');\n}"
BLOCKED = "script blocked due to security issues: 1 high severity issues found"
ISSUE = {
    "type": "eval_usage",
    "severity": "high",
    "description": "Direct eval() usage can execute arbitrary code",
    "line": 3,
    "column": 10,
}
FLOWS = playbook(
    Evil=chain("/evil", EVIL),
    Later={
        "s": starter("/later/:way", "choose"),
        "choose": js("function main() { next = path_vars.way === 'bad' ? 'output_2' : 'output_1' }", "good", "bad"),
        "good": js("function main() { c.String(200, 'good') }"),
        "bad": js("function main() { require('child_process') }"),
    },
    Warned=chain(
        "/warned", "for (let i = 0; ; i++) { if (i > 3) break } while (false) {} c.String(200, /x/.exec('x')[0])"
    ),
    Loop=chain("/loop", "if (payload.never) while (true) {} c.String(200, 'ran')"),
    Again={
        "s": starter("/again", "n"),
        "n": js(EVIL, nflow_options={"retry": {"attempts": 5, "wait": 2}}),
    },
)


def put(server: Server, app: str, document: Any) -> Answer:
    return server.ask(f"/api/admin/workflows/{app}", "PUT", json=document, headers=KEY)


def blocked(server: Server) -> list[dict[str, Any]]:
    answer = server.get("/debug/security/blocked", headers=KEY)
    assert answer.status == 200, answer.text
    scripts: list[dict[str, Any]] = answer.json()["scripts"]
    return scripts


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit") / "audit.jsonl"


@pytest.fixture(scope="module")
def server(launch: Launch, audit: Path) -> Server:
    return launch(FLOWS, f'{OPEN}[log]\naudit = "{audit}"\n')


def test_a_blocked_script_fails_when_it_is_reached_and_the_answer_says_where(server: Server) -> None:
    answer = server.get("/evil")
    assert (answer.status, answer.json()) == (500, {"error": BLOCKED, "issues": [ISSUE], "node": "n1"})


def test_the_other_ways_through_a_flow_stay_open(server: Server) -> None:
    assert server.get("/later/good").text == "good"
    assert server.get("/later/bad").json()["issues"][0]["type"] == "child_process"


def test_less_than_high_severity_only_warns(server: Server) -> None:
    assert server.get("/loop").text == "ran"
    assert "Security issue in script app/Loop/n1: [medium] Potential infinite loop detected at line 1" in server.log()
    assert server.get("/warned").text == "x"
    assert "app/Warned/" not in server.log()


def test_a_block_is_not_tried_again(server: Server) -> None:
    began = time.monotonic()
    assert server.get("/again").json()["error"] == BLOCKED
    assert time.monotonic() - began < 2.0


def test_the_blocked_are_listed_with_how_often_they_were_asked_to_run(server: Server) -> None:
    before = {each["node"]: each["asked"] for each in blocked(server) if each["flow"] == "Evil"}
    server.get("/evil")
    (entry,) = [each for each in blocked(server) if each["flow"] == "Evil"]
    assert entry["asked"] == before["n1"] + 1
    assert (entry["app"], entry["rule"], entry["line"], entry["column"]) == ("app", "eval_usage", 3, 10)
    assert entry["path"] == "drawflow.Evil.data.n1.data.code"
    assert "return eval('1 + 1')" in entry["snippet"]


def test_the_numbers_are_on_the_metrics_page(server: Server) -> None:
    page = server.get("/metrics").text
    assert re.search(r"^nflow_security_scripts_blocked_total 3(\.0)?$", page, re.MULTILINE)
    assert 'nflow_security_issues_total{severity="high"}' in page
    assert "nflow_security_scripts_analyzed_total" in page


def test_the_api_that_runs_a_workflow_tells_the_issues_too(server: Server) -> None:
    answer = server.post("/api/workflow/Evil", json={"input": {}}, headers=KEY)
    assert answer.status == 500
    assert answer.json()["error"]["issues"] == [ISSUE]


def test_a_save_with_a_high_finding_is_refused_and_what_was_live_stays(server: Server) -> None:
    assert put(server, "mine", playbook(Mine=chain("/mine", "c.String(200, 'one')"))).status == 201
    refused = put(server, "mine", playbook(Mine=chain("/mine", EVIL)))
    assert refused.status == 400
    (problem,) = refused.json()["problems"]
    assert (problem["path"], problem["severity"], problem["issue"]) == (
        "drawflow.Mine.data.n1.data.code",
        "error",
        ISSUE,
    )
    for told in ("eval_usage", "line 3", "column 10"):
        assert told in problem["message"]
    assert server.get("/mine").text == "one"
    warned = put(server, "mine", playbook(Mine=chain("/mine", "while (payload.x) {} while (!0) {}")))
    assert (warned.status, warned.json()["problems"][0]["issue"]["type"]) == (200, "infinite_loop")


def test_the_audit_knows_of_the_blocks(server: Server, audit: Path) -> None:
    lines = [json.loads(line) for line in audit.read_text().splitlines() if line]
    assert any(line.get("kind") == "script" and "app/Evil/n1" in line.get("what", "") for line in lines)


def test_a_file_that_turns_evil_is_served_with_its_evil_node_blocked(launch: Launch, tmp_path: Path) -> None:
    file = write(
        tmp_path / "app.json", playbook(A=chain("/a", "c.String(200, 'one')"), B=chain("/b", "c.String(200, 'b')"))
    )
    server = launch(file, OPEN + "[flows]\nreload_seconds = 0.1\n")
    assert server.get("/a").text == "one"
    write(file, playbook(A=chain("/a", EVIL), B=chain("/b", "c.String(200, 'still')")))
    deadline = time.monotonic() + 10.0
    while server.get("/b").text != "still" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.get("/a").json()["error"] == BLOCKED
    write(file, playbook(A=chain("/a", "c.String(200, 'two')"), B=chain("/b", "c.String(200, 'again')")))
    while server.get("/b").text != "again" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.get("/a").text == "two"


def test_what_the_operator_decides_is_what_happens(launch: Launch) -> None:
    mild = launch(
        FLOWS, OPEN + '[security]\nallowed_patterns = ["child_process"]\n[security.severities]\neval_usage = "low"\n'
    )
    assert mild.get("/evil").status == 500, "the sandbox has no eval, whatever is let pass"
    assert "issues" not in mild.get("/evil").json()
    assert blocked(mild) == []
    own = launch(
        FLOWS, OPEN + '[security.rules]\nno_answers = "c\\\\.String"\n[security.severities]\neval_usage = "off"\n',
    )  # fmt: skip
    assert own.get("/loop").json()["issues"][0]["type"] == "no_answers"
    assert put(own, "new", playbook(New=chain("/new", "c.String(200, 'x')"))).status == 400


def test_without_blocking_or_without_analysis_nothing_is_refused(launch: Launch) -> None:
    warning = launch(FLOWS, OPEN + "[security]\nblock_on_high_severity = false\n")
    assert "issues" not in warning.get("/evil").json()
    assert "[high] Direct eval() usage" in warning.log()
    assert put(warning, "evil", playbook(New=chain("/new", EVIL))).status == 201
    silent = launch(FLOWS, OPEN + "[security]\nlog_security_warnings = false\n")
    assert silent.get("/evil").json()["error"] == BLOCKED
    assert "Security issue" not in silent.log()
    off = launch(FLOWS, OPEN + "[security]\nenable_static_analysis = false\n")
    assert "issues" not in off.get("/evil").json()
    assert "Security issue" not in off.log()


def test_triggers_are_scripts_too(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "auth.js").write_text("function auth() {\n  eval('1');\n  return true }")
    (tmp_path / "log.js").write_text("function log(entry) { console.log('logged ' + new Function('1')) }")
    flows = playbook(
        Guarded=chain("/guarded", "c.String(200, 'in')", nflow_auth="true"), Open=chain("/open", "c.String(200, 'in')")
    )
    server = launch(flows, OPEN + f'[files]\ntriggers = "{tmp_path}"\n')
    answer = server.get("/guarded")
    assert (answer.status, answer.json()["error"]) == (500, BLOCKED)
    assert server.get("/open").text == "in"
    entries = {each["path"]: each for each in blocked(server)}
    assert entries["triggers/auth.js"]["asked"] == 1
    deadline = time.monotonic() + 5.0
    while not entries["triggers/log.js"]["asked"] and time.monotonic() < deadline:
        time.sleep(0.05)
        entries = {each["path"]: each for each in blocked(server)}
    assert entries["triggers/log.js"]["asked"] >= 1
    assert "logged" not in server.log()


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            '[security.severities]\neval_usage = "huge"\n',
            "security.severities.eval_usage: must be high, medium, low or off",
        ),
        ('[security.severities]\nevil = "low"\n', "security.severities.evil: there is no rule 'evil'"),
        ('[security.rules]\nmine = "(?!a)"\n', "security.rules.mine: not a regular expression"),
        ('[security]\nallowed_patterns = ["evl"]\n', "security.allowed_patterns: there is no rule 'evl'"),
    ],
)
def test_a_configuration_of_the_analysis_that_cannot_be_is_told_with_its_path(
    tmp_path: Path, config: str, told: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(config)
    command = [*nflow(file, write(tmp_path / "app.json", FLOWS), 1)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert told in done.stderr
