"""What leaves with `security.enable_encryption` on: every answer of a workflow, its sensitive values encrypted.

Invariant: nothing streams in clear. Streamed events and lines leave one by one, each whole; any other streamed text is
held until it has ended and leaves as one answer. What is longer than `server.max_body_mb` is refused. Streams of bytes,
files, and what is neither text nor JSON pass. Large bodies are worked on by a thread, one at a time, so that the loop
gets its turns. Talks to the interceptor; the exchange and the desk hand their answers through here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import structlog

from actors.guards.interception import Interceptor, Taken, media
from protocol.errors import LimitExceeded, NflowError
from protocol.observation.metrics import Family, counter
from protocol.process import Answer, AnswerBegun, Chunks, Failure, Pairs

LARGE: Final = 1 << 16
"""Bytes that the loop looks through by itself, in a millisecond or so."""
_BLANK_LINES: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


@dataclass(slots=True)
class EncryptionFigures:
    """Numbers for metrics."""

    encrypted: int = 0
    """Values encrypted in answers and by scripts (`nflow_security_data_encrypted_total`)."""
    answers: int = 0
    """Bodies, events and lines that held one at least."""
    refused: int = 0
    """Streamed answers too large to be encrypted."""
    seconds: float = 0.0
    """Spent on looking through bodies and encrypting."""

    def count(self) -> None:
        """A script encrypted a text."""
        self.encrypted += 1

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        yield counter(
            "nflow_security_data_encrypted", "Sensitive values encrypted, in answers and by scripts", self.encrypted
        )
        yield counter("nflow_security_answers_encrypted", "Answers and streamed events with such values", self.answers)
        yield counter("nflow_security_answers_refused", "Streamed answers too large to be encrypted", self.refused)
        yield counter("nflow_security_encryption_seconds", "Time spent on encrypting answers", self.seconds)


class AnswerEncryption:
    """The last stop of a workflow's answer."""

    __slots__ = ("_figures", "_interceptor", "_log", "_most_bytes", "_turn")

    def __init__(self, interceptor: Interceptor, figures: EncryptionFigures, most_bytes: int) -> None:
        """`most_bytes`: of a streamed text that is held whole, and of one event or line (`server.max_body_mb`)."""
        self._interceptor = interceptor
        self._figures = figures
        self._most_bytes = most_bytes
        self._turn = asyncio.Lock()
        self._log = structlog.get_logger("security")

    async def reply(self, reply: Answer | AnswerBegun) -> Answer | AnswerBegun | Failure:
        """The reply as it may leave; a Failure for a stream that failed, or grew too large, before it did."""
        content_type = _content_type(reply.headers, reply.content_type)
        if isinstance(reply, AnswerBegun):
            return await self._streamed(reply, content_type)
        if not reply.body:
            return reply
        return reply._replace(body=await self.body(content_type, reply.body))

    async def body(self, content_type: str, body: bytes) -> bytes:
        """A whole body."""
        return await self._taken(lambda: self._interceptor.body(content_type, body), len(body))

    async def _streamed(self, begun: AnswerBegun, content_type: str) -> Answer | AnswerBegun | Failure:
        match media(content_type):
            case "other":
                return begun
            case "events":
                return begun._replace(chunks=_Frames(begun.chunks, self._events, _after_events, self._most_bytes))
            case "lines":
                return begun._replace(chunks=_Frames(begun.chunks, self._lines, _after_lines, self._most_bytes))
            case _:
                return await self._held(begun, content_type)

    async def _held(self, begun: AnswerBegun, content_type: str) -> Answer | Failure:
        """A text that cannot be taken apart leaves when it is whole."""
        held = bytearray()
        try:
            async with aclosing(begun.chunks.read()) as chunks:
                async for chunk in chunks:
                    held += chunk
                    if len(held) > self._most_bytes:
                        raise self._too_large()
        except NflowError as error:
            return Failure(error, "", begun.wid)
        body = await self.body(content_type, bytes(held))
        return Answer(begun.status, begun.content_type, body, begun.headers, begun.wid, session=begun.session)

    def _too_large(self) -> LimitExceeded:
        self._figures.refused += 1
        self._log.warning("an answer is too large to be encrypted", key="server.max_body_mb", bytes=self._most_bytes)
        return LimitExceeded("streamed answer to be encrypted", "server.max_body_mb", self._most_bytes >> 20)

    async def _events(self, frames: bytes) -> bytes:
        return await self._taken(lambda: self._interceptor.events(frames), self._checked(frames))

    async def _lines(self, frames: bytes) -> bytes:
        return await self._taken(lambda: self._interceptor.lines(frames), self._checked(frames))

    def _checked(self, frames: bytes) -> int:
        if len(frames) > self._most_bytes:
            raise self._too_large()
        return len(frames)

    async def _taken(self, work: Callable[[], Taken], size: int) -> bytes:
        began = perf_counter()
        if size <= LARGE:
            taken = work()
        else:
            async with self._turn:
                began = perf_counter()
                taken = await asyncio.to_thread(work)
        self._figures.seconds += perf_counter() - began
        if taken.values:
            self._figures.encrypted += taken.values
            self._figures.answers += 1
        return taken.body


class _Frames:
    """The chunks of a stream cut anew, so that each is whole events or lines."""

    __slots__ = ("_change", "_chunks", "_complete", "_most_bytes")

    def __init__(
        self,
        chunks: Chunks,
        change: Callable[[bytes], Awaitable[bytes]],
        complete: Callable[[bytearray, int], int],
        most_bytes: int,
    ) -> None:
        self._chunks = chunks
        self._change = change
        self._complete = complete
        self._most_bytes = most_bytes

    async def read(self) -> AsyncGenerator[bytes, None]:
        """See `Chunks.read`. Raises LimitExceeded for an event or line that is too long: the answer is cut off."""
        held = bytearray()
        async with aclosing(self._chunks.read()) as chunks:
            async for chunk in chunks:
                seen = len(held)
                held += chunk
                end = self._complete(held, seen)
                if end:
                    yield await self._change(bytes(held[:end]))
                    del held[:end]
                elif len(held) > self._most_bytes:
                    await self._change(bytes(held))
            if held:
                yield await self._change(bytes(held))


def _after_events(held: bytearray, seen: int) -> int:
    """Where the last whole event ends; 0: there is none. Up to `seen` it was looked for already."""
    return max(
        (found + len(end) for end in _BLANK_LINES if (found := held.rfind(end, max(0, seen - 3))) >= 0), default=0
    )


def _after_lines(held: bytearray, seen: int) -> int:
    return held.rfind(b"\n", seen) + 1


def _content_type(headers: Pairs, content_type: str) -> str:
    """The type the client will be told."""
    return next((value for name, value in headers if name.lower() == "content-type"), content_type)
