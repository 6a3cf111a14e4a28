"""A heap profile of the server: where memory that was allocated while it was watched, and is still held, comes from.

Watching (`tracemalloc`) makes every allocation dearer, so it lasts as long as the question and no longer, however that
ends. Where the program that embeds the runtime watches already, its watch stays and the difference is told.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any, Final

_FRAMES: Final = 1
_OURS: Final = (tracemalloc.Filter(False, tracemalloc.__file__), tracemalloc.Filter(False, "<frozen *>"))


async def heap_profile(seconds: float, top: int) -> dict[str, Any]:
    """What was allocated within so many seconds and is held at their end: the largest `top` places."""
    watched = tracemalloc.is_tracing()
    before = await asyncio.to_thread(tracemalloc.take_snapshot) if watched else None
    if not watched:
        tracemalloc.start(_FRAMES)
    try:
        await asyncio.sleep(seconds)
        after = await asyncio.to_thread(tracemalloc.take_snapshot)
    finally:
        if not watched:
            tracemalloc.stop()
    return await asyncio.to_thread(_told, after, before, top)


def _told(after: tracemalloc.Snapshot, before: tracemalloc.Snapshot | None, top: int) -> dict[str, Any]:
    """The largest places. On a thread: there may be many."""
    after = after.filter_traces(_OURS)
    if before is None:
        places = [(each.size, each.count, each.traceback[-1]) for each in after.statistics("lineno")]
    else:
        grown = after.compare_to(before.filter_traces(_OURS), "lineno")
        places = [(each.size_diff, each.count_diff, each.traceback[-1]) for each in grown]
    places.sort(key=lambda place: -place[0])
    return {
        "bytes": sum(size for size, _, _ in places),
        "blocks": sum(count for _, count, _ in places),
        "places": len(places),
        "top": [
            {"file": frame.filename, "line": frame.lineno, "bytes": size, "blocks": count}
            for size, count, frame in places[:top]
        ],
    }
