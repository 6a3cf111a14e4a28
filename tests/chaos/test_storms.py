"""Storms: sandboxes and zygotes are killed and stopped under load, and every answer is still right.

Each storm runs for STORM_SECONDS (10 by default, 30 by `make storm`). The oracle is the client: it sends a number
and expects that number's square back, once for every request it sent. Victims are found among the server's own
descendants, by pid.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from loadtests.server import free_port, nflow, serving

SECONDS = float(os.environ.get("STORM_SECONDS", "10"))
CLIENTS = 16
PLAYBOOK = {
    "drawflow": {
        "Storm": {
            "data": {
                "s": {
                    "data": {"type": "starter", "method": "GET", "urlpattern": "/square/:n"},
                    "outputs": {"output_1": {"connections": [{"node": "a", "output": "input_1"}]}},
                },
                "a": {
                    "data": {
                        "type": "js",
                        "code": "function main(){ c.JSON(200, {n: Number(vars.n) * Number(vars.n)}) }",
                    },
                    "outputs": {},
                },
            }
        }
    }
}


@dataclass
class Score:
    """What the clients saw."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    hits: int = 0

    def p99(self) -> float:
        return sorted(self.times)[int(len(self.times) * 0.99)]

    def tell(self, name: str) -> str:
        return (
            f"{name}: {self.right} right, {len(self.wrong)} wrong, {self.right / SECONDS:.0f}/s, {self.hits} hits, "
            f"p99 {self.p99() * 1e3:.1f} ms, worst {max(self.times) * 1e3:.0f} ms"
        )


def children(pid: int) -> list[int]:
    """Living direct children."""
    with contextlib.suppress(OSError):
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    return []


def zygotes(server: int) -> list[int]:
    return children(server)


def sandboxes(server: int) -> list[int]:
    return [sandbox for zygote in zygotes(server) for sandbox in children(zygote)]


async def client(url: str, number: int, until: float, score: Score) -> None:
    dice = random.Random(number)
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while time.monotonic() < until:
            n = dice.randrange(1_000_000)
            began = time.monotonic()
            try:
                async with session.get(f"{url}/square/{n}") as response:
                    text = await response.text()
                    good = response.status == 200 and json.loads(text) == {"n": n * n}
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                good, text = False, repr(error)
            score.times.append(time.monotonic() - began)
            if good:
                score.right += 1
            else:
                score.wrong.append(text[:200])


async def storm(url: str, every: float, victims: Callable[[], list[int]], number: signal.Signals) -> Score:
    """Load the server and hit one random victim every so often."""
    score, dice = Score(), random.Random(7)
    until = time.monotonic() + SECONDS
    clients = [asyncio.create_task(client(url, i, until, score)) for i in range(CLIENTS)]
    while time.monotonic() < until:
        await asyncio.sleep(every)
        if found := victims():
            with contextlib.suppress(ProcessLookupError):
                os.kill(dice.choice(found), number)
                score.hits += 1
    await asyncio.gather(*clients)
    return score


def weather(tmp_path: Path, name: str, every: float, who: Callable[[int], list[int]], number: signal.Signals) -> Score:
    """One storm on a server of its own."""
    playbook, config, port = tmp_path / "storm.json", tmp_path / "config.toml", free_port()
    playbook.write_text(json.dumps(PLAYBOOK))
    config.write_text(
        f'[store]\npath = "{tmp_path}/s.sqlite"\n[vm_pool]\nmax_execution_seconds = 1\n[tracker]\nenabled = true\n'
    )
    command = nflow(config, playbook, port)
    url = f"http://127.0.0.1:{port}"
    with serving(command, f"{url}/health", log=tmp_path / "log") as server:
        score = asyncio.run(storm(url, every, lambda: who(server.pid), number))
        assert server.poll() is None, "the server itself must live"
    print(score.tell(name), file=sys.stderr)
    assert server.returncode == 0
    assert score.wrong == []
    return score


def test_killing_a_random_sandbox_every_50_ms_loses_and_spoils_nothing(tmp_path: Path) -> None:
    score = weather(tmp_path, "kill -9 sandbox / 50 ms", 0.05, sandboxes, signal.SIGKILL)
    assert score.hits >= SECONDS * 400 / 30
    assert score.right >= SECONDS * 1_000
    assert score.p99() < 0.050


def test_killing_a_zygote_every_second_loses_and_spoils_nothing(tmp_path: Path) -> None:
    score = weather(tmp_path, "kill -9 zygote / 1 s", 1.0, zygotes, signal.SIGKILL)
    assert score.right >= SECONDS * 1_000
    assert score.p99() < 0.050


def test_a_stopped_sandbox_is_ended_at_the_deadline_and_its_script_run_again(tmp_path: Path) -> None:
    score = weather(tmp_path, "SIGSTOP sandbox / 1 s", 1.0, sandboxes, signal.SIGSTOP)
    assert score.right >= SECONDS * 1_000
    assert max(score.times) < 1.0 + 0.25 + 1.0
