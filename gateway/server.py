"""The HTTP server: one handler for all requests, as an actor so that the tree starts it last and stops it first.

A request is looked up in the fixed endpoints, then in the flows; a workflow request becomes a `StartProcess`, and the
one reply to it becomes the response. Invariant: every accepted request gets exactly one response, also while draining.
It talks to the admission (a call), the catalogue (a look-up) and to nobody else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

from actors.catalogue import Catalogue
from actors.kernel import Actor, ReplySlot
from actors.processes import Admission
from gateway import statuses, translate
from gateway.figures import Figures
from gateway.statuses import ErrorAnswer
from protocol.errors import BadDocument, NflowError, Unavailable
from protocol.flow import Durability
from protocol.process import Answer, CancelProcess, Failure, Reply, Request
from protocol.routing import Match

SERVER = "nflow"
UNREADABLE = (BadHttpMessage, web.PayloadAccessError, web.RequestPayloadError)
"""What a client can make aiohttp raise: no bug of ours."""
LOOK_SECONDS = 0.01
"""Time between two looks whether the last request is done, while draining."""
SAFE_METHODS = frozenset({"GET", "HEAD"})
Endpoint = Callable[[web.BaseRequest], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What of `[server]` the gateway obeys. Sizes in bytes, times in seconds."""

    host: str = "127.0.0.1"
    port: int = 8080
    max_body: int = 10 << 20
    keepalive_seconds: float = 15.0
    """Also the deadline of a request's headers: aiohttp has no other."""
    body_seconds: float = 30.0
    """Deadline for receiving a request's body; also how long a client may take nothing of its answer."""
    drain_seconds: float = 30.0
    durability: Durability = Durability.TRACKED
    debug: bool = False
    access_log: bool = False


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
        catalogue: Catalogue,
        admission: Admission,
        figures: Figures,
        endpoints: Mapping[str, Endpoint],
        new_wid: Callable[[], str],
        listening: Listening,
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._admission = admission
        self._figures = figures
        self._endpoints = endpoints
        self._new_wid = new_wid
        self._listening = listening
        self._runner: web.ServerRunner | None = None
        self._arriving = 0
        """Requests whose body is being received."""
        self._waiting: set[ReplySlot[Reply]] = set()
        """Where the answers of the requests under way will come."""
        self._log = structlog.get_logger("gateway")

    async def started(self) -> None:
        """Bind and listen. An address in use is a failed start."""
        settings = self._settings
        self._admission.drain_until = None
        server = web.Server(
            self._handle,
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
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        until = self._admission.drain_until = self.context.now() + self._settings.drain_seconds
        for site in list(runner.sites):
            await site.stop()
        await self._quiet(lambda: not self._arriving, until)  # once it is told to close, aiohttp reads no more
        if runner.server is not None:
            runner.server.pre_shutdown()
        await self._quiet(lambda: not self._waiting, until)
        for slot in self._waiting:
            slot.tell(Failure(Unavailable("the server is stopping, and the run took too long to wait for")))
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

    # --- one request ---

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        figures, began = self._figures, monotonic()
        figures.active += 1
        status, workflow = 499, False
        try:
            raw_path, _, query_string = request.raw_path.partition("?")
            endpoint = self._endpoints.get(raw_path)
            if endpoint is not None and request.method in SAFE_METHODS:
                response = await endpoint(request)
                response.headers["Server"] = SERVER
            else:
                match = self._catalogue.table.find(request.method, raw_path)
                if match is None and "://" in raw_path:  # as proxies are asked, and servers must take it too
                    raw_path = "/" + raw_path.partition("://")[2].partition("/")[2]
                    match = self._catalogue.table.find(request.method, raw_path)
                if match is None:
                    response = _error(statuses.NOT_FOUND)
                else:
                    workflow = True
                    response = await self._run(request, match, raw_path, query_string)
            status = response.status
            if self._runner is None:  # stopping: the client must not send the next one here
                response.force_close()
            return response
        finally:
            figures.active -= 1
            seconds = monotonic() - began
            figures.answered(status, workflow=workflow, seconds=seconds)
            if self._settings.access_log:
                self._log.info(
                    "request", method=request.method, path=request.path, status=status, seconds=round(seconds, 6)
                )

    async def _run(self, request: web.BaseRequest, match: Match, raw_path: str, query_string: str) -> web.Response:
        try:
            body = await self._body(request) if request.body_exists else b""
        except _BadBodyError as bad:
            return _error(bad.answer)
        if match.start.auth:
            return _error(statuses.AUTH_NOT_SERVED)
        slot: ReplySlot[Reply] = ReplySlot()
        wid = self._new_wid()
        try:
            content_type = request.headers.get("Content-Type", "") if body else ""
            asked = Request(
                request.method, raw_path, query_string, translate.parse_query(query_string),
                translate.parse_form(content_type, body), request._message.raw_headers, body, _peer(request),
                "http",
            )  # fmt: skip
            start = translate.start_process(wid, match, asked, content_type, self._settings.durability, slot)
            process = self._admission.start(start)
        except BadDocument as error:
            return _error(statuses.plain(400, str(error)))
        except NflowError as error:
            return _error(statuses.error_answer(error, None, debug=self._settings.debug))
        self._waiting.add(slot)
        try:
            reply = await slot
        except asyncio.CancelledError:
            finish = match.start.finish_on_disconnect
            if not (request.method not in SAFE_METHODS if finish is None else finish):
                process.tell(CancelProcess("the client left"))
            raise
        finally:
            self._waiting.discard(slot)
        return self._response(reply, match)

    async def _body(self, request: web.BaseRequest) -> bytes:
        limit = self._settings.max_body
        if (request.content_length or 0) > limit:
            raise _BadBodyError(_too_large(limit))
        self._arriving += 1
        try:
            if request.headers.get("Expect", "").lower() == "100-continue":
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0
            async with asyncio.timeout(self._settings.body_seconds):
                return await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise _BadBodyError(_too_large(limit)) from None
        except TimeoutError:
            seconds = self._settings.body_seconds
            raise _BadBodyError(
                statuses.plain(408, f"the body did not arrive within {seconds:g} s (server.body_seconds)")
            ) from None
        except UNREADABLE as error:
            raise _BadBodyError(statuses.plain(400, f"the body cannot be read: {_one_line(error)}")) from None
        finally:
            self._arriving -= 1

    def _response(self, reply: Reply, match: Match) -> web.Response:
        match reply:
            case Answer(status, content_type, body, headers, wid, forked):
                if status < 200:  # no end of a response: the client would wait for another
                    status, content_type = 500, "application/json"
                    body = statuses.plain(500, f"the status {reply.status} cannot end a response").body
            case Failure(error, node, wid, forked):
                found = match.flow.nodes.get(node)
                answer = statuses.error_answer(error, found, debug=self._settings.debug)
                status, body, headers = answer.status, answer.body, answer.headers
                content_type = "application/json" if body else ""
        lines = [("Server", SERVER), ("Nflow-Wid-1", wid)]
        for name, value in headers:
            if name == "Content-Type":
                content_type = value
            elif name.lower() not in translate.FRAMING:
                lines.append((name, value))
        if content_type:
            lines.append(("Content-Type", content_type))
        if forked:
            lines.append(("Dromedary-Wid-2", forked))
        return web.Response(status=status, body=body, headers=lines)


def _end_deaf_connections(site: web.TCPSite, seconds: float) -> None:
    """Who takes nothing of its answer for so long is cut off by the system; connections inherit the option."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    server = getattr(site, "_server", None)
    if option is not None and server is not None:
        for listener in server.sockets:
            listener.setsockopt(socket.IPPROTO_TCP, option, max(1, round(seconds * 1000)))


class _BadBodyError(Exception):
    def __init__(self, answer: ErrorAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class ServerLog:
    """What aiohttp's server logs, at one line each: a malformed request is no bug of ours and needs no traceback."""

    __slots__ = ("_log",)

    def __init__(self, log: Any) -> None:
        self._log = log

    def exception(self, message: str, *arguments: Any, exc_info: BaseException | None = None) -> None:
        """A request that could not be parsed, or a bug in the handler."""
        if isinstance(exc_info, UNREADABLE):
            self._log.info("bad request", reason=_one_line(exc_info))
        else:
            self._log.error(message % arguments if arguments else message, error=repr(exc_info))

    def debug(self, message: str, *arguments: Any, exc_info: BaseException | None = None) -> None:
        """Chatter about connections."""

    def warning(self, message: str, *arguments: Any) -> None:
        """A setting the server did not take."""
        self._log.warning(message % arguments if arguments else message)


def _one_line(error: Exception) -> str:
    """What was wrong, without the excerpt that aiohttp draws below it."""
    text = str(getattr(error, "message", "") or error).removeprefix("400, message:")
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)


def _too_large(limit: int) -> ErrorAnswer:
    return statuses.plain(413, f"the body is larger than {limit} bytes (server.max_body_mb)")


def _error(answer: ErrorAnswer) -> web.Response:
    lines = [("Server", SERVER), *answer.headers]
    if answer.body:
        lines.append(("Content-Type", "application/json"))
    return web.Response(status=answer.status, body=answer.body, headers=lines)


def _peer(request: web.BaseRequest) -> str:
    peer = request._transport_peername
    if isinstance(peer, (tuple, list)):
        return f"[{peer[0]}]:{peer[1]}" if ":" in str(peer[0]) else f"{peer[0]}:{peer[1]}"
    return str(peer or "")
