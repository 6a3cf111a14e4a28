"""The `nflow` command: exit codes, and messages that say what to do."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from loadtests.server import free_port
from nflow_runtime import __version__
from tests.acceptance.playbooks import chain, playbook, write
from tests.acceptance.servers import Server, until

NFLOW = [str(Path(sys.executable).with_name("nflow"))]
EXAMPLES = Path(__file__).parents[2] / "examples"
EXPORT = Path(__file__).parents[1] / "data" / "designer_export.json"


class Done:
    """A finished command."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def run(folder: Path, *arguments: str, **environment: str) -> Done:
    """The command in an empty folder, so that no config.toml is near."""
    done = subprocess.run(
        [*NFLOW, *arguments], capture_output=True, text=True, timeout=20, cwd=folder, env={**os.environ, **environment}
    )
    assert "Traceback" not in done.stderr
    return Done(done)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "good.json", playbook(chain("/hello/:name", "c.JSON(200, vars)")))


# --- version, help ---


def test_version_prints_the_version(tmp_path: Path) -> None:
    done = run(tmp_path, "version")
    assert (done.code, done.out, done.err) == (0, [__version__], [])


def test_without_a_command_the_help_is_shown(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.code == 2
    shown = "\n".join(done.out + done.err)
    assert all(command in shown for command in ("serve", "check", "doctor", "version"))


def test_an_unknown_command_is_exit_code_2(tmp_path: Path) -> None:
    assert run(tmp_path, "server").code == 2


# --- check ---


def test_check_of_good_playbooks_counts_their_flows(tmp_path: Path) -> None:
    done = run(tmp_path, "check", *map(str, sorted(EXAMPLES.glob("*.json"))))
    assert (done.code, done.out) == (0, ["10 flows can be served"])


def test_a_database_in_the_place_of_a_playbook_is_told_where_it_belongs(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.sqlite")) as database:
        database.execute("create table nflow (name, json)")
    done = run(tmp_path, "serve", "-a", "app.sqlite")
    assert done.code == 2
    (line,) = done.err
    assert line.endswith("name it by [database_nflow], or copy it with `nflow import app.sqlite`")


def test_check_takes_folders_as_serve_does(tmp_path: Path) -> None:
    assert run(tmp_path, "check", str(EXAMPLES)).out == ["10 flows can be served"]
    done = run(tmp_path, "check", str(tmp_path))
    assert (done.code, done.err) == (2, [f"nflow: {tmp_path} holds no .json file"])


def test_check_names_every_error_with_its_path_and_exits_with_1(tmp_path: Path) -> None:
    done = run(tmp_path, "check", str(EXPORT))
    assert done.code == 1
    errors = [line for line in done.out if ": error: " in line]
    assert len(errors) == 2
    assert all(line.startswith(f"{EXPORT}: error: drawflow.Draft.data.") for line in errors)
    assert "must be a node id as a string, not a number" in errors[0]
    assert "every node needs a type" in errors[1]
    assert done.out[-1] == "5 flows can be served"


def test_check_warns_of_what_is_served_all_the_same(tmp_path: Path) -> None:
    flow = chain("/a", "c.NoContent(204)") | {"x": {"data": {"type": "mongo"}, "outputs": {}}}
    file = write(tmp_path / "a.json", playbook(flow, chain("/a", "c.NoContent(204)")))
    done = run(tmp_path, "check", str(file))
    assert done.code == 0
    assert sum("warning: " in line for line in done.out) == 2
    assert any('"mongo" is no built-in node type' in line for line in done.out)
    assert any("is never reached" in line for line in done.out)


def test_check_counts_the_scripts_that_cannot_run(tmp_path: Path) -> None:
    bad = playbook(chain("/a", "eval('1')"), chain("/b", "c.JSON(200, {;"), chain("/c", "c.NoContent(204)"))
    done = run(tmp_path, "check", str(write(tmp_path / "bad.json", bad)))
    assert (done.code, done.out[-1]) == (1, "3 flows can be served, 2 of their scripts cannot run")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "must be an object"),
        ('{"a": 1}', "has no flow in it"),
        ('{"drawflow": {"F": {"data": {"s": 5}}}}', "must be an object with `data`"),
    ],
)
def test_check_of_what_is_no_playbook_says_why(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    done = run(tmp_path, "check", "bad.json")
    assert done.code == 1
    assert words in done.out[0]
    assert done.out[0].startswith("bad.json: error: ")


def test_check_goes_on_after_a_file_it_cannot_read(tmp_path: Path, good: Path) -> None:
    done = run(tmp_path, "check", "none.json", str(good))
    assert done.code == 1
    assert done.err == ["none.json: cannot be read: No such file or directory"]
    assert done.out == ["1 flow can be served"]


# --- doctor ---


def test_doctor_looks_at_everything_and_exits_with_0_where_all_is_well(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor")
    assert done.code == 0
    found = {line[6:].split("  ")[0].strip(): line[:4].strip() for line in done.out}
    assert set(found) == {
        "platform",
        "engine",
        "engine hook",
        "seccomp",
        "landlock",
        "user",
        "packages",
        "clock",
        "store",
    }
    assert found["engine"] == found["packages"] == found["clock"] == found["store"] == "ok"
    assert "FAIL" not in found.values()


def test_doctor_exits_with_1_when_something_needed_does_not_work(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", NFLOW_STORE_PATH="/nonexistent/folder/nflow.sqlite")
    assert done.code == 1
    line = next(line for line in done.out if " store " in line)
    assert line.startswith("FAIL")
    assert "/nonexistent/folder/nflow.sqlite" in line


def test_doctor_does_not_leave_a_store_where_there_was_none(tmp_path: Path) -> None:
    run(tmp_path, "doctor")
    assert list(tmp_path.iterdir()) == []


# --- serve: what is wrong is said at once ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-a", "none.json"], "nflow: none.json: there is no such file"),
        (["-a", "folder/none"], "nflow: folder/none: there is no such file"),
        (["-a", "."], "nflow: . holds no .json file"),
        (["-c", "none.toml", "-a", "x"], "nflow: none.toml: cannot be read: No such file or directory"),
    ],
)
def test_what_is_not_there_is_named_and_exit_code_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run(tmp_path, "serve", *arguments)
    assert (done.code, done.err) == (2, [message])


def test_an_app_name_says_that_a_database_or_files_are_wanted(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "-a", "shop")
    assert (done.code, len(done.err)) == (2, 1)
    assert "'shop'" in done.err[0]
    assert "-a FILE.json" in done.err[0]


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--port", "x"], ["--nonsense"], ["-a"]])
def test_a_wrong_call_is_exit_code_2(tmp_path: Path, good: Path, arguments: list[str]) -> None:
    assert run(tmp_path, "serve", "-a", str(good), *arguments).code == 2


def test_every_error_of_the_configuration_is_listed_with_key_and_origin(tmp_path: Path, good: Path) -> None:
    (tmp_path / "config.toml").write_text(
        "[server]\nport = 99999\nhots = 'x'\n[vm_pool]\nmax_size = 0\nmax_memory_mb = 'much'\n[tracker]\nenabled = 3\n"
        "[serverr]\na = 1\n[store]\ndurability = 'sometimes'\n"
    )
    done = run(tmp_path, "serve", "-a", str(good), NFLOW_SERVER_MAX_STEPS="many", NFLOW_MONITOR_METRIC_PATH="/m")
    assert done.code == 2
    assert done.out == []
    expected = {
        "server.hots": ("the nearest known one is server.host", "config.toml:3"),
        "server.port": ("less than or equal to 65535", "config.toml:2"),
        "vm_pool.max_size": ("greater than or equal to 1", "config.toml:5"),
        "vm_pool.max_memory_mb": ("valid integer", "config.toml:6"),
        "tracker.enabled": ("boolean", "config.toml:8"),
        "serverr": ("the nearest known one is [server]", "config.toml:9"),
        "store.durability": ("'none', 'tracked' or 'durable'", "config.toml:12"),
        "server.max_steps": ("valid integer", "NFLOW_SERVER_MAX_STEPS"),
        "monitor.metric_path": ("the nearest known one is monitor.metrics_path", "NFLOW_MONITOR_METRIC_PATH"),
    }
    assert len(done.err) == len(expected)
    for key, (words, origin) in expected.items():
        line = next(line for line in done.err if line.startswith(f"nflow: {key}: "))
        assert words in line
        assert line.endswith(f"(from {origin})")


def test_a_configuration_that_is_no_toml_says_where(tmp_path: Path, good: Path) -> None:
    (tmp_path / "config.toml").write_text("[server\nport = 1\n")
    done = run(tmp_path, "serve", "-a", str(good))
    assert (done.code, len(done.err)) == (2, 1)
    assert re.search(r"config\.toml: not TOML: .*line 1", done.err[0])


def test_secrets_of_the_configuration_are_not_shown_in_its_errors(tmp_path: Path, good: Path) -> None:
    (tmp_path / "config.toml").write_text("[redis]\npassword = 12345678\n[env]\nTOKEN = 987654\n")
    done = run(tmp_path, "serve", "-a", str(good))
    assert done.code == 2
    assert "12345678" not in "".join(done.err)
    assert "987654" not in "".join(done.err)


# --- serve ---


def serve(folder: Path, *arguments: str, **environment: str) -> tuple[list[str], list[str]]:
    """Start, wait until it says that it serves, stop; the lines of both streams."""
    out, err = folder / "out", folder / "err"
    with out.open("w") as first, err.open("w") as second:
        process = subprocess.Popen(
            [*NFLOW, "serve", *arguments], stdout=first, stderr=second, cwd=folder, env={**os.environ, **environment}
        )
        assert until(lambda: "nflow serves" in out.read_text() or process.poll() is not None, 20)
        process.send_signal(signal.SIGINT)
        code = process.wait(10)
    assert code == 0, err.read_text()
    return out.read_text().splitlines(), err.read_text().splitlines()


def test_serve_says_where_it_listens_and_what_to_curl_and_needs_no_database(tmp_path: Path, good: Path) -> None:
    port = free_port()
    out, err = serve(tmp_path, "-a", str(good), "--port", str(port))
    assert out == [
        f"nflow serves 1 flow at http://127.0.0.1:{port}. Try:",
        f"  curl 'http://127.0.0.1:{port}/hello/name'",
    ]
    assert [line for line in err if "[INFO]" not in line] == []
    assert (tmp_path / "nflow.sqlite").exists()


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(tmp_path: Path, good: Path) -> None:
    (tmp_path / "config.toml").write_text('[server]\nhost = "127.0.0.3"\nport = 1\n')
    out, _ = serve(tmp_path, "-a", str(good), "--port", "0", NFLOW_SERVER_HOST="127.0.0.2")
    assert out[0].startswith("nflow serves 1 flow at http://127.0.0.2:")
    assert ":1." not in out[0]


def test_an_address_of_ipv6_is_written_so_that_curl_takes_it(tmp_path: Path, good: Path) -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")
    out, _ = serve(tmp_path, "-a", str(good), "--host", "::1", "--port", "0")
    assert re.match(r"nflow serves 1 flow at http://\[::1\]:\d+\. Try:", out[0])


def test_a_key_that_nflow_never_used_warns_once(tmp_path: Path, good: Path) -> None:
    (tmp_path / "config.toml").write_text("[mongo]\nurl = 'mongodb://secret'\n[redis]\nmaxconnectionpool = 5\n")
    _, err = serve(tmp_path, "-a", str(good), "--port", "0")
    assert [line for line in err if line.startswith("nflow: ")] == [
        "nflow: warning: mongo.url: does nothing, here as in nFlow (from config.toml:2)",
        "nflow: warning: redis.maxconnectionpool: does nothing, here as in nFlow (from config.toml:4)",
    ]


def test_the_shipped_configuration_is_silent(tmp_path: Path, good: Path) -> None:
    shipped = Path(__file__).parents[2] / "config.toml"
    _, err = serve(tmp_path, "-c", str(shipped), "-a", str(good), "--port", "0")
    assert [line for line in err if line.startswith("nflow: ") or "[INFO]" not in line] == []


def test_verbose_shows_more(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", playbook(chain("/a", "console.debug('x')")))
    _, err = serve(tmp_path, "-v", "-a", str(file), "--port", "0")
    assert all("[ERROR]" not in line for line in err)


def test_python_m_gateway_is_the_same_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "version"], capture_output=True, text=True, timeout=20, cwd=tmp_path
    )
    assert (done.returncode, done.stdout.strip()) == (0, __version__)


def test_a_playbook_that_is_no_json_is_served_as_nothing_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps({"drawflow": {}})[:-1])
    out, err = serve(tmp_path, "-a", "bad.json", "--port", "0")
    assert out[0].startswith("nflow serves 0 flows at ")
    assert len(out) == 1
    assert "bad.json: document" in "".join(err)


@pytest.mark.parametrize("deaf", ["stdout", "stderr"])
def test_a_server_nobody_listens_to_serves_all_the_same(tmp_path: Path, deaf: str) -> None:
    file = write(tmp_path / "a.json", playbook(chain("/a", "console.log('to nobody'); c.JSON(200, 1)")))
    port = free_port()
    read, written = os.pipe()
    os.close(read)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, deaf: written}
    process = subprocess.Popen([*NFLOW, "serve", "-a", str(file), "--port", str(port)], cwd=tmp_path, **streams)
    os.close(written)
    server = Server("127.0.0.1", port, process, tmp_path)
    try:
        assert until(lambda: up(server), 20)
        assert server.get("/a").json() == 1
        assert server.metric("nflow_actor_crashes_total") == 0
    finally:
        process.terminate()
    assert process.wait(10) == 0


def up(server: Server) -> bool:
    try:
        return server.get("/health").status == 200
    except OSError:
        return False


def test_check_looks_through_scripts_and_compiles_them(tmp_path: Path) -> None:
    bad = chain("/a", "function main() {\n  eval('1');\n  while (true) {}\n}")
    bad["n1"]["outputs"] = {"output_1": {"connections": [{"node": "n2"}]}}
    bad["n2"] = {"data": {"type": "js", "code": "function main() {\n  var x = ;\n}"}, "outputs": {}}
    bad["n3"] = {"data": {"type": "js", "script": "const a = await 1;\nreturn a +"}, "outputs": {}}
    write(tmp_path / "bad.json", playbook(Bad=bad))
    done = run(tmp_path, "check", "bad.json")
    assert done.code == 1
    at = "drawflow.Bad.data"
    assert any(f"error: {at}.n1.data.code: eval_usage (high) at line 2, column 3" in line for line in done.out)
    assert any(f"warning: {at}.n1.data.code: infinite_loop (medium) at line 3" in line for line in done.out)
    assert any(
        f"error: {at}.n2.data.code: does not compile: SyntaxError" in line and "2:11" in line for line in done.out
    )
    assert any(f"error: {at}.n3.data.script: does not compile: SyntaxError" in line for line in done.out)
    (tmp_path / "config.toml").write_text('[security]\nallowed_patterns = ["eval_usage", "infinite_loop"]\n')
    write(tmp_path / "mild.json", playbook(Mild={name: bad[name] for name in ("s", "n1")}))
    mild = run(tmp_path, "check", "mild.json")
    assert (mild.code, [line for line in mild.out if "eval" in line]) == (0, [])


def test_an_import_refuses_what_a_save_would(tmp_path: Path) -> None:
    write(tmp_path / "evil.json", playbook(Evil=chain("/a", "function main() { return eval('1') }")))
    refused = run(tmp_path, "import", "evil.json")
    assert refused.code == 1
    assert any("app evil: error: drawflow.Evil.data.n1.data.code: eval_usage (high)" in line for line in refused.out)
    assert any(line.split() == ["apps", "0", "0", "1"] for line in refused.out)
    (tmp_path / "config.toml").write_text("[security]\nblock_on_high_severity = false\n")
    warned = run(tmp_path, "import", "evil.json")
    assert warned.code == 0
    assert any(line.split() == ["apps", "1", "0", "0"] for line in warned.out)
