"""Requests on a connection that stays open, in plain sockets."""

from __future__ import annotations

import asyncio


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, *headers: str) -> int:
    """The status of one GET."""
    lines = "".join(f"{header}\r\n" for header in headers)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length or 0))
    return int(head.split(b" ", 2)[1])
