"""A port of its own for monitoring (`monitor.metrics_port`): metrics, health, liveness, readiness, and nothing else.

It listens from before the first sandbox until after the last run, so that readiness can say no while the server starts
and drains. Plain HTTP, for the network of operators; whoever reaches it may ask. A page is bounded by what it reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog
from aiohttp import web

from actors.kernel import Actor
from gateway.api.monitoring import Page
from gateway.server import ServerLog

KEEPALIVE_SECONDS = 30.0
"""Longer than what most scrapers wait between two looks."""


class MonitoringPort(Actor[None]):
    """The listener."""

    def __init__(
        self, host: str, port: int, pages: Callable[[], Mapping[str, Page]], listening: Callable[[int], None]
    ) -> None:
        """`pages` is asked when it starts; `listening` is told the port."""
        self._host = host
        self._port = port
        self._pages = pages
        self._listening = listening
        self._served: Mapping[str, Page] = {}
        self._runner: web.ServerRunner | None = None
        self._log = structlog.get_logger("monitoring")

    async def started(self) -> None:
        """Bind and listen. An address in use is a failed start."""
        self._served = self._pages()
        server = web.Server(
            self._answer, access_log=None, keepalive_timeout=KEEPALIVE_SECONDS, logger=ServerLog(self._log)
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port, reuse_address=True).start()
        self._listening(self._runner.addresses[0][1])

    def receive(self, message: None) -> None:
        """It takes no messages: its questions come by HTTP."""

    async def stopping(self) -> None:
        """Close the door."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def released(self) -> None:
        """After a kill or a crash the sockets are closed behind the actor."""
        runner, self._runner = self._runner, None
        if runner is not None:
            leaving = asyncio.ensure_future(runner.cleanup())
            self.context.system.wait_on_stop(leaving)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        page = self._served.get(request.path)
        if page is None:
            return web.json_response({"code": 404, "message": "not found"}, status=404)
        if request.method not in ("GET", "HEAD"):
            refused = {"code": 405, "message": f"{request.method} is not served here"}
            return web.json_response(refused, status=405, headers={"Allow": "GET, HEAD"})
        answer = await page()
        headers = [("Content-Type", answer.content_type), *answer.headers]
        return web.Response(status=answer.status, body=answer.body, headers=headers)
