"""Lines with numbers: at their time, with the numbers of that time, and nothing where there is nothing to say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

import pytest

from actors.kernel import ChildSpec, ManualClock, Supervisor, System
from actors.reporter import Reporter
from actors.stores.memory import MemoryStore
from actors.tracker import Tracker, TrackerSettings
from protocol.tracking import TrackerRow

ROW = TrackerRow("log", "n1", "Node", "js", "/x", "", "n2", 1.0, 0.0, 0, b'{"secret": 1}', "", "", "", "", "", "")


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with ManualClock() as clock:
        clock.run(story())


def test_a_line_comes_each_interval_and_none_before(caplog: pytest.LogCaptureFixture) -> None:
    numbers = count(1)

    async def story() -> None:
        system = System()
        spec = ChildSpec("reporter", lambda: Reporter(30.0, lambda: f"{next(numbers)} rows"))
        await system.start(ChildSpec("root", lambda: Supervisor([spec])))
        await asyncio.sleep(29.0)
        assert caplog.messages == []
        await asyncio.sleep(61.5)
        assert caplog.messages == ["1 rows", "2 rows", "3 rows"]
        await system.stop(1.0)

    with caplog.at_level(logging.INFO, "actors.reporter"):
        play(story)


def test_nothing_to_say_is_no_line(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        system = System()
        await system.start(ChildSpec("root", lambda: Supervisor([ChildSpec("r", lambda: Reporter(1.0, str))])))
        await asyncio.sleep(5.0)
        assert caplog.messages == []
        await system.stop(1.0)

    with caplog.at_level(logging.INFO, "actors.reporter"):
        play(story)


@pytest.mark.parametrize("verbose", [True, False])
def test_every_batch_is_a_line_where_that_is_wanted_and_shows_no_row(
    verbose: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        tracker = Tracker(MemoryStore(), TrackerSettings(batch_rows=2, verbose=verbose))
        system = System()
        await system.start(ChildSpec("tracker", lambda: Supervisor(tracker.children())))
        for _ in range(4):
            tracker.track(ROW)
            await asyncio.sleep(0.5)
        await system.stop(1.0)

    with caplog.at_level(logging.INFO, "actors.tracker"):
        play(story)
    lines = [message for message in caplog.messages if "rows stored" in message]
    assert bool(lines) is verbose
    assert sum(int(line.split(": ")[1].split(" of ")[0]) for line in lines) == (4 if verbose else 0)
    assert "secret" not in caplog.text
