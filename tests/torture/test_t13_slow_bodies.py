"""T13: bodies that come byte by byte, answers nobody reads, connections that are half closed or reset amid a body.
Each is ended by its deadline, with its handler, and nothing stays behind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server
from tests.torture.clients import allow_descriptors, at_rest, closed_after, connected, descriptors_at_rest, reset
from tests.torture.row import LONG, tell

COUNT = 1_000 if LONG else 60
LARGE = 100 if LONG else 10
"""Large answers made by a script, each in memory until it is sent."""
SECONDS = 30.0 if LONG else 2.0
"""`server.body_seconds`."""
SLACK = 10.0 if LONG else 4.0
FILE = 5_000_000
ANSWER = 3_500_000
"""What a sandbox can say at once ends at 4 MiB."""


@pytest.fixture(scope="module")
def server(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Server:
    allow_descriptors(3_000)
    files = tmp_path_factory.mktemp("files")
    (files / "large").write_bytes(b"x" * FILE)
    return launch(
        playbook(
            chain("/post", "c.JSON(200, post_data)", method="POST"),
            chain("/large", f"c.String(200, 'x'.repeat({ANSWER}))"),
            chain("/file", "c.File('large')"),
            chain("/stream", "for (;;) c.response.write('x'.repeat(100000))"),
            chain("/sleep", "sleep(60000)"),
        ),
        f'[server]\nbody_seconds = {SECONDS}\nmax_output_kb = 4096\n[files]\nroot = "{files}"\n'
        "[vm_pool]\npreload_size = 4\nmax_size = 4\n",
    )


async def slow_body(server: Server) -> float:
    """One byte a second; answered 408 at the deadline."""
    reader, writer = await connected(server)
    writer.write(b"POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")

    async def drip() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(min(1.0, SECONDS / 4))

    dripped = asyncio.create_task(drip())
    seconds, said = await closed_after(reader, SECONDS + SLACK)
    dripped.cancel()
    writer.close()
    assert said.startswith(b"HTTP/1.1 408 "), said[:200]
    return seconds


async def body_that_stops(server: Server) -> float:
    """Some chunks, then nothing."""
    reader, writer = await connected(server)
    writer.write(b"POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    seconds, said = await closed_after(reader, SECONDS + SLACK)
    writer.close()
    assert said.startswith(b"HTTP/1.1 408 "), said[:200]
    return seconds


def unread(path: str) -> Callable[[Server], Awaitable[float]]:
    """Ask for a large answer and read nothing of it."""

    async def client(server: Server) -> float:
        loop = asyncio.get_running_loop()
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await loop.sock_connect(connection, (server.host, server.port))
        began = loop.time()
        await loop.sock_sendall(connection, f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        try:
            while loop.time() < began + 2 * SECONDS + SLACK:  # an end shows by a write that fails
                await asyncio.sleep(SECONDS / 8)
                await loop.sock_sendall(connection, b"\r\n")
        except OSError:
            pass
        finally:
            connection.close()
        return loop.time() - began

    return client


async def half_closed(server: Server) -> float:
    """No more comes of the body: the client has closed its side."""
    reader, writer = await connected(server)
    writer.write(b"POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhello")
    writer.write_eof()
    seconds, _ = await closed_after(reader, SECONDS + SLACK)
    writer.close()
    return seconds


async def reset_amid(server: Server) -> float:
    """The connection is reset amid the body."""
    _, writer = await connected(server)
    writer.write(b"POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhello")
    await asyncio.sleep(0.05)
    reset(writer)
    return 0.0


async def reset_waiting(server: Server) -> float:
    """The connection is reset while a script runs; only a GET is ended with it."""
    _, writer = await connected(server)
    writer.write(b"GET /sleep HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.sleep(0.1)
    reset(writer)
    return 0.0


CASES = {
    "slow bodies": (slow_body, COUNT),
    "bodies that stop": (body_that_stops, COUNT),
    "large answers nobody reads": (unread("/large"), LARGE),
    "files of 5 MB nobody reads": (unread("/file"), COUNT),
    "streams nobody reads": (unread("/stream"), 2),
    "half-closed bodies": (half_closed, COUNT),
    "bodies reset midway": (reset_amid, COUNT),
    "waiting clients reset": (reset_waiting, COUNT),
}


@pytest.mark.parametrize("case", CASES)
def test_they_are_ended_by_the_deadline_and_nothing_stays(server: Server, case: str) -> None:
    client, count = CASES[case]
    open_before, tasks_before = descriptors_at_rest(server), server.metric("nflow_tasks")

    async def all_of_them() -> list[float]:
        return await asyncio.gather(*(client(server) for _ in range(count)))

    kept = asyncio.run(all_of_them())
    tell("T13", case, f"{count} ended after {max(kept):.1f} s at most")
    # A reader that stops is looked at when it first does, so a deadline after that.
    assert max(kept) < (2 * SECONDS if "reads" in case else SECONDS) + SLACK
    assert at_rest(server, open_before, tasks_before)
    assert server.metric("nflow_vm_pool_active") == 0
    assert "Traceback" not in server.log()


@pytest.mark.parametrize(("path", "size"), [("/large", ANSWER), ("/file", FILE)])
def test_who_reads_gets_all_of_it(server: Server, path: str, size: int) -> None:
    answer = server.get(path)
    assert (answer.status, len(answer.body)) == (200, size)
