"""The HTTP server as an actor, so that the tree starts it last and stops it first.

Invariant: every accepted request gets exactly one response, also while draining. What becomes of a request is the
reception's (`gateway/api/reception.py`). Without `listen` it opens no port: the program that embeds the runtime hands
requests to the reception, and only the drain is done here.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web

from actors.kernel import Actor
from actors.runs.processes import Admission
from gateway.api.reception import Reception
from gateway.exchange import UNREADABLE, ServerSettings, one_line
from protocol.errors import Unavailable
from protocol.process import Failure

LOOK_SECONDS = 0.01
"""Time between two looks whether the last request is done, while draining."""


class Listening:
    """Where the server listens, once it does."""

    __slots__ = ("address",)

    def __init__(self) -> None:
        self.address: tuple[str, int] | None = None


class Gateway(Actor[None]):
    """The HTTP server."""

    def __init__(
        self, settings: ServerSettings, admission: Admission, reception: Reception, listening: Listening
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._reception = reception
        self._exchanges = reception.exchanges
        self._listening = listening
        self._runner: web.ServerRunner | None = None
        self._log = structlog.get_logger("gateway")

    async def started(self) -> None:
        """Bind and listen. An address in use is a failed start."""
        settings = self._settings
        self._admission.drain_until = None
        self._reception.closing = False
        if not settings.listen:
            return
        server = web.Server(
            self._reception.handle,
            request_factory=self._request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=settings.keepalive_seconds,
            lingering_time=1.0,
            logger=ServerLog(self._log),
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=settings.drain_seconds)
        await self._runner.setup()
        site = web.TCPSite(self._runner, settings.host, settings.port, backlog=4096, reuse_address=True)
        await site.start()
        _end_deaf_connections(site, settings.body_seconds)
        address = self._runner.addresses[0]
        self._listening.address = (address[0], address[1])

    def receive(self, message: None) -> None:
        """The gateway takes no messages: its requests come by HTTP."""

    async def stopping(self) -> None:
        """Close the door, answer whoever is inside, then go. One deadline holds for this and for the runs behind it."""
        runner, self._runner = self._runner, None
        self._reception.closing = True
        until = self._admission.drain_until = self.context.now() + self._settings.drain_seconds
        for site in list(runner.sites) if runner is not None else ():
            await site.stop()
        await self._quiet(
            lambda: not self._exchanges.arriving, until
        )  # once it is told to close, aiohttp reads no more
        if runner is not None and runner.server is not None:
            runner.server.pre_shutdown()
        await self._quiet(lambda: not self._exchanges.waiting, until)
        for slot in self._exchanges.waiting:
            slot.tell(Failure(Unavailable("the server is stopping, and the run took too long to wait for")))
        if runner is not None:
            await runner.cleanup()

    async def _quiet(self, quiet: Callable[[], bool], until: float) -> None:
        """Look again and again: to be told, every request would have to tell."""
        while not quiet() and self.context.now() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)

    def released(self) -> None:
        """After a kill or a crash the sockets are closed without ceremony."""
        if self._runner is not None:
            for site in list(self._runner.sites):
                server = getattr(site, "_server", None)
                if server is not None:
                    server.close()

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(
            message, payload, protocol, writer, task, protocol._loop, client_max_size=self._settings.max_body
        )


def _end_deaf_connections(site: web.TCPSite, seconds: float) -> None:
    """Who takes nothing of its answer for so long is cut off by the system; connections inherit the option."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    server = getattr(site, "_server", None)
    if option is not None and server is not None:
        for listener in server.sockets:
            listener.setsockopt(socket.IPPROTO_TCP, option, max(1, round(seconds * 1000)))


class ServerLog:
    """What aiohttp's server logs, at one line each: a malformed request is no bug of ours and needs no traceback."""

    __slots__ = ("_log",)

    def __init__(self, log: Any) -> None:
        self._log = log

    def exception(self, message: str, *arguments: Any, exc_info: BaseException | None = None) -> None:
        """A request that could not be parsed, or a bug in the handler."""
        if isinstance(exc_info, UNREADABLE):
            self._log.info("bad request", reason=one_line(exc_info))
        else:
            self._log.error(message % arguments if arguments else message, error=repr(exc_info))

    def debug(self, message: str, *arguments: Any, exc_info: BaseException | None = None) -> None:
        """Chatter about connections."""

    def warning(self, message: str, *arguments: Any) -> None:
        """A setting the server did not take."""
        self._log.warning(message % arguments if arguments else message)
