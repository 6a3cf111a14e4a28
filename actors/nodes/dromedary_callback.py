"""Node kind `dromedary_callback`: the run goes on at once, and another one waits for what the plugin calls back.

    {"type": "dromedary_callback", "dromedary_name": "feed", "timeout": 60, "max": 100, "limit": 1}

The run goes on at `output_1`. Behind it a run of its own waits at the node: each value the plugin's `callbacks` yields
begins a branch at `output_2`, with that value as its payload. A node with one output only ends the run, and branches
begin there (Go: step_pluginCallbak.go). They answer nobody and have no session.

Invariant: the waiting ends. After `timeout` seconds (default: `server.process_seconds`; then a branch begins at an
output `timeout`, if one is connected, with the payload as it was), after `max` values (default 1000), when the plugin
has no more, when the run is cancelled (its id is the header `Dromedary-Wid-2`), or with the runtime. `limit` is how
many branches run at once (default 1): the plugin is asked for more only then. A branch that fails ends no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import structlog

from actors.nodes.dromedary import plugin_name
from actors.nodes.registry import NodeContext, Outcome
from actors.plugins.callbacks import Listening
from actors.plugins.plugins import Plugins
from protocol.errors import NflowError, NodeError, Overloaded
from protocol.flow import Node

DEFAULT_MAX: Final = 1_000
MOST: Final = 1_000_000
LONGEST_SECONDS: Final = 7 * 86_400.0
MOST_AT_ONCE: Final = 64
_TIMEOUT: Final = "timeout"
_NOWHERE: Final = ""


class DromedaryCallback:
    """The kind over all plugins."""

    __slots__ = ("_plugins", "_seconds")

    def __init__(self, plugins: Plugins, seconds: float) -> None:
        """`seconds`: how long a node waits that does not say."""
        self._plugins = plugins
        self._seconds = seconds

    async def run(self, node: Node, context: NodeContext) -> Outcome:
        """Begin the waiting and go on; or, in the run that waits, wait. Raises NodeError, Overloaded, PluginFailed."""
        name = plugin_name(node)
        seconds = _number(node.data, "timeout", self._seconds, LONGEST_SECONDS)
        most = int(_number(node.data, "max", DEFAULT_MAX, MOST))
        limit = int(_number(node.data, "limit", 1, MOST_AT_ONCE))
        onward, target = _ways(node)
        if context.waits:
            async with self._plugins.listen(name, node, context) as values:
                await _Waiting(node, context, target, limit).wait(values, seconds, most)
            return Outcome(context.payload, _NOWHERE)
        self._plugins.check_callbacks(name)
        if target is not None:  # with nowhere to go, nothing is waited for
            if context.wait is None:
                raise NodeError("this node can be done in a run only")
            context.wait()
        return Outcome(context.payload, onward)


class _Waiting:
    """One run's waiting."""

    __slots__ = ("_context", "_node", "_room", "_target", "_tasks")

    def __init__(self, node: Node, context: NodeContext, target: str | None, limit: int) -> None:
        self._node = node
        self._context = context
        self._target = target
        self._room = asyncio.Semaphore(limit)
        self._tasks: set[asyncio.Task[None]] = set()

    async def wait(self, values: Listening, seconds: float, most: int) -> None:
        """Begin a branch for each value; returns when the waiting is over and the branches have ended."""
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        try:
            overdue = not await self._values(values, until, most)
            if overdue and (target := self._node.outputs.get(_TIMEOUT)) is not None:
                await self._begin(target, self._context.payload)
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            for task in self._tasks:  # cancelled: so are the branches
                task.cancel()

    async def _values(self, values: Listening, until: float, most: int) -> bool:
        """False: the time was up."""
        clock = asyncio.get_running_loop().time
        try:
            for _ in range(most):
                async with asyncio.timeout_at(until):
                    await self._room.acquire()
                self._room.release()
                payload = await values.next(max(0.0, until - clock()))
                if payload is None:
                    return True
                if self._target is not None:
                    await self._begin(self._target, payload)
        except TimeoutError:
            return False
        return True

    async def _begin(self, target: str, payload: bytes) -> None:
        await self._room.acquire()
        task = asyncio.ensure_future(self._branch(target, payload))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()

    async def _branch(self, target: str, payload: bytes) -> None:
        context = self._context
        branches = context.branches((target,), payload) if context.branches is not None else ()
        for branch in branches:
            while True:
                try:
                    await branch.run()
                except Overloaded as full:  # what was called back is not lost because the house is full just now
                    await asyncio.sleep(full.retry_after)
                    continue
                except NflowError as error:
                    structlog.get_logger("plugins").error(
                        "callback's branch failed", wid=context.wid, node=self._node.id, error=str(error)
                    )
                break


def _ways(node: Node) -> tuple[str, str | None]:
    """The output the run goes on at, and the node where branches begin."""
    outputs = [name for name in node.outputs if name != _TIMEOUT]
    if "output_2" in outputs:
        return "output_1", node.outputs["output_2"]
    if len(outputs) == 1:
        return _NOWHERE, node.outputs[outputs[0]]
    return "output_1", None


def _number(data: Mapping[str, Any], name: str, default: float, most: float) -> float:
    written = data.get(name)
    if written in (None, ""):
        return default
    try:
        number = float(written) if not isinstance(written, bool) else 0.0
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number <= most:
        raise NodeError(f"`{name}` of a dromedary_callback node must be a number above 0, {most:g} at most")
    return number
