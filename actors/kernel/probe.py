"""A shipped test actor: it keeps what it is told, so that a test can wait for it in order.

probe = Probe(system)
other.tell(Subscribe(probe.ref))
assert await probe.expect(Changed) == Changed(1)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from actors.kernel.actor import Actor
from actors.kernel.ref import ActorRef
from actors.kernel.spec import ChildSpec, Restart
from actors.kernel.system import System
from protocol.refs import AnyRef

T = TypeVar("T")


class _Listening(Actor[Any]):
    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    def receive(self, message: Any) -> Any:
        return self._probe.take(message)


class Probe:
    """An actor at the top of the system, and the test's end of it."""

    def __init__(self, system: System, name: str = "probe", reply: Callable[[Any], Any] | None = None) -> None:
        """`reply` is called with each message; what it returns, or raises, is the answer of the probe."""
        self._system = system
        self._reply = reply
        self.messages: list[Any] = []
        """Everything received so far, in order."""
        self._unread: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.ref: ActorRef = system.spawn(ChildSpec(name, lambda: _Listening(self), restart=Restart.TEMPORARY))

    def take(self, message: Any) -> Any:
        """The actor's end."""
        self.messages.append(message)
        self._unread.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        return None if self._reply is None else self._reply(message)

    def watch(self, ref: AnyRef) -> None:
        """Be told `Down` when that actor ends."""
        self._system.watch(ref, self.ref)

    async def receive(self, timeout: float = 3.0) -> Any:
        """The next message not received yet. Raises TimeoutError."""
        if not self._unread:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await asyncio.wait_for(self._waiter, timeout)
            except TimeoutError:
                raise TimeoutError(f"{self.ref.path} received nothing for {timeout:g} s") from None
            finally:
                self._waiter = None
        return self._unread.popleft()

    async def expect(self, kind: type[T], timeout: float = 3.0) -> T:
        """The next message, which must be of this type. Raises AssertionError, TimeoutError."""
        message = await self.receive(timeout)
        if not isinstance(message, kind):
            raise AssertionError(f"{self.ref.path} expected a {kind.__name__}, got {message!r}")
        return message

    async def expect_nothing(self, seconds: float) -> None:
        """Raises AssertionError if a message comes within that time."""
        try:
            message = await self.receive(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"{self.ref.path} expected nothing, got {message!r}")
