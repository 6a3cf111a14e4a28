"""What the kernel says about actors: the end of a watched one, and the events operators' views are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from protocol.refs import Ref


class Ending(Enum):
    """How an incarnation ended."""

    STOPPED = "stopped"
    """Asked to, or by itself, and it finished."""
    KILLED = "killed"
    """Cut off: a kill, or a stop whose deadline passed."""
    CRASHED = "crashed"
    """An exception other than a Refusal left a handler."""


@dataclass(frozen=True, slots=True)
class Down:
    """A watched actor has ended for good (a restart is not an end). Comes on the system lane."""

    ref: Ref[Any]
    ending: Ending
    cause: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """An incarnation began."""

    path: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """An actor ended for good."""

    path: str
    ending: Ending


@dataclass(frozen=True, slots=True)
class ActorCrashed:
    """An incarnation ended with a bug; `cause` is what it raised, `message` the type name of what it was handling."""

    path: str
    cause: BaseException
    message: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """A new incarnation took the place of an ended one after `delay` seconds of backoff."""

    path: str
    incarnation: int
    delay: float


@dataclass(frozen=True, slots=True)
class Escalated:
    """A supervisor gave up: more than `intensity` failures within `period` seconds."""

    path: str
    cause: BaseException | None


@dataclass(frozen=True, slots=True)
class MailboxFull:
    """A bounded mailbox refused or dropped a message. One event per overflow episode, with the running count."""

    path: str
    policy: str
    count: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message reached nobody."""

    path: str
    message: str


Event = Started | Stopped | ActorCrashed | Restarted | Escalated | MailboxFull | DeadLetter
