"""The door of the audit: where events wait for the recorder, and equal refusals become one line a minute.

Invariant: `tell` neither waits nor raises, and every event is written, counted as dropped, or still waits. Memory is
bounded: when too many wait, the new ones are dropped, because the first ones tell how it began; a line says how many
are missing as soon as one can be written. Repeated refusals are told once at once, and then by their number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from protocol.observation.auditing import REPEATING, AuditEvent, AuditKind, Outcome
from protocol.observation.metrics import Family, counter, gauge

WAITING_EVENTS: Final = 10_000
"""Events that may wait; more: dropped and counted."""
REPEATED_SECONDS: Final = 60.0
"""Equal refusals within so long become one line."""
REPEATED_KEYS: Final = 10_000
"""Kinds of refusals that are told apart within a minute; more are counted together."""

Key = tuple[AuditKind, str, str, str]


class AuditTrail:
    """The events of one runtime on their way to its file."""

    def __init__(self, wall: Callable[[], float], waiting: int = WAITING_EVENTS) -> None:
        """`wall`: Unix seconds."""
        self._wall = wall
        self._most = waiting
        self._events: deque[AuditEvent] = deque()
        self._repeated: dict[Key, tuple[AuditEvent, int]] = {}
        self._others: dict[AuditKind, int] = {}
        self.wake: Callable[[], None] | None = None
        """Called when an event waits and none did; set by the recorder."""
        self.written = 0
        self.dropped = 0
        self.failures = 0
        """Batches that could not be written; they are tried again."""
        self._untold = 0
        """Dropped, and not yet said so in the file."""

    def __len__(self) -> int:
        return len(self._events)

    def tell(self, event: AuditEvent) -> None:
        """Take an event (`protocol.observation.auditing.Audit`)."""
        if event.time == 0.0:
            event = replace(event, time=self._wall())
        if event.outcome is Outcome.REFUSED and event.kind in REPEATING and self._seen(event):
            return
        self._put(event)

    def _seen(self, event: AuditEvent) -> bool:
        """Whether the like was told already in this minute; then it is counted."""
        key = (event.kind, event.what, event.who, event.where)
        entry = self._repeated.get(key)
        if entry is not None:
            self._repeated[key] = (event, entry[1] + 1)
            return True
        if len(self._repeated) >= REPEATED_KEYS:
            self._others[event.kind] = self._others.get(event.kind, 0) + 1
            return True
        self._repeated[key] = (event, 0)
        return False

    def _put(self, event: AuditEvent) -> None:
        if len(self._events) >= self._most:
            self.dropped += 1
            self._untold += 1
            return
        self._events.append(event)
        if len(self._events) == 1 and self.wake is not None:
            self.wake()

    def sum_up(self) -> None:
        """The minute is over: what was repeated is told by its number."""
        repeated, self._repeated = self._repeated, {}
        others, self._others = self._others, {}
        for event, times in repeated.values():
            if times:
                self._put(replace(event, details={**event.details, "again": times}))
        for kind, times in others.items():
            self._put(AuditEvent(kind, "others, too many to name", Outcome.REFUSED, details={"times": times},
                                 time=self._wall()))  # fmt: skip

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        yield counter("nflow_audit_events", "Security events written", self.written)
        yield counter("nflow_audit_dropped", "Security events that found no room", self.dropped)
        yield counter("nflow_audit_failures", "Failed writes of security events", self.failures)
        yield gauge("nflow_audit_waiting", "Security events that wait to be written", len(self._events))

    def batch(self, most: int) -> list[AuditEvent]:
        """The oldest events that wait. They stay until `done`."""
        batch = [self._events[at] for at in range(min(most, len(self._events)))]
        if batch and self._untold:
            lost = {"dropped": self._untold}
            batch.append(
                AuditEvent(AuditKind.LOST, "events are missing", Outcome.FAILED, details=lost, time=self._wall())
            )
        return batch

    def done(self, batch: list[AuditEvent]) -> None:
        """These are written."""
        for event in batch:
            if self._events and self._events[0] is event:
                self._events.popleft()
            else:  # the line about those that are missing
                self._untold -= int(event.details["dropped"])
        self.written += len(batch)
