"""What a plugin's function knows of the run that calls it. Read only, and cheap: views are made when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

import structlog

from actors.functions.caller import Caller
from actors.nodes.substitution import Substitution
from actors.plugins.author.request_view import RequestView
from actors.plugins.author.session_view import Session
from actors.plugins.home import Home

NO_DATA: Final[Mapping[str, Any]] = MappingProxyType({})
T = TypeVar("T")


class Context:
    """One call."""

    __slots__ = ("_caller", "_data", "_home", "_payload", "_seconds")

    def __init__(
        self, caller: Caller, home: Home, seconds: float, data: Mapping[str, Any] = NO_DATA, payload: Any = None
    ) -> None:
        self._caller = caller
        self._home = home
        self._seconds = seconds
        self._data = data
        self._payload = payload

    @property
    def plugin(self) -> str:
        """Name of the plugin that is called."""
        return self._home.name

    @property
    def wid(self) -> str:
        """Id of the run; empty in an HTTP action, which has none."""
        return self._caller.wid

    @property
    def tenant(self) -> str:
        """Whose run it is."""
        return self._caller.tenant

    @property
    def app(self) -> str:
        """Name of the app."""
        return self._caller.app

    @property
    def flow(self) -> str:
        """Name of the flow."""
        return self._caller.flow

    @property
    def node(self) -> str:
        """Id of the node that calls."""
        return self._caller.node

    @property
    def key(self) -> str:
        """Idempotency key of this visit, `process:node:visit`: the same when the visit is tried again. Hand it on to
        whatever must not happen twice."""
        return self._caller.key

    @property
    def seconds(self) -> float:
        """The call's deadline, from its beginning."""
        return self._seconds

    @property
    def data(self) -> Mapping[str, Any]:
        """The node's parameters as its author wrote them; empty for functions and actions."""
        return self._data

    @property
    def vars(self) -> dict[str, str]:
        """Captured segments of the path."""
        return dict(self._caller.variables)

    @property
    def request(self) -> RequestView:
        """The HTTP request behind the run."""
        return RequestView(self._caller.request)

    @property
    def session(self) -> Session:
        """The client's session."""
        return Session(self._caller.session)

    @property
    def log(self) -> Any:
        """A logger whose lines name the plugin, the run and the node: `context.log.info("sent", to=name)`."""
        return structlog.get_logger("plugin").bind(plugin=self.plugin, wid=self.wid, node=self.node)

    def fill(self, template: Any) -> Any:
        """A parameter with `{{path}}` taken from the payload. Raises NodeError for a path that leads nowhere."""
        return Substitution(self._payload).value(template)

    async def blocking(self, work: Callable[..., T], *arguments: Any) -> T:
        """Call something that blocks, on a thread of the plugin; from async functions."""
        result: T = await self._home.crew.call(lambda: work(*arguments))
        return result

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Await something of this context's, such as `session.read(...)`; from plain functions, which have a thread."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            future = asyncio.run_coroutine_threadsafe(work, self._home.loop)
            try:
                return future.result(self._seconds)
            finally:
                future.cancel()  # unless it is done
        work.close()
        raise RuntimeError("context.wait() is for plain functions; await it")
