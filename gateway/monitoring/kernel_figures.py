"""What the kernel's events add up to, for metrics, health and the log: crashes, restarts, escalations, overflows.

They are counted by supervisor, of which there are few; what happened lately is remembered for a minute.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final, NamedTuple

import structlog

from actors.sandbox.sandbox import SandboxEndedError
from protocol.lifecycle import ActorCrashed, Escalated, Event, MailboxFull, Restarted
from protocol.observation.metrics import OTHER, Family, counter

LATELY_SECONDS: Final = 60.0
MOST_SUPERVISORS: Final = 50
SANDBOXES: Final = "/root/sandboxes/pool"
"""Its children die as they must."""


class Lately(NamedTuple):
    """What went wrong in the last minute."""

    restarts: tuple[str, ...]
    """Paths, sandboxes left out."""
    escalations: tuple[str, ...]


class KernelFigures:
    """A listener of kernel events."""

    __slots__ = ("_clock", "_lately", "_log", "crashes", "escalations", "overflows", "restarts")

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.crashes: Counter[str] = Counter()
        """Supervisor → incarnations below it that ended with an exception."""
        self.restarts: Counter[str] = Counter()
        self.escalations: Counter[str] = Counter()
        """Supervisor → how often it gave up."""
        self.overflows = 0
        self._clock = clock
        self._lately: deque[tuple[float, str, bool]] = deque(maxlen=100)
        self._log = structlog.get_logger("kernel")

    def hear(self, event: Event) -> None:
        """Count one event."""
        match event:
            case ActorCrashed(path, cause, message):
                _count(self.crashes, _above(path))
                if isinstance(cause, SandboxEndedError):  # sandboxes die as they must; the pool counts them
                    self._log.debug("sandbox ended", actor=path, reason=str(cause))
                else:
                    self._log.error("actor crashed", actor=path, handling=message, exc_info=cause)
            case Restarted(path):
                _count(self.restarts, _above(path))
                if _above(path) != SANDBOXES:
                    self._lately.append((self._clock(), path, False))
                    self._log.warning("actor restarted", actor=path)
            case Escalated(path, cause):
                _count(self.escalations, path)
                self._lately.append((self._clock(), path, True))
                self._log.error("supervisor gave up", actor=path, error=repr(cause))
            case MailboxFull(path, policy, count):
                self.overflows += 1
                self._log.warning("mailbox full", actor=path, policy=policy, so_far=count)
            case _:
                pass

    @property
    def lately(self) -> Lately:
        """The last minute."""
        since = self._clock() - LATELY_SECONDS
        found = [(path, gave_up) for time, path, gave_up in self._lately if time >= since]
        return Lately(*(tuple(path for path, up in found if up is wanted) for wanted in (False, True)))

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        yield _by("nflow_actor_crashes", "Incarnations that ended with an exception", self.crashes)
        yield _by("nflow_actor_restarts", "Incarnations that took the place of another", self.restarts)
        yield _by("nflow_actor_escalations", "Supervisors that gave up", self.escalations)
        yield counter("nflow_mailbox_overflows", "Episodes of a full mailbox", self.overflows)


def _above(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _count(of: Counter[str], supervisor: str) -> None:
    of[supervisor if supervisor in of or len(of) < MOST_SUPERVISORS else OTHER] += 1


def _by(name: str, text: str, counts: Counter[str]) -> Family:
    rows = [((supervisor,), count) for supervisor, count in sorted(counts.items())]
    return Family(name, "counter", f"{text}, by supervisor", ("supervisor",), rows or [(("/root",), 0)])
