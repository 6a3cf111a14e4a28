"""The threads of one plugin, for code that blocks.

At most `size` at once, made when they are needed, and a bounded queue before them; so a plugin whose calls hang uses up
its own threads and nobody else's. A thread cannot be stopped from outside: a call that is overdue or cancelled goes on
unheard, and its thread is free again when it ends. Threads are daemons, so none holds up the program's end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from actors.kernel.threads import Thread
from protocol.errors import Overloaded, Unavailable


class Crew:
    """Worker threads."""

    __slots__ = ("_all", "_closed", "_idle", "_size", "_waiting", "_waiting_limit")

    def __init__(self, size: int, waiting_limit: int) -> None:
        self._size = size
        self._waiting_limit = waiting_limit
        self._all: list[Thread] = []
        self._idle: list[Thread] = []
        self._waiting: deque[asyncio.Future[Thread]] = deque()
        self._closed = False

    async def call(self, work: Callable[[], Any]) -> Any:
        """What `work` returns, or raises, on a thread. Raises Overloaded, Unavailable."""
        thread = await self._free()
        future = thread.call(lambda: _contained(work))
        future.add_done_callback(lambda _: self._give_back(thread))
        value, error = await asyncio.shield(future)
        if error is not None:
            raise error
        return value

    async def close(self, seconds: float) -> None:
        """Take no more work and end the threads; those still at work after `seconds` are left behind."""
        self._closed = True
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(Unavailable("the plugin is closed"))
        self._waiting.clear()
        ends = [thread.end() for thread in self._all]
        self._all.clear()
        self._idle.clear()
        if ends:
            await asyncio.wait(ends, timeout=seconds)

    async def _free(self) -> Thread:
        if self._closed:
            raise Unavailable("the plugin is closed")
        if self._idle:
            return self._idle.pop()
        if len(self._all) < self._size:
            thread = Thread(_nothing)
            self._all.append(thread)
            return thread
        if len(self._waiting) >= self._waiting_limit:
            raise Overloaded(f"all {self._size} threads of the plugin are busy (plugin.threads = {self._size})")
        waiter: asyncio.Future[Thread] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_back(waiter.result())  # it was handed over in this very moment
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            raise

    def _give_back(self, thread: Thread) -> None:
        if self._closed:
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(thread)
                return
        self._idle.append(thread)


def _contained(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """A thread ends with the first call that raises, so none does."""
    try:
        return work(), None
    except BaseException as error:
        return None, error


def _nothing() -> None:
    """There is nothing to tear down."""
