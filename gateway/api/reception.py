"""Where every request arrives, whoever listens: the fixed endpoints first, then the flows, else 404.

Invariant: each request is counted once and gets one response, also while the house is closing, when its connection is
closed with it, and also when it could not be read. A request for a flow costs one look into a dict before its way
begins. The server hands requests over (`gateway/server.py`), or a program that embeds the runtime (`embedding.py`).

On its way, what is switched off not being there: id, client's address, preflight, route, overload, rate limit, answer;
the headers common to all answers are put on when the answer leaves (`gateway/armour/incoming.py`).
"""

from __future__ import annotations

from time import monotonic

import structlog
from aiohttp import web

from actors.catalogue import Catalogue
from gateway import statuses
from gateway.api.desk import Desk
from gateway.api.table import Routes
from gateway.armour.armour import Armour
from gateway.armour.connection import status_of
from gateway.armour.cors import Cors, is_preflight
from gateway.armour.incoming import Incoming
from gateway.armour.request_id import HEADER
from gateway.clients.clients import Clients
from gateway.exchange import Exchanges, error_response, one_line
from gateway.logs.access import Access
from gateway.monitoring.figures import Figures
from gateway.statuses import ErrorAnswer
from gateway.visit import NOWHERE, Visit

NO_CONTENT = ErrorAnswer(204, b"")


class Reception:
    """The way in."""

    def __init__(
        self, catalogue: Catalogue, exchanges: Exchanges, figures: Figures, routes: Routes, desk: Desk, armour: Armour,
        clients: Clients, *, access: Access | None = None,
    ) -> None:  # fmt: skip
        self.exchanges = exchanges
        self.closing = False
        """Who is answered is told not to come again on this connection."""
        self._catalogue = catalogue
        self._figures = figures
        self._find = routes.find
        self._desk = desk
        self.armour = armour
        self._id_of = armour.ids.of
        self._cors = armour.cors
        self._shedding = armour.shedding
        self._recognise = clients.recognise
        self._limiter = clients.limiter
        self.access = access
        """Says the line of each request; None: nobody does."""
        self._log = structlog.get_logger("gateway")

    def obey(self, cors: Cors | None) -> None:
        """Other rights of other origins, from the next request on."""
        self._cors = self.armour.cors = cors
        self.armour.headers.obey(cors)

    async def handle(self, request: Incoming) -> web.StreamResponse:
        """Answer one request."""
        figures = self._figures
        raw_path, _, query_string = request.raw_path.partition("?")
        visit = request.visit = Visit(monotonic(), request.method, raw_path)
        visit.id = self._id_of(request.headers.get(HEADER))
        visit.scheme = request.proto
        self._recognise(request, visit)
        figures.active += 1
        response: web.StreamResponse | None = None
        try:
            response = await self._answer(request, visit, raw_path, query_string)
            visit.status = response.status
            if self.closing:  # the client must not send the next one here
                response.force_close()
            return response
        except Exception:
            visit.status = 500
            self._log.exception("a request failed", request_id=visit.id, method=visit.method, path=visit.path)
            return error_response(statuses.plain(500, "Internal Server Error"))
        finally:
            figures.active -= 1
            seconds = monotonic() - visit.began
            if visit.held:
                self.armour.inflight.release(visit, seconds)
            figures.answered(visit, seconds)
            if self.access is not None:
                self.access(visit, query_string, response, seconds)

    async def _answer(self, request: Incoming, visit: Visit, raw_path: str, query_string: str) -> web.StreamResponse:
        if self._cors is not None and is_preflight(visit.method, request.headers.get("Access-Control-Request-Method")):
            visit.lines = self._cors.preflight(request.headers.get("Origin", ""))
            return error_response(NO_CONTENT)
        if not raw_path.startswith("/") and "://" in raw_path:  # as proxies are asked, and servers must take it too
            raw_path = visit.path = "/" + raw_path.partition("://")[2].partition("/")[2]
        if self._limiter is not None:
            refused = await self._limiter.look(request, visit, raw_path, self._route_of)
            if refused is not None:
                return error_response(refused)
        found = self._find(raw_path)
        if found is not None:
            visit.route = found.path
            return await self._desk.answer(request, found, raw_path, query_string, visit)
        match = self._catalogue.table.find(visit.method, raw_path)
        if match is None:
            return error_response(statuses.NOT_FOUND)
        visit.route = match.start.pattern
        if self._shedding is not None:
            refusal = self._shedding.look(match.flow, visit.began)
            if refusal is not None:
                visit.workflow = True
                visit.app, visit.flow = match.flow.app, match.flow.name
                return error_response(statuses.unavailable(str(refusal), refusal.retry_after))
        return await self.exchanges.answer(request, match, raw_path, query_string, visit)

    def _route_of(self, method: str, raw_path: str) -> str:
        """The pattern that serves this."""
        found = self._find(raw_path)
        if found is not None:
            return found.path
        match = self._catalogue.table.find(method, raw_path)
        return NOWHERE if match is None else match.start.pattern

    async def unreadable(self, request: Incoming, error: Exception) -> web.StreamResponse:
        """Answer what is no request, in one line of the log. Its connection is closed: what follows is anything."""
        visit = request.visit = Visit(monotonic(), "", "")
        visit.id = self._id_of(None)
        visit.status = status_of(error)
        self._recognise(request, visit)
        self._figures.answered(visit, 0.0)
        self._log.info(
            "bad request", request_id=visit.id, client=visit.client, status=visit.status, reason=one_line(error)
        )
        response = error_response(statuses.plain(visit.status, f"the request cannot be read: {one_line(error)}"))
        response.force_close()
        return response
