"""Plugins start in order, close in reverse, and come back by themselves when they did not start."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pytest
import structlog

from actors.kernel import ChildSpec, ManualClock, Supervisor, System
from actors.plugins.keeper import PAUSES
from actors.plugins.plugins import Plugins
from actors.plugins.roster import Order, roster
from protocol.errors import Unavailable
from tests.unit.actors.plugins.conftest import QUICK, Up, Write, caller


class Lived:
    """Plugins of a folder in a system of their own."""

    def __init__(self, folder: Path, **tables: Any) -> None:
        self.plugins = Plugins(roster(Order((), folder, tables)), QUICK)
        self.system = System("s")

    async def __aenter__(self) -> Plugins:
        self.supervisor = Supervisor(self.plugins.children())
        await self.system.start(ChildSpec("plugins", lambda: self.supervisor, shutdown_seconds=30.0))
        return self.plugins

    async def __aexit__(self, *_: object) -> None:
        await self.system.stop(20.0)


async def test_they_start_in_order_and_close_in_reverse(write: Write, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    text = f"""
def note(mark):
    with open({str(notes)!r}, "a") as file: file.write(mark + __name__[-1])
class P(Plugin):
    async def start(self, config): note("+")
    def close(self): note("-")
"""
    folder = write(a=text, b=text, c="@node('n')\nasync def n(payload): return payload")
    async with Lived(folder):
        assert notes.read_text() == "+a+b"
    assert notes.read_text() == "+a+b-b-a"


async def test_before_its_start_and_after_its_close_a_plugin_is_unavailable(write: Write) -> None:
    lived = Lived(write(p="class P(Plugin):\n @function\n async def f(self): return 1"))
    function = lived.plugins.functions()["p.f"]
    with pytest.raises(Unavailable, match="plugin p is not available: the runtime is starting or stopping"):
        await function(caller(), [])
    async with lived:
        assert await function(caller(), []) == 1
    with pytest.raises(Unavailable, match="stopping"):
        await function(caller(), [])


def test_a_start_that_fails_is_tried_again_with_pauses_and_the_others_live_on(write: Write) -> None:
    folder = write(
        bad="""
class P(Plugin):
    attempts = 0
    async def start(self, config):
        type(self).attempts += 1
        if self.attempts < 4: raise OSError("postgres://u:hunter2hunter2@host refused")
    @function
    async def f(self): return self.attempts
""",
        good="class P(Plugin):\n @function\n async def f(self): return 1",
    )

    async def lived() -> None:
        dsn = "postgres://u:hunter2hunter2@host"
        with structlog.testing.capture_logs() as lines:
            async with Lived(folder, bad={"dsn": dsn}) as plugins:
                functions = plugins.functions()
                assert await functions["good.f"](caller(), []) == 1
                with pytest.raises(Unavailable, match=r"plugin bad is not available: its start failed: OSError") as no:
                    await functions["bad.f"](caller(), [])
                assert 0.5 < no.value.retry_after <= 1.3
                assert [(each.name, each.trouble) for each in plugins.states] == [
                    ("bad", "its start failed: OSError"), ("good", ""),
                ]  # fmt: skip
                begun = asyncio.get_running_loop().time()
                while plugins.states[0].trouble:  # noqa: ASYNC110 - virtual time
                    await asyncio.sleep(0.1)
                waited = asyncio.get_running_loop().time() - begun
                assert 6.5 < waited < 9.0, "pauses of 1, 2 and 4 seconds, a little longer each"
                assert await functions["bad.f"](caller(), []) == 4
        told = [line for line in lines if line["event"] == "plugin did not start"]
        assert len(told) == 3
        assert "hunter2" not in repr(lines)
        assert told[0]["at"].startswith("bad.py:")
        assert "reason" not in told[0]

    with ManualClock() as clock:
        clock.run(lived())


async def test_a_start_that_hangs_is_given_up_at_its_deadline(write: Write) -> None:
    folder = write(
        p="""
class P(Plugin):
    async def start(self, config):
        try: await asyncio.sleep(60)
        finally: print("let go")
    @function
    async def f(self): return 1
"""
    )
    begun = time.monotonic()
    async with Lived(folder) as plugins:
        assert time.monotonic() - begun < 2.0
        assert plugins.states[0].trouble == "its start failed: took longer than 0.5 s"


async def test_what_a_failed_start_had_opened_is_closed(write: Write, capfd: pytest.CaptureFixture[str]) -> None:
    folder = write(
        p="""
from contextlib import asynccontextmanager
@asynccontextmanager
async def pool():
    try: yield 1
    finally: print("pool closed", flush=True)
class P(Plugin):
    async def start(self, config):
        await self.resources.enter_async_context(pool())
        self.background(forever())
        raise ValueError("after all")
    async def close(self): print("close called", flush=True)
async def forever():
    try: await asyncio.sleep(1000)
    finally: print("task ended", flush=True)
"""
    )
    before = asyncio.all_tasks()
    async with Lived(folder):
        out = capfd.readouterr().out
        assert "pool closed" in out
        assert "close called" not in out
    assert asyncio.all_tasks() <= before


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError",
        "raise SystemExit",
        "await asyncio.sleep(60)",
        "while True:\n      try: await asyncio.sleep(60)\n      except asyncio.CancelledError: pass",
    ],
)
async def test_a_close_that_fails_or_hangs_holds_up_nobody(write: Write, body: str) -> None:
    folder = write(p=f"class P(Plugin):\n  async def close(self):\n    {body}")
    before = asyncio.all_tasks()
    async with Lived(folder):
        begun = time.monotonic()
    assert time.monotonic() - begun < 3.0
    await asyncio.sleep(1.2)
    assert asyncio.all_tasks() <= before


async def test_background_tasks_end_with_the_plugin_and_their_failures_are_told(write: Write) -> None:
    folder = write(
        p="""
class P(Plugin):
    ticks = 0
    async def start(self, config):
        self.background(self.tick())
        self.background(self.fail())
    async def tick(self):
        while True:
            self.ticks += 1
            await asyncio.sleep(0.005)
    async def fail(self): raise SystemExit("no")
    @function
    async def f(self): return self.ticks
"""
    )
    before = asyncio.all_tasks()
    with structlog.testing.capture_logs() as lines:
        async with Lived(folder) as plugins:
            await asyncio.sleep(0.05)
            assert await plugins.functions()["p.f"](caller(), []) > 2
    assert "plugin's background task failed" in [line["event"] for line in lines]
    assert asyncio.all_tasks() <= before


async def test_a_killed_keeper_starts_the_plugin_anew(write: Write) -> None:
    folder = write(
        p="""
class P(Plugin):
    starts = closes = 0
    async def start(self, config): P.starts += 1
    async def close(self): P.closes += 1
    @function
    async def f(self): return [P.starts, P.closes]
"""
    )
    lived = Lived(folder)
    async with lived as plugins:
        function = plugins.functions()["p.f"]
        assert await function(caller(), []) == [1, 0]
        lived.system.kill(lived.supervisor.context.children[0])
        for _ in range(100):
            await asyncio.sleep(0.02)
            if not plugins.states[0].trouble and (await function(caller(), []))[0] == 2:
                break
        assert await function(caller(), []) == [2, 1]


def test_pauses_grow_to_a_minute() -> None:
    delays = [PAUSES.delay(failures, random.Random(1)) for failures in range(12)]
    assert delays[0] < 1.3
    assert 60 <= delays[-1] <= 72


async def test_a_refusing_start_is_an_outage_too(write: Write, up: Up) -> None:
    write(p="class P(Plugin):\n  async def start(self, config): raise CallRefused('no')\n  @function\n  def f(self): 1")
    plugins = await up()
    with pytest.raises(Unavailable):
        await plugins.functions()["p.f"](caller(), [])
