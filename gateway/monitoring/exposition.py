"""The text format of Prometheus, version 0.0.4, written from families. Pure.

Written here because a page may have twelve thousand lines: a library that makes an object of each takes 0.3 s of the
processor for them, this a twentieth. Its parser reads every page in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf, isnan

from protocol.observation.metrics import Durations, Family, Summary, Value

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def frozen(family: Family) -> Family:
    """The family as of now: nobody counts on in it."""
    rows = [(labels, value.copy() if isinstance(value, Durations) else value) for labels, value in family.rows]
    return family._replace(rows=rows)


def exposition(families: Iterable[Family]) -> bytes:
    """The page."""
    lines: list[str] = []
    for family in families:
        lines += _lines(family)
    return ("\n".join(lines) + "\n").encode()


def _lines(family: Family) -> Iterator[str]:
    name = family.name + "_total" if family.kind == "counter" else family.name
    yield f"# HELP {name} {family.text.replace(chr(92), chr(92) * 2).replace(chr(10), chr(92) + 'n')}"
    yield f"# TYPE {name} {family.kind}"
    for values, value in family.rows:
        labels = ",".join(f'{label}="{_escaped(text)}"' for label, text in zip(family.labels, values, strict=True))
        yield from _series(name, labels, value)


def _series(name: str, labels: str, value: Value) -> Iterator[str]:
    within = f"{{{labels}}}" if labels else ""
    more = f"{labels}," if labels else ""
    match value:
        case Durations():
            reached = 0
            for bound, count in zip((*value.bounds, inf), value.counts, strict=True):
                reached += count
                yield f'{name}_bucket{{{more}le="{_number(bound)}"}} {reached}'
            yield f"{name}_sum{within} {value.total}"
            yield f"{name}_count{within} {reached}"
        case Summary(count, total, quantiles):
            for quantile, seconds in quantiles.items():
                yield f'{name}{{{more}quantile="{quantile}"}} {seconds}'
            yield f"{name}_sum{within} {total}"
            yield f"{name}_count{within} {count}"
        case _:
            yield f"{name}{within} {_number(value)}"


def _number(value: float) -> str:
    if isinstance(value, int):  # True too
        return str(int(value))
    if value in (inf, -inf):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if isnan(value) else repr(value)


def _escaped(text: str) -> str:
    if "\\" in text or '"' in text or "\n" in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
