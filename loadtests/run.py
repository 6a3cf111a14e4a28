"""`make bench`: the runtime and a bare aiohttp route, loaded in turns by wrk on this machine.

Each round loads the bare route and then every scenario; figures are medians over the rounds, ratios are taken within a
round, so a machine that gets slower meanwhile slows both. Answers echo a query value; a sampler beside the load checks
them. At the end the stored tracker rows are counted in the file itself.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtests import wrk
from loadtests.server import cpu_seconds, free_port, nflow, serving

HERE = Path(__file__).parent
SCENARIOS = {
    "trivial": "/bench/trivial",
    "math": "/bench/math",
    "chain": "/bench/chain",
    "variable": "/bench/hello/ana",
    "404": "/bench/nothing",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One load of one route."""

    load: wrk.Load
    ratio: float
    """Requests/s over those of the bare route in the same round."""
    gateway_us: float
    """CPU microseconds of the server process per request."""
    sandbox_us: float
    """CPU microseconds of zygote and sandboxes per request."""


@dataclass(slots=True)
class Sampler:
    """Asks beside the load, and compares."""

    port: int
    checked: int = 0
    wrong: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def watch(self, path: str) -> None:
        """Check about twenty answers a second until `stop`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self._stop.wait(0.05):
            value = str(random.randrange(10**9))
            connection.request("GET", f"{path}?v={value}")
            response = connection.getresponse()
            body = response.read()
            self.checked += 1
            if response.status != 200 or json.loads(body).get("v") != value:
                self.wrong.append(f"{path}?v={value}: {response.status} {body[:100]!r}")
        connection.close()

    def stop(self) -> None:
        """No more samples."""
        self._stop.set()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; exit code 1 when an answer was wrong or a tracker row is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", default="", help="comma-separated scenarios")
    options = parser.parse_args(arguments)
    chosen = {name: SCENARIOS[name] for name in (options.only.split(",") if options.only else SCENARIOS)}
    with tempfile.TemporaryDirectory() as folder:
        return _bench(Path(folder), chosen, options.rounds, options.seconds)


def _bench(folder: Path, chosen: dict[str, str], rounds: int, seconds: float) -> int:
    config, store = folder / "config.toml", folder / "bench.sqlite"
    config.write_text(f'[store]\npath = "{store}"\n[tracker]\nenabled = true\n')
    bare_port, port = free_port(), free_port()
    bare_url, url = f"http://127.0.0.1:{bare_port}", f"http://127.0.0.1:{port}"
    bare: list[Turn] = []
    turns: dict[str, list[Turn]] = {name: [] for name in chosen}
    sampled, wrong = 0, list[str]()
    bare_command = [sys.executable, str(HERE / "bare.py"), str(bare_port)]
    with (
        serving(bare_command, f"{bare_url}/bare", log=folder / "bare.log") as one,
        serving(nflow(config, HERE / "scenarios.json", port), f"{url}/health", log=folder / "nflow.log") as two,
    ):
        for path in chosen.values():
            wrk.run(url + path, seconds=1)
        for number in range(rounds):
            bare.append(_turn(one.pid, f"{bare_url}/bare", seconds, None))
            for name, path in chosen.items():
                sampler = Sampler(port)
                thread = threading.Thread(target=sampler.watch, args=(path,), daemon=True)
                if name != "404":
                    thread.start()
                turns[name].append(_turn(two.pid, url + path, seconds, bare[-1]))
                sampler.stop()
                if name != "404":
                    thread.join()
                sampled += sampler.checked
                wrong += sampler.wrong
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
        time.sleep(2.0)
        answers, left, dropped = _counted(port)
    # A chain's run is as many rows as it has nodes, so runs are counted: the row that leads nowhere is their last.
    rows = sqlite3.connect(store).execute("select count(*) from tracker where connection_next = ''").fetchone()[0]
    lost = not answers <= rows <= answers + left
    _report(bare, turns)
    print(f"\nanswers sampled: {sampled}, wrong: {len(wrong)}")
    print(f"runs in the tracker: {rows}, rows dropped: {dropped}; answers: {answers}, clients gone before: {left}")
    for each in wrong[:5]:
        print("WRONG", each)
    return 1 if wrong or dropped or lost else 0


def _turn(pid: int, url: str, seconds: float, bare: Turn | None) -> Turn:
    own, children = cpu_seconds(pid)
    load = wrk.run(url, seconds=seconds)
    own_after, children_after = cpu_seconds(pid)
    scale = 1e6 / max(1, load.requests)
    ratio = load.rate / bare.load.rate if bare is not None else 1.0
    return Turn(load, ratio, (own_after - own) * scale, (children_after - children) * scale)


def _counted(port: int) -> tuple[int, int, int]:
    """(runs answered below 400, runs whose client left first, rows dropped), as the server counts them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()

    def total(name: str) -> int:
        return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)))

    return (
        total('nflow_workflows_total{status="success"}'),
        total('nflow_workflows_total{status="cancelled"}'),
        total("nflow_tracker_dropped_total"),
    )


def _report(bare: list[Turn], turns: dict[str, list[Turn]]) -> None:
    print(f"\nwrk -t1 -c64, {os.cpu_count()} cores, medians of {len(bare)} rounds\n")
    print("| scenario | requests/s | of bare | p50 ms | p99 ms | gateway us | x bare | sandboxes us | bad | errors |")
    print("|" + "---|" * 10)
    floor = statistics.median(turn.gateway_us for turn in bare)
    for name, of in {"bare": bare, **turns}.items():
        rate, ratio, p50, p99, gateway, sandboxes = (
            statistics.median(values)
            for values in zip(
                *((t.load.rate, t.ratio, t.load.p50, t.load.p99, t.gateway_us, t.sandbox_us) for t in of), strict=True
            )
        )
        bad, errors = sum(t.load.not_2xx for t in of), sum(t.load.errors for t in of)
        print(
            f"| {name} | {rate:,.0f} | {ratio:.3f} | {p50:.1f} | {p99:.1f} | {gateway:.0f} | {gateway / floor:.1f} "
            f"| {sandboxes:.0f} | {bad} | {errors} |"
        )


if __name__ == "__main__":
    sys.exit(main())
