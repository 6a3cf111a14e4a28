"""Plugins and custom steps, as users meet them: in scripts, workflows and logins, over HTTP, on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from loadtests.server import nflow
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import edges, js, playbook, starter
from tests.acceptance.servers import Server, until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "plugins"
ADMIN = {"Authorization": "Bearer admin-token"}
HOSTILE = """
import asyncio, os, sys, threading, time
from nflow_runtime import CallRefused, Plugin, action, function, node

class Hostile(Plugin):
    @function
    async def raises(self): raise ValueError("secret of the inside")
    @function
    async def exits(self): raise SystemExit(3)
    @function
    def interrupts(self): raise KeyboardInterrupt
    @function
    async def endless(self):
        while True:
            try: await asyncio.sleep(60)
            except asyncio.CancelledError: pass
    @function(seconds=0.2)
    def hangs(self): time.sleep(1.5)
    @function
    async def odd(self): return object()
    @function
    async def refuses(self): raise CallRefused("not for you", name="RangeError")
    @action
    async def fails(self, body): raise ValueError("secret of the inside")
    async def run(self, payload): raise SystemExit(1)
    async def callbacks(self, payload):
        yield {"n": 1}
        await asyncio.Event().wait()

@node("kaboom")
async def kaboom(payload): raise RecursionError("deep")
"""


def dromedary(name: str, *targets: str | None, kind: str = "dromedary", **data: Any) -> dict[str, Any]:
    return {"data": {"type": kind, "dromedary_name": name, **data}, "outputs": edges(*targets)}


def step(kind: str, *targets: str | None, **data: Any) -> dict[str, Any]:
    return {"data": {"type": kind, **data}, "outputs": edges(*targets)}


def caught(call: str) -> str:
    return (
        "async function main() { try { c.JSON(200, {value: await " + call + "}) }"
        " catch (e) { c.JSON(200, {name: e.name, message: e.message}) } }"
    )


HOSTILES = ("raises", "exits", "interrupts", "endless", "hangs", "odd", "refuses")
BOOK = playbook(
    Hello={
        "s": starter("/hello/:name", "a"),
        "a": js("async function main() { c.JSON(200, {said: await greeter.hello(vars.name, 2)}) }"),
    },
    Visits={
        "s": starter("/visits/:name", "a"),
        "a": js(
            "async function main() { let n; for (let i = 0; i < 3; i++) n = await greeter.countVisit(vars.name);"
            " const both = await Promise.all([greeter.hello('a'), greeter.hello('b')]); c.JSON(200, {n, both}) }"
        ),
    },
    Dromedary={
        "s": starter("/dromedary", "a"),
        "a": dromedary("greeter", "b", "d", by="the node"),
        "b": js("function main() { c.JSON(200, payload) }"),
        "d": js("function main() { c.String(200, 'nobody') }"),
    },
    Unknown={"s": starter("/unknown", "a"), "a": dromedary("mail", None)},
    Discount={
        "s": starter("/discount", "a"),
        "a": js("function main() { payload.order = {total: 50} }", "b"),
        "b": step("discount", "c", "f", percent=10, field="order.total"),
        "c": js("function main() { c.JSON(200, {total: payload.total}) }"),
        "f": js("function main() { c.String(200, 'free') }"),
    },
    Summary={
        "s": starter("/summary", "a"),
        "a": js("function main() { payload.values = [1, 2, 6] }", "b"),
        "b": step("summary", None),
    },
    Callback={
        "s": starter("/callback/:times", "a"),
        "a": js("function main() { payload.times = Number(vars.times) }", "b"),
        "b": dromedary("greeter", "c", "d", kind="dromedary_callback"),
        "c": js("function main() { c.String(200, 'at once') }"),
        "d": js("function main() { console.log('called back ' + payload.call) }"),
    },
    Waits={
        "s": starter("/waits", "b"),
        "b": dromedary("hostile", "c", "d", kind="dromedary_callback", timeout=600),
        "c": js("function main() { c.String(200, 'at once') }"),
        "d": js("function main() { console.log('waiting since ' + payload.n) }"),
    },
    Late={
        "s": starter("/late", "b"),
        "b": {
            "data": {"type": "dromedary_callback", "dromedary_name": "hostile", "timeout": 0.3},
            "outputs": {**edges("c", "d"), "timeout": edges("e")["output_1"]},
        },
        "c": js("function main() { c.String(200, 'at once') }"),
        "d": js("function main() {}"),
        "e": js("function main() { console.log('nobody called') }"),
    },
    Kaboom={"s": starter("/kaboom", "a"), "a": step("kaboom", None)},
    Dies={"s": starter("/dies", "a"), "a": dromedary("hostile", None)},
    **{name: {"s": starter(f"/hostile/{name}", "a"), "a": js(caught(f"hostile.{name}()"))} for name in HOSTILES},
)


@pytest.fixture(scope="module")
def server(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder = tmp_path_factory.mktemp("plugins")
    for name in ("greeter.py", "steps.py"):
        (folder / name).write_text((EXAMPLES / name).read_text())
    (folder / "hostile.py").write_text(HOSTILE)
    config = f"""
[server]
host_call_seconds = 1
[api]
admin_token = "admin-token"
open_execution = true
[plugin]
folder = "{folder}"
[plugin.greeter]
greeting = "Buen día"
"""
    return launch(BOOK, config, expects=["plugin failed plugin=hostile", "what is not JSON plugin=hostile"])


def test_a_script_calls_a_plugin_s_functions(server: Server) -> None:
    assert server.get("/hello/Ana").json() == {"said": "Buen día, Ana! Buen día, Ana!"}
    assert server.get("/visits/Eva").json() == {"n": 3, "both": ["Buen día, a!", "Buen día, b!"]}


def test_a_dromedary_node_calls_the_plugin_and_follows_its_output(server: Server) -> None:
    answer = server.get("/dromedary?name=Ana").json()
    assert (answer["greeting"], answer["by"]) == ("Buen día, Ana!", "the node")
    assert server.get("/dromedary").text == "nobody"


def test_a_dromedary_node_of_a_plugin_that_is_not_there_names_those_that_are(server: Server) -> None:
    answer = server.get("/unknown")
    assert (answer.status, answer.json()) == (
        500, {"error": "there is no plugin 'mail'; plugins with run: greeter, hostile"},
    )  # fmt: skip


def test_custom_steps_do_their_nodes(server: Server) -> None:
    assert server.get("/discount").json() == {"total": 45}
    answer = server.get("/summary")
    assert (answer.json(), answer.headers["X-Flow"]) == ({"mean": 3, "median": 2, "count": 3}, "Summary")


def test_callbacks_run_their_branches_after_the_answer(server: Server) -> None:
    answer = server.get("/callback/3")
    assert answer.text == "at once"
    assert answer.headers["Dromedary-Wid-2"] != answer.headers["Nflow-Wid-1"]
    assert until(lambda: all(f"called back {number}" in server.log() for number in (1, 2, 3)))
    assert until(lambda: server.get(f"/api/processes/{answer.headers['Dromedary-Wid-2']}", headers=ADMIN).status == 404)


def test_a_run_that_waits_is_listed_and_can_be_ended(server: Server) -> None:
    wid = server.get("/waits").headers["Dromedary-Wid-2"]
    assert until(lambda: "waiting since 1" in server.log())
    shown = server.get(f"/api/processes/{wid}", headers=ADMIN)
    assert (shown.status, shown.json()["state"]) == (200, "wait")
    assert server.ask(f"/api/processes/{wid}", "DELETE", headers=ADMIN).status == 202
    assert until(lambda: server.get(f"/api/processes/{wid}", headers=ADMIN).status == 404)


def test_waiting_times_out(server: Server) -> None:
    wid = server.get("/late").headers["Dromedary-Wid-2"]
    assert until(lambda: "nobody called" in server.log())
    assert until(lambda: server.get(f"/api/processes/{wid}", headers=ADMIN).status == 404)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("raises", "PluginError", "hostile.raises failed: ValueError"),
        ("exits", "PluginError", "hostile.exits failed: ExitAsked"),
        ("interrupts", "PluginError", "hostile.interrupts failed: ExitAsked"),
        ("endless", "TimeoutError", "hostile.endless took longer than 1 s"),
        ("hangs", "TimeoutError", "hostile.hangs took longer than 0.2 s"),
        ("odd", "PluginError", "hostile.odd returned what is not JSON"),
        ("refuses", "RangeError", "not for you"),
    ],
)
def test_a_plugin_s_failure_is_thrown_into_the_script_and_the_server_lives_on(
    server: Server, name: str, error: str, message: str
) -> None:
    answer = server.get(f"/hostile/{name}").json()
    assert answer["name"] == error
    assert answer["message"].startswith(message)
    assert server.get("/hello/Ana").status == 200


def test_a_failing_step_is_a_500_without_the_inside(server: Server) -> None:
    for path in ("/kaboom", "/dies"):
        answer = server.get(path)
        assert answer.status == 500
        assert list(answer.json()) == ["message"]
        assert "failed: " in answer.json()["message"]
    assert server.get("/hello/Ana").status == 200


def test_an_action_is_called_over_http(server: Server) -> None:
    answer = server.post("/api/plugin/greeter/greet", json={"name": "Ana", "times": 2})
    assert (answer.status, answer.json()) == (200, {"text": "Buen día, Ana! Buen día, Ana!"})
    answer = server.post("/api/plugin/greeter/greet", json={"times": "many"})
    assert answer.status == 400
    assert sorted(problem["path"] for problem in answer.json()["problems"]) == ["body.name", "body.times"]
    assert server.post("/api/plugin/greeter/nothing", json={}).status == 404
    assert server.post("/api/plugin/greeter/start", json={}).status == 404
    answer = server.post("/api/plugin/hostile/fails", json={})
    assert answer.status == 502
    assert "secret" not in answer.text


def test_a_thousand_failing_calls_leave_nothing_behind(server: Server) -> None:
    assert server.get("/hostile/raises").status == 200
    before = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
    for _ in range(1_000):
        assert server.get("/hostile/raises").json()["name"] == "PluginError"
    after = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
    assert abs(after - before) <= 4
    assert server.get("/hello/Ana").status == 200


def test_an_authenticator_takes_the_place_of_auth(launch: Launch) -> None:
    book = playbook(
        {
            "s": starter("/inside", "a", nflow_auth="true"),
            "a": js("function main() { c.JSON(200, get_profile()) }"),
        }
    )
    config = f"""
[plugin]
folder = "{EXAMPLES}"
plugins = ["gatekeeper"]
[plugin.gatekeeper.keys]
ana = "a-key-of-ana"
"""
    server = launch(book, config)
    answer = server.get("/inside")
    assert (answer.status, answer.json()) == (401, {"error": "Unauthorized"})
    answer = server.get("/inside", headers={"Accept": "text/html"})
    assert (answer.status, answer.headers["Location"]) == (307, "/login")
    assert server.get("/inside", headers={"Authorization": "Bearer wrong"}).status == 401
    answer = server.get("/inside", headers={"Authorization": "Bearer a-key-of-ana"})
    assert (answer.status, answer.json()) == (200, {"username": "ana", "by": "key"})
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    assert server.get("/inside", headers={"Cookie": cookie}).json()["username"] == "ana"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)


def test_the_command_lists_plugins_and_what_they_offer(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[plugin]\nfolder = "{EXAMPLES}"\nplugins = ["greeter", "steps"]\n')
    done = run("plugins", "-c", str(config))
    assert done.returncode == 0, done.stderr
    assert "function  greeter.hello(name, times=1)" in done.stdout
    assert "node      discount" in done.stdout
    assert "action    POST /api/plugin/greeter/greet  Greet somebody." in done.stdout


def test_the_command_says_of_a_plugin_whose_methods_nobody_tagged_that_it_offers_nothing(tmp_path: Path) -> None:
    (tmp_path / "idle.py").write_text(
        "from nflow_runtime import Plugin\nclass A(Plugin):\n  async def count(self): 1\n"
    )
    (tmp_path / "config.toml").write_text(f'[plugin]\nfolder = "{tmp_path}"\n')
    done = run("plugins", "-c", str(tmp_path / "config.toml"))
    assert "  nothing: no method is tagged @function" in done.stdout


@pytest.mark.parametrize(
    ("plugin", "table", "says"),
    [
        ("1/0", "", "bad.py:1: ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(0)", "", "bad.py:1: SystemExit: 0"),
        (
            "from dataclasses import dataclass\nfrom nflow_runtime import Plugin\n@dataclass\nclass C:\n  key: int\n"
            "class P(Plugin): Config = C",
            '[plugin.bad]\nkey = "hunter2hunter2"',
            "plugin.bad.key: Input should be a valid integer",
        ),
    ],
)
def test_a_server_with_a_broken_plugin_does_not_start_and_says_why(
    tmp_path: Path, plugin: str, table: str, says: str
) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "bad.py").write_text(plugin)
    (tmp_path / "app.json").write_text("{}")
    config = tmp_path / "config.toml"
    config.write_text(f'[store]\npath = "{tmp_path}/s.sqlite"\n[plugin]\nfolder = "{folder}"\n{table}\n')
    done = subprocess.run(nflow(config, tmp_path / "app.json", 0), cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_a_run_that_waits_does_not_hold_up_the_end(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "hostile.py").write_text(HOSTILE)
    book = playbook(
        {
            "s": starter("/waits", "b"),
            "b": dromedary("hostile", "c", "d", kind="dromedary_callback", timeout=600),
            "c": js("function main() { c.String(200, 'at once') }"),
            "d": js("function main() {}"),
        }
    )
    server = launch(book, f'[plugin]\nfolder = "{tmp_path}"\n[server]\nmax_processes = 6\ndrain_seconds = 20\n')
    statuses = [server.get("/waits").status for _ in range(5)]
    assert statuses == [200, 200, 200, 503, 503], "half of the runs may wait; the rest is for those that work"
    begun = time.monotonic()
    server.process.terminate()
    assert server.process.wait(15) == 0
    assert time.monotonic() - begun < 5


def test_a_run_may_wait_for_longer_than_runs_may_take(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "import asyncio\nfrom nflow_runtime import Plugin\nclass Late(Plugin):\n"
        "  async def callbacks(self, payload):\n    await asyncio.sleep(2)\n    yield {'late': True}\n"
    )
    book = playbook(
        {
            "s": starter("/waits", "b"),
            "b": dromedary("late", "c", "d", kind="dromedary_callback", timeout=20),
            "c": js("function main() { c.String(200, 'at once') }"),
            "d": js("function main() { console.log('late: ' + payload.late) }"),
        }
    )
    server = launch(book, f'[plugin]\nfolder = "{tmp_path}"\n[server]\nprocess_seconds = 1\n')
    assert server.get("/waits").text == "at once"
    assert until(lambda: "late: true" in server.log(), 8)


def test_an_installed_package_s_entry_point_is_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "my_package.py").write_text(
        "from nflow_runtime import Plugin, function\nclass Mine(Plugin):\n  @function\n  async def hi(self): return 1\n"
    )
    info = tmp_path / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nflow.plugins]\nmine = my_package:Mine\n")
    config = tmp_path / "config.toml"
    config.write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "plugins", "-c", str(config)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "mine  (entry point mine = my_package:Mine)\n  function  mine.hi()" in done.stdout
