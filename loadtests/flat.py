"""`make flat`: does a request cost the same whatever else the runtime holds?

Three servers, loaded in turns with the trivial flow: one with 3 flows, one with 300, one with 3 flows and 50 000 idle
actors. Figures are CPU microseconds per request of the server process, medians over the rounds; ratios within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from actors.kernel import Actor, ChildSpec, Restart
from gateway import runtime
from loadtests import wrk
from loadtests.server import cpu_seconds, free_port, serving
from nflow_runtime import Runtime, Settings

VARIANTS = {"3 flows": (3, 0), "300 flows": (300, 0), "3 flows, 50 000 idle actors": (3, 50_000)}


class Idle(Actor[Any]):
    """Has been asked once and waits."""

    def receive(self, message: Any) -> Any:
        """Answer."""
        return message


def playbook(flows: int) -> dict[str, Any]:
    """The trivial flow, and others like it."""
    return {
        "drawflow": {
            f"F{n}": {
                "data": {
                    f"s{n}": {
                        "data": {"type": "starter", "method": "GET", "urlpattern": f"/flow{n}/answer"},
                        "outputs": {"output_1": {"connections": [{"node": f"a{n}", "output": "input_1"}]}},
                    },
                    f"a{n}": {
                        "data": {"type": "js", "code": "function main(){ c.JSON(200, {v: c.QueryParam('v')}) }"},
                        "outputs": {},
                    },
                }
            }
            for n in range(flows)
        }
    }


async def serve(file: Path, port: int, idle: int) -> None:
    """A runtime with idle actors beside it, until it is ended."""
    settings, _ = Settings.parse(
        f'[server]\nport = {port}\n[store]\npath = "{file}.sqlite"\n[tracker]\nenabled = true\n', "flat", {}
    )
    app = Runtime(settings, {"app": file})
    refs = [app.system.spawn(ChildSpec(f"idle-{n}", Idle, restart=Restart.TEMPORARY)) for n in range(idle)]
    for start in range(0, idle, 1000):
        await asyncio.gather(*(ref.ask(start, 30.0) for ref in refs[start : start + 1000]))  # type: ignore[type-var]
    await app.start()
    await asyncio.Event().wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare; exit code 1 when a variant costs over a tenth more or less than the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--serve", nargs=3, metavar=("FILE", "PORT", "IDLE"))
    options = parser.parse_args(arguments)
    if options.serve:
        file, port, idle = options.serve
        runtime.run(lambda: serve(Path(file), int(port), int(idle)))
        return 0
    costs: dict[str, list[float]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        servers = {}
        for number, (name, (flows, idle)) in enumerate(VARIANTS.items()):
            file, port = Path(folder) / f"{number}.json", free_port()
            file.write_text(json.dumps(playbook(flows)))
            url = f"http://127.0.0.1:{port}"
            command = [sys.executable, "-m", "loadtests.flat", "--serve", str(file), str(port), str(idle)]
            log = Path(folder) / f"{number}.log"
            servers[name] = running.enter_context(serving(command, f"{url}/health", log=log)).pid, f"{url}/flow1/answer"
        for _, url in servers.values():
            wrk.run(url, seconds=1)
        for _ in range(options.rounds):
            for name, (pid, url) in servers.items():
                before, _ = cpu_seconds(pid)
                load = wrk.run(url, seconds=options.seconds)
                costs[name].append((cpu_seconds(pid)[0] - before) / load.requests * 1e6)
    first = next(iter(costs.values()))
    flat = True
    print("| variant | CPU us per request | of the first |\n|---|---|---|")
    for name, values in costs.items():
        ratio = statistics.median(value / base for value, base in zip(values, first, strict=True))
        flat = flat and 0.9 <= ratio <= 1.1
        print(f"| {name} | {statistics.median(values):.0f} | {ratio:.2f} |")
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
