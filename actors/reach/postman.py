"""Carries mails nobody waits for: a bounded queue that outlives its actor, and the actor that empties it.

Invariant: a mail in the queue is sent at most once, and not forgotten before it was tried: a crash of the postman loses
only those in its hands. On stop the queue is emptied as far as the stop's deadline allows; the rest is counted in one
log line. Talks to the mailer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple, assert_never

from actors.kernel import Actor
from actors.reach.mail_message import Envelope
from actors.reach.mailer import Mailer, MailServer
from protocol.errors import Overloaded, Refusal
from protocol.refs import Ref

AT_ONCE: Final = 4


class Posted(NamedTuple):
    """A mail to be sent, by the operator's server or by one that its run named."""

    envelope: Envelope
    server: MailServer | None
    wid: str


@dataclass(frozen=True, slots=True)
class Collect:
    """Something is in the queue."""


class LetterBox:
    """Where mails wait for the postman: the door of `send_mail_async`."""

    __slots__ = ("_capacity", "_max_bytes", "_postman", "_size", "failed", "sent", "waiting")

    def __init__(self, capacity: int = 1_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._postman: Ref[Collect] | None = None
        self._size = 0
        self.waiting: deque[Posted] = deque()
        self.sent = 0
        self.failed = 0

    def serve(self, postman: Ref[Collect]) -> None:
        """A postman has come; it is told of what waits."""
        self._postman = postman
        if self.waiting:
            postman.tell(Collect())

    def post(self, mail: Posted) -> None:
        """Put a mail in. Raises Overloaded when the box is full, by number or by bytes."""
        size = len(mail.envelope.message)
        if len(self.waiting) >= self._capacity or (self.waiting and self._size + size > self._max_bytes):
            raise Overloaded("too many mails wait to be sent")
        self.waiting.append(mail)
        self._size += size
        if self._postman is not None:
            self._postman.tell(Collect())

    def take(self, most: int) -> list[Posted]:
        """Up to `most` mails, oldest first."""
        taken = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        self._size -= sum(len(mail.envelope.message) for mail in taken)
        return taken


class Postman(Actor[Collect]):
    """Empties the letter box, a few mails at a time."""

    __slots__ = ("_box", "_log", "_mailer")

    def __init__(self, box: LetterBox, mailer: Mailer) -> None:
        self._box = box
        self._mailer = mailer
        self._log = logging.getLogger("nflow.mail")

    def started(self) -> None:
        """Begin with what waits."""
        self._box.serve(self.context.ref)

    async def receive(self, message: Collect) -> None:
        """Send what waits."""
        match message:
            case Collect():
                if mails := self._box.take(AT_ONCE):
                    await self._carry(mails)
                    if self._box.waiting:
                        self.context.ref.tell(Collect())
            case _:
                assert_never(message)

    async def stopping(self) -> None:
        """Send the rest, as far as there is time."""
        while mails := self._box.take(AT_ONCE):
            await self._carry(mails)

    def released(self) -> None:
        """Say what will not be sent, if this is the end."""
        if self._box.waiting:
            self._log.warning("%d mails wait for the next postman", len(self._box.waiting))

    async def _carry(self, mails: list[Posted]) -> None:
        await asyncio.gather(*(self._one(mail) for mail in mails))

    async def _one(self, mail: Posted) -> None:
        try:
            await self._mailer.deliver(mail.envelope, mail.server)
        except Refusal as error:
            self._box.failed += 1
            self._log.warning("a mail of process %s was not sent: %s", mail.wid, error)
        else:
            self._box.sent += 1
