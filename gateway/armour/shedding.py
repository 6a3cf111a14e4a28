"""Refuse at once what would wait too long for a sandbox, and say honestly when to come back.

The pool tells how long a newcomer would wait, and whose turn is when (`PoolFigures`). Above `server.wait_seconds` a
request for a workflow with scripts is answered 503 before a byte of its body is read.
"""

from __future__ import annotations

from actors.sandbox.pool import PoolFigures
from protocol.errors import Overloaded
from protocol.flow import Flow


class Shedding:
    """Who is sent away."""

    __slots__ = ("_figures", "_wait_seconds", "shed")

    def __init__(self, figures: PoolFigures, wait_seconds: float) -> None:
        self._figures = figures
        self._wait_seconds = wait_seconds
        self.shed = 0

    def look(self, flow: Flow, now: float) -> Overloaded | None:
        """The refusal for who comes for this flow at `now` (monotonic seconds); None: come in."""
        figures = self._figures
        if figures.delay <= self._wait_seconds or all(node.script is None for node in flow.nodes.values()):
            return None
        self.shed += 1
        return Overloaded(
            f"a sandbox would be free in {figures.delay:.1f} s at best (server.wait_seconds = {self._wait_seconds:g})",
            retry_after=figures.turn(now),
        )
