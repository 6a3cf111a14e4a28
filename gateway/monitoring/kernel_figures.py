"""What the kernel's events add up to, for metrics and the log: crashes, restarts, escalations, overflows."""

from __future__ import annotations

import structlog

from actors.sandbox.sandbox import SandboxEndedError
from protocol.lifecycle import ActorCrashed, Escalated, Event, MailboxFull, Restarted


class KernelFigures:
    """A listener of kernel events."""

    __slots__ = ("_log", "crashes", "escalations", "overflows", "restarts")

    def __init__(self) -> None:
        self.crashes = 0
        self.restarts = 0
        self.escalations = 0
        self.overflows = 0
        self._log = structlog.get_logger("kernel")

    def hear(self, event: Event) -> None:
        """Count one event."""
        match event:
            case ActorCrashed(path, cause, message):
                self.crashes += 1
                if isinstance(cause, SandboxEndedError):  # sandboxes die as they must; the pool counts them
                    self._log.debug("sandbox ended", actor=path, reason=str(cause))
                else:
                    self._log.error("actor crashed", actor=path, handling=message, exc_info=cause)
            case Restarted():
                self.restarts += 1
            case Escalated(path, cause):
                self.escalations += 1
                self._log.error("supervisor gave up", actor=path, error=repr(cause))
            case MailboxFull(path, policy, count):
                self.overflows += 1
                self._log.warning("mailbox full", actor=path, policy=policy, so_far=count)
            case _:
                pass
