"""T17: requests that two readers could cut differently, sent directly and through nginx and HAProxy.

Whoever asks on the same connection, or on another that shares the proxy's, gets the answer to what they asked: every
request has an id of its own, which its answer repeats. Nothing reaches the path that the proxies deny.
"""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, until
from tests.servers.haproxy import HaProxy
from tests.servers.nginx import Nginx
from tests.torture.row import LONG, tell

ROUNDS = 20 if LONG else 1
H = "Host: h"
CRLF = "\r\n"
HIDDEN = "GET /denied/@X HTTP/1.1\r\nHost: h\r\n\r\n"
"""A request inside another: nobody may take it for one."""
CHUNKED = "Transfer-Encoding: chunked"
END = "0\r\n\r\n"


def post(*headers: str, body: str = "") -> str:
    return CRLF.join(["POST /echo/@P HTTP/1.1", H, *headers, "", body])


def get(*headers: str, line: str = "GET /echo/@P HTTP/1.1") -> str:
    return CRLF.join([line, *headers, "", ""])


LENGTH = f"Content-Length: {len(HIDDEN) + 6}"
PROBES = {
    "CL and TE": post("Content-Length: 6", CHUNKED, body=END + HIDDEN),
    "TE and CL": post(CHUNKED, LENGTH, body=END + HIDDEN),
    "CL 0 and TE": post("Content-Length: 0", CHUNKED, body=f"5\r\nhello\r\n{END}"),
    "two lengths": post("Content-Length: 0", LENGTH, body=HIDDEN),
    "two equal lengths": post("Content-Length: 5", "Content-Length: 5", body="hello"),
    "two lengths in a line": post(f"Content-Length: 0, {len(HIDDEN)}", body=HIDDEN),
    "a length with a sign": post("Content-Length: +5", body="hello" + HIDDEN),
    "a negative length": post("Content-Length: -1", body=HIDDEN),
    "a hexadecimal length": post("Content-Length: 0x5", body="hello" + HIDDEN),
    "a length with a blank in it": post("Content-Length: 5 0", body="hello" + HIDDEN),
    "a length beyond 64 bits": post("Content-Length: 18446744073709551616", body=HIDDEN),
    "no length": post(body=HIDDEN.replace("/denied", "/echo")),
    "TE with a tab": post("Transfer-Encoding:\tchunked", body=END),
    "TE of another kind": post("Transfer-Encoding: xchunked", LENGTH, body=END + HIDDEN),
    "TE twice": post(CHUNKED, "Transfer-Encoding: identity", body=END + HIDDEN),
    "TE chunked, identity": post("Transfer-Encoding: chunked, identity", body=END + HIDDEN),
    "TE identity, chunked": post("Transfer-Encoding: identity, chunked", LENGTH, body=END + HIDDEN),
    "TE chunked, chunked": post("Transfer-Encoding: chunked, chunked", body=END + HIDDEN),
    "TE in quotes": post('Transfer-Encoding: "chunked"', LENGTH, body=END + HIDDEN),
    "TE with a blank before the colon": post("Transfer-Encoding : chunked", LENGTH, body=END + HIDDEN),
    "TE after a vertical tab": post("Transfer-Encoding: \x0bchunked", LENGTH, body=END + HIDDEN),
    "TE on a folded line": post("Transfer-Encoding:\r\n chunked", LENGTH, body=END + HIDDEN),
    "TE behind a bare LF": post(f"X: y\nTransfer-Encoding: chunked\r\n{LENGTH}", body=END + HIDDEN),
    "TE behind a bare CR": post(f"X: y\rTransfer-Encoding: chunked\r\n{LENGTH}", body=END + HIDDEN),
    "a name with an underscore": post("Transfer_Encoding: chunked", LENGTH, body=END + HIDDEN),
    "a header with a blank before the colon": get(H, "X : y") + HIDDEN.replace("/denied", "/echo"),
    "a header that begins with a blank": get(H, " X: y"),
    "a header without a name": get(H, ": y"),
    "NUL in a header": get(H, "X: a\0b"),
    "bare LF for lines": "GET /echo/@P HTTP/1.1\nHost: h\n\n",
    "bare CR for lines": "GET /echo/@P HTTP/1.1\rHost: h\r\r",
    "absolute form": get(H, line="GET http://h/echo/@P HTTP/1.1"),
    "absolute form of a denied path": get(H, line="GET http://h/denied/@X HTTP/1.1"),
    "a path with dots": get(H, line="GET /echo/../denied/@X HTTP/1.1"),
    "a path with another's address in it": get(H, line="GET /echo/http://h/denied/@X HTTP/1.1"),
    "two hosts": get(H, "Host: other"),
    "no host": get(),
    "HTTP/0.9": "GET /denied/@X\r\n",
    "HTTP/2.0": get(H, line="GET /denied/@X HTTP/2.0"),
    "HTTP/1.10": get(H, line="GET /denied/@X HTTP/1.10"),
    "chunks with an extension": post(CHUNKED, body=f"5;a=b\r\nhello\r\n{END}"),
    "chunks with LF in an extension": post(CHUNKED, body=f"5;a\nb\r\nhello\r\n{END}{HIDDEN}"),
    "a chunk larger than 64 bits": post(CHUNKED, body=f"10000000000000005\r\nhello\r\n{END}{HIDDEN}"),
    "a chunk size with a sign": post(CHUNKED, body=f"+5\r\nhello\r\n{END}{HIDDEN}"),
    "a chunk size in 0x": post(CHUNKED, body=f"0x5\r\nhello\r\n{END}{HIDDEN}"),
    "chunks that end with LF": post(CHUNKED, body=f"5\nhello\n0\n\n{HIDDEN}"),
    "a chunk longer than it says": post(CHUNKED, body=f"3\r\nhello\r\n{END}{HIDDEN}"),
    "trailers": post(CHUNKED, "Trailer: Content-Length", body="5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n"),
    "an upgrade": get(H, "Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
    "a length with GET": get(H, f"Content-Length: {len(HIDDEN)}") + HIDDEN,
    "expect": post("Expect: 100-continue", "Content-Length: 5", body="hello"),
    "pipelined": get(H) + get(H, line="GET /echo/@Q HTTP/1.1"),
    "pipelined, the second bad": get(H) + get(H, "X : y", line="GET /echo/@Q HTTP/1.1"),
}  # fmt: skip
MARK = "reached-"


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(
        playbook(
            chain("/echo/:id", "c.JSON(200, {id: vars.id})", method="ANY"),
            chain("/denied/:id", f"c.JSON(200, {{denied: '{MARK}' + vars.id}})", method="ANY"),
        ),
        "[server]\nheader_seconds = 1\nbody_seconds = 1\nkeepalive_seconds = 1\n[vm_pool]\npreload_size = 2\n",
    )


@pytest.fixture(scope="module", params=["direct", "nginx", "haproxy"])
def door(request: pytest.FixtureRequest, server: Server) -> Iterator[tuple[str, int]]:
    """Where the requests are sent."""
    if request.param == "direct":
        yield "direct", server.port
        return
    proxy = (Nginx if request.param == "nginx" else HaProxy)(server.port, "/denied")
    try:
        proxy.start()
        yield request.param, proxy.port
    finally:
        proxy.remove()


def sent(port: int, wire: bytes) -> bytes:
    """All that comes back until the other side closes, or is silent for longer than a deadline."""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        parts = []
        try:
            connection.sendall(wire)
            while part := connection.recv(65536):
                parts.append(part)
        except (TimeoutError, ConnectionError):
            pass
        return b"".join(parts)


def echoed(wire: bytes) -> list[str]:
    """The ids in the answers, in order; `-` for an answer without one."""
    answers = re.split(rb"(?=HTTP/1\.[01] [2-5]\d\d )", wire)
    found = [re.search(rb'\{"id":"(\w+)"\}', answer) for answer in answers if answer.startswith(b"HTTP/1.")]
    return [match[1].decode() if match is not None else "-" for match in found]


def in_order(found: list[str], allowed: list[str]) -> bool:
    """Every answer with an id answers a request that was sent, in the order they were, and none comes twice.

    After an answer without an id, which refuses, the answers that follow belong to later requests.
    """
    rest = iter(allowed)
    return all(any(each == known for known in rest) for each in found if each != "-")


def one_pair(port: int, probe: str, *, guarded: bool) -> tuple[bytes, list[str]]:
    """Send a probe and a normal request on one connection, then a normal one on another; what is wrong.

    `guarded`: a proxy denies the path, so not even a request that openly asks for it gets there.
    """
    first, second, third, hidden = (secrets.token_hex(8) for _ in "1234")
    after, other = secrets.token_hex(8), secrets.token_hex(8)
    named = probe.replace("@P", first).replace("@Q", second).replace("@X", hidden)
    normal = f"GET /echo/{after} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    wire = sent(port, (named + normal).encode("latin-1"))
    wrong = []
    if MARK.encode() in wire and (guarded or HIDDEN in probe):
        wrong.append("the denied path was reached")
    if not in_order(echoed(wire), [first, third, second, hidden, after]):
        wrong.append(f"{echoed(wire)} for {[first, second, after]}")
    for _ in range(2):
        wire_of_others = sent(port, f"GET /echo/{other} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        if echoed(wire_of_others) != [other]:
            wrong.append(f"another's connection: {wire_of_others[:200]!r}")
    return wire, wrong


def test_no_request_is_cut_differently_by_two_readers(door: tuple[str, int], server: Server) -> None:
    name, port = door
    pid, wrong, ids = server.process.pid, [], []
    for number in range(ROUNDS):
        for case, probe in PROBES.items():
            wire, bad = one_pair(port, probe, guarded=name != "direct")
            wrong += [(case, number, each) for each in bad]
            if name == "direct":
                ids += re.findall(rb"X-Request-ID: (\S+)", wire)
    tell("T17", name, f"{len(PROBES)} probes x {ROUNDS}, {len(wrong)} wrong")
    assert wrong == []
    assert until(lambda: all(each.decode() in server.log() for each in ids)), "one line in the log for each request"
    log = server.log()
    assert [each for each in ids if log.count(each.decode()) > 1] == [], "and one only, also if it cannot be read"
    assert "Traceback" not in log
    assert server.process.pid == pid
    assert server.process.poll() is None
