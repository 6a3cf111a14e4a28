"""One workflow request: its body comes in, a run is begun, its reply goes out.

Invariant: whatever is wrong with the request is answered with a 4xx that says what, before any run begins; once one has
begun, the answer is its one reply. Only a GET or HEAD is cancelled when its client leaves, unless the start says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

from actors.kernel import ReplySlot
from actors.runs.processes import Admission
from gateway import statuses, translate
from gateway.armour.armour import Armour
from gateway.armour.incoming import Incoming
from gateway.bodies import decoding
from gateway.bodies.encryption import AnswerEncryption
from gateway.bodies.files import file_response
from gateway.session_cookie import NONE, SessionCookie
from gateway.statuses import ErrorAnswer
from gateway.visit import Visit
from protocol.errors import BadDocument, NflowError, Overloaded
from protocol.flow import Durability
from protocol.process import Answer, AnswerBegun, CancelProcess, Failure, Pairs, Reply, Request, StartProcess, Upload
from protocol.refs import Ref
from protocol.routing import Match

T = TypeVar("T")

SERVER = "nflow"
"""What the Server header says: no versions."""
LARGE_FORM = 1 << 16
"""Bytes of a form that the loop takes apart by itself, in some milliseconds at most."""
COMPRESSED_BYTES = 512
"""Answers shorter than this are not worth compressing."""
UNREADABLE = (BadHttpMessage, web.PayloadAccessError, web.RequestPayloadError)
"""What a client can make aiohttp raise: no bug of ours."""
SAFE_METHODS = frozenset({"GET", "HEAD"})


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
    files_root: str = ""
    """Folder of the files scripts answer with; empty: none."""
    debug: bool = False
    listen: bool = True
    """False: requests come from the program that embeds the runtime."""
    max_head: int = 32 << 10
    max_connections: int = 10_000
    handshake_seconds: float = 10.0
    """Deadline of a TLS handshake."""


class Exchanges:
    """All workflow requests of one gateway."""

    __slots__ = (
        "_admission", "_cookie", "_inflight", "_new_wid", "_settings", "_shedding", "_turn", "arriving", "encryption",
        "masked", "waiting",
    )  # fmt: skip

    def __init__(
        self, settings: ServerSettings, admission: Admission, new_wid: Callable[[], str], cookie: SessionCookie,
        armour: Armour, encryption: AnswerEncryption | None = None, masked: Callable[[bytes], bytes] = bytes,
    ) -> None:  # fmt: skip
        """`masked` takes the configured secrets out of the body of an error."""
        self._settings = settings
        self.encryption = encryption
        """The last stop of every answer; None: they leave as they are (`security.enable_encryption`)."""
        self.masked = masked
        self._inflight = armour.inflight
        self._shedding = armour.shedding
        self._admission = admission
        self._cookie = cookie
        self._new_wid = new_wid
        self._turn = asyncio.Lock()
        self.arriving = 0
        """Requests whose body is being received, or taken apart."""
        self.waiting: set[ReplySlot[Reply]] = set()
        """Where the answers of the requests under way will come."""

    async def answer(
        self, request: Incoming, match: Match, raw_path: str, query_string: str, visit: Visit
    ) -> web.StreamResponse:
        """The response to a request that was routed to `match`."""
        visit.workflow = True
        visit.app, visit.flow = match.flow.app, match.flow.name
        try:
            body = await self.body(request) if request.body_exists else b""
        except BadBodyError as bad:
            return error_response(bad.answer)
        slot: ReplySlot[Reply] = ReplySlot()
        shown = NONE
        try:
            content_type = request.headers.get("Content-Type", "") if body else ""
            form, files = await self._form(content_type, body) if body else ((), ())
            asked = Request(
                request.method, raw_path, query_string, translate.parse_query(query_string), form,
                request._message.raw_headers, body, peer(request), visit.scheme, files,
                visit.client,
            )  # fmt: skip
            if "Cookie" in request.headers:
                shown = self._cookie.find(asked.headers)
            start = translate.start_process(
                self._new_wid(), match, asked, content_type, self._settings.durability, slot, shown.session
            )
            visit.wid = start.wid
            process = self._admission.start(start)
        except BadDocument as error:
            visit.reason = str(error)
            return error_response(statuses.bad_input(error))
        except NflowError as error:
            visit.reason = str(error)
            return error_response(statuses.error_answer(error, None, debug=self._settings.debug))
        if self._admission.tracing is not None:
            visit.trace = self._admission.tracing.id(start.wid)
        finish, session = match.start.finish_on_disconnect, shown.session if shown.old else ""
        if finish is None:
            finish = request.method not in SAFE_METHODS
        # As `_follow` does, but without two coroutines and a closure for each request.
        self.waiting.add(slot)
        try:
            reply = await slot
            if (
                self.encryption is not None
                or isinstance(reply, AnswerBegun)
                or (isinstance(reply, Answer) and reply.file)
            ):
                return await self.respond(request, start, reply, session)
            if type(reply) is Failure:
                visit.reason = str(reply.error)
            return self._whole(start, reply, session, visit.scheme)
        except asyncio.CancelledError:
            if not finish:
                process.tell(CancelProcess("the client left"))
            raise
        finally:
            self.waiting.discard(slot)

    async def _form(self, content_type: str, body: bytes) -> tuple[Pairs, tuple[Upload, ...]]:
        """Fields and files. A large body is taken apart on a thread, one at a time: 10 MB of `%41` take a second."""
        if len(body) <= LARGE_FORM or not translate.is_form(content_type):
            return translate.parse_body(content_type, body)
        self.arriving += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(translate.parse_body, content_type, body)
        finally:
            self.arriving -= 1

    async def run(self, start: StartProcess, slot: ReplySlot[Reply], then: Callable[[Reply], Awaitable[T]]) -> T:
        """Begin a run that replies to `slot`, and return what `then` makes of the reply. Raises Overloaded."""
        refusal = self._shedding.look(start.flow, monotonic()) if self._shedding is not None else None
        if refusal is not None:
            raise refusal
        process = self._admission.start(start)
        return await self._follow(process, slot, start.start.finish_on_disconnect is not False, then)

    async def _follow(
        self, process: Ref[Any], slot: ReplySlot[Reply], finish: bool, then: Callable[[Reply], Awaitable[T]]
    ) -> T:
        """Wait for the reply and what becomes of it. Unless it is to finish, the run ends with whoever waits."""
        self.waiting.add(slot)
        try:
            return await then(await slot)
        except asyncio.CancelledError:
            if not finish:
                process.tell(CancelProcess("the client left"))
            raise
        finally:
            self.waiting.discard(slot)

    async def respond(self, request: Incoming, start: StartProcess, reply: Reply, session: str) -> web.StreamResponse:
        """The response a reply becomes. `session`: one whose cookie is to be sent again."""
        scheme = request.visit.scheme if request.visit is not None else request.proto
        if self.encryption is not None:
            reply = await self._encrypted(self.encryption, start, reply)
        if isinstance(reply, AnswerBegun):
            return await self._streamed(request, reply, session, scheme)
        if isinstance(reply, Answer) and reply.file:
            session = reply.session or session
            lines = self._lines(reply.headers, reply.content_type, reply.wid, reply.forked_wid, session, scheme)
            return await file_response(self._settings.files_root, reply.file, lines, reply.status)
        return self._whole(start, reply, session, scheme)

    async def _encrypted(self, encryption: AnswerEncryption, start: StartProcess, reply: Reply) -> Reply:
        """The reply with its sensitive values encrypted, those of an error's words too."""
        if not isinstance(reply, Failure):
            reply = await encryption.reply(reply)
        return await encryption.reply(self._explained(reply, start)) if isinstance(reply, Failure) else reply

    def _whole(self, start: StartProcess, reply: Answer | Failure, session: str, scheme: str) -> web.Response:
        if isinstance(reply, Answer) and reply.session:
            session = reply.session
        response = self._response(reply, start, session, scheme)
        if start.start.compress and (response.content_length or 0) >= COMPRESSED_BYTES:
            response.headers.add("Vary", "Accept-Encoding")
            response.enable_compression()
        return response

    async def _streamed(self, request: Incoming, begun: AnswerBegun, session: str, scheme: str) -> web.StreamResponse:
        """Send the chunks as they come. A client that takes nothing for `body_seconds` counts as gone."""
        lines = self._lines(begun.headers, begun.content_type, begun.wid, "", begun.session or session, scheme)
        response = web.StreamResponse(status=begun.status, headers=lines)
        async with contextlib.aclosing(begun.chunks.read()) as chunks:
            try:
                await response.prepare(request)
                async for chunk in chunks:
                    async with asyncio.timeout(self._settings.body_seconds):
                        await response.write(chunk)
                await response.write_eof()
            except (NflowError, TimeoutError, ConnectionError):  # a cut answer must not look like a whole one
                if request.transport is not None:
                    request.transport.abort()
        return response

    async def body(self, request: Incoming) -> bytes:
        """The whole body, within its bounds of size and time and without its coding. Raises BadBodyError."""
        limit, announced = self._settings.max_body, request.content_length or 0
        if announced > limit:
            raise BadBodyError(_too_large(limit))
        self.arriving += 1
        try:
            codings = request.headers.getall("Content-Encoding", ())
            decoder = decoding.decoder(", ".join(codings)) if codings and not request.decoded else None
            if announced and request.visit is not None:
                self._inflight.reserve(request.visit, announced)
            if request.headers.get("Expect", "").lower() == "100-continue":
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0
            async with asyncio.timeout(self._settings.body_seconds):
                return await self._read(request, decoder, limit)
        except decoding.UnknownCodingError as error:
            told = statuses.plain(415, f"the body's Content-Encoding {str(error)!r} is not taken: {decoding.CODINGS}")
            raise BadBodyError(replace(told, headers=(("Accept-Encoding", decoding.CODINGS),))) from None
        except Overloaded as error:
            raise BadBodyError(statuses.unavailable(str(error), error.retry_after)) from None
        except TimeoutError:
            seconds = self._settings.body_seconds
            raise BadBodyError(
                statuses.plain(408, f"the body did not arrive within {seconds:g} s (server.body_seconds)")
            ) from None
        except (*UNREADABLE, decoding.MalformedError) as error:
            raise BadBodyError(statuses.plain(400, f"the body cannot be read: {one_line(error)}")) from None
        finally:
            self.arriving -= 1

    async def _read(self, request: Incoming, decoder: decoding.Decoder | None, limit: int) -> bytes:
        """Bytes as they come, each of them reserved. Raises BadBodyError, Overloaded, MalformedError."""
        content, visit = request.content, request.visit
        body: bytes | bytearray = b""
        size = 0
        while chunk := await content.readany():
            if decoder is not None:
                chunk = decoder.feed(chunk, limit - size)
            size += len(chunk)
            if size > limit:
                raise BadBodyError(_too_large(limit))
            if visit is not None and size > visit.held:
                self._inflight.reserve(visit, size)
            if not body:
                body = chunk
            elif isinstance(body, bytearray):
                body += chunk
            else:  # pieces kept until the end would hold the memory twice
                body = bytearray(body) + chunk
        if decoder is not None:
            decoder.end()
        return bytes(body)

    def _response(self, reply: Answer | Failure, start: StartProcess, session: str, scheme: str) -> web.Response:
        if isinstance(reply, Failure):
            reply = self._explained(reply, start)
        status, content_type, body, headers, wid, forked, _, _ = reply
        if status < 200:  # no end of a response: the client would wait for another
            content_type = "application/json"
            status, body = 500, statuses.plain(500, f"the status {status} cannot end a response").body
        lines = self._lines(headers, content_type, wid, forked, session, scheme)
        return web.Response(status=status, body=body, headers=lines)

    def _explained(self, failure: Failure, start: StartProcess) -> Answer:
        """What the client of a failed run is told."""
        found = start.flow.nodes.get(failure.node)
        told = statuses.error_answer(failure.error, found, debug=self._settings.debug)
        content_type = "application/json" if told.body else ""
        body = self.masked(told.body)
        return Answer(told.status, content_type, body, told.headers, failure.wid, failure.forked_wid)

    def _lines(
        self, headers: Pairs, content_type: str, wid: str, forked: str, session: str, scheme: str
    ) -> list[tuple[str, str]]:
        lines = [("Server", SERVER), ("Nflow-Wid-1", wid)]
        if not (headers or forked or session) and content_type:  # as almost always
            lines.append(("Content-Type", content_type))
            return lines
        for name, value in headers:
            if name == "Content-Type":
                content_type = value
            elif name.lower() not in translate.FRAMING:
                lines.append((name, value))
        if content_type:
            lines.append(("Content-Type", content_type))
        if forked:
            lines.append(("Dromedary-Wid-2", forked))
        if session:
            lines.append(self._cookie.line(session, scheme))
        return lines


class BadBodyError(Exception):
    """The body is not taken."""

    def __init__(self, answer: ErrorAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def one_line(error: Exception) -> str:
    """What was wrong, without the excerpt that aiohttp draws below it."""
    text = str(getattr(error, "message", "") or error).removeprefix("400, message:")
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)


def _too_large(limit: int) -> ErrorAnswer:
    return statuses.plain(413, f"the body is larger than {limit} bytes (server.max_body_mb)")


def error_response(answer: ErrorAnswer) -> web.Response:
    """The response of an error that stands in the table."""
    lines = [("Server", SERVER), *answer.headers]
    if answer.body:
        lines.append(("Content-Type", "application/json"))
    return web.Response(status=answer.status, body=answer.body, headers=lines)


def peer(request: web.BaseRequest) -> str:
    """The socket address a request came from, `host:port`."""
    name = request._transport_peername
    if isinstance(name, (tuple, list)):
        return f"[{name[0]}]:{name[1]}" if ":" in str(name[0]) else f"{name[0]}:{name[1]}"
    return str(name or "")
