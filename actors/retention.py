"""Retention: now and then throws away what is older than the settings keep, a small bite at a time.

Invariant: it takes at most a tenth of the writer's time, so commits and batches never wait long behind it. An outage of
the store is waited out. Talks to one `Store`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from actors.kernel import Actor
from actors.stores.store import Store
from protocol.errors import AskError, Refusal
from protocol.storage import RetentionDays

_SHARE = 9.0
"""Seconds of rest for each second of pruning."""
_SHORTEST_REST_SECONDS = 0.05


class _Call(Enum):
    """What the actor tells itself."""

    BITE_DUE = auto()


class Retention(Actor[_Call]):
    """Asks the store to prune."""

    __slots__ = ("_days", "_pause", "_store", "_wall")

    def __init__(self, store: Store, days: RetentionDays, pause_seconds: float, wall: Callable[[], float]) -> None:
        """`pause_seconds`: between two rounds; `wall`: Unix time in seconds."""
        self._store = store
        self._days = days
        self._pause = pause_seconds
        self._wall = wall

    def started(self) -> None:
        """The first round begins soon, but not amid the start; 0 days everywhere: nothing is ever done."""
        if self._days.process > 0 or self._days.step > 0 or self._days.tracker > 0:
            self.context.after(min(self._pause, 60.0), _Call.BITE_DUE)

    async def receive(self, message: _Call) -> None:
        """Take one bite; the next comes after a rest, or after the pause when nothing is left."""
        began = self.context.now()
        try:
            pruned = await self._store.prune(self._days, self._wall())
        except (Refusal, AskError):
            self.context.after(self._pause, message)
            return
        rest = max(_SHORTEST_REST_SECONDS, _SHARE * (self.context.now() - began))
        self.context.after(min(rest, self._pause) if pruned.more else self._pause, message)
