"""What the limits count: plain numbers on the request path, read by whoever shows them."""

from __future__ import annotations

from collections.abc import Callable


class LimitFigures:
    """The numbers of one runtime's limits."""

    __slots__ = ("allowed", "denied", "excluded", "fallbacks", "outages", "read_evicted", "read_keys")

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
