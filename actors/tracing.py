"""The owner of OpenTelemetry: one span for each run and one for each visit of a node, sent by a thread of its own.

Invariants: nobody waits for a trace, and a collector that is away costs spans, never a request: they wait in a bounded
queue and are counted when they are lost. A span holds names, ids and statuses; no payload, no header, no message of an
error. A caller's `traceparent` is the parent of its run, its decision about sampling is kept; a run begun by another is
below that one's span. `Admission` begins a run's spans, `RunRecords` leads them, the HTTP client sends them on.
A door: `kept("tracing", …)` owns it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from protocol.errors import BadDocument, NflowError, Problem
from protocol.flow import Node
from protocol.observation.metrics import Family, counter, gauge
from protocol.process import Answer, AnswerBegun, Failure, ProcessState, Reply, StartProcess

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

WAITING: Final = 4_096
"""Spans that may wait for the thread."""
SEND_SECONDS: Final = 3.0
CLOSE_SECONDS: Final = 1.5
_LIBRARY: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
"""Its logger says why a batch was lost, for each batch anew: heard once in an outage."""
_LINES: Final = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """The keys of `[otel]`."""

    endpoint: str = "http://localhost:4318"
    """Base address of the collector."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    service_name: str = "nflow-runtime"
    version: str = ""
    sample_ratio: float = 1.0
    """Part of the traces that begin here."""


class RunTrace:
    """The spans of one run."""

    __slots__ = ("_node", "_of", "_run", "_tracer", "_wid")

    def __init__(self, of: Tracing, tracer: Tracer, run: Span, wid: str) -> None:
        self._of = of
        self._tracer = tracer
        self._run = run
        self._wid = wid
        self._node: Span | None = None

    @property
    def id(self) -> str:
        """Of the trace: 32 hexadecimal digits."""
        return f"{self._run.get_span_context().trace_id:032x}"

    @property
    def parent(self) -> str:
        """`traceparent` for what is asked of other servers now."""
        context = (self._node or self._run).get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    @property
    def context(self) -> Context:
        """Where a run begun by this one belongs."""
        return trace.set_span_in_context(self._node or self._run, Context())

    def enter(self, node: Node, visit: int) -> None:
        """A node is begun; a second time without a `leave` is another attempt at it."""
        if self._node is not None:
            self._node.add_event("tried again")
            return
        self._node = self._begin(node, visit)

    def failing(self, error: NflowError) -> None:
        """What is being done has failed."""
        _fail(self._node or self._run, type(error).__name__)

    def leave(self, node: Node, visit: int, outcome: str) -> None:
        """The node is finished; one that was never entered, such as a fork, takes no time."""
        span, self._node = self._node or self._begin(node, visit), None
        span.set_attribute("nflow.node.outcome", outcome)
        span.end()

    def end(self, state: ProcessState, reply: Reply) -> None:
        """The run is over."""
        run = self._run
        run.set_attribute("nflow.run.state", state.value)
        match reply:
            case Answer(status) | AnswerBegun(status):
                run.set_attribute("http.response.status_code", status)
                if status >= 500:
                    _fail(run, str(status))
            case Failure(error):
                _fail(run, type(error).__name__)
        self.left()

    def left(self) -> None:
        """The run is gone: what is open ends. Idempotent."""
        if self._node is not None:
            self._node.end()
            self._node = None
        if self._of.forget(self._wid):
            self._run.end()

    def _begin(self, node: Node, visit: int) -> Span:
        return self._tracer.start_span(
            f"{node.kind} {node.id}",
            trace.set_span_in_context(self._run, Context()),
            attributes={"nflow.node.id": node.id, "nflow.node.kind": node.kind, "nflow.node.visit": visit},
        )


class Tracing:
    """The traces of one runtime."""

    __slots__ = ("_exporter", "_provider", "_runs", "_sent", "_tracer", "begun")

    def __init__(self, settings: TracingSettings, exporter: SpanExporter | None = None) -> None:
        """`exporter`: where spans go instead of to the collector. Opens nothing yet.

        Raises BadDocument when the extra is not installed.
        """
        self._runs: dict[str, RunTrace] = {}
        self.begun = 0
        """Runs whose spans were begun."""
        self._provider, self._sent = _provider(settings, exporter)
        self._tracer: Tracer = self._provider.get_tracer("nflow", settings.version)

    # --- for runs ---

    def begin(self, start: StartProcess) -> None:
        """Begin the spans of a run: below its parent run's, else below its caller's, else a trace of its own."""
        above = self._runs.get(start.parent) if start.parent else None
        if above is not None:
            context = above.context
        else:
            line = start.request.header(b"traceparent")
            lines = {"traceparent": line, "tracestate": start.request.header(b"tracestate")} if line else {}
            context = _LINES.extract(lines, Context())
        flow = start.flow
        span = self._tracer.start_span(
            f"flow {flow.name}",
            context,
            SpanKind.INTERNAL if start.parent else SpanKind.SERVER,
            attributes={
                "nflow.app": flow.app, "nflow.flow": flow.name, "nflow.wid": start.wid,
                "http.request.method": start.request.method, "http.route": start.start.pattern,
            },
        )  # fmt: skip
        self.begun += 1
        self._runs[start.wid] = RunTrace(self, self._tracer, span, start.wid)

    def run(self, wid: str) -> RunTrace | None:
        """The spans of a run that has not ended."""
        return self._runs.get(wid)

    def id(self, wid: str) -> str:
        """Id of the trace a run belongs to; empty when it has ended."""
        run = self._runs.get(wid)
        return run.id if run is not None else ""

    def forget(self, wid: str) -> bool:
        """The run has ended. Whether it had not before."""
        return self._runs.pop(wid, None) is not None

    # --- a door ---

    async def open(self) -> None:
        """Nothing to do: the thread connects when there is something to send."""

    async def close(self) -> None:
        """Send what waits, for as long as there is time. Idempotent."""
        flushing = asyncio.ensure_future(asyncio.to_thread(self._provider.shutdown))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.shield(flushing)
        if not flushing.done():
            await asyncio.to_thread(self._sent.cut)
            await flushing

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        yield counter("nflow_traces_runs", "Runs whose spans were begun", self.begun)
        yield gauge("nflow_traces_active", "Runs whose spans are open", len(self._runs))
        yield counter("nflow_traces_spans_sent", "Spans the collector took", self._sent.taken)
        yield counter("nflow_traces_spans_lost", "Spans the collector did not take", self._sent.lost)


def _provider(settings: TracingSettings, exporter: SpanExporter | None) -> tuple[Any, Any]:
    """The SDK's tracer provider, and what counts what it sends."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError:
        raise BadDocument(
            [Problem("otel.enabled", "traces need an extra that is not installed: pip install 'nflow-runtime[otel]'")]
        ) from None

    class Counted(SpanExporter):
        """Counts what goes through. Called on the thread of the SDK."""

        def __init__(self, to: SpanExporter) -> None:
            self.taken = self.lost = 0
            self._to = to
            self._cut = self._away = False
            logging.getLogger(_LIBRARY).addFilter(self._news)

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = self._to.export(spans)
            away = result is not SpanExportResult.SUCCESS
            if away:
                self.lost += len(spans)
            else:
                self.taken += len(spans)
            if away is not self._away:
                self._away = away
                log = structlog.get_logger("tracing")
                if away:
                    log.warning("the collector takes no spans: they are lost", lost=self.lost)
                else:
                    log.info("the collector takes spans again", lost=self.lost)
            return result

        def shutdown(self) -> None:
            if not self._cut:
                self._cut = True
                logging.getLogger(_LIBRARY).removeFilter(self._news)
                self._to.shutdown()

        def _news(self, record: logging.LogRecord) -> bool:
            return not self._away

        cut = shutdown

    sent = Counted(
        exporter
        or OTLPSpanExporter(
            endpoint=settings.endpoint.rstrip("/") + "/v1/traces", headers=dict(settings.headers), timeout=SEND_SECONDS
        )
    )
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
        resource=Resource.create({"service.name": settings.service_name, "service.version": settings.version}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(sent, max_queue_size=WAITING, schedule_delay_millis=1_000))
    return provider, sent


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
