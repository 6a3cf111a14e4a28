"""A streamed answer between the run that writes it and the one reader that sends it on.

Back-pressure: at most one chunk is under way, and a write is over once the reader has come back for the next.
Invariant: a writer never waits for a reader that has left (AbortError, as browsers call it), and a reader never for a
run that has ended. It talks to the process actor (`process.py`) and to the gateway.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from protocol.errors import CallRefused, NflowError, Overloaded
from protocol.headers import is_header, is_header_value
from protocol.process import Pairs

Begin = Callable[[int, str, Pairs], Awaitable[None]]
"""Sends the head: status, content type, further header lines."""


class StreamRoom:
    """How many answers may be streamed at once: each holds a sandbox for as long as its client reads."""

    __slots__ = ("limit", "open")

    def __init__(self, limit: int = 16) -> None:
        self.limit = limit
        self.open = 0

    def enter(self) -> None:
        """One more. Raises Overloaded."""
        if self.open >= self.limit:
            raise Overloaded(f"{self.limit} answers are being streamed (server.max_streams)")
        self.open += 1

    def leave(self) -> None:
        """One less."""
        self.open -= 1


class AnswerStream:
    """The chunks of one answer. Its methods are called on the loop only."""

    __slots__ = ("_begin", "_chunk", "_ended", "_error", "_left", "_nobody", "_taken", "_wake", "begun")

    def __init__(self, begin: Begin, *, nobody: bool = False) -> None:
        """`nobody`: there is no reader (a fork); what is written is dropped."""
        self._begin = begin
        self._nobody = nobody
        self.begun = False
        """Whether the head has left."""
        self._chunk: bytes | None = None
        self._taken: asyncio.Future[None] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._ended = False
        self._left = False
        self._error: NflowError | None = None

    # --- the run writes ---

    async def write(self, head: Any, chunk: Any) -> None:
        """Send `chunk` ({"text"} or {"base64"}), before the first one the head. Returns once it is taken."""
        data = _bytes_of(chunk)
        if self._nobody:
            return
        if self._ended:
            raise CallRefused("the answer has ended already")
        if not self.begun:
            await self._begin(*_head_of(head))
            self.begun = True
        if self._left:
            raise CallRefused("the client left", name="AbortError")
        if self._chunk is not None:
            raise CallRefused("a chunk is being written already")
        if not data:
            return
        self._chunk = data
        self._taken = asyncio.get_running_loop().create_future()
        self._rouse()
        await self._taken

    async def end(self, head: Any) -> None:
        """Nothing more comes. Without any write it is an empty answer."""
        if self._nobody:
            return
        if not self.begun:
            await self._begin(*_head_of(head))
            self.begun = True
        self.finish(b"")

    @property
    def ended(self) -> bool:
        """Whether nothing more comes, or nothing ever began."""
        return self._ended or not self.begun

    def finish(self, rest: bytes) -> None:
        """The run is over; `rest` is what it answered besides."""
        if self._ended:
            return
        self._ended = True
        if rest and not self._left:
            self._chunk = rest
        self._rouse()

    def fail(self, error: NflowError) -> None:
        """The run failed on the way: the answer is cut off."""
        if not self._ended:
            self._error = error
            self.finish(b"")

    # --- the gateway reads ---

    async def read(self) -> AsyncGenerator[bytes, None]:
        """The chunks, for the one reader. Raises the error of a run that failed on the way."""
        try:
            while True:
                while self._chunk is None and not self._ended:
                    self._wake = asyncio.get_running_loop().create_future()
                    await self._wake
                if self._chunk is None:
                    break
                chunk, self._chunk = self._chunk, None
                yield chunk
                self._settle(None)
            if self._error is not None:
                raise self._error
        finally:
            self._left = True
            self._settle(CallRefused("the client left", name="AbortError"))

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _settle(self, error: CallRefused | None) -> None:
        taken, self._taken = self._taken, None
        if taken is None or taken.done():
            return
        if error is None:
            taken.set_result(None)
        else:
            taken.set_exception(error)


def _bytes_of(chunk: Any) -> bytes:
    match chunk:
        case {"text": str(text)}:
            return text.encode("utf-8", "replace")
        case {"base64": str(text)}:
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                pass
    raise CallRefused("c.response.write(chunk) takes text or bytes", name="TypeError")


def _head_of(head: Any) -> tuple[int, str, Pairs]:
    match head:
        case {"status": int(status), "type": str(kind), "headers": list(lines)} if 200 <= status <= 599:
            if is_header_value(kind) and all(map(_is_line, lines)):
                return status, kind, tuple((name, value) for name, value in lines)
    raise CallRefused("the head of a streamed answer has no good status or headers", name="TypeError")


def _is_line(line: Any) -> bool:
    match line:
        case [str(name), str(value)]:
            return is_header(name, value)
    return False
