"""Clients of the storms, in plain sockets: none of them goes through the code under test."""

from __future__ import annotations

import asyncio
import resource
import ssl
import struct
import time
from collections.abc import Callable
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Final

from tests.acceptance.servers import Server, until

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_RST: Final = struct.pack("ii", 1, 0)


def allow_descriptors(count: int) -> None:
    """Let this process, and the servers it starts, open so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


async def connected(server: Server, tls: ssl.SSLContext | None = None) -> Pair:
    """An open connection."""
    return await asyncio.open_connection(server.host, server.port, ssl=tls)


async def closed_after(reader: asyncio.StreamReader, seconds: float) -> tuple[float, bytes]:
    """How long the other side kept the connection open, and what it said; `seconds` when it never closed it."""
    began, said = time.monotonic(), b""
    try:
        async with asyncio.timeout(seconds):
            while part := await reader.read(65536):
                said += part
    except (TimeoutError, ConnectionError):
        pass
    return time.monotonic() - began, said


async def asked(server: Server, path: str) -> float:
    """Seconds that a whole request on a connection of its own took; it must be answered 200."""
    began = time.monotonic()
    reader, writer = await connected(server)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]
    return time.monotonic() - began


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection by a RST."""
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RST)
    writer.transport.abort()


def descriptors(server: Server) -> int:
    """Files and sockets the server has open."""
    return sum(1 for _ in Path(f"/proc/{server.process.pid}/fd").iterdir())


def descriptors_at_rest(server: Server) -> int:
    """The same, once the sandboxes of the beginning are there."""
    seen = [-1, -2, -3]

    def steady() -> bool:
        seen.append(descriptors(server))
        time.sleep(0.2)
        return len(set(seen[-3:])) == 1

    until(steady, 20)
    return seen[-1]


def resident_mb(server: Server, what: str = "VmRSS") -> float:
    """Memory of the server's own process; `what` may be VmHWM, the most it ever was."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024


def at_rest(server: Server, descriptors_before: int, tasks_before: float, seconds: float = 20.0) -> bool:
    """Whether all that was opened meanwhile is closed and gone again."""
    calm: Callable[[], bool] = lambda: (  # noqa: E731
        descriptors(server) <= descriptors_before + 3
        and server.metric("nflow_tasks") <= tasks_before + 2
        and server.metric("nflow_processes_active") == 0
    )
    return bool(until(calm, seconds))


def percentile(values: list[float], part: float) -> float:
    """The value below which this part of them lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
