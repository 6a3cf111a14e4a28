"""What nobody caught: in the main thread, in others, and where Python can raise nothing. Each is a line of the log.

The hooks take Python's place, so that no traceback is written past the log, unmasked and in many lines. They are the
program's, so only the command sets them, not a runtime that is embedded.
"""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType
from typing import Any

from gateway.logs.said import Ear


class Hooks:
    """Python's hooks for what nobody caught."""

    __slots__ = ("_ear",)

    def __init__(self, ear: Ear) -> None:
        self._ear = ear

    def set(self) -> None:
        """Take Python's place."""
        sys.excepthook = self.program
        threading.excepthook = self.thread
        sys.unraisablehook = self.unraisable

    def program(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """The program ends of this."""
        if issubclass(kind, KeyboardInterrupt):
            return
        self._ear.say(logging.CRITICAL, "the program ends: nobody caught an exception", {}, error)
        self._ear.writer.flush()

    def thread(self, crash: Any) -> None:
        """A thread ends of this."""
        if crash.exc_type is not SystemExit:
            name = crash.thread.name if crash.thread is not None else ""
            self._ear.say(
                logging.ERROR, "a thread ended: nobody caught an exception", {"thread": name}, crash.exc_value
            )

    def unraisable(self, lost: Any) -> None:
        """Raised in a destructor, or the like."""
        where = type(lost.object).__name__ if lost.object is not None else ""
        self._ear.say(logging.ERROR, lost.err_msg or "an exception could not be raised", {"in": where}, lost.exc_value)
