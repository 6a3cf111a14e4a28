"""T12: heads that come byte by byte, connections that say nothing, TLS handshakes that never end. All are closed by
their deadline, others are served meanwhile, and nothing stays behind."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server, until
from tests.servers.certificate import self_signed
from tests.torture.clients import (
    allow_descriptors,
    asked,
    at_rest,
    closed_after,
    connected,
    descriptors,
    descriptors_at_rest,
    percentile,
)
from tests.torture.row import LONG, tell

SLOW = 5_000 if LONG else 300
SECONDS = 15.0 if LONG else 2.0
"""`server.header_seconds`."""
SLACK = 5.0
PAUSE = 10.0 if LONG else 0.5
HEAD = b"GET /ok HTTP/1.1\r\nHost: h\r\nX-Slow: " + b"a" * 1000
WAVES = 15 if LONG else 1
FLOWS = playbook(chain("/ok", "c.JSON(200, {ok: true})"))
CONFIG = f"""[server]
header_seconds = {SECONDS}
keepalive_seconds = {SECONDS}
[vm_pool]
preload_size = 2
max_size = 2
"""


async def dripping(server: Server) -> float:
    """Send a head byte by byte; how long it was taken."""
    reader, writer = await connected(server)

    async def drip() -> None:
        for n in range(len(HEAD)):
            writer.write(HEAD[n : n + 1])
            await asyncio.sleep(PAUSE)

    dripped = asyncio.create_task(drip())
    seconds, _ = await closed_after(reader, SECONDS + SLACK)
    dripped.cancel()
    writer.close()
    return seconds


async def silent(server: Server) -> float:
    """Say nothing at all; how long that was taken."""
    reader, writer = await connected(server)
    seconds, _ = await closed_after(reader, SECONDS + SLACK)
    writer.close()
    return seconds


async def idle(server: Server) -> float:
    """Say nothing after a request; how long that was taken."""
    reader, writer = await connected(server)
    writer.write(b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n")
    seconds, said = await closed_after(reader, SECONDS + SLACK)
    writer.close()
    assert said.startswith(b"HTTP/1.1 404 ")
    return seconds


async def others(server: Server, until_done: asyncio.Event) -> list[float]:
    """How long normal requests take meanwhile."""
    took = []
    while not until_done.is_set():
        took.append(await asked(server, "/ok"))
        await asyncio.sleep(0.01)
    return took


async def storm(server: Server) -> tuple[list[float], list[float]]:
    over = asyncio.Event()
    served = asyncio.create_task(others(server, over))
    kept: list[float] = []
    for _ in range(WAVES):
        clients = [kind(server) for kind in (dripping, silent, idle) for _ in range(SLOW // 3)]
        kept += await asyncio.gather(*clients)
    over.set()
    return kept, await served


def test_slow_and_silent_clients_are_closed_and_keep_nobody_waiting(launch: Launch) -> None:
    allow_descriptors(SLOW + 1_000)
    server = launch(FLOWS, CONFIG)
    assert server.get("/ok").status == 200
    open_before, tasks_before = descriptors_at_rest(server), server.metric("nflow_tasks")
    kept, took = asyncio.run(storm(server))
    assert max(kept) < SECONDS + SLACK
    assert min(kept) > SECONDS / 2, "nobody is closed before the deadline"
    assert at_rest(server, open_before, tasks_before)
    tell(
        "T12", "slow and silent",
        f"{len(kept)} clients closed after {max(kept):.1f} s at most; {len(took)} others, p99 "
        f"{percentile(took, 0.99) * 1000:.0f} ms, max {max(took) * 1000:.0f} ms",
    )  # fmt: skip
    assert percentile(took, 0.5) < 0.25
    assert "Traceback" not in server.log()


def test_more_connections_than_allowed_are_closed_at_once(launch: Launch) -> None:
    server = launch(FLOWS, CONFIG.replace("[server]", "[server]\nmax_connections = 20"))

    async def crowd() -> tuple[int, bytes]:
        pairs = [await connected(server) for _ in range(60)]
        await asyncio.sleep(0.2)
        ended = sum(reader.at_eof() or reader.exception() is not None for reader, _ in pairs)
        reader, writer = pairs[0]
        writer.write(b"GET /ok HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        for _, each in pairs:
            each.close()
        return ended, answer

    ended, answer = asyncio.run(crowd())
    assert 40 <= ended <= 41
    assert answer.startswith(b"HTTP/1.1 200 "), "who was let in is served"


@pytest.fixture
def tls(tmp_path: Path) -> tuple[str, ssl.SSLContext]:
    """The lines of a configuration with TLS, and a client that believes the certificate."""
    certificate, key = self_signed("localhost")
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    return (
        f'[server]\ntls_cert = "{tmp_path}/cert.pem"\ntls_key = "{tmp_path}/key.pem"\nheader_seconds = {SECONDS}\n'
        f"keepalive_seconds = {SECONDS}\n",
        ssl.create_default_context(cadata=certificate.decode()),
    )


def test_tls_handshakes_that_do_not_end_are_closed(launch: Launch, tls: tuple[str, ssl.SSLContext]) -> None:
    config, believed = tls
    server = launch(FLOWS, config, tls=believed)
    count = 1_000 if LONG else 60
    deadline = min(10.0, SECONDS)
    open_before = descriptors_at_rest(server)

    async def dripping_hello() -> float:
        reader, writer = await connected(server)

        async def drip() -> None:
            for byte in b"\x16\x03\x01\x02\x00\x01" + b"\0" * 500:
                writer.write(bytes([byte]))
                await asyncio.sleep(PAUSE)

        dripped = asyncio.create_task(drip())
        seconds, _ = await closed_after(reader, deadline + SLACK)
        dripped.cancel()
        writer.close()
        return seconds

    async def garbage() -> float:
        reader, writer = await connected(server)
        writer.write(b"GET /ok HTTP/1.1\r\nHost: h\r\n\r\n")
        seconds, said = await closed_after(reader, deadline + SLACK)
        writer.close()
        assert b"HTTP/" not in said
        return seconds

    async def all_of_them() -> list[float]:
        return await asyncio.gather(
            *(kind() for kind in (dripping_hello, garbage) for _ in range(count // 2)),
            *(silent(server) for _ in range(count // 2)),
        )

    kept = asyncio.run(all_of_them())
    tell("T12", "TLS handshakes", f"{len(kept)} closed after {max(kept):.1f} s at most")
    assert max(kept) < deadline + SLACK
    assert until(lambda: descriptors(server) <= open_before + 3, 10)
    assert "Traceback" not in server.log()
