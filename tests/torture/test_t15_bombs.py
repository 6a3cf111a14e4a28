"""T15: small bodies that unpack to large ones, sent to the server and sent by servers it asks. Each is refused, within
bounded memory, and the next request is right."""

from __future__ import annotations

import gzip
import socket
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.http_peers import misbehaving
from tests.acceptance.playbooks import chain, edges, js, playbook, starter
from tests.acceptance.servers import Server
from tests.torture.clients import resident_mb
from tests.torture.row import LONG, tell

MB = 1 << 20
UNPACKED = (1_000 if LONG else 100) * MB
TIMES = 50 if LONG else 5
MOST_MB = 150
"""Memory that all of it may cost."""
LONGEST_SECONDS = 2.0


def packed(bits: int, size: int = UNPACKED) -> bytes:
    """Zeros, deflated 1000:1."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, bits)
    zeros = bytes(MB)
    return b"".join(deflate.compress(zeros) for _ in range(size // MB)) + deflate.flush()


def zstandard(size: int) -> bytes:
    """Blocks of one repeated byte (RFC 8878, section 3.1.1.2): 4 bytes for 128 KiB."""
    blocks = size // (128 << 10)
    block = ((128 << 10) << 3) | (1 << 1)
    return (
        b"\x28\xb5\x2f\xfd\x00\x58"
        + (block.to_bytes(3, "little") + b"\0") * (blocks - 1)
        + (block | 1).to_bytes(3, "little") + b"\0"
    )  # fmt: skip


GZIP = packed(16 + zlib.MAX_WBITS)
BOMBS = {
    "gzip": ("gzip", GZIP, 413),
    "x-gzip": ("x-gzip", GZIP, 413),
    "GZIP": ("GZIP", GZIP, 413),
    "deflate": ("deflate", packed(zlib.MAX_WBITS), 413),
    "deflate without a head": ("deflate", packed(-zlib.MAX_WBITS), 413),
    "gzip in gzip": ("gzip", gzip.compress(GZIP), 200),
    "gzip twice": ("gzip, gzip", gzip.compress(GZIP), 415),
    "gzip upon deflate": ("deflate, gzip", gzip.compress(packed(zlib.MAX_WBITS)), 415),
    "a thousand files of gzip": ("gzip", gzip.compress(b"") * 1000, 400),
    "gzip of a hundred files": ("gzip", gzip.compress(bytes(MB)) * 50, 413),
    "br": ("br", b"\x5b\xff\xff\x7f\x00" * 100, 415),
    "zstd": ("zstd", zstandard(UNPACKED), 415),
    "compress": ("compress", b"\x1f\x9d" * 100, 415),
    "aes128gcm": ("aes128gcm", b"x" * 100, 415),
    "cut short": ("gzip", GZIP[:100] + b"", 400),
    "no gzip at all": ("gzip", b"{}", 400),
    "with something after it": ("gzip", gzip.compress(b"{}") + b"more", 400),
}
"""What is announced, what is sent, what is answered."""


def answering_with(coding: str, body: bytes) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: {coding}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body


@pytest.fixture(scope="module")
def server(launch: Launch) -> Iterator[Server]:
    with ExitStack() as peers:
        flows = []
        for n, (coding, body, _) in enumerate(BOMBS.values()):
            whole = answering_with(coding, body)

            def behave(connection: socket.socket, whole: bytes = whole) -> None:
                connection.recv(4096)
                connection.sendall(whole)

            url = f"http://127.0.0.1:{peers.enter_context(misbehaving(behave))}/"
            flows.append(
                chain(f"/script/{n}", f"return http.get('{url}').then(r => c.JSON(200, {{got: r.body.length}}))")
            )
            node = {"data": {"type": "http", "url": url}, "outputs": edges("b")}
            flows.append({"s": starter(f"/node/{n}", "a"), "a": node, "b": js("function main() { c.NoContent(204) }")})
        yield launch(
            playbook(chain("/post", "c.JSON(200, {ok: true})", method="POST"), *flows),
            '[security]\nallowed_addresses = ["127.0.0.1/32"]\n[outgoing]\nbreaker_failures = 1_000_000\n'
            "[vm_pool]\npreload_size = 2\nmax_size = 2\n",
        )


def healthy(server: Server) -> bool:
    answer = server.post("/post", body=gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"})
    return (answer.status, answer.json()) == (200, {"ok": True})


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_where_it_is_posted(server: Server, name: str) -> None:
    coding, body, status = BOMBS[name]
    assert healthy(server)
    before = resident_mb(server, "VmHWM")

    def post(_: int) -> tuple[int, float, str]:
        began = time.monotonic()
        answer = server.post("/post", body=body, headers={"Content-Encoding": coding})
        return answer.status, time.monotonic() - began, answer.headers.get("Accept-Encoding", "")

    with ThreadPoolExecutor(5) as clients:
        found = list(clients.map(post, range(TIMES)))
    grown = resident_mb(server, "VmHWM") - before
    tell("T15", f"posted: {name}", f"{TIMES} x {len(body)} bytes: {status}, RSS +{grown:.0f} MB")
    assert {answered for answered, _, _ in found} == {status}
    assert max(took for _, took, _ in found) < LONGEST_SECONDS * (5 if LONG else 1)
    if status == 415:
        assert {accepted for _, _, accepted in found} == {"gzip, deflate"}
    assert grown <= MOST_MB
    assert healthy(server)


def test_a_bomb_for_nobody_is_not_unpacked(server: Server) -> None:
    began = time.monotonic()
    for _ in range(5):
        assert server.post("/nowhere", body=GZIP, headers={"Content-Encoding": "gzip"}).status == 404
    assert time.monotonic() - began < LONGEST_SECONDS


@pytest.mark.parametrize("way", ["script", "node"])
def test_a_bomb_of_a_server_that_is_asked_ends_at_the_cap(server: Server, way: str) -> None:
    assert healthy(server)
    before = resident_mb(server, "VmHWM")
    wrong = []
    for number, name in enumerate(BOMBS):
        for _ in range(TIMES if LONG else 1):
            answer = server.get(f"/{way}/{number}")
            if answer.status not in {200, 204, 408, 500} or "Traceback" in answer.text:
                wrong.append((name, answer.status, answer.text[:200]))
    grown = resident_mb(server, "VmHWM") - before
    tell("T15", f"answered to a {way}", f"{len(BOMBS)} bombs: RSS +{grown:.0f} MB")
    assert wrong == []
    assert grown <= MOST_MB
    assert healthy(server)
    assert "Traceback" not in server.log()
