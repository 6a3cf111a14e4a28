"""`nflow config`, profiles, and SIGHUP to a running server."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from loadtests.server import free_port
from tests.acceptance.playbooks import chain, playbook, write
from tests.acceptance.servers import Server, until
from tests.servers.certificate import self_signed

NFLOW = str(Path(sys.executable).with_name("nflow"))
SHIPPED = Path(__file__).parents[2] / "config.toml"


class Done:
    """A finished command."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        done = subprocess.run(
            [NFLOW, *arguments], capture_output=True, text=True, timeout=30, cwd=folder, check=False,
            env={**os.environ, **environment},
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        self.code, self.text, self.err = done.returncode, done.stdout, done.stderr
        self.out = done.stdout.splitlines()


# --- check ---


def test_check_of_nothing_finds_nothing(tmp_path: Path) -> None:
    done = Done(tmp_path, "config", "check")
    assert (done.code, done.out) == (0, ["0 errors, 0 warnings"])


def test_check_lists_errors_before_warnings_with_their_sources_and_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[mongo]\nurl = 'x'\n[session]\nstore = 'redis'\n")
    done = Done(tmp_path, "config", "check", NFLOW_SERVER_PORT="70000", NFLOW_COLOUR="red")
    assert done.code == 2
    assert done.out == [
        "error: server.port: Input should be less than or equal to 65535 (from NFLOW_SERVER_PORT)",
        "warning: mongo.url: does nothing, here as in nFlow (from config.toml:2)",
        "warning: NFLOW_COLOUR: no section of the configuration begins like this; ignored",
        "1 error, 2 warnings",
    ]  # fmt: skip
    done = Done(tmp_path, "config", "check")
    assert done.out[0] == "error: session.store: is redis, and redis.host is missing (from config.toml:4)"


def test_check_finds_what_only_the_parts_can_tell(tmp_path: Path) -> None:
    """All of it at once, and none of the values."""
    (tmp_path / "key.pem").write_text("no key")
    (tmp_path / "config.toml").write_text(
        "[session]\nkey = 'CANARY'\n[database]\nurl = 'postgres://u:CANARY@h:99999/d'\n[server]\n"
        "tls_cert = 'none.pem'\ntls_key = 'key.pem'\n[redis]\nhost = 'h:CANARY'\n"
    )
    done = Done(tmp_path, "config", "check")
    assert done.code == 2
    found = {line.split(": ")[1]: line for line in done.out if line.startswith("error: ")}
    assert set(found) == {"session.key", "database.url", "server.tls_cert", "redis.host"}
    assert "none.pem" in found["server.tls_cert"]
    assert found["session.key"].endswith("(from config.toml:2)")
    assert "CANARY" not in done.text + done.err
    serve = Done(tmp_path, "serve")
    assert serve.code == 2
    assert sorted(serve.err.splitlines()) == sorted(line.replace("error", "nflow", 1) for line in found.values())


def test_check_of_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    done = Done(tmp_path, "config", "check", "-c", "none.toml")
    assert (done.code, done.out[0]) == (2, "error: none.toml: cannot be read: No such file or directory")


# --- show, default ---


def test_default_is_the_shipped_file(tmp_path: Path) -> None:
    assert Done(tmp_path, "config", "default").text == SHIPPED.read_text("utf-8")


def test_default_of_a_profile_holds_its_defaults_and_no_other_name_is_one(tmp_path: Path) -> None:
    tree = tomllib.loads(Done(tmp_path, "config", "default", "--profile", "production").text)
    assert (tree["server"]["profile"], tree["rate_limit"]["enabled"], tree["log"]["format"]) == (
        "production",
        True,
        "json",
    )
    done = Done(tmp_path, "config", "default", "--profile", "staging")
    assert (done.code, done.err) == (2, "nflow: 'staging' is no profile; there are development and production\n")


def test_show_tells_each_values_source_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("CANARY\n")
    (tmp_path / "config.toml").write_text(
        "[server]\nport = 81\n[env]\na = 'CANARY'\n[api]\nadmin_token = 'CANARY'\n"
        "[otel]\nendpoint = 'http://me:CANARY@collector:4318'\n"
    )
    done = Done(
        tmp_path, "config", "show", "--profile", "development", NFLOW_VM_POOL_MAX_SIZE="5",
        NFLOW_REDIS_PASSWORD_FILE="password",
    )  # fmt: skip
    assert done.code == 0
    lines = [" ".join(line.split()) for line in done.out]
    for line in (
        "port = 81 # config.toml:2",
        "max_size = 5 # NFLOW_VM_POOL_MAX_SIZE",
        "preload_size = 2 # profile development",
        'admin_token = "***" # config.toml:6',
        'endpoint = "http://me:***@collector:4318" # config.toml:8',
        'password = "***" # NFLOW_REDIS_PASSWORD_FILE',
        'health_check_path = "/health" # default',
    ):
        assert line in lines
    assert "CANARY" not in done.text
    assert tomllib.loads(done.text)["server"]["profile"] == "development"


def test_flowrunners_configuration_is_read_by_its_extension(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"server": {"host": "localhost", "port": 81}, "auth": {"jwt_secret": "CANARY"}}'
    )
    done = Done(tmp_path, "config", "check", "-c", "config.json")
    assert (done.code, done.out) == (
        0,
        ["warning: auth.jwt_secret: known to Flowrunner, not yet in force (from config.json)", "0 errors, 1 warning"],
    )  # fmt: skip


# --- production ---


def test_production_does_not_start_with_a_manuals_secret(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[debug]\nenabled = true\nauth_token = 'debug-token-12345'\n")
    done = Done(tmp_path, "serve", "--profile", "production")
    assert done.code == 2
    assert done.err == ("nflow: debug.auth_token: is a manual's sample, which everybody knows (from config.toml:3)\n")


# --- SIGHUP ---


class Running:
    """A server in its folder, with a configuration that can be rewritten."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder, self.config, self.log = folder, folder / "config.toml", folder / "log"
        port = free_port()
        self.config.write_text(config)
        file = write(folder / "app.json", playbook(chain("/hello", "c.JSON(200, 1)")))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [NFLOW, "serve", "-a", str(file), "--port", str(port)], cwd=folder, stdout=log, stderr=log
            )
        self.server = Server("127.0.0.1", port, self.process, folder)

    def __enter__(self) -> Self:
        up = until(lambda: "nflow serves" in self.log.read_text() or self.process.poll() is not None, 20)
        if not up or self.process.poll() is not None:
            self.process.kill()
            self.process.wait()
            raise AssertionError(self.log.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0

    def hang_up(self, config: str) -> str:
        """What the log says after the signal."""
        before = len(self.log.read_text())
        self.config.write_text(config)
        self.process.send_signal(signal.SIGHUP)
        assert until(lambda: "reloaded" in self.log.read_text()[before:], 10)
        return self.log.read_text()[before:]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with Running(
        tmp_path, "[api]\nadmin_token = 'CANARY-first'\n[rate_limit]\nenabled = true\nip_rate_limit = 1000\n"
    ) as up:
        yield up


def test_a_hangup_takes_over_what_can_change_and_names_what_needs_a_restart(running: Running) -> None:
    server = running.server
    admin = {"Authorization": "Bearer CANARY-second"}
    assert server.get("/api/admin/workflows", headers=admin).status == 401
    said = running.hang_up(
        "[api]\nadmin_token = 'CANARY-second'\n[vm_pool]\nmax_size = 3\n"
        "[rate_limit]\nenabled = true\nip_rate_limit = 2\n"
    )
    assert server.get("/api/admin/workflows", headers=admin).status == 200
    assert "api.admin_token" in said
    assert "rate_limit.ip_rate_limit" in said
    assert "need a restart" in said
    assert "vm_pool.max_size" in said
    assert [server.get("/hello").status for _ in range(20)].count(429) >= 7  # a burst of ten is left
    assert "CANARY" not in running.log.read_text()


def test_other_sites_are_let_in_by_a_hangup(running: Running) -> None:
    origin = {"Origin": "https://app.example.com"}
    assert "Access-Control-Allow-Origin" not in running.server.get("/hello", headers=origin).headers
    said = running.hang_up(
        "[api]\nadmin_token = 'CANARY-first'\n[cors]\nallowed_origins = ['https://app.example.com']\n"
    )
    assert "cors.allowed_origins" in said
    answer = running.server.get("/hello", headers=origin)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"


def test_the_log_follows_a_hangup(running: Running) -> None:
    running.server.get("/hello")
    assert until(lambda: "/hello" in running.log.read_text(), 10)
    assert "server.access_log" in running.hang_up("[server]\naccess_log = false\n[log]\nformat = 'json'\n")
    running.server.get("/hello")
    running.hang_up("[server]\naccess_log = false\n[log]\nformat = 'json'\nlevel = 'debug'\n")
    later = running.log.read_text().partition("server.access_log")[2]
    assert "/hello" not in later
    assert json.loads(later.splitlines()[-1])


def test_a_new_certificate_is_shown_after_a_hangup_and_one_that_is_none_is_not(tmp_path: Path) -> None:
    chain_file, key_file = tmp_path / "chain.pem", tmp_path / "key.pem"
    make_certificate(chain_file, key_file)
    config = f"[server]\ntls_cert = '{chain_file}'\ntls_key = '{key_file}'\n"
    with Running(tmp_path, config) as running:
        first = shown(running)
        assert first == chain_file.read_text()
        make_certificate(chain_file, key_file)
        assert shown(running) == first
        assert "another certificate" in running.hang_up(config)
        second = shown(running)
        assert second == chain_file.read_text() != first
        key_file.write_text("no key")
        refused = running.hang_up(config)
        assert "server.tls_cert" in refused
        assert "another certificate" not in refused
        assert shown(running) == second


def shown(running: Running) -> str:
    """The certificate that a new connection gets."""
    return ssl.get_server_certificate(("127.0.0.1", running.server.port), timeout=10)


def make_certificate(chain_file: Path, key_file: Path) -> None:
    """A new key and its certificate."""
    certificate, key = self_signed("localhost")
    chain_file.write_bytes(certificate)
    key_file.write_bytes(key)


def test_a_hangup_with_an_error_changes_nothing(running: Running) -> None:
    server = running.server
    said = running.hang_up("[api]\nadmin_token = 'CANARY-second'\n[server]\nprt = 1\n")
    assert "server.prt: unknown key" in said
    assert "config.toml:4" in said
    first = {"Authorization": "Bearer CANARY-first"}
    assert server.get("/api/admin/workflows", headers=first).status == 200
    said = running.hang_up("[")
    assert "not TOML" in said
    assert server.get("/hello").status == 200
