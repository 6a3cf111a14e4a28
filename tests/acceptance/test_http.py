"""HTTP itself: bodies, deadlines, connections, and what malformed requests get."""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
from pathlib import Path

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, received, statuses, until

CONFIG = """
[server]
max_body_mb = 1
header_seconds = 0.5
body_seconds = 0.4
keepalive_seconds = 0.5
"""
MB = 1 << 20


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(
        playbook(
            chain("/ok", "c.JSON(200, payload)", method="ANY"),
            chain("/post", "c.JSON(200, post_data)", method="ANY"),
            chain("/large", "c.String(200, 'x'.repeat(1e6))"),
            chain("/sleep/:ms", "sleep(Number(vars.ms)); c.JSON(200, payload)", method="ANY"),
        ),
        CONFIG,
    )


def exchange(server: Server, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send the parts with a pause between them; everything received until the server closes."""
    with server.connect() as connection:
        try:
            for number, part in enumerate(parts):
                time.sleep(pause if number else 0)
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return received(connection)


def head(line: str, *fields: str) -> bytes:
    return "\r\n".join((line, "Host: h", *fields, "", "")).encode("latin-1")


# --- bodies ---


def test_a_body_of_the_greatest_size_is_taken(server: Server) -> None:
    body = b'{"a": "' + b"x" * (MB - 9) + b'"}'
    assert len(body) == MB
    assert server.post("/ok", body=body, headers={"Content-Type": "application/json"}).status == 200


def test_a_larger_body_is_refused_with_413_before_it_is_sent(server: Server) -> None:
    wire = exchange(server, head("POST /ok HTTP/1.1", f"Content-Length: {MB + 1}"))
    assert statuses(wire) == [413]
    assert b'{"code":413,"message":"the body is larger than 1048576 bytes (server.max_body_mb)"}' in wire


def test_a_larger_body_that_is_sent_anyway_is_answered_413(server: Server) -> None:
    wire = exchange(server, head("POST /ok HTTP/1.1", f"Content-Length: {MB + 1}") + b"x" * (MB + 1))
    assert statuses(wire) == [413]


def test_a_larger_body_in_chunks_is_answered_413(server: Server) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    wire = exchange(server, head("POST /ok HTTP/1.1", "Transfer-Encoding: chunked") + chunk * 17 + b"0\r\n\r\n")
    assert statuses(wire) == [413]


def test_a_small_body_that_unpacks_to_a_large_one_is_answered_413(server: Server) -> None:
    packed = gzip.compress(bytes(20 * MB))
    assert len(packed) < MB
    assert server.post("/ok", body=packed, headers={"Content-Encoding": "gzip"}).status == 413


def test_a_packed_body_is_unpacked(server: Server) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert server.post("/post", body=gzip.compress(b'{"a": 1}'), headers=headers).json() == {"*": "post", "a": 1}


def test_a_body_in_chunks_is_put_together(server: Server) -> None:
    fields = ("Transfer-Encoding: chunked", "Content-Type: application/json", "Connection: close")
    wire = exchange(
        server, head("POST /post HTTP/1.1", *fields), b'4\r\n{"a"\r\n', b"4\r\n: 1}\r\n0\r\n\r\n", pause=0.05
    )
    assert wire.endswith(b'{"*":"post","a":1}\n')


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_cannot_be_unpacked_is_answered_400(server: Server, encoding: str) -> None:
    answer = server.post("/ok", body=b"not packed at all", headers={"Content-Encoding": encoding})
    assert answer.status == 400
    assert answer.json()["message"].startswith("the body cannot be read: ")


def test_one_coding_upon_the_other_is_answered_415_also_when_each_has_a_header(server: Server) -> None:
    packed = gzip.compress(gzip.compress(b"{}"))
    fields = ("Content-Encoding: gzip", "Content-Encoding: gzip", f"Content-Length: {len(packed)}", "Connection: close")
    assert statuses(exchange(server, head("POST /ok HTTP/1.1", *fields) + packed)) == [415]


def test_a_client_that_asks_whether_to_go_on_is_told_to(server: Server) -> None:
    fields = ("Expect: 100-continue", "Content-Length: 8", "Content-Type: application/json")
    with server.connect() as connection:
        connection.sendall(head("POST /post HTTP/1.1", *fields, "Connection: close"))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b'{"a": 1}')
        wire = received(connection)
    assert statuses(wire) == [200]
    assert wire.endswith(b'{"*":"post","a":1}\n')


def test_a_client_that_asks_to_send_too_much_is_told_413_at_once(server: Server) -> None:
    wire = exchange(server, head("POST /post HTTP/1.1", "Expect: 100-continue", f"Content-Length: {MB + 1}"))
    assert statuses(wire) == [413]


def test_a_body_that_does_not_arrive_in_time_is_answered_408(server: Server) -> None:
    began = time.monotonic()
    wire = exchange(server, head("POST /ok HTTP/1.1", "Content-Length: 100") + b"{")
    assert statuses(wire) == [408]
    assert b"the body did not arrive within 0.4 s (server.body_seconds)" in wire
    assert 0.3 < time.monotonic() - began < 3


def test_a_body_that_drips_is_answered_408(server: Server) -> None:
    wire = exchange(server, head("POST /ok HTTP/1.1", "Content-Length: 100"), *[b"x"] * 5, pause=0.2)
    assert statuses(wire) == [408]


# --- connections ---


@pytest.mark.parametrize("first", [b"", b"GET /ok HTTP/1.1\r\nHo", b"GET /ok HTTP/1.1\r\nHost: h\r\n"])
def test_a_head_that_does_not_arrive_in_time_closes_the_connection(server: Server, first: bytes) -> None:
    began = time.monotonic()
    assert exchange(server, first) == b""
    assert 0.4 < time.monotonic() - began < 2


def test_a_head_that_drips_closes_the_connection(server: Server) -> None:
    drops = [bytes([byte]) for byte in head("GET /ok HTTP/1.1", "X: 1")]
    began = time.monotonic()
    assert exchange(server, *drops[:12], pause=0.08) == b""
    assert time.monotonic() - began < 3


def test_a_connection_serves_many_requests_and_is_closed_when_idle(server: Server) -> None:
    with server.connect() as connection:
        for number in range(3):
            connection.sendall(head(f"GET /ok?n={number} HTTP/1.1"))
            wire = connection.recv(65536)
            assert statuses(wire) == [200]
            assert wire.endswith(b'{"n":"%d"}\n' % number)
        began = time.monotonic()
        assert received(connection) == b""
        assert 0.4 < time.monotonic() - began < 2


def test_a_slow_answer_is_no_idle_connection(server: Server) -> None:
    assert server.get("/sleep/900").status == 200


def test_a_client_that_does_not_take_its_answers_is_cut_off(server: Server) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((server.host, server.port))
        connection.sendall(head("GET /large HTTP/1.1") * 8)

        ends = f":{server.port:04X} ", f":{connection.getsockname()[1]:04X} "

        def held() -> list[str]:  # the system ends it silently, so only the server's side of it shows
            lines = Path("/proc/net/tcp").read_text().splitlines()
            return [
                line for line in lines if all(end in line for end in ends) and line.index(ends[0]) < line.index(ends[1])
            ]

        assert held()
        assert until(lambda: not held()), "body_seconds is 0.4"


def test_pipelined_requests_are_answered_in_their_order(server: Server) -> None:
    asked = ["/sleep/200?n=1", "/sleep/20?n=2", "/nowhere", "/ok?n=4"]
    body = head("POST /post HTTP/1.1", "Content-Length: 8", "Content-Type: application/json") + b'{"n": 5}'
    wire = exchange(
        server,
        b"".join(head(f"GET {path} HTTP/1.1") for path in asked)
        + body
        + head("GET /ok?n=6 HTTP/1.1", "Connection: close"),
    )
    assert statuses(wire) == [200, 200, 404, 200, 200, 200]
    places = [
        wire.index(part) for part in (b'{"n":"1"}', b'{"n":"2"}', b"not found", b'{"n":"4"}', b'"n":5', b'{"n":"6"}')
    ]
    assert places == sorted(places)


def test_a_request_after_a_refused_upgrade_is_answered(server: Server) -> None:
    upgrade = head("GET /ok?n=1 HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket")
    wire = exchange(server, upgrade + head("GET /ok?n=2 HTTP/1.1", "Connection: close"))
    assert statuses(wire) == [200, 200]


def test_a_client_of_http_1_0_is_answered_and_let_go(server: Server) -> None:
    wire = exchange(server, b"GET /ok?a=1 HTTP/1.0\r\n\r\n")
    assert wire.startswith(b"HTTP/1.0 200 ")
    assert wire.endswith(b'{"a":"1"}\n')


def test_a_request_written_as_to_a_proxy_is_answered(server: Server) -> None:
    wire = exchange(server, head("GET http://any.host:80/ok?a=1 HTTP/1.1", "Connection: close"))
    assert statuses(wire) == [200]
    assert wire.endswith(b'{"a":"1"}\n')


# --- what is no request ---

MALFORMED = {
    "no host": b"GET /ok HTTP/1.1\r\n\r\n",
    "a header name with a blank": head("GET /ok HTTP/1.1", "A B: c"),
    "a header without a colon": head("GET /ok HTTP/1.1", "nothing"),
    "two lengths": head("POST /ok HTTP/1.1", "Content-Length: 1", "Content-Length: 2") + b"ab",
    "length and chunks": head("POST /ok HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunks in HTTP/1.0": head("POST /ok HTTP/1.0", "Connection: keep-alive", "Transfer-Encoding: chunked")
    + b"0\r\n\r\n" + head("GET /ok HTTP/1.0"),
    "chunks of something packed": head("POST /ok HTTP/1.1", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "chunks twice": head("POST /ok HTTP/1.1", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked")
    + b"0\r\n\r\n",
    "a negative length": head("POST /ok HTTP/1.1", "Content-Length: -1"),
    "a bad chunk": head("POST /ok HTTP/1.1", "Transfer-Encoding: chunked") + b"zz\r\nab\r\n0\r\n\r\n",
    "another HTTP": head("GET /ok HTTP/2.0"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a very long address": head("GET /" + "a" * 40_000 + " HTTP/1.1"),
    "many long headers": head("GET /ok HTTP/1.1", *(f"X-{n}: " + "a" * 8_000 for n in range(5))),
    "very many headers": head("GET /ok HTTP/1.1", *(f"X-{n}: a" for n in range(200))),
    "a very long header": head("GET /ok HTTP/1.1", "X: " + "a" * 70_000),
    "a NUL in the address": head("GET /a\0b HTTP/1.1"),
    "letters that are no ASCII": head("GET /\xf1 HTTP/1.1"),
    "an address nobody can read": head("GET http://[/ HTTP/1.1"),
}  # fmt: skip


TOO_LARGE = {"a very long address", "a very long header", "many long headers", "very many headers"}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_request_gets_a_4xx_of_ours_and_one_line_in_the_log(server: Server, case: str) -> None:
    before = len(server.log().splitlines())
    wire = exchange(server, MALFORMED[case])
    status = 431 if case in TOO_LARGE else 505 if case == "another HTTP" else 400
    assert statuses(wire) == [status]
    answered, _, body = wire.partition(b"\r\n\r\n")
    assert b"Server: nflow\r\n" in answered
    assert (b"server.max_header_kb" in body) == (case in TOO_LARGE - {"very many headers"}), "which key bounds it"
    assert b"aiohttp" not in wire
    assert json.loads(body)["code"] == status
    named = re.search(rb"X-Request-ID: (\S+)", answered)
    assert named is not None
    lines = until(lambda: [line for line in server.log().splitlines()[before:] if named[1].decode() in line])
    assert len(lines) == 1
    assert len(lines[0]) < 400


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"g(t /ok HTTP/1.1\r\nHost: h\r\n\r\n"]
)
def test_what_is_not_even_http_is_sent_away(server: Server, noise: bytes) -> None:
    assert statuses(exchange(server, noise + bytes(range(256)))) == [400]


def test_too_many_fields_are_answered_400(server: Server) -> None:
    answer = server.get("/ok?" + "&".join(["a=1"] * 1_001))
    assert (answer.status, answer.json()) == (
        400,
        {
            "code": 400,
            "message": "query: more than 1000 fields",
            "problems": [{"path": "query", "message": "more than 1000 fields"}],
        },
    )


def test_after_all_this_there_is_no_traceback_and_no_error_in_the_log(server: Server) -> None:
    assert server.get("/ok").status == 200
    assert "Traceback" not in server.log()
    assert "[ERROR]" not in server.log()
