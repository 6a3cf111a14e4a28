"""T18: schemathesis over the whole OpenAPI document, against a real server with everything on, links followed.

Short: a few cases for each operation. Long: 500 and more for each. 0 failures, whatever it thinks of.

What is configured, and why, is in `settings`; a check is switched off for single operations only, each with its reason.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server
from tests.torture.row import LONG, tell

CASES = int(os.environ.get("T18_CASES", "500")) if LONG else 6
STEPS = 30 if LONG else 6
SECONDS = 7_200 if LONG else 240
ADMIN, DEBUG = "torture-admin-token", "torture-debug-token"
CONFIG = f"""
[store]
[api]
admin_token = "{ADMIN}"
[debug]
enabled = true
enable_pprof = true
auth_token = "{DEBUG}"
slow_query_ms = 1
[tracker]
enabled = true
[log]
audit = ""
"""
SLOW = "async function main() { await sleep(20000); c.JSON(200, {slow: true}) }"


def settings(folder: Path) -> Path:
    """What schemathesis is told beside the document."""
    file = folder / "schemathesis.toml"
    business = '"2xx", "3xx", "400", "401", "403", "404", "409", "429", "5xx"'
    file.write_text(f"""
continue-on-failure = true
workers = {2 if LONG else 1}
# Examples are not kept between runs.
cache = {{ enabled = false }}
# Fuzzed ids of runs and apps are mostly nobody's: that is what is tested then. Links lead to those that are there.
warnings = false

[generation]
max-examples = {CASES}
database = "none"
# Text with U+0000 is refused everywhere, because no store takes it: JSON Schema cannot say so of whole documents.
allow-x00 = false

[phases.stateful]
max-steps = {STEPS}

[auth.openapi.admin]
bearer = "{ADMIN}"

[auth.openapi.execution]
bearer = "{ADMIN}"

[auth.openapi.debugToken]
api_key = "{DEBUG}"

# Bodies of these are checked by more than their schema: by the reader of playbooks, the workflow's own schema, the
# plugin's. What is wrong is told with 400, which the facts ask for.
[[operations]]
include-operation-id = ["putWorkflow", "executeWorkflow", "rollBackWorkflow", "callPlugin"]
[operations.checks.positive_data_acceptance]
expected-statuses = [{business}]

# Versions of a removed app stay, so that it can be set back, and an app that is in a file too is served from it then:
# both are what DELETE says. A run that was told to end does so within 100 ms (202), and stays in the journal.
[[operations]]
include-operation-id = [
    "listVersions", "getVersion", "rollBackWorkflow", "getWorkflow", "getProcess", "getProcessState",
]
checks.use_after_free.enabled = false

# A profile takes as long as it is asked to: a second here. The bounds of `seconds` have tests of their own.
[[operations]]
include-operation-id = ["profileCpu", "profileHeap"]
parameters = {{ seconds = 1 }}
generation = {{ max-examples = {CASES if LONG else 2} }}
phases.coverage.enabled = {str(LONG).lower()}
""")
    return file


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    book = playbook(
        chain("/quick", "c.JSON(200, {name: c.QueryParam('name')})"),
        chain("/slow", SLOW),
        chain("/other/:id", "payload"),
    )
    return launch(book, CONFIG)


@contextlib.contextmanager
def runs_under_way(server: Server, most: int = 3) -> Iterator[None]:
    """There is always a run to look at and to kill."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                server.ask("/slow")
            over.wait(0.05)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(most)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for wid in server.get("/debug/processes", headers={"X-Debug-Token": DEBUG}).json()["processes"]:
            server.ask(f"/debug/process/{wid}", "DELETE", headers={"X-Debug-Token": DEBUG})


def test_nothing_the_description_allows_or_forbids_finds_a_fault(server: Server, tmp_path: Path) -> None:
    tool = str(Path(sys.executable).with_name("st"))
    document = tmp_path / "openapi.json"  # by its address, its own endpoint would be left out
    document.write_bytes(server.get("/openapi.json").body)
    command = [tool, "--config-file", str(settings(tmp_path)), "run", str(document), "--url", server.url, "--no-color"]
    began = time.monotonic()
    with runs_under_way(server):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
    assert server.get("/health").status == 200
    assert "a handler failed" not in server.log()
    assert "a request failed" not in server.log()
    told = re.search(
        r"API Links: +(\d+) covered.*Selected: (\d+)/(\d+)\s+Tested: (\d+).*?([\d,]+) generated", done.stdout, re.DOTALL
    )
    assert told is not None
    links, selected, operations, tested, cases = told.groups()
    assert selected == operations == tested, done.stdout
    numbers = f"{operations} operations, {cases} cases, {links} links followed, 0 failures"
    tell("T18", "schemathesis", f"{numbers}, {time.monotonic() - began:.0f} s")
