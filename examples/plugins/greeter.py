"""A plugin with everything: a configuration, functions for scripts, an HTTP action, a node, a start and a close.

In scripts: `await greeter.hello("Ana")`. Over HTTP: `POST /api/plugin/greeter/greet` with `{"name": "Ana"}`.
In a workflow: a node of type `dromedary` with `dromedary_name: "greeter"`. Configuration: `[plugin.greeter]`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from nflow_runtime import CallRefused, Context, Plugin, action, function


@dataclass
class Settings:
    """`[plugin.greeter]`."""

    greeting: str = "Hello"
    most: int = 100
    """Names one call may greet."""


@dataclass
class Greet:
    """The body of the action."""

    name: str
    times: int = 1


class Visits:
    """Who was greeted: something with a connection, as a pool of a database would be."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", check_same_thread=False)
        self.connection.execute("create table visits (name text)")

    def add(self, name: str) -> int:
        """Remember one more visit; blocks. Returns how many there are now."""
        self.connection.execute("insert into visits values (?)", (name,))
        found: int = self.connection.execute("select count(*) from visits where name = ?", (name,)).fetchone()[0]
        return found


@asynccontextmanager
async def visits() -> AsyncIterator[Visits]:
    """Open and closed in one place."""
    held = Visits()
    try:
        yield held
    finally:
        held.connection.close()


class Greeter(Plugin):
    """Greets."""

    name = "greeter"
    Config = Settings

    async def start(self, config: Settings) -> None:
        """The configuration has been checked by now."""
        self.config = config
        self.lock = asyncio.Lock()
        self.visits = await self.resources.enter_async_context(visits())  # closed whatever happens

    async def close(self) -> None:
        """Nothing is left to close: `resources` does it."""

    @function
    async def hello(self, name: str, times: int = 1, *, context: Context) -> str:
        """`await greeter.hello("Ana", 2)` in a script. What is refused is thrown there, and can be caught."""
        if not name:
            raise CallRefused("whom shall I greet?", name="TypeError")
        if times > self.config.most:
            raise CallRefused(f"{times} greetings are too many", name="RangeError")
        context.log.debug("greeted", name=name)
        return " ".join([f"{self.config.greeting}, {name}!"] * times)

    @function("countVisit")
    async def count_visit(self, name: str) -> int:
        """Blocking work goes to a thread of the plugin."""
        async with self.lock:
            return await self.blocking(self.visits.add, name)

    @action
    async def greet(self, body: Greet) -> dict[str, str]:
        """Greet somebody."""
        return {"text": " ".join([f"{self.config.greeting}, {body.name}!"] * body.times)}

    async def run(self, payload: Any, context: Context) -> Any:
        """The `dromedary` node: adds a greeting to the payload, or goes on at output_2 when nobody is there."""
        name = payload.get("name") if isinstance(payload, dict) else None
        if not name:
            return payload, "output_2"
        return {**payload, "greeting": f"{self.config.greeting}, {name}!", "by": context.data.get("by", "greeter")}

    async def callbacks(self, payload: Any) -> AsyncIterator[Any]:
        """The `dromedary_callback` node: calls back a few times, each in a branch of its own."""
        for number in range(int(payload.get("times", 3)) if isinstance(payload, dict) else 3):
            await asyncio.sleep(0.01)
            yield {"call": number + 1}
