"""Streamed answers: chunk by chunk to whoever reads, and nobody who does not read keeps others from being served."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, until

TICKS = """
async function main() {
  c.response.set('Content-Type', 'text/event-stream');
  for (let i = 0; i < 100; i++) { c.response.write(`data: ${i}\\n\\n`); sleep(100) }
}"""
FLOOD = "async function main() { for (;;) c.response.write('x'.repeat(500000)) }"
CONFIG = """
[server]
max_streams = 2
body_seconds = 2
[vm_pool]
max_size = 4
"""


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(playbook(chain("/ticks", TICKS), chain("/flood", FLOOD), chain("/plain", "c.JSON(200, 1)")), CONFIG)


@pytest.fixture
def unread(server: Server) -> Iterator[list[socket.socket]]:
    """Clients that ask for a flood and take nothing of it."""
    opened = []
    for _ in range(6):
        client = socket.create_connection((server.host, server.port))
        client.sendall(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        opened.append(client)
    yield opened
    for client in opened:
        client.close()


@contextmanager
def reading(server: Server) -> Iterator[http.client.HTTPResponse]:
    """A client whose answer has begun; it leaves at the end of the block."""
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
        connection.request("GET", "/ticks")
        with connection.getresponse() as response:
            yield response


def test_chunks_come_as_they_are_written_and_the_run_ends_when_its_reader_leaves(server: Server) -> None:
    with reading(server) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.readline() == b"data: 0\n"
        assert response.readline() == b"\n"
        assert response.readline() == b"data: 1\n"
        assert server.metric("nflow_processes_active") == 1
    assert until(lambda: server.metric("nflow_processes_active") == 0, 10)


def test_more_streams_than_there_is_room_for_are_asked_to_come_again(server: Server) -> None:
    with reading(server), reading(server):
        answer = server.get("/ticks")
        assert answer.status == 503
        assert "server.max_streams" in answer.json()["error"]
        assert int(answer.headers["Retry-After"]) >= 1
    assert until(lambda: server.metric("nflow_processes_active") == 0, 10)


def test_streams_nobody_reads_leave_room_for_everybody_else(server: Server, unread: list[socket.socket]) -> None:
    for _ in range(20):
        assert server.get("/plain").json() == 1
    assert until(lambda: server.metric("nflow_processes_active") == 0, 20)
