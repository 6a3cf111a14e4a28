"""Answers a request that has a route: who calls is checked, the body taken, the handler asked, its errors explained.

Invariant: the caller is checked before a byte of the body is taken; whatever happens, the answer is a whole response
whose error body is `{"code", "message"}`, or `{"error"}` below `/debug`. Talks HTTP on behalf of the handlers, which
know none.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

import structlog
from aiohttp import web

from gateway.api.bearer import Bearers
from gateway.api.call import JSON, NOBODY_SHOWN, ApiAnswer, ApiError, Call, refusal
from gateway.api.table import Auth, Found, Route
from gateway.armour.incoming import Incoming
from gateway.clients.origin import Origin
from gateway.exchange import SERVER, BadBodyError, Exchanges, peer
from gateway.statuses import ErrorAnswer
from gateway.translate import parse_query
from gateway.visit import Visit
from protocol.errors import BadDocument, NflowError, Problem
from protocol.observation.auditing import Audit, AuditEvent, AuditKind, Outcome, unheard

_NO_STORE: Final = ("Cache-Control", "no-store")
AUDITED: Final[Mapping[str, AuditKind]] = MappingProxyType(
    {
        "putWorkflow": AuditKind.FLOW,
        "deleteWorkflow": AuditKind.FLOW,
        "rollBackWorkflow": AuditKind.FLOW,
        "killProcess": AuditKind.KILL,
    }
)
"""Names of routes by which an operator changes what is served. Debug endpoints tell for themselves."""


class DebugDoor(Protocol):
    """Who is let in to the debug endpoints."""

    def check(self, headers: Mapping[str, str], query: str, remote: str, what: str) -> None:
        """Let the caller in, or raise ApiError. `remote`: socket address of the peer, `host:port`; `what`: the method
        and path of the endpoint."""


class Desk:
    """The API's way in and out."""

    def __init__(
        self, bearers: Bearers, exchanges: Exchanges, debug: DebugDoor | None = None, audit: Audit = unheard
    ) -> None:
        """`debug` None: no debug endpoint is served. `audit` is told of refused tokens and of what operators change."""
        self._bearers = bearers
        self._exchanges = exchanges
        self._debug = debug
        self._audit = audit
        self._log = structlog.get_logger("api")

    async def answer(
        self, request: Incoming, found: Found, raw_path: str, query_string: str, visit: Visit
    ) -> web.StreamResponse:
        """The response to a request whose path is in the table."""
        route = found.route(request.method)
        visit.route = found.path
        debug = found.debug
        if route is None:
            lines = (("Allow", found.allowed), *((_NO_STORE,) if debug else ()))
            error = ApiError(405, f"{request.method} is not served here", lines)
            return _response(refusal(error, debug=debug))
        visit.workflow = route.workflow
        try:
            call = await self._call(request, route, found.variables, raw_path, query_string, visit)
            answer = await (route.handler(call) if route.name not in AUDITED else self._audited(route, call, visit))
        except BadBodyError as bad:
            answer = _plain(bad.answer)
        except NflowError as error:
            answer = refusal(error, debug=debug)
            answer = answer._replace(body=self._exchanges.masked(answer.body))
        except Exception:
            self._log.exception("a handler failed", route=route.name)
            answer = refusal(NflowError(), debug=debug)
        if debug:
            answer = answer._replace(headers=(*answer.headers, _NO_STORE))
        encryption = self._exchanges.encryption
        if encryption is not None and isinstance(answer, ApiAnswer) and _of_a_workflow(route):
            answer = answer._replace(body=await encryption.body(answer.content_type, answer.body))
        return answer if isinstance(answer, web.StreamResponse) else _response(answer)

    async def _audited(self, route: Route, call: Call, visit: Visit) -> Any:
        outcome = Outcome.FAILED
        try:
            answer = await route.handler(call)
            outcome = Outcome.DONE
            return answer
        finally:
            self._tell(AUDITED[route.name], f"{route.method} {call.path}", outcome, visit, call.token.name)

    def _tell(self, kind: AuditKind, what: str, outcome: Outcome, visit: Visit, who: str = "") -> None:
        self._audit(AuditEvent(kind, what, outcome, who, visit.client, visit.id))

    async def _call(
        self, request: Incoming, route: Route, variables: Mapping[str, str], raw_path: str, query_string: str,
        visit: Visit,
    ) -> Call:  # fmt: skip
        shown = NOBODY_SHOWN
        if route.auth is not Auth.DEBUG:
            authorization = request.headers.get("Authorization", "")
            try:
                shown = await self._bearers.check(route.auth, authorization)
            except ApiError:
                if authorization:
                    self._tell(AuditKind.TOKEN, f"{route.method} {route.path}", Outcome.REFUSED, visit)
                raise
        elif self._debug is not None:
            self._debug.check(request.headers, query_string, peer(request), f"{route.method} {route.path}")
        else:
            raise ApiError(403, "nobody is let in")
        numbers, words = _parameters(route, query_string)
        body = b""
        if route.body is not None and request.body_exists:
            if route.json_only and not _says_json(request.headers.get("Content-Type", "")):
                raise ApiError(415, f"the body must be {JSON}, and say so in its Content-Type")
            body = await self._exchanges.body(request)
        headers, origin = request._message.raw_headers, Origin(visit.client, visit.scheme)
        remote = peer(request)
        return Call(request, raw_path, query_string, variables, numbers, headers, remote, body, shown, words, origin)


def _parameters(route: Route, query_string: str) -> tuple[dict[str, int], dict[str, str]]:
    """The route's query parameters: numbers, words. Raises BadDocument for values that are out of their bounds."""
    if not route.query and not route.choices:
        return {}, {}
    given = dict(parse_query(query_string))
    numbers, words, problems = {}, {}, []
    for query in route.query:
        text = given.get(query.name, str(query.default))
        if text.isascii() and text.isdecimal() and len(text) < 12 and query.least <= int(text) <= query.most:
            numbers[query.name] = int(text)
        else:
            bounds = f"must be a whole number from {query.least} to {query.most}"
            problems.append(Problem(f"query.{query.name}", bounds))
    for choice in route.choices:
        words[choice.name] = word = given.get(choice.name, choice.words[0])
        if word not in choice.words:
            problems.append(Problem(f"query.{choice.name}", f"must be one of: {', '.join(choice.words)}"))
    if problems:
        raise BadDocument(problems)
    return numbers, words


def _of_a_workflow(route: Route) -> bool:
    """Whether what is answered comes from flows or plugins, for their clients."""
    return route.workflow or route.auth is Auth.EXECUTION


def _says_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media == JSON or media.endswith("+json")


def _plain(answer: ErrorAnswer) -> ApiAnswer:
    return ApiAnswer(answer.status, answer.body, answer.headers)


def _response(answer: ApiAnswer) -> web.Response:
    lines = [("Server", SERVER), *answer.headers]
    if answer.body:
        lines.append(("Content-Type", answer.content_type))
    return web.Response(status=answer.status, body=answer.body, headers=lines)
