"""A request as this house takes it: the library's, and with it the visit and the headers its answer will carry.

Every answer, whoever made it, passes `_prepare_hook` once, just before its head leaves; that is where the headers
common to all are put on. An answer that another program sends (embedding) is completed by `complete`.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.armour.answer_headers import AnswerHeaders
from gateway.visit import Visit


class Incoming(web.BaseRequest):
    """One request."""

    ATTRS = web.BaseRequest.ATTRS | frozenset({"common", "decoded", "proto", "visit"})

    common: AnswerHeaders
    visit: Visit | None = None
    """Once the reception has it."""
    proto: str = "http"
    """How the client speaks to us: http or https."""
    decoded: bool = False
    """Whoever hands the request in takes a Content-Encoding off its body."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        self.complete(response)

    def complete(self, response: web.StreamResponse) -> None:
        """Put on what every answer carries."""
        if self.visit is not None:
            self.common.put_on(response.headers, self.visit, self.headers)


def incoming(parts: tuple[Any, ...], common: AnswerHeaders, proto: str, *, decoded: bool = False) -> Incoming:
    """A request of the library's `parts`: message, payload, protocol, writer, task, loop."""
    request = Incoming(*parts)
    request.common = common
    request.proto = proto
    if decoded:
        request.decoded = True
    return request
