"""`make cost`: what a feature costs the trivial flow, in percent of its requests/s.

One server for each variant, all up at once, loaded by wrk in turns that go forth and back, so whatever else the machine
does meets all of them. A variant is the settings it needs, as environment variables, on top of `BASE`, in which what is
measured is off. Ratios are taken within a round against the variant's own base; medians are shown. CPU per request is
what noise spares.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loadtests import wrk
from loadtests.server import cpu_seconds, free_port, nflow, serving

HERE: Final = Path(__file__).parent
PATH: Final = "/bench/trivial"
BASE: Final = {"NFLOW_RATE_LIMIT_ENABLED": "false", "NFLOW_SERVER_ACCESS_LOG": "false"}


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of running the server."""

    settings: Mapping[str, str] = field(default_factory=dict)
    of: str = "plain"
    """The variant it is compared with."""
    most: float = 0.10
    """The share of its base's requests/s it may cost."""


UNREACHED: Final = "1000000000"
"""A limit nobody reaches: every request is counted, and let through."""
LIMITED: Final = {"NFLOW_RATE_LIMIT_ENABLED": "true", "NFLOW_RATE_LIMIT_IP_RATE_LIMIT": UNREACHED}
VARIANTS: Final[Mapping[str, Variant]] = {
    "plain": Variant(most=1.0),
    "limits": Variant(LIMITED),
    "unwatched": Variant({"NFLOW_MONITOR_ENABLED": "false"}, of="unwatched", most=1.0),
    "metrics": Variant(of="unwatched"),
    "metrics and logging": Variant({"NFLOW_SERVER_ACCESS_LOG": "true"}, of="unwatched"),
    "traces": Variant({"NFLOW_OTEL_ENABLED": "true", "NFLOW_OTEL_ENDPOINT": "http://127.0.0.1:9"}, most=1.0),
}
"""Name → variant; the first is the base of the others unless they say so."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One load of one variant."""

    rate: float
    cpu_us: float
    """CPU microseconds of the server process per request."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare; exit code 1 when a variant costs more than it may, or an answer was an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default="", help="comma-separated variants; their bases come with them")
    parser.add_argument("--redis", default="", metavar="HOST:PORT", help="measure limits shared there too")
    options = parser.parse_args(arguments)
    variants = dict(VARIANTS)
    if options.redis:
        shared = {"NFLOW_RATE_LIMIT_BACKEND": "redis", "NFLOW_REDIS_HOST": options.redis}
        variants["shared limits"] = Variant({**LIMITED, **shared}, most=1.0)
    only = set(options.only.split(",")) if options.only else set(variants)
    only |= {variants[name].of for name in only}
    chosen = {name: variant for name, variant in variants.items() if name in only}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        turns, bad = _measure(Path(folder), running, chosen, options.rounds, options.seconds)
    return _report(chosen, turns, bad)


def _measure(
    folder: Path, running: ExitStack, variants: Mapping[str, Variant], rounds: int, seconds: int
) -> tuple[dict[str, list[Turn]], int]:
    servers: dict[str, tuple[int, str]] = {}
    for number, (name, variant) in enumerate(variants.items()):
        config, port = folder / f"{number}.toml", free_port()
        config.write_text(f'[store]\npath = "{folder}/{number}.sqlite"\n[tracker]\nenabled = true\n')
        set_so = [f"{key}={value}" for key, value in {**BASE, **variant.settings}.items()]
        command = ["env", *set_so, *nflow(config, HERE / "scenarios.json", port)]
        url = f"http://127.0.0.1:{port}"
        process = running.enter_context(serving(command, f"{url}{PATH}", log=folder / f"{number}.log"))
        servers[name] = process.pid, f"{url}{PATH}"
    for _, url in servers.values():
        wrk.run(url, seconds=1)
    turns: dict[str, list[Turn]] = {name: [] for name in servers}
    bad = 0
    for number in range(rounds):
        order = list(servers.items())
        for name, (pid, url) in order if number % 2 else reversed(order):
            before, _ = cpu_seconds(pid)
            load = wrk.run(url, seconds=seconds)
            bad += load.not_2xx + load.errors
            turns[name].append(Turn(load.rate, (cpu_seconds(pid)[0] - before) * 1e6 / max(1, load.requests)))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return turns, bad


def _report(variants: Mapping[str, Variant], turns: Mapping[str, list[Turn]], bad: int) -> int:
    print(f"\nwrk -t1 -c64 on {PATH}, {os.cpu_count()} cores, medians of {len(next(iter(turns.values())))} rounds\n")
    print("| variant | of | requests/s | costs | gateway us | costs |\n|---|---|---|---|---|---|")
    dear = False
    for name, variant in variants.items():
        pairs = list(zip(turns[name], turns[variant.of], strict=True))
        rate_cost = 1 - statistics.median(one.rate / base.rate for one, base in pairs)
        cpu_cost = statistics.median(one.cpu_us / base.cpu_us for one, base in pairs) - 1
        rate, cpu = (
            statistics.median(values) for values in zip(*((t.rate, t.cpu_us) for t in turns[name]), strict=True)
        )
        print(f"| {name} | {variant.of} | {rate:,.0f} | {rate_cost:+.1%} | {cpu:.0f} | {cpu_cost:+.1%} |")
        if rate_cost > variant.most:
            dear = True
            print(f"TOO DEAR: {name} may cost {variant.most:.0%} of {variant.of}")
    if bad:
        print(f"BAD: {bad} answers were errors")
    return 1 if dear or bad else 0


if __name__ == "__main__":
    sys.exit(main())
