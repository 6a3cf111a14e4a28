"""Refuse at once what would wait too long for a sandbox, and say honestly when to come back.

The pool tells how long a newcomer would wait (`PoolFigures.delay`). Above `server.wait_seconds` a request for a
workflow is answered 503 before a byte of its body is read. Everybody who is sent away gets a turn of his own: when the
queue of today would be worked off, then one lease later each, so that those who obey do not come back as a crowd.
"""

from __future__ import annotations

from typing import Final

from actors.sandbox.pool import PoolFigures
from protocol.errors import Overloaded
from protocol.flow import Flow

LONGEST: Final = 60.0
"""Seconds nobody is asked to wait beyond: what lies further ahead is a guess."""


class Shedding:
    """Who is sent away."""

    __slots__ = ("_figures", "_turn", "_wait_seconds", "shed")

    def __init__(self, figures: PoolFigures, wait_seconds: float) -> None:
        self._figures = figures
        self._wait_seconds = wait_seconds
        self._turn = 0.0
        """Monotonic time of the last turn that was promised."""
        self.shed = 0

    def look(self, flow: Flow, now: float) -> Overloaded | None:
        """The refusal for who comes for this flow at `now` (monotonic seconds); None: come in."""
        figures = self._figures
        if figures.delay <= self._wait_seconds or all(node.script is None for node in flow.nodes.values()):
            return None
        self.shed += 1
        self._turn = min(max(self._turn, now + figures.delay) + figures.pace, now + LONGEST)
        return Overloaded(
            f"a sandbox would be free in {figures.delay:.1f} s at best (server.wait_seconds = {self._wait_seconds:g})",
            retry_after=self._turn - now,
        )
