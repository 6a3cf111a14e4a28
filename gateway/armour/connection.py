"""One client's connection: what may come in on it, how fast, and how it is told that it was not understood.

Invariant: a head is bounded as a whole and by its lines; a request that cannot be read is answered in our words and
its connection closed; requests sent in one go are parsed one by one, so the answer to one that cannot be read is never
taken for the answer to the one before. Who takes nothing of an answer is cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD as NOTHING
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import _ErrInfo

from gateway.armour.incoming import Incoming

HEAD_END: Final = b"\r\n\r\n"
MOST_HEADERS: Final = 128
SLOWEST_READER: Final = 1024
"""Bytes per second that a client must take of an answer, on average over a deadline."""

_receive: Final = web.RequestHandler.data_received
Unreadable = Callable[[Incoming, Exception], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of one connection, and how many there may be."""

    head_bytes: int = 32 << 10
    connections: int = 10_000
    write_seconds: float = 30.0
    """A client that takes less of its answer than `SLOWEST_READER` for so long is gone."""


class HeadTooLargeError(BadHttpMessage):
    """The head of a request is larger than allowed."""


class WrongVersionError(BadHttpMessage):
    """The request is of another HTTP."""

    def __init__(self) -> None:
        super().__init__("HTTP/1.1 and HTTP/1.0 are spoken here")


class WrongTransferError(BadHttpMessage):
    """The request's body is framed as two readers could read differently (RFC 9112, section 6.1)."""

    def __init__(self) -> None:
        super().__init__("of Transfer-Encoding only chunked is taken, and that of HTTP/1.1")


class Connections(web.Server):
    """All connections of one server."""

    def __init__(self, handler: Any, unreadable: Unreadable, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(handler, handler_cancellation=True, **options)
        self.unreadable = unreadable
        self.limits = limits
        self.refused = 0
        """Connections closed at once because there were too many."""

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)


class Connection(web.RequestHandler):
    """One connection."""

    __slots__ = ("_body", "_deaf", "_end", "_head", "_left", "_limits", "_server", "_watch")

    def __init__(self, server: Connections, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._limits = server.limits
        self._body: StreamReader = NOTHING
        """Of the last request whose head was read."""
        self._head = 0
        """Bytes of a head that is not complete yet."""
        self._end = b""
        """Its last bytes."""
        self._deaf = False
        """Nothing more is read; what came before is answered."""
        self._watch: asyncio.TimerHandle | None = None
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it at once where there are too many."""
        if len(self._server._connections) >= self._limits.connections:
            self._server.refused += 1
            self._manager = None  # it was never one of the server's
            cast("asyncio.Transport", transport).abort()
            return
        super().connection_made(transport)
        # Resumed only when all is out, so that a reader who stops within the last bytes is watched too.
        cast("asyncio.Transport", transport).set_write_buffer_limits(high=64 << 10, low=0)

    def connection_lost(self, error: BaseException | None) -> None:
        """The connection is gone."""
        self._unwatch()
        super().connection_lost(error)

    # --- what comes in ---

    def data_received(self, data: bytes) -> None:
        """Bytes have come: heads are handed on one by one, bodies as they are."""
        if self._deaf:
            return
        if self._body is NOTHING and not self._head and data.find(HEAD_END) + 4 == len(data) <= self._limits.head_bytes:
            _receive(self, data)  # one whole head, as almost always
            if self._messages:
                self._note(*self._messages[-1])
            return
        self._take_apart(data)

    def _take_apart(self, data: bytes) -> None:
        """Hand on what may be the end of one request, several, and the beginning of another."""
        if self._body is not NOTHING and self._body.is_eof():
            self._body = NOTHING
        while data and self._body is NOTHING:
            if not self._head:
                cut = data.find(HEAD_END) + 4
            else:
                cut = (self._end + data).find(HEAD_END) + 4
                cut = cut - len(self._end) if cut > 3 else 3
            if cut == 3:
                self._head += len(data)
                self._end = (self._end + data)[-3:]
            else:
                self._head += cut
            if self._head > self._limits.head_bytes:
                most = f"{self._limits.head_bytes} bytes (server.max_header_kb)"
                self._refuse(HeadTooLargeError(f"the head is larger than {most}"))
                return
            if cut == 3:
                break
            self._head, self._end = 0, b""
            count = self._request_count
            _receive(self, data[:cut])
            data = data[cut:]
            if self._request_count == count:  # no head after all
                break
            if self._messages:
                self._note(*self._messages[-1])
            if self._deaf or not data:
                return
        count = self._request_count
        _receive(self, data)
        if self._request_count != count and self._messages:
            self._note(*self._messages[-1])

    def _note(self, message: Any, body: StreamReader) -> None:
        """See what the parser made of it."""
        if type(message) is not _ErrInfo:
            self._body = body
            wrong: BadHttpMessage | None = None
            if message.version is not HttpVersion11 and message.version is not HttpVersion10:
                wrong = WrongVersionError()
            elif message.chunked and (message.version is HttpVersion10 or not _only_chunked(message.headers)):
                wrong = WrongTransferError()
            if wrong is not None:
                self._messages[-1] = _unreadable(wrong), NOTHING
                self._deaf = True
        elif not self._body.is_eof():  # what cannot be read is a body: its reader waits for the rest
            self._messages.pop()
            self._close = True
            self._body.set_exception(web.RequestPayloadError(str(message.exc)))
            self._body.feed_eof()

    def _refuse(self, error: BadHttpMessage) -> None:
        """Go on as after what the parser cannot read."""
        if self._force_close or self._close:
            return
        self._request_count += 1
        self._messages.append((_unreadable(error), NOTHING))
        self._deaf = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _make_error_handler(self, err_info: Any) -> Callable[[Any], Awaitable[web.StreamResponse]]:
        async def handler(request: Any) -> web.StreamResponse:
            return await self._server.unreadable(request, err_info.exc)

        return handler

    # --- what goes out ---

    def pause_writing(self) -> None:
        """The client does not keep up."""
        super().pause_writing()
        if self._watch is None and self.transport is not None:
            self._left = self.transport.get_write_buffer_size()
            self._watch = self._loop.call_later(self._limits.write_seconds, self._look)

    def resume_writing(self) -> None:
        """It does again."""
        self._unwatch()
        super().resume_writing()

    def _look(self) -> None:
        """Has it taken anything since the last look?"""
        self._watch = None
        transport = self.transport
        if transport is None:
            return
        left, before, seconds = transport.get_write_buffer_size(), self._left, self._limits.write_seconds
        if left > before - SLOWEST_READER * seconds:
            transport.abort()
            return
        self._left = left
        self._watch = self._loop.call_later(seconds, self._look)

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


def _only_chunked(headers: Any) -> bool:
    return [value.strip().lower() for value in headers.getall("Transfer-Encoding", ())] == ["chunked"]


def _unreadable(error: BadHttpMessage) -> _ErrInfo:
    return _ErrInfo(status=error.code, exc=error, message=error.message)


def status_of(error: Exception) -> int:
    """What a request that cannot be read is answered."""
    if isinstance(error, HeadTooLargeError | LineTooLong) or "Too many headers" in str(error):
        return 431
    return 505 if isinstance(error, WrongVersionError) else 400
