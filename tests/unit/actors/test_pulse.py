"""The pulse of the loop: what is late is seen, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import time

from actors.kernel import ChildSpec, ManualClock, System
from actors.pulse import BEAT_SECONDS, Pulse, PulseFigures


async def test_a_loop_that_was_held_is_seen_to_be_late() -> None:
    figures, system = PulseFigures(), System()
    system.spawn(ChildSpec("pulse", lambda: Pulse(figures)))
    await asyncio.sleep(0.25)
    time.sleep(0.4)  # noqa: ASYNC251
    await asyncio.sleep(0.05)
    await system.stop()
    assert figures.worst >= 0.3
    bounds = dict(zip(figures.lag.bounds, figures.lag.counts, strict=False))
    assert bounds[0.5] >= 1, "between a quarter and half a second"


def test_it_beats_ten_times_a_second_and_forgets_the_worst_after_a_while() -> None:
    async def main() -> tuple[int, float, float]:
        figures, system = PulseFigures(), System()
        system.spawn(ChildSpec("pulse", lambda: Pulse(figures)))
        await asyncio.sleep(10.05)
        beats = figures.lag.count
        figures.beat(0.7)
        worst = figures.worst
        await asyncio.sleep(130)
        await system.stop()
        return beats, worst, round(figures.worst, 6)

    with ManualClock() as clock:
        assert clock.run(main()) == (round(10 / BEAT_SECONDS), 0.7, 0.0)


async def test_the_hook_in_the_collector_lives_as_long_as_the_actor() -> None:
    before = list(gc.callbacks)
    figures, system = PulseFigures(), System()
    system.spawn(ChildSpec("pulse", lambda: Pulse(figures)))
    await asyncio.sleep(0)
    gc.collect()
    assert figures.collections >= 1
    assert figures.pauses.count == figures.collections
    await system.stop()
    assert gc.callbacks == before
