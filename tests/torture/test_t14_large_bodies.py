"""T14: many large bodies at once, bodies just over the limit and far over it, with and without a length, of the wrong
type. What is refused is refused within 200 ms of the limit, and memory stays bounded."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, until
from tests.torture.clients import connected, resident_mb
from tests.torture.row import LONG, tell

MB = 1 << 20
LIMIT = 10 * MB
AT_ONCE = 50
REFUSED_SECONDS = 0.2
SLACK = 0.8
"""Two cores, shared with whatever else runs."""


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(
        playbook(
            chain("/upload", "c.JSON(200, {fields: Object.keys(post_data).length})", method="POST"),
            chain("/length", "c.JSON(200, {length: Number(c.request.headers['content-length'] || 0)})", method="POST"),
        ),
        "[server]\nmax_inflight_mb = 256\n[vm_pool]\npreload_size = 4\nmax_size = 4\n",
    )


async def sent(server: Server, head: str, parts: list[bytes]) -> tuple[int, float]:
    """Send a request as fast as it is taken; its status, and how long after the last byte that was sent it came."""
    reader, writer = await connected(server)
    answered: asyncio.Future[bytes] = asyncio.ensure_future(reader.readline())
    writer.write(f"{head}\r\nHost: h\r\n\r\n".encode())
    last = time.monotonic()
    try:
        for part in parts:
            if answered.done():
                break
            writer.write(part)
            drained = asyncio.ensure_future(writer.drain())
            await asyncio.wait({drained, answered}, return_when=asyncio.FIRST_COMPLETED)
            if not drained.done():
                drained.cancel()
                break
            last = time.monotonic()
        line = await asyncio.wait_for(answered, 30)
    except ConnectionError:
        line = answered.result() if answered.done() and answered.exception() is None else b""
    took = time.monotonic() - last
    writer.transport.abort()
    return int(line.split()[1]) if line else 0, took


def chunks(size: int, each: int = 64 << 10) -> list[bytes]:
    """A body without a length."""
    chunk = f"{each:x}\r\n".encode() + b"x" * each + b"\r\n"
    return [chunk] * (size // each) + [b"0\r\n\r\n"]


POST = "POST /upload HTTP/1.1\r\nContent-Type: application/octet-stream"
CHUNKED = f"{POST}\r\nTransfer-Encoding: chunked"
FORM = "POST /upload HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b"


def long(head: str, body: bytes) -> tuple[str, list[bytes]]:
    return f"{head}\r\nContent-Length: {len(body)}", [body[n : n + MB] for n in range(0, len(body), MB)]


def multipart(parts: int) -> bytes:
    part = '--b\r\nContent-Disposition: form-data; name="f{}"\r\n\r\nv\r\n'
    return "".join(part.format(n) for n in range(parts)).encode() + b"--b--\r\n"


CASES = {
    "as large as allowed": (*long(POST, b"x" * LIMIT), {200}),
    "as large as allowed, without a length": (CHUNKED, chunks(LIMIT), {200}),
    "one byte more": (*long(POST, b"x" * (LIMIT + 1)), {413}),
    "one chunk more": (CHUNKED, chunks(LIMIT + (64 << 10)), {413}),
    "ten times as large": (*long(POST, b"x" * (10 * LIMIT)), {413}),
    "ten times as large, without a length": (CHUNKED, chunks(10 * LIMIT), {413}),
    "one byte a chunk": (CHUNKED, [b"1\r\nx\r\n" * 50_000, b"0\r\n\r\n"], {200}),
    "1 000 parts": (*long(FORM, multipart(1_000)), {200}),
    "10 000 parts": (*long(FORM, multipart(10_000)), {400}),
    "JSON that says it is multipart": (*long(FORM, b'{"a": 1}'), {400}),
    "multipart that says it is JSON": (
        *long("POST /upload HTTP/1.1\r\nContent-Type: application/json", multipart(3)), {200},
    ),
    "no type": (*long("POST /upload HTTP/1.1", b"x" * 1000), {200}),
    "multipart without a boundary": (
        *long("POST /upload HTTP/1.1\r\nContent-Type: multipart/form-data", b"x"), {400},
    ),
    "an API body of the wrong type": (
        *long(
            "POST /api/processes/1/step HTTP/1.1\r\n"
            "Content-Type: text/plain", b"{}",
        ), {415},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_body_is_taken_or_refused_as_it_should_and_at_once(server: Server, case: str) -> None:
    head, parts, allowed = CASES[case]
    status, took = asyncio.run(sent(server, head, parts))
    assert status in allowed
    if status == 413:
        assert took < REFUSED_SECONDS + SLACK


def test_fifty_bodies_of_ten_megabytes_at_once_do_not_fill_the_memory(server: Server) -> None:
    rounds = 5 if LONG else 1
    found: list[int] = []

    async def crowd(head: str, parts: list[bytes]) -> list[int]:
        return [status for status, _ in await asyncio.gather(*(sent(server, head, parts) for _ in range(AT_ONCE)))]

    for _ in range(rounds):
        found += asyncio.run(crowd(*long(POST, b"x" * LIMIT)))
        found += asyncio.run(crowd(CHUNKED, chunks(LIMIT)))
    most = resident_mb(server, "VmHWM")
    tell(
        "T14", "50 x 10 MB", f"{found.count(200)} taken, {found.count(503)} refused, {len(found)} in all; "
        f"RSS {most:.0f} MB at most",
    )  # fmt: skip
    assert set(found) <= {200, 503}
    assert found.count(200) >= 25 * rounds
    assert most < 600
    assert until(lambda: server.ask("/upload", "POST", body=b"x" * LIMIT).status == 200), "all of it is given back"
    assert "Traceback" not in server.log()


def test_what_does_not_fit_is_told_when_to_come_back(launch: Launch) -> None:
    server = launch(
        playbook(chain("/upload", "sleep(500); c.NoContent(204)", method="POST")),
        "[server]\nmax_body_mb = 1\nmax_inflight_mb = 1\n[vm_pool]\npreload_size = 2\n",
    )
    body = b"x" * (900 << 10)

    async def two() -> list[tuple[int, float]]:
        return await asyncio.gather(*(sent(server, *long(POST, body)) for _ in range(2)))

    assert sorted(status for status, _ in asyncio.run(two())) == [204, 503]
    with server.connect() as held:
        held.sendall(f"{POST}\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:-1])
        refused = until(lambda: (answer := server.post("/upload", body=body)).status == 503 and answer)
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert "server.max_inflight_mb" in json.loads(refused.body)["error"]
    assert until(lambda: server.post("/upload", body=body).status == 204), "who left holds nothing any more"
