"""The lanes of one actor: what waits for it, and the gate that decides what may.

Lanes in order: kill (a call, see `life`), stop (`exit`, see `life`), system (`control`: Down, due timers), user
(`mail`). Invariant: an envelope that was let in is handled once, or answered for (Gone, Overloaded, dead letter),
never both. The lanes outlive incarnations; they exist only while something waits, because most actors are idle most
of the time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, Protocol

from actors.kernel.deadlines import Bucket
from actors.kernel.engine import Engine
from protocol.errors import Gone, Overloaded
from protocol.lifecycle import MailboxFull

Envelope = tuple[Any, float, asyncio.Future[Any] | None, float, Bucket | None]
"""(message, loop time of sending, the asker's future or None, its deadline, the bucket it expires in).

A plain tuple: one is made for every message, and a class with five slots costs four times as much."""


def fail(future: asyncio.Future[Any], bucket: Bucket | None, error: BaseException) -> None:
    """Answer an ask with an error, unless its asker has stopped waiting."""
    if not future.done():
        future.set_exception(error)
    if bucket is not None:
        bucket.pop(future, None)


class Gate(Protocol):
    """Who may put mail into a lane that is not simply open."""

    @property
    def lost(self) -> int:
        """Messages refused or dropped for want of room."""

    def admit(self, lanes: Lanes, envelope: Envelope) -> bool:
        """True: put it in. False: the gate has dealt with it."""


class Lanes:
    """What waits for one actor. `ref.tell` and `ref.ask` put in, the cell takes out."""

    __slots__ = ("control", "engine", "gate", "idle", "mail", "name", "parent")

    def __init__(self, engine: Engine, name: str, parent: Lanes | None) -> None:
        self.engine = engine
        self.name = name
        self.parent: Lanes | None = parent
        self.mail: deque[Envelope] | None = None
        self.control: deque[Any] | None = None
        self.gate: Gate | None = None
        """None: open to all."""
        self.idle = False
        """True: running with nothing to do, so the next message must give it a turn."""

    @property
    def path(self) -> str:
        names = []
        lanes: Lanes | None = self
        while lanes is not None:
            names.append(lanes.name)
            lanes = lanes.parent
        return "/".join(reversed(names)) or "/"

    @property
    def depth(self) -> int:
        """Messages that wait in the user lane."""
        return len(self.mail) if self.mail else 0

    def turn(self) -> None:
        """Handle what waits. The cell knows how."""
        raise NotImplementedError

    def signal(self, message: Any) -> None:
        """Put something on the system lane. It is never refused."""
        if self.gate is CLOSED:
            return
        if self.control is None:
            self.control = deque()
        self.control.append(message)
        if self.idle:
            self.idle = False
            self.engine.schedule(self)

    def stale(self, envelope: Envelope) -> bool:
        """Whether nobody waits for the answer to this any more: expired, or its asker was cancelled."""
        future = envelope[2]
        return future is not None and (future.done() or envelope[3] <= self.engine.now)

    def prune(self) -> bool:
        """Throw away stale asks from the head of the lane. True when live mail is left."""
        mail = self.mail
        while mail and self.stale(mail[0]):
            mail.popleft()
        return bool(mail)

    def close(self) -> None:
        """Let nothing in any more. The mail that waits stays until it is handled or discarded."""
        self.gate = CLOSED

    def discard(self) -> None:
        """Answer for all mail that waits: the actor ends for good and will never handle it."""
        mail, self.mail = self.mail, None
        for envelope in mail or ():
            CLOSED.admit(self, envelope)


class Closed:
    """The gate of an actor that is ending, or has ended, for good."""

    __slots__ = ()

    lost = 0

    def admit(self, lanes: Lanes, envelope: Envelope) -> bool:
        message, _, future, _, bucket = envelope
        if future is None:
            lanes.engine.dead_letter(lanes, message)
        else:
            fail(future, bucket, Gone(f"{lanes.path} has ended"))
        return False


CLOSED: Final = Closed()


class Bounded:
    """The gate of a mailbox with a capacity."""

    __slots__ = ("_capacity", "_drops_oldest", "_overflowing", "lost")

    def __init__(self, capacity: int, policy: str) -> None:
        self._capacity = capacity
        self._drops_oldest = policy == "drop_oldest"
        self._overflowing = False
        self.lost = 0
        """Messages refused or dropped since the actor was spawned."""

    def admit(self, lanes: Lanes, envelope: Envelope) -> bool:
        mail = lanes.mail
        # Asks nobody waits for any more take no room. They are the oldest, so looking at the head is enough and cheap.
        if mail is None or len(mail) <= self._capacity // 2:
            self._overflowing = False  # only now is the episode over: a mailbox at its brim refuses every other message
            return True
        if len(mail) < self._capacity or (lanes.prune(), len(mail) < self._capacity)[1]:
            return True
        victim = mail.popleft() if self._drops_oldest else envelope
        self._lose(lanes, victim)
        return self._drops_oldest

    def _lose(self, lanes: Lanes, envelope: Envelope) -> None:
        self.lost += 1
        _, _, future, _, bucket = envelope
        if future is not None:
            fail(future, bucket, Overloaded(f"the mailbox of {lanes.path} is full"))
        if not self._overflowing:
            self._overflowing = True
            if lanes.engine.listeners:
                policy = "drop_oldest" if self._drops_oldest else "refuse"
                lanes.engine.emit(MailboxFull(lanes.path, policy, self.lost))
