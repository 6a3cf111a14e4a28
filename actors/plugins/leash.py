"""Somebody else's coroutine, run so that nothing it does reaches further than its caller.

It runs as a task of its own, under a deadline. A `SystemExit` or `KeyboardInterrupt` in it, which would end the event
loop, becomes an ordinary failure; whoever ignores being cancelled is cut off after a grace: his coroutine is closed
at its next step, so no task outlives its caller by more than that, and none holds up the end of the program. A step
that holds the loop cannot be prevented, but it is measured and told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Generator
from time import perf_counter
from typing import Any, Final

GRACE_SECONDS: Final = 1.0
"""How long a cancelled coroutine may tidy up."""
SLOW_SECONDS: Final = 0.1
"""A step that holds the loop for longer is told."""


class ExitAsked(Exception):
    """The code asked for the program's end, which is not its to ask."""


class Overdue(Exception):
    """The deadline passed."""


class Leash(Coroutine[Any, Any, Any]):
    """A coroutine around a coroutine."""

    __slots__ = ("_cut", "_inner", "_slow")

    def __init__(self, inner: Coroutine[Any, Any, Any], slow: Callable[[float], None]) -> None:
        """`slow` is told the seconds for which a step held the loop."""
        self._inner = inner
        self._slow = slow
        self._cut = False

    def cut(self) -> None:
        """The next step is the last, and the inner coroutine has no part in it."""
        self._cut = True

    def send(self, value: Any) -> Any:
        """One step."""
        return self._step(self._inner.send, value)

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Any:
        """One step, with an exception."""
        error = value if value is not None else kind
        return self._step(self._inner.throw, error)

    def close(self) -> None:
        """The end, without another step."""
        with contextlib.suppress(BaseException):  # one that ignores even this is left to the collector
            self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def _step(self, step: Callable[[Any], Any], argument: Any) -> Any:
        if self._cut:
            self.close()
            raise asyncio.CancelledError
        begun = perf_counter()
        try:
            return step(argument)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:
            raise ExitAsked(f"{type(error).__name__} was raised") from error
        finally:
            took = perf_counter() - begun
            if took > SLOW_SECONDS:
                self._slow(took)


async def attempt(work: Coroutine[Any, Any, Any], seconds: float | None, slow: Callable[[float], None]) -> Any:
    """The value of `work`, or what it raised. Raises Overdue when it takes longer; cancelling it cancels `work`.

    Returns within the deadline whatever `work` does, as long as it lets the loop run.
    """
    task, leash = leashed(work, slow)
    try:
        done, _ = await asyncio.wait((task,), timeout=seconds)
    except asyncio.CancelledError:
        let_go(task, leash)
        raise
    if not done:
        let_go(task, leash)
        raise Overdue
    if task.cancelled():  # from inside: nobody else knows the task
        raise RuntimeError("it cancelled itself")
    return task.result()


def leashed(work: Coroutine[Any, Any, Any], slow: Callable[[float], None]) -> tuple[asyncio.Task[Any], Leash]:
    """A task that runs `work` on a leash."""
    leash = Leash(work, slow)
    return asyncio.get_running_loop().create_task(leash), leash


def let_go(task: asyncio.Task[Any], leash: Leash) -> None:
    """Cancel the task, and cut it off after the grace."""
    task.cancel()
    task.add_done_callback(_heard)
    timer = asyncio.get_running_loop().call_later(GRACE_SECONDS, _cut_off, task, leash)
    task.add_done_callback(lambda _: timer.cancel())


def _cut_off(task: asyncio.Task[Any], leash: Leash) -> None:
    leash.cut()
    task.cancel()


def _heard(task: asyncio.Task[Any]) -> None:
    """Nobody waits for it any more; what it raises in the end is no news."""
    if not task.cancelled():
        task.exception()
