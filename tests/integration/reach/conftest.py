"""Real peers for the way out: a Redis that can be killed, silenced and started again on its port."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from actors.functions.caller import Caller
from actors.guards.addresses import AddressGuard
from actors.reach.http_client import HttpClient, HttpSettings
from actors.sessions.lone import LoneSession
from protocol.process import Request
from tests.integration.reach.peers import Peer


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """A redis-server process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.folder = folder
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = shutil.which("redis-server")
        assert binary, "redis-server is not installed"
        command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            [*command, "--dir", str(self.folder), *self.options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2) as peer:
                peer.sendall(b"PING\r\n")
                if peer.recv(64)[:1] in {b"+", b"-"}:  # -NOAUTH is an answer too
                    return
            time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def silence(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def wake(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


def calling(wid: str = "w-1", seconds: float = 10.0) -> Caller:
    """A script's run, as host functions see it."""
    request = Request("GET", "/", "", (), (), (), b"", "127.0.0.1:1", "http")
    return Caller(wid, "default", "app", "flow", "node", request, LoneSession(), seconds)


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    """An HTTP client that may reach this machine."""
    client = HttpClient(HttpSettings(AddressGuard(["127.0.0.1"]), timeout_seconds=5.0))
    await client.open()
    yield client
    await client.close()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.start()
    yield peer
    await peer.stop()
