"""What a room tells of itself in numbers: plain values, read when somebody asks, by nobody else than the metrics page.

A room counts with plain integers and offers `families()`: what it has, under the names operators see. It imports no
metrics library; `gateway/monitoring` turns families into the exposition. Names follow Prometheus: a unit in the name,
and a counter's is written here without its `_total`. Labels are bounded by who makes them (`Bounded`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, Generic, Literal, NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of a histogram of seconds: a trivial flow takes one millisecond, a limit is hit at thirty seconds."""
OTHER: Final = "(other)"
"""The label of whatever came when all places were taken."""


class Durations:
    """A histogram of seconds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Observations up to each bound and above the one before; the last: above all."""
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one observation: a third of a microsecond."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        """Observations so far."""
        return sum(self.counts)

    def copy(self) -> Durations:
        """As of now."""
        copied = Durations(self.bounds)
        copied.counts, copied.total = self.counts.copy(), self.total
        return copied

    def merge(self, other: Durations) -> None:
        """Add what another of the same bounds has."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Summary(NamedTuple):
    """How many, how long together, and quantiles of the latest."""

    number: int
    total: float
    quantiles: Mapping[float, float] = MappingProxyType({})


Value = float | Durations | Summary


class Family(NamedTuple):
    """One metric with all its series."""

    name: str
    """`nflow_…`; of a counter without `_total`."""
    kind: Literal["counter", "gauge", "histogram", "summary"]
    text: str
    """What it counts, for people."""
    labels: tuple[str, ...]
    rows: Iterable[tuple[tuple[str, ...], Value]]
    """Values of the labels → value: a number, for histograms `Durations`, for summaries `Summary`."""


Families = Callable[[], Iterable[Family]]
"""What a room offers. Called on the loop, some times a minute; must not wait."""


def counter(name: str, text: str, value: float) -> Family:
    """A number that only grows."""
    return Family(name, "counter", text, (), (((), value),))


def gauge(name: str, text: str, value: float) -> Family:
    """A number as it is now."""
    return Family(name, "gauge", text, (), (((), value),))


def histogram(name: str, text: str, value: Durations) -> Family:
    """How long things took."""
    return Family(name, "histogram", text, (), (((), value),))


class Bounded(Generic[K, V]):
    """One thing for each key, up to a bound; all later keys share the last one."""

    __slots__ = ("_make", "_most", "_rest", "of")

    def __init__(self, make: Callable[[], V], most: int, rest: K) -> None:
        """`rest`: the key of what is shared."""
        self._make = make
        self._most = most
        self._rest = rest
        self.of: dict[K, V] = {}
        """What there is."""

    def get(self, key: K) -> V:
        """The key's own, or the shared one."""
        found = self.of.get(key)
        return found if found is not None else self._new(key)

    def _new(self, key: K) -> V:
        if len(self.of) >= self._most:
            key = self._rest
            if (shared := self.of.get(key)) is not None:
                return shared
        made = self.of[key] = self._make()
        return made


def quantiles(latest: Iterable[float], wanted: tuple[float, ...] = (0.5, 0.9, 0.95, 0.99)) -> dict[float, float]:
    """Exact quantiles (nearest rank) of some observations; none of none."""
    ordered = sorted(latest)
    last = len(ordered) - 1
    return {each: ordered[min(last, int(each * len(ordered)))] for each in wanted} if ordered else {}
