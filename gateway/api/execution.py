"""A workflow run without a request of its own: `POST /api/workflow/{id}`, and `Runtime.execute` in process.

An id is an app, `app/flow`, or a flow's name; one that could mean several flows is refused with their ids. The run
begins at the flow's first start with the input as its payload, and reads it in any other way its start would have
brought it: as the JSON body, as path variables, and, for GET and DELETE, as the query. Its output is what it answered,
or its last payload. A login that the start asks for is checked as ever.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final
from urllib.parse import quote, urlencode

from actors.catalogue import Catalogue
from actors.kernel import ReplySlot
from gateway.api.call import JSON, ApiError
from gateway.clients.origin import UNKNOWN, Origin
from gateway.exchange import Exchanges
from protocol.codec import dumps, loads_from_script
from protocol.errors import BadDocument, LimitExceeded, NflowError, Problem
from protocol.flow import Durability, Flow, Start
from protocol.process import Answer, AnswerBegun, Failure, Pairs, Reply, Request, StartProcess
from protocol.routing import ANY

_BY_QUERY: Final = frozenset({"GET", "HEAD", "DELETE"})
_NOT_PASSED_ON: Final = frozenset({b"content-type", b"content-length", b"transfer-encoding", b"expect"})
TURNED_AWAY: Final = "this workflow asks for a login: send the session cookie of a user who is logged in"

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Execution:
    """What came of a run."""

    output: Any
    """What the workflow answered: the value of a JSON answer, another answer's text (`{"base64"}` where it is none,
    `{"file"}` for a file, `{"location"}` for a redirect), or, where it answered nothing, its last payload."""
    status: int
    """HTTP status of its answer; of a failure, the one HTTP clients would get."""
    wid: str
    """Process id of the run; empty: none was begun."""
    seconds: float
    error: NflowError | None = None
    """Why there is no output."""
    node: str = ""
    """Id of the node it failed at."""
    session: str = ""
    """Id of a session that began with the run."""

    @property
    def success(self) -> bool:
        """Whether the run ended well and did not answer with an error status."""
        return self.error is None and self.status < 400


class Executions:
    """Runs workflows by their ids."""

    def __init__(
        self,
        catalogue: Catalogue,
        exchanges: Exchanges,
        new_wid: Callable[[], str],
        durability: Durability,
        most_bytes: int,
    ) -> None:
        """`durability`: of flows that do not say. `most_bytes`: of a streamed answer that is kept whole."""
        self._catalogue = catalogue
        self._exchanges = exchanges
        self._new_wid = new_wid
        self._durability = durability
        self._most_bytes = most_bytes

    def find(self, name: str) -> Flow:
        """The flow with this id. Raises ApiError: 404, or 409 naming the flows it could mean."""
        return find_flow(self._catalogue.flows, name)

    async def execute(
        self, flow: Flow, value: Any, headers: Headers = (), remote: str = "", session: str = "",
        origin: Origin = UNKNOWN,
    ) -> Execution:  # fmt: skip
        """Run it. `headers`: what the script sees of the caller's. `session`: its id, from a genuine cookie.

        Raises BadDocument for an input the flow cannot take, Overloaded when there is no room, ApiError.
        """
        began = monotonic()
        slot: ReplySlot[Reply] = ReplySlot()
        start = self._start(flow, value, headers, remote, session, slot, origin)

        async def told(reply: Reply) -> Execution:
            return await self._told(reply, start, began)

        return await self._exchanges.run(start, slot, told)

    def _start(
        self, flow: Flow, value: Any, headers: Headers, remote: str, session: str, slot: ReplySlot[Reply],
        origin: Origin,
    ) -> StartProcess:  # fmt: skip
        if not flow.starts:
            raise ApiError(409, f"workflow {flow.app}/{flow.name} has no start")
        start = flow.starts[0]
        if start.schema is not None and (problems := start.schema.problems(value)):
            raise BadDocument(problems)
        variables = _variables(start, value)
        payload = _payload(value)
        query = tuple(_query(value)) if start.method in _BY_QUERY else ()
        path = filled(start, variables)
        request = Request(
            "POST" if start.method == ANY else start.method, path, urlencode(query), query, (),
            passed_on(headers, payload), payload, remote, origin.scheme, client=origin.client,
        )  # fmt: skip
        return StartProcess(
            self._new_wid(), replace(flow, answer_with_payload=True), start, variables, path, request, payload,
            start.durability if start.durability is not None else self._durability, slot, None, session,
        )  # fmt: skip

    async def _told(self, reply: Reply, start: StartProcess, began: float) -> Execution:
        match reply:
            case Failure(error, node, wid):
                return Execution(None, 500, wid, monotonic() - began, error, node)
            case AnswerBegun(status, content_type, _, wid, session, _):
                try:
                    output = _read(content_type, await self._whole(reply))
                except NflowError as error:
                    return Execution(None, 500, wid, monotonic() - began, error)
            case Answer(status, _, _, headers, wid, _, _, session):
                if start.start.auth and status == 307:  # what a login says to those it does not let in
                    denied = ApiError(401, TURNED_AWAY)
                    return Execution(None, 401, wid, monotonic() - began, denied, session=session)
                output = _output(reply, headers)
        return Execution(output, status, wid, monotonic() - began, session=session)

    async def _whole(self, begun: AnswerBegun) -> bytes:
        parts, size = [], 0
        async with aclosing(begun.chunks.read()) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                if size > self._most_bytes:
                    raise LimitExceeded("streamed output", "server.max_body_mb", self._most_bytes >> 20)
                parts.append(chunk)
        return b"".join(parts)


def find_flow(flows: Sequence[Flow], name: str) -> Flow:
    """The flow with this id: an app, `app/flow`, or a flow's name. Raises ApiError: 404, or 409 naming the flows it
    could mean."""
    app, slash, flow = name.partition("/")
    found = [each for each in flows if slash and each.app == app and each.name == flow]
    found = found or [each for each in flows if name in (each.app, each.name)]
    if not found:
        raise ApiError(404, f"there is no workflow {name!r}")
    if len(found) > 1:
        ids = ", ".join(sorted(f"{each.app}/{each.name}" for each in found))
        raise ApiError(409, f"{name!r} can mean several workflows; ask for one of: {ids}")
    return found[0]


def passed_on(headers: Headers, body: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The caller's header lines as the run sees them: about a JSON body of this size."""
    kept = [line for line in headers if line[0].lower() not in _NOT_PASSED_ON]
    return (*kept, (b"Content-Type", JSON.encode()), (b"Content-Length", str(len(body)).encode()))


def filled(start: Start, variables: Pairs) -> str:
    """The path a client would have asked for."""
    values = dict(variables)
    return "/".join(
        quote(values.get(segment[1:], ""), safe="") if segment.startswith(":") else segment
        for segment in start.pattern.split("/")
    )


def _variables(start: Start, value: Any) -> Pairs:
    """Path variables by their names in the input. Raises BadDocument for what is missing."""
    found, problems = [], []
    for segment in start.pattern.split("/"):
        if not segment.startswith(":"):
            continue
        text = _text(value.get(segment[1:])) if isinstance(value, dict) else None
        if text is None:
            problems.append(
                Problem(f"input.{segment[1:]}", f"must be a text or a number: the workflow's path is {start.pattern}")
            )
        else:
            found.append((segment[1:], text))
    if problems:
        raise BadDocument(problems)
    return tuple(found)


def _payload(value: Any) -> bytes:
    try:
        return dumps(value)
    except ValueError as error:
        raise BadDocument([Problem("input", str(error))]) from None


def _query(value: Any) -> Iterator[tuple[str, str]]:
    for name, held in value.items() if isinstance(value, dict) else ():
        for each in held if isinstance(held, list) else (held,):
            text = _text(each)
            if text is not None:
                yield name, text


def _text(value: Any) -> str | None:
    """A simple value as a query would carry it."""
    if isinstance(value, str):
        return value
    return dumps(value).decode() if isinstance(value, bool | int | float) else None


def _output(answer: Answer, headers: Pairs) -> Any:
    if answer.file:
        return {"file": answer.file}
    if 300 <= answer.status < 400 and not answer.body:
        return {"location": next((value for name, value in headers if name.lower() == "location"), "")}
    return _read(next((value for name, value in headers if name == "Content-Type"), answer.content_type), answer.body)


def _read(content_type: str, body: bytes) -> Any:
    if not body:
        return None
    media = content_type.partition(";")[0].strip().lower()
    if media == JSON or media.endswith("+json"):
        try:
            return loads_from_script(body)
        except BadDocument:
            pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode("ascii")}
