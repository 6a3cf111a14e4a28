"""What a plugin tells a waiting run, value by value.

The plugin's generator is asked for the next value only when the one before has been dealt with, and is closed however
the waiting ends.
"""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any, Final, Self

from actors.plugins.author.context import Context
from actors.plugins.entry import Entry
from actors.plugins.leash import Overdue
from actors.plugins.live import LivePlugin
from protocol.errors import NflowError
from protocol.plugins import PluginFailed

CLOSE_SECONDS: Final = 2.0


class Listening:
    """One node's callbacks."""

    __slots__ = ("_context", "_entry", "_payload", "_plugin", "_values")

    def __init__(self, plugin: LivePlugin, entry: Entry, payload: Any, context: Context) -> None:
        self._plugin = plugin
        self._entry = entry
        self._payload = payload
        self._context = context
        self._values: Any = None

    async def __aenter__(self) -> Self:
        name, plugin = self._entry.name, self._plugin
        values = self._entry.call((self._payload,), self._context)
        if not hasattr(values, "__aiter__") or not hasattr(values, "__anext__"):
            if hasattr(values, "close"):
                values.close()  # a coroutine nobody will await
            raise PluginFailed(f"{name} is no async generator")
        plugin.calls += 1
        self._values = values
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if hasattr(self._values, "aclose"):
            with contextlib.suppress(NflowError, Overdue):
                await self._plugin.guarded(self._entry.name, self._closed(), CLOSE_SECONDS)

    async def next(self, seconds: float) -> bytes | None:
        """The next payload as JSON text; None: there will be no more. Raises TimeoutError after `seconds`, and what
        the plugin failed with."""
        name = self._entry.name
        try:
            ended, value = await self._plugin.guarded(name, self._next(), seconds)
        except Overdue:
            raise TimeoutError from None
        return None if ended else self._plugin.json(name, value)

    async def _next(self) -> tuple[bool, Any]:
        try:
            return False, await anext(self._values)
        except StopAsyncIteration:
            return True, None

    async def _closed(self) -> None:
        if not getattr(self._values, "ag_running", False):  # it has been cancelled, and is tidying up by itself
            await self._values.aclose()
