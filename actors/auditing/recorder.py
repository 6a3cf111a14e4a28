"""The actor that writes the audit: takes what waits at the door, and puts it into the file on a thread.

It starts before everybody whose events it writes, and stops behind them. A file that cannot be written is an outage and
no crash: it is said in the log once, counted, and tried again; events wait as long as there is room, and requests go
on. Talks to one `AuditTrail` and one `Ledger`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, assert_never

import structlog

from actors.auditing.ledger import Ledger
from actors.auditing.trail import REPEATED_SECONDS, AuditTrail
from actors.kernel import Actor, Backoff, ChildSpec
from protocol.observation.auditing import AuditEvent, AuditKind

MOST_EVENTS: Final = 500
"""Of one write."""
RETRY_SECONDS: Final = 1.0
"""Pause after a write that failed."""


class _Call(Enum):
    """What the actor is told."""

    EVENTS_WAIT = auto()
    MINUTE_OVER = auto()
    TRY_AGAIN = auto()


class Recorder(Actor[_Call]):
    """Writes what the trail holds."""

    def __init__(self, trail: AuditTrail, ledger: Ledger, about: str) -> None:
        """`about`: said in the first and the last line: which program."""
        self._trail = trail
        self._ledger = ledger
        self._about = about
        self._failing = False
        self._log = structlog.get_logger("audit")

    async def started(self) -> None:
        """The file is opened, and told that somebody writes: a file that cannot be written shows at once."""
        ref = self.context.ref
        self._trail.wake = lambda: ref.tell(_Call.EVENTS_WAIT)
        self._trail.tell(AuditEvent(AuditKind.BEGIN, self._about))
        self.context.after(REPEATED_SECONDS, _Call.MINUTE_OVER)
        await self._write()

    async def receive(self, message: _Call) -> None:
        """Write, or look whether it can be done again."""
        match message:
            case _Call.EVENTS_WAIT:
                if not self._failing:
                    await self._write()
            case _Call.TRY_AGAIN:
                await self._write()
            case _Call.MINUTE_OVER:
                self.context.after(REPEATED_SECONDS, message)
                self._trail.sum_up()
            case _:
                assert_never(message)

    async def _write(self) -> None:
        trail = self._trail
        while batch := trail.batch(MOST_EVENTS):
            try:
                await asyncio.to_thread(self._ledger.append, batch)
            except OSError as error:
                trail.failures += 1
                if not self._failing:
                    self._log.error("the audit cannot be written", reason=error.strerror or str(error))
                self._failing = True
                self.context.after(RETRY_SECONDS, _Call.TRY_AGAIN)
                return
            trail.done(batch)
            if self._failing:
                self._failing = False
                self._log.warning("the audit can be written again", waited=len(trail), dropped=trail.dropped)

    async def stopping(self) -> None:
        """Everybody else has stopped: the last events, and the head of the chain for the log."""
        self._trail.sum_up()
        self._trail.tell(AuditEvent(AuditKind.END, self._about))
        await self._write()
        head = self._ledger.head
        self._log.info("audit", lines=head.seq, head=head.digest)
        self._ledger.close()

    def released(self) -> None:
        """What is told from now on waits."""
        self._trail.wake = None
        self._ledger.close()


def recorded(trail: AuditTrail, ledger: Callable[[], Ledger], about: str) -> ChildSpec:
    """The spec of the recorder."""
    return ChildSpec("audit", lambda: Recorder(trail, ledger(), about), backoff=Backoff(0.1, 5.0))
