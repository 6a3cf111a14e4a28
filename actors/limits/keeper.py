"""The keeper of the limits: parent of the buckets, and the one who tidies up.

Talks to the door (`limits.py`), which holds the table; so a keeper that is restarted finds everything where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from actors.kernel import Actor
from actors.limits.limits import Limits
from actors.limits.shared import PROBE_SECONDS


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Forget the buckets that say nothing any more."""


@dataclass(frozen=True, slots=True)
class _Look:
    """Send the buckets to rest."""


@dataclass(frozen=True, slots=True)
class _Probe:
    """See whether Redis is back."""


LOOK_SECONDS: Final = 1.0
"""How long a bucket may stay without mail."""

Message = _Sweep | _Look | _Probe


class LimitsKeeper(Actor[Message]):
    """Owns the buckets."""

    __slots__ = ("_door",)

    def __init__(self, door: Limits) -> None:
        self._door = door

    def started(self) -> None:
        """Open the door."""
        self._door.attach(self.context.spawn)
        self.context.after(self._door.settings.cleanup_seconds, _Sweep())
        self.context.after(LOOK_SECONDS, _Look())
        if self._door.shared is not None:
            self.context.after(PROBE_SECONDS, _Probe())

    async def receive(self, message: Message) -> None:
        """Time for one of the three."""
        match message:
            case _Sweep():
                self._door.sweep()
                self.context.after(self._door.settings.cleanup_seconds, message)
            case _Look():
                self._door.rest()
                self.context.after(LOOK_SECONDS, message)
            case _Probe():
                if self._door.shared is not None:
                    await self._door.shared.probe()
                self.context.after(PROBE_SECONDS, message)

    def released(self) -> None:
        """The door counts by itself from here on."""
        self._door.detach()
        if self._door.shared is not None:
            self._door.shared.close()
