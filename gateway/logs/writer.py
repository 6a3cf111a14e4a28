"""The thread that writes: whoever has a line puts it into a queue and goes on.

Invariants: `put` never waits and never raises; memory is bounded (`MOST_WAITING`), what finds no room is counted and
said so in the log as soon as there is; order is kept. Lines are made, masked and written here in batches: every
`PAUSE_SECONDS` under load, at once when an error is said or somebody waits in `flush`. The thread is a daemon: `close`
has a deadline, because whoever reads a pipe may have stopped. After it, and before `start`, lines are written by who
says them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

T = TypeVar("T")

MOST_WAITING: Final = 20_000
"""Lines that may wait; more are dropped and counted."""
MOST_AT_ONCE: Final = 128
"""Lines of one write: making them holds the interpreter for less than a millisecond."""
PAUSE_SECONDS: Final = 0.02
"""Time in which lines gather."""
CLOSE_SECONDS: Final = 2.0
"""Longest wait for the last lines."""


class Output(Protocol):
    """Where lines go."""

    def write(self, data: bytes) -> None:
        """Write whole lines. Raises OSError or ValueError."""

    def reopen(self) -> None:
        """Let go of a file, so that the next line opens it anew."""

    def close(self) -> None:
        """Let go of what is open."""


class Writer(Generic[T]):
    """A queue and its thread. `T`: what lines are made of."""

    __slots__ = (
        "_closed", "_gather", "_lock", "_lost", "_stuck", "_thread", "_wake", "dropped", "failed", "idle", "make",
        "most", "output", "queue", "said", "written",
    )  # fmt: skip

    def __init__(self, make: Callable[[Sequence[T]], bytes], output: Output, most: int = MOST_WAITING) -> None:
        self.make = make
        """Makes lines of a batch; on the thread."""
        self.output = output
        self.most = most
        self.queue: deque[T | Callable[[], object]] = deque()
        self.idle = False
        """The thread waits to be woken."""
        self.written = 0
        self.dropped = 0
        """Found no room."""
        self.failed = 0
        """Could not be made or written."""
        self.said = 0
        """Of those lost, how many the log itself has told of."""
        self._lost: Callable[[int], T] | None = None
        self._wake = threading.Event()
        self._gather = threading.Event()
        self._lock = threading.Lock()
        self._closed = True
        self._stuck = False
        self._thread: threading.Thread | None = None

    def start(self, lost: Callable[[int], T]) -> None:
        """Write on a thread from now on. `lost`: makes the line that says how many are missing."""
        self._lost = lost
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def put(self, item: T, *, urgent: bool = False) -> None:
        """Have it written."""
        if self._closed:
            if not self._stuck:
                self._write([item])
            return
        if len(self.queue) >= self.most:
            self.dropped += 1
            return
        self.queue.append(item)
        if urgent:
            self._gather.set()
        if self.idle:
            self.wake()

    def wake(self) -> None:
        """There is something to write."""
        self.idle = False
        self._wake.set()

    def flush(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until everything said so far is written, or tried. False: it took longer."""
        thread = self._thread
        if self._closed or thread is None or thread is threading.current_thread() or not thread.is_alive():
            return not self.queue
        done = threading.Event()
        self.do(done.set)
        return done.wait(seconds)

    def do(self, change: Callable[[], object]) -> None:
        """Have something done behind all lines said so far, where nobody writes at the same time."""
        if self._closed:
            change()
            return
        self.queue.append(change)
        self._gather.set()
        self.wake()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what waits; from now on whoever says a line writes it. Idempotent."""
        if self._closed:
            return
        self._stuck = not self.flush(seconds)
        self._closed = True
        self._gather.set()
        self.wake()

    def _run(self) -> None:
        while not self._closed:
            if not self.queue:
                self.idle = True
                if not self.queue:  # since it was looked at
                    self._wake.wait()
                self._wake.clear()
                self.idle = False
            self._gather.wait(PAUSE_SECONDS)
            self._gather.clear()
            for _ in range(0, len(self.queue), MOST_AT_ONCE):  # what comes meanwhile gathers again
                self._take()

    def _take(self) -> None:
        """One batch."""
        batch: list[T] = []
        change: Callable[[], object] | None = None
        while self.queue and len(batch) < MOST_AT_ONCE:
            item = self.queue.popleft()
            if callable(item):
                change = item
                break
            batch.append(item)
        lost = self.dropped + self.failed - self.said
        if lost and self._lost is not None:
            batch.append(self._lost(lost))
        if batch and self._write(batch):
            self.said += lost
        if change is not None:
            change()

    def _write(self, batch: Sequence[T]) -> bool:
        with self._lock:
            try:
                data = self.make(batch)
                self.output.write(data)
            except Exception:  # a full disk, a reader who left; a bug of ours must not end the log either
                self.failed += len(batch)
                return False
            self.written += len(batch)
            return True
