"""What every actor, task and thread is doing just now, as text: the answer to Go's dump of goroutines.

Stacks name files, lines and functions, never values. Bounded in tasks and in lines. Pure readers of the interpreter.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from actors.kernel import ActorState, System

_MOST_TASKS: Final = 500
_MOST_FRAMES: Final = 30


def tasks() -> str:
    """Every asyncio task, those that stand at the same place together."""
    places: Counter[tuple[str, ...]] = Counter()
    total = 0
    for task in asyncio.all_tasks():
        total += 1
        places[_stack(task)] += 1
    lines = [f"{total} asyncio tasks"]
    for place, count in islice(places.most_common(), _MOST_TASKS):
        lines += ["", f"{count} at", *place]
    left = len(places) - _MOST_TASKS
    return "\n".join([*lines, *([f"\n… and {left} more places"] if left > 0 else [])]) + "\n"


def threads() -> str:
    """Every thread of the server."""
    names = {thread.ident: thread for thread in threading.enumerate()}
    lines = [f"{len(names)} threads"]
    for ident, frame in sys._current_frames().items():
        thread = names.get(ident)
        name = f"{thread.name}{' (daemon)' if thread.daemon else ''}" if thread is not None else "unknown"
        stack = traceback.extract_stack(frame, _MOST_FRAMES)
        lines += ["", f"thread {name}", *(_line(each.filename, each.lineno, each.name) for each in stack)]
    return "\n".join(lines) + "\n"


def actors(system: System) -> str:
    """The actors that are not at rest: those that handle, wait for mail to be handled, start or stop."""
    found = list(islice(_active(system.snapshot(most=_MOST_TASKS)), _MOST_TASKS))
    lines = [f"{len(found)} actors not at rest", ""]
    lines += [f"  {each.path}  {each.state}  mail {each.mailbox}  oldest {each.oldest_seconds:.3f}s" for each in found]
    return "\n".join(lines) + "\n"


def _active(state: ActorState) -> Iterator[ActorState]:
    for child in state.children:
        if child.state != "running" or child.mailbox:
            yield child
        yield from _active(child)


def _stack(task: asyncio.Task[Any]) -> tuple[str, ...]:
    """Where it stands, the outermost first: through every coroutine that awaits another one."""
    return tuple(islice(_frames(task.get_coro()), _MOST_FRAMES)) or ("  (no frames)",)


def _frames(awaited: Any) -> Iterator[str]:
    while awaited is not None:
        frame = (
            getattr(awaited, "cr_frame", None)
            or getattr(awaited, "gi_frame", None)
            or getattr(awaited, "ag_frame", None)
        )
        if frame is not None:
            yield _line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)
        inner = getattr(awaited, "cr_await", None)
        awaited = inner if inner is not None else getattr(awaited, "gi_yieldfrom", None)


def _line(file: str, number: int | None, name: str) -> str:
    return f"  {file}:{number or 0} {name}"
