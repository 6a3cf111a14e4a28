"""What a plugin's author derives from."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any, ClassVar, TypeVar

from actors.plugins.home import Home

T = TypeVar("T")


class Plugin:
    """An object that scripts, nodes and clients can use. Each part is optional.

    - Methods tagged `@function` are for scripts, `@action` for HTTP, `@node` for nodes of the workflow.
    - `run(self, payload, context)` does nodes of type `dromedary` that name the plugin; returns what a node does.
    - `callbacks(self, payload, context)`, an async generator, feeds nodes of type `dromedary_callback`: each value it
      yields begins a branch with that payload.
    - `authenticate(self, request, context)` says who a client is, in the place of `auth()`: returns a `User`, a
      `Redirect`, or None: 401. One plugin of a server at most.

    A parameter called `context` gets the `Context` and may be left out of any of them. Methods may be `async`, and then
    must not block; plain ones run on a thread of the plugin.

    Made once without arguments, when the file is loaded; so open nothing in `__init__`, but in `start`.
    """

    name: ClassVar[str] = ""
    """Empty: that of the file, or of the entry point."""
    Config: ClassVar[Any] = None
    """What `[plugin.NAME]` must be: a pydantic model, a dataclass, or a function that takes the table and returns the
    configuration. None: the table as it is."""

    _home: Home | None = None

    async def start(self, config: Any) -> None:
        """Open what is needed, before the first call. Raising makes the plugin unavailable, and it is tried again.

        What `self.resources` has taken by then is closed.
        """

    async def close(self) -> None:
        """Close it, after the last call. Comes after each start that went well."""

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """More functions for scripts, by name; asked for once, when the plugin is loaded."""
        return {}

    @property
    def resources(self) -> AsyncExitStack:
        """`await self.resources.enter_async_context(pool)`: closed after `close`, and after a start that failed."""
        return self._opened().resources

    def background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run this beside all calls, until the plugin closes. How it fails is logged."""
        self._opened().background(work)

    async def blocking(self, work: Callable[..., T], *arguments: Any) -> T:
        """Call something that blocks, on a thread of the plugin."""
        result: T = await self._opened().crew.call(lambda: work(*arguments))
        return result

    def _opened(self) -> Home:
        if self._home is None:
            raise RuntimeError("the plugin is not started: this is for start() and what comes after it")
        return self._home
