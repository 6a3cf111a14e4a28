"""What the limits count: plain numbers on the request path, read by whoever shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from protocol.observation.metrics import Family, counter, gauge


class LimitFigures:
    """The numbers of one runtime's limits."""

    __slots__ = ("allowed", "denied", "excluded", "fallbacks", "outages", "read_evicted", "read_keys", "shared")

    def __init__(self, read_keys: Callable[[], int], read_evicted: Callable[[], int]) -> None:
        self.allowed = 0
        """Requests let through."""
        self.denied = 0
        """Requests answered with 429."""
        self.excluded = 0
        """Requests of addresses and paths that have no limit."""
        self.fallbacks = 0
        """Requests counted here because Redis was out of reach."""
        self.outages = 0
        """Episodes in which Redis was out of reach."""
        self.shared = False
        """Whether Redis counts, and is in reach."""
        self.read_keys = read_keys
        self.read_evicted = read_evicted

    @property
    def keys(self) -> int:
        """Buckets remembered here now."""
        return self.read_keys()

    @property
    def evicted(self) -> int:
        """Buckets forgotten for want of room (rate_limit.max_clients) although they still said something."""
        return self.read_evicted()

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        rows = [(("allowed",), self.allowed), (("denied",), self.denied), (("excluded",), self.excluded)]
        yield Family("nflow_rate_limit_requests", "counter", "Requests by what the limit said", ("result",), rows)
        yield gauge("nflow_rate_limit_clients", "Clients remembered here", self.keys)
        yield counter("nflow_rate_limit_evicted", "Clients forgotten for want of room", self.evicted)
        yield gauge("nflow_rate_limit_shared", "1 while Redis counts for all servers", int(self.shared))
        yield counter(
            "nflow_rate_limit_fallbacks", "Requests counted here while Redis was out of reach", self.fallbacks
        )
        yield counter("nflow_rate_limit_outages", "Times Redis went out of reach", self.outages)
