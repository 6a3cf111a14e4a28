"""Answers a request that has a route: who calls is checked, the body taken, the handler asked, its errors explained.

Invariant: the caller is checked before a byte of the body is taken; whatever happens, the answer is a whole response
whose error body is `{"code", "message"}`. Talks HTTP on behalf of the handlers, which know none.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from aiohttp import web

from gateway import statuses
from gateway.api.bearer import Bearers
from gateway.api.call import JSON, ApiAnswer, ApiError, Call, refusal
from gateway.api.table import Found, Query, Route
from gateway.exchange import SERVER, BadBodyError, Exchanges, peer
from gateway.statuses import ErrorAnswer
from gateway.translate import parse_query
from gateway.visit import Visit
from protocol.errors import BadDocument, NflowError, Problem


class Desk:
    """The API's way in and out."""

    def __init__(self, bearers: Bearers, exchanges: Exchanges) -> None:
        self._bearers = bearers
        self._exchanges = exchanges
        self._log = structlog.get_logger("api")

    async def answer(
        self, request: web.BaseRequest, found: Found, raw_path: str, query_string: str, visit: Visit
    ) -> web.StreamResponse:
        """The response to a request whose path is in the table."""
        route = found.route(request.method)
        visit.route = found.path
        if route is None:
            error = ApiError(405, f"{request.method} is not served here", (("Allow", found.allowed),))
            return _response(refusal(error))
        visit.workflow = route.workflow
        try:
            call = await self._call(request, route, found.variables, raw_path, query_string)
            answer = await route.handler(call)
        except BadBodyError as bad:
            answer = _plain(bad.answer)
        except NflowError as error:
            answer = refusal(error)
        except Exception:
            self._log.exception("a handler failed", route=route.name)
            answer = _plain(statuses.plain(500, "Internal Server Error"))
        return answer if isinstance(answer, web.StreamResponse) else _response(answer)

    async def _call(
        self, request: web.BaseRequest, route: Route, variables: Mapping[str, str], raw_path: str, query_string: str
    ) -> Call:
        shown = await self._bearers.check(route.auth, request.headers.get("Authorization", ""))
        numbers = _numbers(route.query, query_string)
        body = b""
        if route.body is not None and request.body_exists:
            if route.json_only and not _says_json(request.headers.get("Content-Type", "")):
                raise ApiError(415, f"the body must be {JSON}, and say so in its Content-Type")
            body = await self._exchanges.body(request)
        headers = request._message.raw_headers
        return Call(request, raw_path, query_string, variables, numbers, headers, peer(request), body, shown)


def _numbers(wanted: tuple[Query, ...], query_string: str) -> dict[str, int]:
    """The route's query parameters. Raises BadDocument for a value that is no number within its bounds."""
    if not wanted:
        return {}
    given = dict(parse_query(query_string))
    found, problems = {}, []
    for query in wanted:
        text = given.get(query.name, str(query.default))
        if text.isascii() and text.isdecimal() and len(text) < 12 and int(text) <= query.most:
            found[query.name] = int(text)
        else:
            problems.append(Problem(f"query.{query.name}", f"must be a whole number from 0 to {query.most}"))
    if problems:
        raise BadDocument(problems)
    return found


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
