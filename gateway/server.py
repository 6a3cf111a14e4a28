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

from actors.kernel import Actor
from actors.runs.processes import Admission
from gateway.api.reception import Reception
from gateway.armour.certificate import Certificate
from gateway.armour.connection import MOST_HEADERS, ConnectionLimits, Connections
from gateway.armour.descriptors import make_room
from gateway.armour.incoming import Incoming, incoming
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
        self,
        settings: ServerSettings,
        admission: Admission,
        reception: Reception,
        listening: Listening,
        certificate: Certificate | None = None,
    ) -> None:
        """`certificate`: None: no encryption."""
        self._settings = settings
        self._admission = admission
        self._reception = reception
        self._exchanges = reception.exchanges
        self._listening = listening
        self._certificate = certificate
        self._proto = "http" if certificate is None else "https"
        self._common = reception.armour.headers
        self._connections: Connections | None = None
        self._server: asyncio.Server | None = None
        self._log = structlog.get_logger("gateway")

    async def started(self) -> None:
        """Bind and listen. An address in use is a failed start."""
        settings = self._settings
        self._admission.drain_until = None
        self._reception.closing = False
        if not settings.listen:
            return
        if missing := make_room(settings.max_connections):
            self._log.warning(missing)
        self._connections = Connections(
            self._reception.handle,
            self._reception.unreadable,
            ConnectionLimits(settings.max_head, settings.max_connections, settings.body_seconds),
            request_factory=self._request,
            access_log=None,
            auto_decompress=False,  # within the bounds of a body: `bodies/decoding.py`
            keepalive_timeout=settings.keepalive_seconds,
            lingering_time=1.0,
            logger=ServerLog(self._log),
            max_line_size=settings.max_head,
            max_field_size=settings.max_head,
            max_headers=MOST_HEADERS,
        )
        self._server = await self._listen(self._connections)
        self._reception.armour.connections = self._connections
        _end_deaf_connections(self._server, settings.body_seconds)
        address = self._server.sockets[0].getsockname()
        self._listening.address = (address[0], address[1])

    async def _listen(self, connections: Connections) -> asyncio.Server:
        settings, certificate = self._settings, self._certificate
        options: dict[str, Any] = {}
        if certificate is not None:
            options = {"ssl": certificate.context, "ssl_handshake_timeout": settings.handshake_seconds}
        return await asyncio.get_running_loop().create_server(
            connections, settings.host, settings.port, backlog=4096, reuse_address=True, **options
        )

    def receive(self, message: None) -> None:
        """The gateway takes no messages: its requests come by HTTP."""

    async def stopping(self) -> None:
        """Close the door, answer whoever is inside, then go. One deadline holds for this and for the runs behind it."""
        server, connections = self._server, self._connections
        self._server = self._connections = None
        self._reception.closing = True
        self._log.info("drain begun", answers_due=len(self._exchanges.waiting), bodies_due=self._exchanges.arriving)
        until = self._admission.drain_until = self.context.now() + self._settings.drain_seconds
        if server is not None:
            server.close()
        await self._quiet(
            lambda: not self._exchanges.arriving, until
        )  # once it is told to close, aiohttp reads no more
        if connections is not None:
            connections.pre_shutdown()
        await self._quiet(lambda: not self._exchanges.waiting, until)
        self._log.info("drain over", not_answered=len(self._exchanges.waiting))
        for slot in self._exchanges.waiting:
            slot.tell(Failure(Unavailable("the server is stopping, and the run took too long to wait for")))
        if connections is not None:
            await connections.shutdown(self._settings.drain_seconds)

    async def _quiet(self, quiet: Callable[[], bool], until: float) -> None:
        """Look again and again: to be told, every request would have to tell."""
        while not quiet() and self.context.now() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)

    def released(self) -> None:
        """After a kill or a crash the sockets are closed without ceremony."""
        if self._server is not None:
            self._server.close()

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Incoming:
        return incoming((message, payload, protocol, writer, task, protocol._loop), self._common, self._proto)


def _end_deaf_connections(server: asyncio.Server, seconds: float) -> None:
    """Who takes nothing of its answer for so long is cut off by the system; connections inherit the option."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
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
