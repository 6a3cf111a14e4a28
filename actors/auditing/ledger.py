"""The file of the audit: appended to, never rewritten; one chain of lines, also of several processes that share it.

Each batch is written under an exclusive lock, after a look at where the file ends, and is on the disk (`fdatasync`)
before the next one: a power cut takes what still waited, some milliseconds, and no more. What could not be written as a
whole is taken back, so that no half line stays. Mode 0600, no links followed. A file that was renamed away (logrotate)
is followed by a new one of the old name, which goes on with the chain.

Blocking: called on a thread. Raises OSError.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from actors.auditing.chain import Head, end_of, written
from protocol.observation.auditing import AuditEvent

_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_TAIL_BYTES: Final = 64 << 10
"""Longer than any line: its texts are bounded."""
LOCK_SECONDS: Final = 1.0
"""Longest wait for another process that writes."""
_PAUSE_SECONDS: Final = 0.01


class Ledger:
    """One file."""

    def __init__(self, path: str, clean: Callable[[str], str]) -> None:
        self._path = path
        self._clean = clean
        self._file = -1
        self._turn = threading.Lock()  # whoever closes waits for the thread that writes
        self._known = (-1, -1)
        """Inode and size after our last batch."""
        self.head = Head()
        """The end of the chain, as far as we know it."""

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Write these, all or none. Raises OSError."""
        with self._turn:
            if self._moved():
                self._close()
            if self._file < 0:
                self._file = os.open(self._path, _FLAGS, 0o600)
            _lock(self._file)
            try:
                self._append(events)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _append(self, events: Sequence[AuditEvent]) -> None:
        size, torn = self._find_end()
        head = Head(self.head.seq, self.head.digest)
        lines = [written(event, head, self._clean) for event in events]
        data = (b"\n" if torn else b"") + b"\n".join(lines) + b"\n"
        try:
            _write_all(self._file, data)
            os.fdatasync(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, size)
            raise
        self.head = head
        self._known = (self._known[0], size + len(data))

    def _find_end(self) -> tuple[int, bool]:
        """Size of the file, and whether its last line is unfinished. Reads the head where others have written."""
        there = os.fstat(self._file)
        torn = False
        before, known = self._known
        if there.st_ino != before and there.st_size == 0:
            pass  # a new file goes on with the chain we know, or begins one
        elif there.st_ino != before or there.st_size > known:
            tail = os.pread(self._file, _TAIL_BYTES, max(0, there.st_size - _TAIL_BYTES))
            self.head, torn = end_of(tail, there.st_size <= _TAIL_BYTES)
        # Shorter than we left it: somebody cut it. The chain goes on from what was there, so that the cut shows.
        self._known = (there.st_ino, there.st_size)
        return there.st_size, torn

    def _moved(self) -> bool:
        """Whether the name leads to another file than ours by now, or to none."""
        if self._file < 0:
            return False
        try:
            there = os.lstat(self._path)
        except FileNotFoundError:
            return True
        return there.st_ino != os.fstat(self._file).st_ino

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._close()

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _lock(file: int) -> None:
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise OSError(errno.ETIMEDOUT, "another process keeps it locked") from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
