"""What the author of an actor writes.

One actor handles one message at a time, also when its handler awaits: there is no reentrancy. Plain handlers run
straight in the system's drain and cost no task. The kernel (`life`, `cell`) calls the hooks; nothing else does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Generic, TypeVar

from actors.kernel.context import Context
from actors.kernel.spec import ChildSpec, Intensity, Strategy
from protocol.errors import Refusal

M = TypeVar("M")


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
