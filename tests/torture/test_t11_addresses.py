"""T11: a flood of distinct addresses costs a bounded table, and honest clients among it not one request.

The sources are real ones in 127/8. The oracle is the client, which knows when it asked: a client that always asks for
more than it has is allowed its limit and what came back meanwhile, give or take one.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actors.limits.limits import Limits, LimitSettings
from protocol.limits import Quota
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server
from tests.torture.keep_alive import answered
from tests.torture.row import LONG, tell

LIMIT, WINDOW, BURST = 5, 60.0, 2
FLOOD = 100_000 if LONG else 4_000
KEYS = 1_000_000 if LONG else 250_000
HONEST = 1_000
MOST = 100_000
MOST_MB = 60.0
PROXY = "127.9.9.9"
CONFIG = f"""[server]
access_log = false
trusted_proxies = ["{PROXY}"]
[rate_limit]
enabled = true
ip_rate_limit = {LIMIT}
ip_burst_size = {BURST}
max_clients = {MOST}
"""


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(playbook(chain("/ok", "c.JSON(200, {ok: true})")), CONFIG)


@dataclass
class Client:
    """One honest client: every answer, and when."""

    address: str
    allowed: int = 0
    first: float = 0.0
    last: float = 0.0
    odd: list[int] = field(default_factory=list)

    async def ask(self, server: Server, times: int) -> None:
        reader, writer = await asyncio.open_connection(server.host, server.port, local_addr=(self.address, 0))
        try:
            for _ in range(times):
                self.first = self.first or time.monotonic()
                status = await answered(reader, writer, "/ok")
                self.last = time.monotonic()
                self.allowed += status != 429
                if status not in (200, 429, 503):
                    self.odd.append(status)
        finally:
            writer.close()

    def wrong(self) -> bool:
        # The client's clock also counts the way there and back.
        seconds = self.last - self.first
        least, most = (LIMIT + took * LIMIT / WINDOW for took in (max(0.0, seconds - 1.0), seconds))
        return not least - 1 <= self.allowed <= most + 1


async def stranger(server: Server, number: int, room: asyncio.Semaphore) -> int:
    """One request of an address nobody has seen, with headers that lie."""
    address = f"127.{100 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    async with room:
        reader, writer = await asyncio.open_connection(server.host, server.port, local_addr=(address, 0))
        try:
            return await answered(reader, writer, "/nowhere", "X-Forwarded-For: 10.0.0.1", "X-Real-IP: 10.0.0.1")
        finally:
            writer.close()


async def storm(server: Server) -> list[Client]:
    """Honest clients before, beside and after the flood."""
    honest = [Client(f"127.50.{number >> 8}.{number & 255}") for number in range(1, HONEST + 1)]
    room = asyncio.Semaphore(64)

    async def polite(client: Client, times: int) -> None:
        async with room:
            await client.ask(server, times)

    await asyncio.gather(*(client.ask(server, LIMIT + 3) for client in honest))  # all at once
    for start in range(0, FLOOD, 2_000):
        flood = [stranger(server, number, room) for number in range(start, min(FLOOD, start + 2_000))]
        # Often enough that none of them ever has a full bucket, which would earn nothing more.
        some = [polite(client, 4) for client in honest[start // 2_000 % 10 :: 10]]
        answers = await asyncio.gather(*flood, *some)
        assert set(answers) == {404, None}, "a new address is let in"
    await asyncio.gather(
        *(polite(client, 3 + int((time.monotonic() - client.first) * LIMIT / WINDOW)) for client in honest)
    )
    return honest


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_honest_clients_get_exactly_their_own_in_a_flood_of_addresses(server: Server) -> None:
    before, began = rss_mb(server.process.pid), time.monotonic()
    honest = asyncio.run(storm(server))
    seconds = time.monotonic() - began
    grown = rss_mb(server.process.pid) - before
    clients = server.metric("nflow_rate_limit_clients")
    wrong = [client for client in honest if client.wrong()]
    tell(
        "T11", f"{FLOOD} addresses, {HONEST} honest", f"{len(wrong)} wrong, table {clients:.0f}, RSS {grown:+.1f} MB,"
        f" {seconds:.0f} s",
    )  # fmt: skip
    assert not [client.odd for client in honest if client.odd]
    assert not wrong
    assert min(MOST, FLOOD) // 2 <= clients <= MOST, "who had nothing left to say may be forgotten"
    assert grown <= MOST_MB


def test_a_thousand_lies_about_its_address_are_one_client(server: Server) -> None:
    async def lie(address: str, header: str) -> int:
        reader, writer = await asyncio.open_connection(server.host, server.port, local_addr=(address, 0))
        with contextlib.closing(writer):
            answers = [await answered(reader, writer, "/ok", header.format(number)) for number in range(1, 1_000)]
        return sum(status != 429 for status in answers)

    async def lies() -> list[int]:
        return [
            await lie("127.60.0.1", "X-Forwarded-For: 1.1.{0}.1"),
            await lie("127.60.0.2", "X-Real-IP: 2001:db8::{0}"),
            await lie("127.60.0.3", "Forwarded: for=1.1.{0}.1"),
            await lie(PROXY, "X-Forwarded-For: 2001:db8:0:1::{0:x}"),
        ]

    assert set(asyncio.run(lies())) <= {LIMIT, LIMIT + 1}


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def flood(limits: Limits, clock: Clock, honest: list[Client]) -> None:
    """Honest clients, who ask too often, while a million others pass by in 100 seconds."""
    for client in honest:
        client.first = clock.now
        client.allowed += sum(limits.count(client.address).allowed for _ in range(LIMIT + 3))
    step = 100.0 / KEYS
    for number in range(KEYS):
        clock.now += step
        limits.count(f"{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}.1")
        if number % 10 == 0:
            client = honest[number // 10 % len(honest)]
            client.last = clock.now
            client.allowed += limits.count(client.address).allowed


def test_a_million_keys_fit_the_table_and_push_nobody_out_who_is_there() -> None:
    clock = Clock()
    limits = Limits(LimitSettings(Quota(LIMIT, WINDOW, BURST), MOST), clock)
    honest = [Client(f"h{number}") for number in range(HONEST)]
    gc.collect()
    before, began = rss_mb(os.getpid()), time.process_time()
    flood(limits, clock, honest)
    micros = (time.process_time() - began) * 1e6 / (KEYS * 1.1)
    grown = rss_mb(os.getpid()) - before
    wrong = [client for client in honest if client.wrong()]
    tell("T11", f"{KEYS} keys in process", f"{len(wrong)} of {HONEST} wrong, RSS {grown:+.1f} MB, {micros:.1f} us each")
    assert len(limits.table) <= MOST
    assert not wrong
    assert grown <= MOST_MB
