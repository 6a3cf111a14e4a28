"""A line of the log now and then: the numbers of something, for operators without a metrics server.

Invariant: the numbers are read when the line is written; what is watched knows nothing of it. Talks to the log alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum, auto

from actors.kernel import Actor

_logger = logging.getLogger(__name__)


class _Call(Enum):
    """What the actor tells itself."""

    LINE_DUE = auto()


class Reporter(Actor[_Call]):
    """Writes one line at intervals."""

    __slots__ = ("_line", "_seconds")

    def __init__(self, seconds: float, line: Callable[[], str]) -> None:
        """`line`: what to say now; empty: nothing."""
        self._seconds = seconds
        self._line = line

    def started(self) -> None:
        """The first line comes after a whole interval."""
        self.context.after(self._seconds, _Call.LINE_DUE)

    def receive(self, message: _Call) -> None:
        """Say it."""
        if text := self._line():
            _logger.info(text)
        self.context.after(self._seconds, message)
