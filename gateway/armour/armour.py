"""The parts of the armour that requests meet in the reception, made once from the settings.

A part that is None is switched off.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.armour.answer_headers import AnswerHeaders
from gateway.armour.connection import Connections
from gateway.armour.cors import Cors
from gateway.armour.inflight import InFlight
from gateway.armour.request_id import RequestIds
from gateway.armour.shedding import Shedding
from protocol.observation.metrics import Family, counter, gauge


class Armour:
    """What the reception wears."""

    __slots__ = ("connections", "cors", "headers", "ids", "inflight", "shedding")

    def __init__(
        self, inflight: InFlight, headers: AnswerHeaders, cors: Cors | None = None, shedding: Shedding | None = None
    ) -> None:
        self.connections: Connections | None = None
        """Of the server, while it listens."""
        self.ids = RequestIds()
        self.inflight = inflight
        self.headers = headers
        self.cors = cors
        self.shedding = shedding

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        if self.connections is not None:
            yield gauge("nflow_connections_open", "Connections to the server", len(self.connections.connections))
            yield counter("nflow_connections_refused", "Connections closed for want of room", self.connections.refused)
        yield gauge("nflow_bodies_held_bytes", "Bytes of request bodies held now", self.inflight.held)
        yield counter("nflow_bodies_refused", "Requests refused for want of room for their body", self.inflight.refused)
        if self.shedding is not None:
            yield counter(
                "nflow_requests_shed", "Requests sent away because a sandbox was too far off", self.shedding.shed
            )
