"""What an actor may do: its view of the kernel.

An actor finds it as `self.context`, set before `started()`. All calls are for the loop's own thread. Everything an
actor asks for through it (timers, watches) belongs to the incarnation and ends with it; children end before it does.
The object behind it is the actor's cell; only what is declared here is for actors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from actors.kernel.spec import ChildSpec
from actors.kernel.timer import Timer
from protocol.lifecycle import Event
from protocol.refs import AnyRef, Recipient


class ActorSystem(Protocol):
    """The system as actors see it; `System` documents each of these."""

    @property
    def dead_letters(self) -> int: ...
    def lookup(self, name: str) -> AnyRef | None: ...
    def register(self, name: str, ref: AnyRef) -> None: ...
    def unregister(self, name: str) -> None: ...
    def subscribe(self, listener: Callable[[Event], object]) -> Callable[[], None]: ...
    def watch(self, ref: AnyRef, recipient: Recipient[Any]) -> None: ...
    def stop_ref(self, ref: AnyRef) -> None: ...
    def kill(self, ref: AnyRef) -> None: ...
    def wait_on_stop(self, leaving: asyncio.Future[Any]) -> None: ...


class Context(Protocol):
    """What an actor may do."""

    @property
    def ref(self) -> AnyRef:
        """The address of this actor: the same over all its restarts."""

    @property
    def path(self) -> str:
        """Its place in the tree, such as `/root/sandboxes/sandbox-3`."""

    @property
    def system(self) -> ActorSystem:
        """The system this actor lives in."""

    @property
    def parent(self) -> AnyRef | None:
        """The actor that supervises this one; None for those at the top."""

    @property
    def children(self) -> tuple[AnyRef, ...]:
        """The living children in start order."""

    @property
    def deadline(self) -> float | None:
        """Loop time at which the asker of the message in hand stops waiting; None if it was told."""

    def now(self) -> float:
        """Loop time in seconds."""

    def spawn(self, spec: ChildSpec) -> AnyRef:
        """Start a dynamic child, supervised by this actor. Returns at once; the child starts in its own turn.

        Raises ValueError when a living sibling has that name, Gone when this incarnation has ended.
        """

    def stop_child(self, ref: AnyRef) -> None:
        """Stop a child for good, whatever its restart type, under its stop deadline. Ignores refs that are no child."""

    def kill_child(self, ref: AnyRef) -> None:
        """End a child and everything below it for good and at once. Ignores refs that are no child."""

    def drained(self) -> Awaitable[None]:
        """Completes as soon as this actor has no children: what `stopping()` awaits to let them finish."""

    def watch(self, ref: AnyRef) -> None:
        """Receive one `Down` when that actor ends for good: at once if it has already."""

    def unwatch(self, ref: AnyRef) -> None:
        """No `Down` about that actor will be received any more, not even one that waits already."""

    def after(self, seconds: float, message: Any) -> Timer:
        """Receive `message` in that many seconds, unless cancelled or this incarnation ended before."""

    def stop(self) -> None:
        """Stop after the current message. A permanent actor is then restarted, any other ends for good."""

    def passivate(self) -> bool:
        """End for good after the current message, unless mail waits or comes before then; nothing sent is lost.

        Returns False when mail waits already. See the kernel's README for how a keeper uses it.
        """
