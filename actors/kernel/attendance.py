"""Awaiting what a handler or hook returned: one task, for that one message, while the mailbox waits.

Invariant: at most one thing is awaited for an actor at a time, and whatever becomes of it, cancelled before its first
step and deaf to its cancellation included, the actor hears of its end once or has given it up. A task exists only here.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable
from typing import Any

from actors.kernel.engine import Engine
from actors.kernel.mailbox import Envelope, Lanes, fail

logger = logging.getLogger(__name__)

CANCEL_SECONDS = 1.0
"""How long a cancelled handler may still run its `finally` blocks before it is abandoned."""


class Attendance(Lanes):
    """An actor's one task."""

    __slots__ = ("asked", "task", "timer", "unbegun")

    def __init__(self, engine: Engine, name: str, parent: Lanes | None) -> None:
        super().__init__(engine, name, parent)
        self.task: asyncio.Task[None] | None = None
        self.unbegun: Awaitable[Any] | None = None
        """What the task is to await, until its first step: a task cancelled before then never runs."""
        self.asked: Envelope | None = None
        """The message in hand."""
        self.timer: asyncio.TimerHandle | None = None
        """The one clock that runs over a life: stop deadline, grace of a cancelled task, or pause before a restart."""

    def settled(self, result: Any, error: BaseException | None) -> None:
        """What was awaited has ended."""
        raise NotImplementedError

    def fall_on(self) -> None:
        """What was cut off has ended."""
        raise NotImplementedError

    def attend(self, awaitable: Awaitable[Any]) -> None:
        """Await this in a task."""
        self.unbegun = awaitable
        self.task = self.engine.loop.create_task(self._attend(awaitable))

    async def _attend(self, awaitable: Awaitable[Any]) -> None:
        self.unbegun = None
        task = self.task
        result: Any = None
        error: BaseException | None = None
        try:
            result = await awaitable
        except BaseException as raised:
            error = raised
        if self.task is task:  # else it was abandoned, and another incarnation may live here
            self.task = None
            self.settled(result, error)

    def cut(self, task: asyncio.Task[None], error: BaseException) -> None:
        """Cancel the task; the asker of the message in hand gets the error."""
        asked, self.asked = self.asked, None
        if asked is not None and asked[2] is not None:
            fail(asked[2], asked[4], error)
        task.cancel()
        if self.unbegun is not None:
            drop(self.unbegun)
            self.unbegun = None
            self.task = None
        else:
            self.timer = self.engine.loop.call_later(CANCEL_SECONDS, self._abandon)

    def _abandon(self) -> None:
        self.timer = None
        task, self.task = self.task, None
        if task is not None:
            logger.error("a handler of %s ignores its cancellation and was abandoned", self.path)
            self.engine.abandoned.add(task)
            task.add_done_callback(self.engine.abandoned.discard)
        self.fall_on()

    def disarm(self) -> None:
        """Stop the clock, if it runs."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def drop(result: Any) -> None:
    """Nobody will await this result."""
    if inspect.iscoroutine(result):
        result.close()
