"""The metrics page: everybody's plain numbers, read when somebody asks.

Nothing is counted here, so being watched costs the request path nothing. A room joins by its `families()`
(`protocol/observation/metrics.py`): one line among the sources, see `gateway/assembly/watching.py`. The numbers are
read on the loop, as of one moment; the text is made of them on a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import structlog
from prometheus_client import ProcessCollector

from gateway.monitoring.exposition import exposition, frozen
from protocol.observation.metrics import Families, Family, counter, gauge


class Metrics:
    """All metrics of the runtime."""

    def __init__(self, sources: Sequence[Families]) -> None:
        self._sources = (*sources, OfProcess().families)
        self._log = structlog.get_logger("metrics")

    async def text(self) -> bytes:
        """The exposition, as of now."""
        return await asyncio.to_thread(exposition, [*self.collect()])

    def collect(self) -> Iterator[Family]:
        """Read every source once. One that fails is left out and logged: the others are not lost with it."""
        for families in self._sources:
            try:
                found = [frozen(family) for family in families()]
            except Exception:
                self._log.exception("a source of metrics failed", source=getattr(families, "__qualname__", ""))
            else:
                yield from found


class OfProcess:
    """CPU, memory and files of this process, under the names that all programs have."""

    def __init__(self) -> None:
        self._collector = ProcessCollector(registry=None)

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        for metric in self._collector.collect():
            made = counter if metric.type == "counter" else gauge
            yield made(metric.name, metric.documentation.rstrip("."), metric.samples[0].value)
