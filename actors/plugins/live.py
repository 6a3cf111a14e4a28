"""One plugin while the runtime is up: started or not, and every call into it.

Invariant: a call ends within its deadline with a value or an `NflowError`, whatever the author's code does. A Refusal
of the author's (`CallRefused`, …) is passed on as it is; anything else is `PluginFailed` for the caller, who reads the
kind of error only; the rest is in the log, without what the configuration holds of secrets.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from typing import Any, Final

import structlog

from actors.plugins.author.context import Context
from actors.plugins.entry import Entry
from actors.plugins.home import Home
from actors.plugins.leash import Overdue, attempt
from actors.plugins.roster import Member
from actors.plugins.schema import as_json, cleared
from protocol.codec import loads_from_script
from protocol.errors import CallRefused, NflowError, Unavailable
from protocol.plugins import PluginFailed

_HOME: Final = Path(__file__).parent
_FRAMES: Final = 6
_DOWN: Final = "the runtime is starting or stopping"


@dataclass(frozen=True, slots=True)
class PluginLimits:
    """How long plugins may take, and what they may use."""

    call_seconds: float = 30.0
    """A function or an action."""
    node_seconds: float = 300.0
    start_seconds: float = 10.0
    close_seconds: float = 5.0
    threads: int = 8
    """Of one plugin, for its plain functions."""
    waiting: int = 64
    """Calls that may wait for a thread."""


class LivePlugin:
    """A member of the roster at work."""

    __slots__ = ("_home", "_reason", "_retry_at", "calls", "closing", "description", "failures", "limits", "member")

    def __init__(self, member: Member, limits: PluginLimits) -> None:
        self.member = member
        self.description = member.description
        self.limits = limits
        self.calls = 0
        self.failures = 0
        """Calls that failed by the plugin's fault."""
        self.closing: asyncio.Task[None] | None = None
        """Closes it behind a keeper that was killed."""
        self._home: Home | None = None
        self._reason = _DOWN
        self._retry_at = 0.0

    @property
    def name(self) -> str:
        """Of the plugin."""
        return self.description.name

    @property
    def trouble(self) -> str:
        """Why it cannot be called; empty: it can."""
        return "" if self._home is not None else self._reason

    # --- its life, led by the keeper ---

    async def start(self) -> None:
        """Start it. Raises what its start raised, Overdue too; nothing is left open then."""
        if self.closing is not None:
            await asyncio.wait((self.closing,))
            self.closing = None
        plugin = self.description.plugin
        home = Home(self.name, self.limits.threads, self.limits.waiting)
        if plugin is not None:
            plugin._home = home
            try:
                await self._hook(home, plugin.start, self.member.config, seconds=self.limits.start_seconds)
            except BaseException:
                await self._emptied(home)
                raise
        self._home = home

    async def close(self) -> None:
        """Take no more calls, close it and what it left open. Never raises."""
        home, self._home = self._home, None
        self._reason = _DOWN
        if home is not None:
            await self._closed(home)

    def drop(self, starting: asyncio.Task[None] | None) -> None:
        """Take no more calls at once, and close it behind the caller, who cannot wait. A later start waits for it."""
        home, self._home = self._home, None
        self._reason = _DOWN

        async def dropped() -> None:
            if starting is not None:
                starting.cancel()
                await asyncio.wait((starting,))
            if home is not None:
                await self._closed(home)

        if home is not None or starting is not None:
            self.closing = asyncio.ensure_future(dropped())

    async def _closed(self, home: Home) -> None:
        plugin = self.description.plugin
        if plugin is not None:
            try:
                await self._hook(home, plugin.close, seconds=self.limits.close_seconds)
            except Exception as error:
                self._log("plugin did not close well", error)
        await self._emptied(home)

    def failed(self, error: BaseException, again_seconds: float) -> None:
        """Its start failed, and is tried again in that time."""
        told = f"took longer than {self.limits.start_seconds:g} s" if isinstance(error, Overdue) else ""
        self._reason = f"its start failed: {told or type(error).__name__}"
        self._retry_at = asyncio.get_running_loop().time() + again_seconds
        why = {"reason": told} if told else {}
        self._log("plugin did not start", None if told else error, again_seconds=round(again_seconds, 2), **why)

    # --- calls ---

    def home(self) -> Home:
        """Raises Unavailable while it is not started."""
        if self._home is None:
            wait = max(1.0, self._retry_at - asyncio.get_running_loop().time())
            raise Unavailable(f"plugin {self.name} is not available: {self._reason}", retry_after=wait)
        return self._home

    async def call(self, entry: Entry, arguments: Sequence[Any], context: Context) -> Any:
        """Call one of its functions: a JSON-able value of the author's, as he returned it."""
        entry.check(arguments)
        self.calls += 1
        try:
            return await self.guarded(entry.name, self._called(entry, arguments, context), context.seconds)
        except Overdue:
            self.failures += 1
            raise CallRefused(f"{entry.name} took longer than {context.seconds:g} s", name="TimeoutError") from None

    async def guarded(self, name: str, work: Coroutine[Any, Any, Any], seconds: float) -> Any:
        """Await code of the author's. Raises Overdue, PluginFailed, or a Refusal of his."""
        try:
            return await attempt(work, seconds, self._slow(name))
        except (NflowError, Overdue):
            raise
        except Exception as error:
            self.failures += 1
            self._log("plugin failed", error, function=name)
            raise PluginFailed(f"{name} failed: {type(error).__name__}") from None

    def json(self, name: str, value: Any) -> bytes:
        """What a function returned, as JSON text. Raises PluginFailed."""
        try:
            return as_json(value)
        except Exception as error:  # also a model whose own serializer fails
            self.failures += 1
            self._log("plugin returned what is not JSON", error, function=name)
            raise PluginFailed(f"{name} returned what is not JSON") from None

    def value(self, name: str, value: Any) -> Any:
        """Like `json`, as a value that nobody else holds."""
        return value if value is None or isinstance(value, str | bool) else loads_from_script(self.json(name, value))

    async def _called(self, entry: Entry, arguments: Sequence[Any], context: Context) -> Any:
        if entry.threaded:
            value = await self.home().crew.call(lambda: entry.call(arguments, context))
        else:
            value = entry.call(arguments, context)
        return await value if inspect.isawaitable(value) else value

    async def _hook(self, home: Home, hook: Callable[..., Any], *arguments: Any, seconds: float) -> None:
        """`start` and `close`, which may be plain functions too."""

        async def called() -> None:
            if inspect.iscoroutinefunction(hook):
                await hook(*arguments)
            else:
                value = await home.crew.call(lambda: hook(*arguments))
                if inspect.isawaitable(value):
                    await value

        await attempt(called(), seconds, self._slow(hook.__name__))

    async def _emptied(self, home: Home) -> None:
        async def emptied() -> None:
            try:
                await home.resources.aclose()
            finally:
                await home.end(self.limits.close_seconds)

        try:
            await attempt(emptied(), 2 * self.limits.close_seconds + 1.0, self._slow("close"))
        except Exception as error:
            self._log("plugin's resources did not close well", error)

    def _slow(self, what: str) -> Callable[[float], None]:
        def told(seconds: float) -> None:
            structlog.get_logger("plugins").warning(
                "plugin held the event loop: run blocking code by context.blocking()",
                plugin=self.name, what=what, seconds=round(seconds, 3),
            )  # fmt: skip

        return told

    def _log(self, event: str, error: BaseException | None, **more: Any) -> None:
        logger = structlog.get_logger("plugins").bind(plugin=self.name)
        if error is not None:
            more |= {"error": self._cleared(repr(error)), "at": _trail(error)}
        logger.error(event, **more)

    def _cleared(self, text: str) -> str:
        """Without what the configuration calls a secret."""
        return cleared(text, self.member.secrets)


def _trail(error: BaseException) -> str:
    """The innermost frames, innermost last: `greeter.py:12 in hello > pool.py:40 in acquire`. The author's only."""
    frames = list(traceback.extract_tb(error.__traceback__))
    theirs = list(dropwhile(lambda frame: Path(frame.filename).parent == _HOME, frames))
    frames = (theirs or frames)[-_FRAMES:]
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames)
