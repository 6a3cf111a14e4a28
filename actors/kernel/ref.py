"""Addresses: `ActorRef`, which outlives the incarnations behind it, and `ReplySlot`, which takes one message.

A ref never reaches an actor, only the lanes in front of it. Refs are for the thread of their loop; from another
thread use `loop.call_soon_threadsafe(ref.tell, message)`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from typing import Any, Generic, TypeVar

from actors.kernel.engine import Engine
from actors.kernel.mailbox import CLOSED, Lanes
from protocol.errors import Expired, Gone
from protocol.refs import Ask

R = TypeVar("R")
T = TypeVar("T")


class ActorRef:
    """The stable address of one actor. Compared and hashed by identity. Structurally a `protocol.refs.Ref`."""

    __slots__ = ("lanes",)

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes

    def __repr__(self) -> str:
        return f"<ref {self.path}>"

    @property
    def path(self) -> str:
        """Its place in the supervision tree."""
        return self.lanes.path

    @property
    def alive(self) -> bool:
        """False from the moment its mailbox takes no more mail: it ends, or has ended, for good."""
        return self.lanes.gate is not CLOSED

    def tell(self, message: Any) -> None:
        """Put the message in the mailbox; at most once, in order, never blocking, never raising."""
        lanes = self.lanes
        engine = lanes.engine
        if not engine.scheduled:
            engine.now = engine.loop.time()
        envelope = (message, engine.now, None, 0.0, None)
        if lanes.gate is not None and not lanes.gate.admit(lanes, envelope):
            return
        if lanes.mail is None:
            lanes.mail = deque((envelope,))
        else:
            lanes.mail.append(envelope)
        if lanes.idle:
            lanes.idle = False
            engine.ready.append(lanes)
            if not engine.scheduled:
                engine.wake()

    def ask(self, message: Ask[R], timeout: float) -> asyncio.Future[R]:
        """Send now, await the reply for at most `timeout` seconds (at most 25 ms late, never early).

        Raises the actor's `Refusal`, `Overloaded` when the mailbox refuses, or `Expired`, `Gone`, `Crashed`. An ask
        whose awaiter was cancelled is withdrawn: if its turn has not come yet, it is skipped.
        """
        lanes = self.lanes
        engine = lanes.engine
        now = engine.loop.time()
        future: asyncio.Future[R] = engine.loop.create_future()
        if lanes.gate is CLOSED:
            future.set_exception(Gone(f"{lanes.path} has ended"))
            return future
        if timeout <= 0:
            future.set_exception(Expired(f"{lanes.path} was asked with no time to reply"))
            return future
        deadline = now + timeout
        bucket = engine.deadlines.bucket(deadline)
        bucket[future] = lanes
        envelope = (message, now, future, deadline, bucket)
        if lanes.gate is not None and not lanes.gate.admit(lanes, envelope):
            return future
        # From here on the same as in `tell`, and written out in both: a call costs as much as all that it would do.
        if lanes.mail is None:
            lanes.mail = deque((envelope,))
        else:
            lanes.mail.append(envelope)
        if lanes.idle:
            lanes.idle = False
            engine.ready.append(lanes)
            if not engine.scheduled:
                engine.now = now
                engine.wake()
        return future


class ReplySlot(Generic[T]):
    """A recipient of exactly one message: the first wins, later ones are dead letters. `await slot` gives it.

    Cheap (a future and two slots), so it serves as `reply_to` of every request.
    """

    __slots__ = ("_engine", "_future")

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine
        loop = asyncio.get_running_loop() if engine is None else engine.loop
        self._future: asyncio.Future[T] = loop.create_future()

    def tell(self, message: T) -> None:
        """Resolve the slot. If it is resolved already, or nobody waits any more, the message is a dead letter."""
        if not self._future.done():
            self._future.set_result(message)
        elif self._engine is not None:
            self._engine.dead_letter(self, message)

    @property
    def path(self) -> str:
        """What it is called among dead letters."""
        return "/reply"

    @property
    def done(self) -> bool:
        """True once it took its message, or its awaiter was cancelled."""
        return self._future.done()

    def __await__(self) -> Generator[Any, None, T]:
        return self._future.__await__()
