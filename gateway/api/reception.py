"""Where every request arrives, whoever listens: the fixed endpoints first, then the flows, else 404.

Invariant: each request is counted once and gets one response, also while the house is closing, when its connection is
closed with it. A request for a flow costs one look into a dict before its way begins. The server hands requests over
(`gateway/server.py`), or a program that embeds the runtime (`embedding.py`).
"""

from __future__ import annotations

from time import monotonic

import structlog
from aiohttp import web

from actors.catalogue import Catalogue
from gateway import statuses
from gateway.api.desk import Desk
from gateway.api.table import Routes
from gateway.exchange import Exchanges, error_response
from gateway.monitoring.figures import Figures
from gateway.visit import Visit


class Reception:
    """The way in."""

    def __init__(
        self, catalogue: Catalogue, exchanges: Exchanges, figures: Figures, routes: Routes, desk: Desk,
        *, access_log: bool = False,
    ) -> None:  # fmt: skip
        self.exchanges = exchanges
        self.closing = False
        """Who is answered is told not to come again on this connection."""
        self._catalogue = catalogue
        self._figures = figures
        self._find = routes.find
        self._desk = desk
        self._access_log = access_log
        self._log = structlog.get_logger("gateway")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        figures = self._figures
        raw_path, _, query_string = request.raw_path.partition("?")
        visit = Visit(monotonic(), request.method, raw_path)
        figures.active += 1
        response: web.StreamResponse
        try:
            found = self._find(raw_path)
            if found is not None:
                response = await self._desk.answer(request, found, raw_path, query_string, visit)
            else:
                match = self._catalogue.table.find(request.method, raw_path)
                if match is None and "://" in raw_path:  # as proxies are asked, and servers must take it too
                    raw_path = "/" + raw_path.partition("://")[2].partition("/")[2]
                    match = self._catalogue.table.find(request.method, raw_path)
                if match is None:
                    response = error_response(statuses.NOT_FOUND)
                else:
                    response = await self.exchanges.answer(request, match, raw_path, query_string, visit)
            visit.status = response.status
            if self.closing:  # the client must not send the next one here
                response.force_close()
            return response
        finally:
            figures.active -= 1
            seconds = monotonic() - visit.began
            figures.answered(visit.status, workflow=visit.workflow, seconds=seconds)
            if self._access_log:
                self._log.info(
                    "request", method=visit.method, path=visit.path, status=visit.status, seconds=round(seconds, 6)
                )
