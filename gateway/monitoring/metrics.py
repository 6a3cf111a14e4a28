"""The metrics page: everybody's plain numbers in the words of Prometheus, read when it asks.

Nothing is counted here, so being watched costs the request path nothing. A room joins by its `families()`
(`protocol/metrics.py`): one line among the sources, see `gateway/assembly/monitoring.py`. The numbers are read on the
loop, as of one moment; the text is made on a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from math import inf

import structlog
from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from protocol.metrics import Durations, Families, Family, Summary

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics(Collector):
    """All metrics of the runtime."""

    def __init__(self, sources: Sequence[Families]) -> None:
        self._sources = sources
        self._process = ProcessCollector(registry=None)
        self._log = structlog.get_logger("metrics")

    async def text(self) -> bytes:
        """The exposition, as of now."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Read([*self.collect()]))
        return await asyncio.to_thread(generate_latest, registry)

    def collect(self) -> Iterator[Metric]:
        """Read every source once. One that fails is left out and logged: the others are not lost with it."""
        for families in self._sources:
            try:
                found = [metric(family) for family in families()]
            except Exception:
                self._log.exception("a source of metrics failed", source=getattr(families, "__qualname__", ""))
            else:
                yield from found
        yield from self._process.collect()


class _Read(Collector):
    """What was read."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


def metric(family: Family) -> Metric:
    """A family as the library knows it."""
    name = family.name
    made = Metric(name, family.text, family.kind)
    counted = name + "_total" if family.kind == "counter" else name
    for values, value in family.rows:
        labels = dict(zip(family.labels, values, strict=True))
        match value:
            case Durations():
                _histogram(made, labels, value)
            case Summary(count, total, quantiles):
                for quantile, seconds in quantiles.items():
                    made.add_sample(name, {**labels, "quantile": _written(quantile)}, seconds)
                made.add_sample(name + "_sum", labels, total)
                made.add_sample(name + "_count", labels, count)
            case _:
                made.add_sample(counted, labels, value)
    return made


def _histogram(made: Metric, labels: dict[str, str], durations: Durations) -> None:
    reached = 0
    for bound, count in zip((*durations.bounds, inf), durations.counts, strict=True):
        reached += count
        made.add_sample(made.name + "_bucket", {**labels, "le": _written(bound)}, reached)
    made.add_sample(made.name + "_sum", labels, durations.total)
    made.add_sample(made.name + "_count", labels, reached)


def _written(bound: float) -> str:
    return "+Inf" if bound == inf else str(bound)
