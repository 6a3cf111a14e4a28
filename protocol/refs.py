"""How actors are addressed: a ref outlives the incarnations behind it, and is the only way to reach an actor.

`tell` never blocks and never raises for a dead target (the message becomes a dead letter); `ask` always has a deadline
and ends with the reply, a `Refusal` raised by the actor, or an `AskError`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, Generic, Protocol, TypeVar

R = TypeVar("R")
M_contra = TypeVar("M_contra", contravariant=True)


class Ask(Generic[R]):
    """Base of messages that are answered: `class RunScript(Ask[ScriptResult])` is replied to with a ScriptResult."""

    __slots__ = ()


class Recipient(Protocol[M_contra]):
    """Something that takes messages of one vocabulary: a ref, or a one-shot reply slot."""

    def tell(self, message: M_contra) -> None:
        """Put the message in the mailbox. Refused or dropped by the mailbox's own policy; never blocks."""


class Ref(Recipient[M_contra], Protocol[M_contra]):
    """The stable address of one actor."""

    @property
    def path(self) -> str:
        """Slash-separated place in the supervision tree, such as `/root/sandboxes/sandbox-3`."""

    @property
    def alive(self) -> bool:
        """False once the actor has ended for good; a restarting actor is alive."""

    def ask(self, message: Ask[R], timeout: float) -> Awaitable[R]:
        """Send and await the reply for at most `timeout` seconds.

        Raises the actor's `Refusal`, `Overloaded` when the mailbox refuses, or `Expired`, `Gone`, `Crashed`.
        """


AnyRef = Ref[Any]


class Nobody:
    """A recipient for words nobody waits for."""

    __slots__ = ()

    def tell(self, message: Any) -> None:
        """Swallow it."""


NOBODY: Final = Nobody()
