"""What the author of an actor writes (`Actor`), and what an actor may do (`Context`).

One actor handles one message at a time, also when its handler awaits: there is no reentrancy. Plain handlers run
straight in the system's drain and cost no task. The kernel (`life`, `cell`) calls the hooks; nothing else does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from actors.kernel.spec import ChildSpec, Intensity, Strategy
from actors.kernel.timer import Timer
from protocol.errors import Refusal
from protocol.lifecycle import Event
from protocol.refs import AnyRef, Recipient

M = TypeVar("M")


class ActorSystem(Protocol):
    """The system as actors see it; `System` documents each of these."""

    @property
    def dead_letters(self) -> int: ...
    def lookup(self, name: str) -> AnyRef | None: ...
    def register(self, name: str, ref: AnyRef) -> None: ...
    def unregister(self, name: str) -> None: ...
    def subscribe(self, listener: Callable[[Event], object], *, lives: bool = True) -> Callable[[], None]: ...
    def watch(self, ref: AnyRef, recipient: Recipient[Any]) -> None: ...
    def stop_ref(self, ref: AnyRef) -> None: ...
    def kill(self, ref: AnyRef) -> None: ...
    def wait_on_stop(self, leaving: asyncio.Future[Any]) -> None: ...


class Context(Protocol):
    """What an actor may do; it finds it as `self.context`. All calls are for the loop's own thread.

    What an actor asks for through it (timers, watches) belongs to the incarnation and ends with it; its children end
    before it does. The object behind it is the actor's cell; only what is declared here is for actors.
    """

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


class Actor(Generic[M]):
    """Base of all actors. An exception other than a `Refusal` that leaves any of its methods is a crash."""

    __slots__ = ("context",)

    strategy: Strategy = Strategy.ONE_FOR_ONE
    """Which children a failing one takes with it."""
    intensity: Intensity = Intensity()
    """How many restarts of children are too many: then this actor itself crashes, to its own parent."""

    context: Context
    """Set before `started()`."""

    def started(self) -> Awaitable[None] | None:
        """The incarnation begins. May be async; no mail is handled before it is done. Raising is a failed start."""

    def receive(self, message: M) -> Any:
        """Handle one message. The value, awaited if it can be, answers an ask.

        Raises `Refusal` to say no (an answer); anything else is a crash.
        """
        raise NotImplementedError(f"{type(self).__name__} takes no messages, got {type(message).__name__}")

    def stopping(self) -> Awaitable[None] | None:
        """A stop has been asked for: flush, drain. May be async, under the stop deadline. Children still run.

        Not called on a crash or a kill.
        """

    def released(self) -> None:
        """The incarnation is over, whatever ended it: free what it holds. Children have ended. Must not block."""


class Supervisor(Actor[Any]):
    """An actor with static children: started in list order, each once the one before runs; stopped in reverse."""

    def __init__(
        self,
        children: Sequence[ChildSpec] = (),
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: Intensity = Actor.intensity,
    ) -> None:
        self.children = tuple(children)
        self.strategy = strategy
        self.intensity = intensity

    def receive(self, message: Any) -> Any:
        """A supervisor only supervises. A stray message must not bring its subtree down, so it is refused."""
        raise Refusal(f"{self.context.path} takes no messages")
