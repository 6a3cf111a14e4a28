"""Who comes: the address a request is taken to come from, and what it may still ask. What the reception asks first."""

from __future__ import annotations

from typing import Any

from gateway.clients.exclusions import Exclusions
from gateway.clients.limiter import Limiter, LimiterSettings
from gateway.clients.networks import canonical
from gateway.clients.origin import Proxies
from gateway.visit import Visit


class Clients:
    """The proxies that are believed, and the limiter."""

    __slots__ = ("_proxies", "limiter")

    def __init__(self, proxies: Proxies, limiter: Limiter | None) -> None:
        self._proxies = proxies if proxies else None
        self.limiter = limiter
        """None: nobody is limited."""

    def obey(self, proxies: Proxies, settings: LimiterSettings, exclusions: Exclusions) -> None:
        """Other rules, from the next request on."""
        self._proxies = proxies if proxies else None
        if self.limiter is not None:
            self.limiter.obey(settings, exclusions)

    def recognise(self, request: Any, visit: Visit) -> None:
        """Fill in whose visit it is: its client, and how that speaks to us."""
        name = request._transport_peername
        host = str(name[0]) if isinstance(name, (tuple, list)) else ""
        client = canonical(host) if ":" in host else host
        if self._proxies is None:
            visit.client = client
        else:
            visit.client, visit.scheme, visit.disputed = self._proxies.origin(
                client, visit.scheme, request._message.raw_headers
            )
