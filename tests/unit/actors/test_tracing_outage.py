"""A collector that goes away and comes back: each is one line, and the library's own are heard once."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.testing import capture_logs

from actors.tracing import Tracing, TracingSettings

LIBRARY = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")


class Moody(SpanExporter):
    """Takes what it is told to; complains like the library."""

    takes = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.takes:
            return SpanExportResult.SUCCESS
        LIBRARY.warning("connection refused")
        return SpanExportResult.FAILURE


async def test_an_outage_is_told_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    moody = Moody()
    tracing = Tracing(TracingSettings(), moody)
    with capture_logs() as said:
        for takes in (False, False, False, True, True, False):
            moody.takes = takes
            tracing._sent.export([])
        await tracing.close()
    assert [(line["log_level"], line["event"]) for line in said] == [
        ("warning", "the collector takes no spans: they are lost"),
        ("info", "the collector takes spans again"),
        ("warning", "the collector takes no spans: they are lost"),
    ]
    assert len(caplog.records) == 2, "why: once for each outage"
    LIBRARY.warning("after the end")
    assert caplog.records[-1].message == "after the end", "nobody is silenced for good"
