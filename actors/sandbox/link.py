"""The socket to one sandbox process: bytes in become messages to its actor, frames out go straight to the transport.

What arrives is hostile until `frames.read` has checked it; a bad frame is told like any other news, and the actor kills
the process. After `close` nothing is told any more, so an old process cannot speak to the next incarnation.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any, cast

from actors.sandbox import frames
from protocol.errors import BadFrame
from protocol.refs import Recipient


@dataclass(frozen=True, slots=True)
class LinkClosed:
    """The process closed its end, which it does only by dying."""


@dataclass(frozen=True, slots=True)
class LinkBroken:
    """The process sent something that is not a frame."""

    error: BadFrame


class Link(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_owner", "_reader", "_transport", "ready")

    def __init__(self, owner: Recipient[Any]) -> None:
        self._owner: Recipient[Any] | None = owner
        self._reader = frames.FrameReader.of_parent()
        self._transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[frames.Ready] = asyncio.get_running_loop().create_future()
        """Done once the process says it is confined; fails when it ends before that."""

    @classmethod
    async def open(cls, owner: Recipient[Any], sock: socket.socket) -> Link:
        """Take over the parent's end of the socket pair."""
        sock.setblocking(False)
        link = cls(owner)
        await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=sock)
        return link

    def send(self, frame: bytes) -> None:
        """Write a frame; a closed link swallows it, since LinkClosed is on its way."""
        if self._transport is not None:
            self._transport.write(frame)

    def close(self) -> None:
        """Let go of the socket and fall silent."""
        self._owner = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        if not self.ready.done():
            self.ready.cancel()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Frames for the actor."""
        owner = self._owner
        if owner is None:
            return
        try:
            for kind, body in self._reader.feed(data):
                news = frames.read(kind, body)
                if type(news) is frames.Ready:
                    if self.ready.done():
                        raise BadFrame("ready, a second time")
                    self.ready.set_result(news)
                else:
                    owner.tell(news)
        except BadFrame as error:
            if not self.ready.done():
                self.ready.set_exception(error)
                return
            self._owner = None
            owner.tell(LinkBroken(error))

    def connection_lost(self, error: Exception | None) -> None:
        """The other end is gone."""
        self._transport = None
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the sandbox process ended before it was ready"))
        elif self._owner is not None:
            self._owner.tell(LinkClosed())
