"""The actor that starts one plugin, keeps trying while it does not start, and closes it.

A plugin that does not start is an outage, not a crash: its callers are told, the others and the server go on, and it is
tried again with growing pauses. So this actor never crashes by a plugin's fault, and the supervisor never counts one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from actors.kernel import Actor, Backoff, ChildSpec, Mailbox
from actors.plugins.live import LivePlugin

PAUSES: Final = Backoff(1.0, 60.0)
"""Between two attempts at a start."""


@dataclass(frozen=True, slots=True)
class _TryAgain:
    """The pause is over."""


@dataclass(frozen=True, slots=True)
class _Attempted:
    """A later attempt at the start has ended."""

    error: BaseException | None


class PluginKeeper(Actor[Any]):
    """Keeper of one plugin."""

    def __init__(self, plugin: LivePlugin, pauses: Backoff = PAUSES) -> None:
        self._plugin = plugin
        self._pauses = pauses
        self._failures = 0
        self._starting: asyncio.Task[None] | None = None

    async def started(self) -> None:
        """The first attempt, which those behind it in the tree wait for."""
        try:
            await self._plugin.start()
        except Exception as error:
            self._failed(error)

    def receive(self, message: Any) -> None:
        """The start, again: beside the mailbox, so that a stop need not wait for it."""
        match message:
            case _TryAgain():
                self._starting = task = asyncio.ensure_future(self._plugin.start())
                task.add_done_callback(self._attempted)
            case _Attempted(error):
                self._starting = None
                if error is not None:
                    self._failed(error)

    def stopping(self) -> Awaitable[None]:
        """Close it under the stop's deadline."""
        return self._closed()

    def released(self) -> None:
        """After a kill, which cannot wait, it closes behind the actor."""
        starting, self._starting = self._starting, None
        self._plugin.drop(starting)

    def _attempted(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self.context.ref.tell(_Attempted(task.exception()))

    def _failed(self, error: BaseException) -> None:
        pause = self._pauses.delay(self._failures, random.Random())
        self._failures += 1
        self._plugin.failed(error, pause)
        self.context.after(pause, _TryAgain())

    async def _closed(self) -> None:
        starting, self._starting = self._starting, None
        if starting is not None and not starting.done():
            starting.cancel()
            await asyncio.wait((starting,))
        await self._plugin.close()


def keeper_spec(plugin: LivePlugin) -> ChildSpec:
    """How a plugin is kept."""
    return ChildSpec(
        plugin.name, partial(PluginKeeper, plugin), shutdown_seconds=3 * plugin.limits.close_seconds + 2.0,
        mailbox=Mailbox(capacity=16), backoff=Backoff(0.1, 5.0),
    )  # fmt: skip
