"""Traces over HTTP: what a collector receives of a run, whose parent it is, what other servers are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, edges, js, playbook, starter
from tests.acceptance.servers import Server, until

CANARY = "canary-4711-secret"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Collector:
    """Takes spans, and is the other server that flows ask."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.asked: list[dict[str, str]] = []
        self.wire = b""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.wire += body
                outer.headers.append(dict(self.headers))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    outer.service = {each.key: each.value.string_value for each in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        outer.spans.extend(scope.spans)
                self._empty()

            def do_GET(self) -> None:
                outer.asked.append(dict(self.headers))
                self._empty()

            def _empty(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.service: dict[str, str] = {}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(launch: Launch, collector: Collector) -> Server:
    flows = playbook(
        chain("/two", f"payload = {{secret: '{CANARY}'}}", "c.JSON(200, payload)"),
        chain("/fails", f"throw new Error('{CANARY}')"),
        chain("/asks", f"http.get('{collector.url}/'); c.NoContent(204)"),
        {
            "s": starter("/forks", "g"),
            "g": {"data": {"type": "gorutine"}, "outputs": edges("a", "b")},
            "a": js("function main() { c.NoContent(204) }"),
            "b": js("function main() { payload = 1 }"),
        },
    )
    config = (
        f'[otel]\nenabled = true\nendpoint = "{collector.url}"\nheaders = "Authorization=Bearer {CANARY}"\n'
        'service_name = "shop"\n[security]\nallowed_addresses = ["127.0.0.1/32"]\n'
    )
    return launch(flows, config)


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_a_run_and_each_of_its_nodes_are_a_span_below_the_callers(server: Server, collector: Collector) -> None:
    line = f"00-{TRACE}-{PARENT}-01"
    wid = server.get("/two?password=hunter2", headers={"traceparent": line}).headers["Nflow-Wid-1"]
    (run,) = until(lambda: [span for span in collector.spans if attributes(span).get("nflow.wid") == wid])
    assert (run.trace_id.hex(), run.parent_span_id.hex()) == (TRACE, PARENT)
    told = attributes(run)
    assert (told["http.route"], told["http.request.method"], told["http.response.status_code"]) == ("/two", "GET", 200)
    assert told["nflow.run.state"] == "end"
    nodes = [span for span in collector.spans if span.parent_span_id == run.span_id]
    assert [attributes(span)["nflow.node.kind"] for span in nodes] == ["js", "js"]
    assert all(attributes(span)["nflow.node.outcome"] == "output_1" for span in nodes)
    assert all(run.start_time_unix_nano <= s.start_time_unix_nano <= s.end_time_unix_nano <= run.end_time_unix_nano
               for s in nodes)  # fmt: skip
    assert collector.service["service.name"] == "shop"
    sent = {name.lower(): value for name, value in collector.headers[0].items()}
    assert sent["authorization"] == f"Bearer {CANARY}"


def test_without_a_caller_each_run_is_a_trace_of_its_own_named_in_the_log(server: Server, collector: Collector) -> None:
    wids = {server.get("/two").headers["Nflow-Wid-1"] for _ in range(3)}
    runs = until(
        lambda: len(found := [s for s in collector.spans if attributes(s).get("nflow.wid") in wids]) == 3 and found
    )
    traces = {run.trace_id.hex() for run in runs}
    assert len(traces) == 3
    assert not any(run.parent_span_id for run in runs)
    assert until(lambda: all(f"trace_id={trace}" in server.log() for trace in traces))


def test_what_failed_is_an_error_by_its_kind(server: Server, collector: Collector) -> None:
    wid = server.get("/fails").headers["Nflow-Wid-1"]
    (run,) = until(lambda: [span for span in collector.spans if attributes(span).get("nflow.wid") == wid])
    (step,) = [span for span in collector.spans if span.parent_span_id == run.span_id]
    assert (run.status.code, step.status.code) == (2, 2)
    assert attributes(run)["error.type"] == attributes(step)["error.type"] == "ScriptError"
    assert attributes(step)["nflow.node.outcome"] == "!error"


def test_another_server_is_told_the_trace_it_belongs_to(server: Server, collector: Collector) -> None:
    assert server.get("/asks", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}).status == 204
    headers = {name.lower(): value for name, value in collector.asked[-1].items()}
    version, trace, span, flags = headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert until(lambda: any(each.span_id.hex() == span for each in collector.spans)), "the span of the node that asked"


def test_a_branch_is_below_the_run_that_forked_it(server: Server, collector: Collector) -> None:
    answer = server.get("/forks")
    wid, forked = answer.headers["Nflow-Wid-1"], answer.headers["Dromedary-Wid-2"]

    def of(wid: str) -> list[Any]:
        return [span for span in collector.spans if attributes(span).get("nflow.wid") == wid]

    assert until(lambda: of(wid) and of(forked))
    (run,), (branch,) = of(wid), of(forked)
    assert branch.trace_id == run.trace_id
    assert branch.parent_span_id


def test_a_caller_who_does_not_sample_is_obeyed(server: Server, collector: Collector) -> None:
    wid = server.get("/two", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"}).headers["Nflow-Wid-1"]
    last = server.get("/two").headers["Nflow-Wid-1"]
    assert until(lambda: any(attributes(span).get("nflow.wid") == last for span in collector.spans))
    assert not any(attributes(span).get("nflow.wid") == wid for span in collector.spans)


def test_no_payload_and_no_secret_is_in_a_trace(server: Server, collector: Collector) -> None:
    assert collector.spans
    assert CANARY.encode() not in collector.wire
    assert b"hunter2" not in collector.wire


def test_a_hostile_traceparent_is_no_parent(server: Server, collector: Collector) -> None:
    for line in ("00-zz-zz-01", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 5_000, ""):
        wid = server.get("/two", headers={"traceparent": line}).headers["Nflow-Wid-1"]
        (run,) = until(lambda wid=wid: [s for s in collector.spans if attributes(s).get("nflow.wid") == wid])
        assert not run.parent_span_id


def test_a_collector_that_is_away_costs_spans_and_nothing_else(launch: Launch) -> None:
    config = '[otel]\nenabled = true\nendpoint = "http://127.0.0.1:1"\n'
    server = launch(playbook(chain("/ok", "c.NoContent(204)")), config, expects=["Failed to export"])
    assert [server.get("/ok").status for _ in range(50)] == [204] * 50
    assert until(lambda: server.metric("nflow_traces_spans_lost_total") == 100, 15)
    server.get("/ok")
    assert until(lambda: server.metric("nflow_traces_spans_lost_total") > 100, 15)
    told = [
        line for line in server.log().splitlines() if "collector takes no spans" in line or "trace_exporter" in line
    ]
    assert len([line for line in told if "takes no spans" in line]) == 1, "an outage has one line where it begins"
    assert len([line for line in told if "Connection refused" in line]) >= 1, "the reason is told"
    assert "takes no spans" in told[-1], "and nothing more until it is over"
    assert server.metric("nflow_traces_active") == 0


def test_spans_of_the_last_requests_are_sent_before_the_server_ends(launch: Launch) -> None:
    collector = Collector()
    try:
        server = launch(
            playbook(chain("/ok", "c.NoContent(204)")), f'[otel]\nenabled = true\nendpoint = "{collector.url}"\n'
        )
        wids = {server.get("/ok").headers["Nflow-Wid-1"] for _ in range(20)}
        server.process.terminate()
        server.process.wait(20)
        assert {attributes(span).get("nflow.wid") for span in collector.spans} >= wids
    finally:
        collector.close()


def test_what_cannot_be_is_refused_at_the_start(launch: Launch) -> None:
    for line, key in (
        ('endpoint = "collector:4318"', "otel.endpoint"),
        ("sample_ratio = 1.5", "otel.sample_ratio"),
        ('headers = "nonsense"', "otel.headers"),
    ):
        with pytest.raises(RuntimeError, match=key):
            launch(playbook(chain("/ok", "c.NoContent(204)")), f"[otel]\nenabled = true\n{line}\n")


def test_the_extra_that_is_missing_is_named(launch: Launch, tmp_path_factory: pytest.TempPathFactory,
                                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("without")
    (folder / "sitecustomize.py").write_text("import sys; sys.modules['opentelemetry.sdk'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with pytest.raises(RuntimeError, match=r"otel\.enabled: .*nflow-runtime\[otel\]"):
        launch(playbook(chain("/ok", "c.NoContent(204)")), "[otel]\nenabled = true\n")
