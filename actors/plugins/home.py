"""What one plugin holds while the runtime is up: its threads, its tasks, its open resources.

It begins with each start and ends with each close, and with a start that failed; then nothing of the plugin is left
running but threads that hang in a call of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import structlog

from actors.plugins.crew import Crew
from actors.plugins.leash import Leash, leashed, let_go


class Home:
    """Made on the loop."""

    __slots__ = ("_tasks", "crew", "loop", "name", "resources")

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self.name = name
        self.loop = asyncio.get_running_loop()
        self.crew = Crew(threads, waiting)
        self.resources = AsyncExitStack()
        self._tasks: dict[asyncio.Task[Any], Leash] = {}

    def background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run this until it ends or the plugin closes; how it fails is logged."""
        task, leash = leashed(work, lambda seconds: self.slow("background task", seconds))
        self._tasks[task] = leash
        task.add_done_callback(self._background_over)

    def slow(self, what: str, seconds: float) -> None:
        """Some step of the plugin's code held the loop, and with it the whole server."""
        structlog.get_logger("plugins").warning(
            "plugin held the event loop: run blocking code by context.blocking()",
            plugin=self.name, what=what, seconds=round(seconds, 3),
        )  # fmt: skip

    async def end(self, seconds: float) -> None:
        """Let go of everything, in about this time."""
        for task, leash in tuple(self._tasks.items()):
            let_go(task, leash)
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=seconds)
        await self.crew.close(seconds)

    def _background_over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            structlog.get_logger("plugins").error("plugin's background task failed", plugin=self.name, exc_info=error)
