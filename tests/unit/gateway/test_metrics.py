"""The numbers of the gateway and how they are told: bounded, whole, in the format of Prometheus."""

from __future__ import annotations

import random
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.monitoring.figures import LATEST, MOST_ROUTES, MOST_SERIES, Figures, Unwatched
from gateway.monitoring.house import place_of
from gateway.monitoring.metrics import Metrics
from gateway.visit import Visit
from protocol.observation.metrics import (
    Bounded,
    Durations,
    Families,
    Family,
    Summary,
    counter,
    gauge,
    histogram,
    quantiles,
)


def visit(method: str = "GET", route: str = "/a", status: int = 200, *, workflow: bool = True) -> Visit:
    made = Visit(0.0, method, "/whatever")
    made.route, made.status, made.workflow = route, status, workflow
    return made


async def told(*sources: Families) -> dict[str, Metric]:
    text = (await Metrics(sources).text()).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family: Metric) -> dict[tuple[str, ...], float]:
    return {(sample.name, *sample.labels.values()): sample.value for sample in family.samples}  # in the order written


async def test_each_kind_of_number_is_written_as_prometheus_reads_it() -> None:
    times = Durations((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 2.0):
        times.add(seconds)

    def families() -> Iterable[Family]:
        yield counter("nflow_some", "counted", 3)
        yield gauge("nflow_level", "now", 1.5)
        yield histogram("nflow_time", "taken", times)
        yield Family("nflow_told", "summary", "told", ("who",), [(('a"\n\\b',), Summary(2, 3.0, {0.5: 1.0}))])

    found = await told(families)
    assert (found["nflow_some"].type, values(found["nflow_some"])) == ("counter", {("nflow_some_total",): 3.0})
    assert values(found["nflow_level"]) == {("nflow_level",): 1.5}
    assert values(found["nflow_time"]) == {
        ("nflow_time_bucket", "0.1"): 2.0, ("nflow_time_bucket", "1.0"): 3.0, ("nflow_time_bucket", "+Inf"): 4.0,
        ("nflow_time_sum",): 2.65, ("nflow_time_count",): 4.0,
    }  # fmt: skip
    assert values(found["nflow_told"]) == {
        ("nflow_told", 'a"\n\\b', "0.5"): 1.0, ("nflow_told_sum", 'a"\n\\b'): 3.0, ("nflow_told_count", 'a"\n\\b'): 2.0,
    }  # fmt: skip


async def test_a_source_that_fails_takes_no_other_with_it() -> None:
    def broken() -> Iterable[Family]:
        yield gauge("nflow_half", "told", 1)
        raise ValueError("no")

    found = await told(broken, lambda: [gauge("nflow_whole", "told", 1)])
    assert "nflow_whole" in found
    assert "nflow_half" not in found


async def test_whatever_clients_and_scripts_think_of_the_series_are_bounded_and_nothing_is_lost() -> None:
    figures = Figures(0.0)
    chance = random.Random(7)
    for number in range(20_000):
        method = chance.choice(["GET", "POST", f"M{number}", "get"])
        figures.answered(visit(method, f"/r{number % 5_000}", chance.randrange(100, 600)), 0.001)
    found = await told(figures.families)
    series = found["nflow_requests"].samples
    assert sum(sample.value for sample in series) == figures.requests == 20_000
    assert {sample.labels["method"] for sample in series} == {"GET", "POST", "OTHER"}
    assert len({(s.labels["method"], s.labels["path"]) for s in series}) <= MOST_ROUTES + 3
    assert len(series) <= MOST_SERIES + 5 * (MOST_ROUTES + 3)
    assert {s.labels["status"] for s in series if s.labels["status"].endswith("xx")} <= {f"{n}xx" for n in range(1, 6)}
    assert sum(found["nflow_workflows"].samples[n].value for n in range(4)) == 20_000


async def test_how_a_workflow_ended_is_told_by_a_word() -> None:
    figures = Figures(0.0)
    for status in (200, 302, 404, 500, 429, 503, 499):
        figures.answered(visit(status=status), 0.1)
    figures.answered(visit(route="/api/x", status=500, workflow=False), 0.1)
    found = await told(figures.families)
    assert {s.labels["status"]: s.value for s in found["nflow_workflows"].samples} == {
        "success": 2, "error": 2, "refused": 2, "cancelled": 1,
    }  # fmt: skip
    assert values(found["nflow_workflows_errors"]) == {("nflow_workflows_errors_total",): 4}
    assert values(found["nflow_requests_errors"]) == {("nflow_requests_errors_total",): 6}


async def test_quantiles_are_those_of_the_latest_requests() -> None:
    figures = Figures(0.0)
    for _ in range(5_000):
        figures.answered(visit(), 9.0)
    for number in range(LATEST):
        figures.answered(visit(), number / LATEST)
    found = await told(figures.families)
    shown = {s.labels["quantile"]: s.value for s in found["nflow_workflows_duration_seconds"].samples[:4]}
    assert shown == {"0.5": 0.5, "0.9": 0.9, "0.95": 0.95, "0.99": 0.99}


def test_quantiles_of_few_and_of_none() -> None:
    assert quantiles([]) == {}
    assert quantiles([3.0], (0.5, 0.99)) == {0.5: 3.0, 0.99: 3.0}
    assert quantiles([1.0, 2.0], (0.5,)) == {0.5: 2.0}


async def test_questions_of_monitoring_are_not_counted_as_requests() -> None:
    figures = Figures(0.0, ["/health"])
    figures.answered(visit(route="/health", status=503, workflow=False), 0.1)
    assert (figures.requests, figures.errors) == (0, 0)
    assert not (await told(figures.families))["nflow_requests_duration"].samples


def test_nobody_counts_where_nobody_asks() -> None:
    figures = Unwatched(0.0)
    figures.answered(visit(), 0.1)
    assert figures.requests == 0


def test_what_comes_after_the_bound_shares_one_place() -> None:
    bounded: Bounded[str, list[str]] = Bounded(list, 2, "(other)")
    for key in ("a", "b", "c", "d", "a"):
        bounded.get(key).append(key)
    assert bounded.of == {"a": ["a", "a"], "b": ["b"], "(other)": ["c", "d"]}


def test_actors_of_clients_and_runs_are_told_together() -> None:
    assert place_of("/root/services/tracker") == "/root/services/tracker"
    assert place_of("/root/processes/018f-1") == "/root/processes/*"
    assert place_of("/root/services/sessions/session-5") == "/root/services/sessions/*"
    assert place_of("/root/services/limits/ip:10.0.0.1") == "/root/services/limits/*"
    assert place_of("/root/services/limits") == "/root/services/limits"
