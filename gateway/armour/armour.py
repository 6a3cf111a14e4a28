"""The parts of the armour that requests meet in the reception, made once from the settings.

A part that is None is switched off.
"""

from __future__ import annotations

from gateway.armour.answer_headers import AnswerHeaders
from gateway.armour.cors import Cors
from gateway.armour.inflight import InFlight
from gateway.armour.request_id import RequestIds
from gateway.armour.shedding import Shedding


class Armour:
    """What the reception wears."""

    __slots__ = ("cors", "headers", "ids", "inflight", "shedding")

    def __init__(
        self, inflight: InFlight, headers: AnswerHeaders, cors: Cors | None = None, shedding: Shedding | None = None
    ) -> None:
        self.ids = RequestIds()
        self.inflight = inflight
        self.headers = headers
        self.cors = cors
        self.shedding = shedding
