"""Scripts run in this process, on the real engine: the quickest way to see what they see."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from actors.sandbox import frames
from actors.sandbox.child.calls import Calls
from actors.sandbox.child.local import local_functions
from actors.sandbox.child.orders import Order
from actors.sandbox.child.realms import Realms
from actors.sandbox.vm import Engine
from protocol.codec import dumps, loads
from protocol.sandbox import HostReply, Limits

local = cache(local_functions)
Outcome = frames.Done | frames.Failed


class Bench:
    """One sandbox's realms without the process around them. Each source is its own script; all are of one flow."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.reply: Callable[[str, Any], str] = lambda name, arguments: "1null"
        self.pick: Callable[[list[frames.Call]], int] = lambda waiting: 0
        self.waiting: list[frames.Call] = []
        calls = Calls(engine.budget, limits, local(), self._sent, self._next)
        self.realms = Realms(engine, calls, limits)
        self.engine = engine
        self._keys: dict[tuple[str, str, str], str] = {}
        self._runs = itertools.count(1)
        self._reader = frames.FrameReader.of_parent()

    def _sent(self, frame: bytes) -> None:
        ((kind, body),) = self._reader.feed(frame)
        call = frames.read(kind, body)
        assert isinstance(call, frames.Call)
        self.calls.append((call.name, loads(call.arguments)))
        self.waiting.append(call)

    def _next(self) -> tuple[int, bytes]:
        """The answer to one of the calls under way, the one that `pick` picks."""
        call = self.waiting.pop(self.pick(self.waiting))
        told = self.reply(call.name, loads(call.arguments))
        reply = HostReply(call.run, call.call, told[0] == "1", told[1:].encode())
        ((kind, body),) = frames.FrameReader.of_child().feed(frames.write_reply(reply))
        return kind, body

    def order(
        self,
        source: str,
        *,
        entry: str = "main",
        realm: str = "warm",
        payload: Any = None,
        request: dict[str, Any] | None = None,
        statics: dict[str, Any] | None = None,
        previous: str = "",
        flow: str = "flow",
    ) -> Order:
        """The order to run `source`; it carries the source the first time only, as a parent's does."""
        identity = (source, entry, dumps(statics or {}).decode())
        known = identity in self._keys
        key = self._keys.setdefault(identity, f"key{len(self._keys)}")
        return Order(
            next(self._runs),
            key,
            flow,
            realm,
            previous,
            "" if known else entry,
            dumps(request or {}),
            dumps({} if payload is None else payload),
            None if known else dumps(statics or {}),
            None if known else dumps(source),
        )

    def run(self, source: str, **order: Any) -> Outcome:
        """Run and read the reply as a parent does."""
        self.waiting.clear()
        ((kind, body),) = self._reader.feed(self.realms.run(self.order(source, **order)))
        self.realms.rest()
        outcome = frames.read(kind, body)
        assert isinstance(outcome, frames.Done | frames.Failed)
        return outcome

    def done(self, source: str, **order: Any) -> frames.Done:
        """Run what must end well."""
        outcome = self.run(source, **order)
        assert isinstance(outcome, frames.Done), outcome
        return outcome

    def failed(self, source: str, **order: Any) -> frames.Failed:
        """Run what must not."""
        outcome = self.run(source, **order)
        assert isinstance(outcome, frames.Failed), outcome
        return outcome

    def value(self, expression: str, **order: Any) -> Any:
        """What an expression gives: it becomes the payload."""
        return loads(self.done(f"return ({expression})", entry="body", **order).result.payload)

    def body(self, statement: str, **order: Any) -> str:
        """The answer that a statement makes."""
        answer = self.done(f"function main() {{ {statement} }}", **order).result.answer
        assert answer is not None
        return answer.body.decode()

    def keeps_realm_of(self, source: str, **order: Any) -> bool:
        """Whether the flow's shared realm is still the same after running this."""
        self.run("", **{**order, "entry": "body"})
        before = self.realms._shared["flow"]
        self.run(source, **order)
        return self.realms._shared.get("flow") is before


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine, once: it is what a zygote shares with its children."""
    return Engine()


@pytest.fixture
def bench(engine: Engine) -> Bench:
    """A sandbox with room enough for tests."""
    return Bench(engine, Limits(memory_mb=64, execution_seconds=5.0))


@pytest.fixture
def bench_with(engine: Engine) -> Callable[..., Bench]:
    """A sandbox with limits of the test's own."""
    return lambda **limits: Bench(engine, Limits(**{"memory_mb": 64, "execution_seconds": 2.0, **limits}))
