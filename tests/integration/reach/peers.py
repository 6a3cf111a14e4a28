"""Web servers of every temper, on a free port of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.servers.certificate import self_signed

MEGABYTE = 1024 * 1024
LARGE = b"y" * MEGABYTE


@functools.cache
def bomb(kind: str) -> bytes:
    """500 MB of zeros as half a megabyte: one stream, or a chain of gzip members."""
    zeros = b"\0" * MEGABYTE
    if kind == "members":
        return gzip.compress(zeros) * 500
    packer = zlib.compressobj(9) if kind == "deflate" else zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(zeros) for _ in range(500)) + packer.flush()


class Peer:
    """An aiohttp server that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.url = ""
        self.gate = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"

    async def stop(self) -> None:
        self.gate.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(
            {
                "method": request.method,
                "path": request.raw_path,
                "headers": {name.lower(): value for name, value in request.headers.items()},
                "body": body.decode("utf-8", "replace"),
            }
        )
        name = request.path.split("/")[1] or "echo"
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = getattr(self, f"on_{name}", self.on_echo)
        return await handler(request)

    async def on_echo(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": True, "path": request.raw_path}, headers={"X-Two": "a"})

    async def on_status(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=int(request.path.split("/")[2]), text="as you wish")

    async def on_hang(self, request: web.Request) -> web.StreamResponse:
        await self.gate.wait()
        return web.Response()

    async def on_drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await self.gate.wait()
        return response

    async def on_large(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if "length" in request.query:
            response.content_length = 100 * MEGABYTE
        await response.prepare(request)
        for _ in range(100):
            await response.write(LARGE)
        return response

    async def on_bomb(self, request: web.Request) -> web.StreamResponse:
        kind = request.query.get("coding", "gzip")
        body = bomb(kind)
        coding = "deflate" if kind == "deflate" else "gzip"
        return web.Response(body=body, headers={"Content-Encoding": coding})

    async def on_packed(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress("grüße".encode()), headers={"Content-Encoding": "gzip"})

    async def on_latin(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body="grüße".encode("latin-1"), headers={"Content-Type": "text/plain; charset=iso-8859-1"})

    async def on_bytes(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(range(256)), content_type="application/octet-stream")

    async def on_cookies(self, request: web.Request) -> web.StreamResponse:
        response = web.Response(text=request.headers.get("Cookie", "none"))
        response.headers.add("Set-Cookie", "a=1; Expires=Thu, 01 Jan 2032 00:00:00 GMT")
        response.headers.add("Set-Cookie", "b=2")
        return response

    async def on_to(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=int(request.query.get("status", "302")), headers={"Location": request.query["url"]})

    async def on_round(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/round"})


class RawPeer:
    """A TCP server that says just these bytes, or ends the connection hard."""

    def __init__(self, words: bytes | None) -> None:
        self.words = words
        self.url = ""
        self.connections = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if self.words is None:
                writer.transport.abort()
            else:
                writer.write(self.words)
                await writer.drain()
        writer.close()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self.url
        finally:
            server.close()
            await server.wait_closed()


def untrusted(folder: Path) -> ssl.SSLContext:
    """A server's context whose certificate nobody vouches for; it stands in `certificate.pem` of the folder."""
    certificate, key = self_signed("localhost")
    (folder / "certificate.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
