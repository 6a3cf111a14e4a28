"""Where lines go: the program's own streams, or a file that is rotated by its size.

A file is opened for appending and created with mode 0640. Before each batch it is looked whether its name still leads
to it: a file that was renamed away (logrotate) is followed by a new one. At `max_bytes` it becomes `NAME.1`, that
`NAME.2`, and so on up to `keep`. What is no ordinary file (a pipe, /dev/null) is neither looked for nor rotated.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import Any, Final

from gateway.logs.settings import LogSettings
from gateway.logs.writer import Output

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_MODE: Final = 0o640


class Stream:
    """stdout or stderr."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Write and flush."""
        stream = self._stream
        stream.flush()
        buffer = getattr(stream, "buffer", None)
        if buffer is None:  # replaced by something that takes text only
            stream.write(data.decode("utf-8", "replace"))
        else:
            buffer.write(data)
        stream.flush()

    def reopen(self) -> None:
        """Streams are whoever's started the program."""

    def close(self) -> None:
        """Streams are whoever's started the program."""


class RotatedFile:
    """A file of bounded size, and those before it."""

    def __init__(self, path: str, max_bytes: int, keep: int) -> None:
        """Opens it. Raises OSError."""
        self._path = Path(path)
        self._max = max_bytes
        self._keep = keep
        self._file = -1
        self._size = 0
        self._ordinary = True
        self._torn = False
        """A write ended in the middle of a line."""
        self._open()

    def write(self, data: bytes) -> None:
        """Append whole lines. Raises OSError."""
        if self._file >= 0 and self._ordinary and self._moved():
            self.close()
        if self._file < 0:
            self._open()
        if self._ordinary and self._size and self._size + len(data) > self._max:
            self._rotate()
        rest = memoryview(b"\n" + data if self._torn else data)
        while rest:
            written = os.write(self._file, rest)
            self._size += written
            rest = rest[written:]
            self._torn = bool(rest)

    def reopen(self) -> None:
        """Let go, so that the next line opens it anew."""
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> None:
        self._file = os.open(self._path, _FLAGS, _MODE)
        there = os.fstat(self._file)
        self._ordinary, self._size = stat.S_ISREG(there.st_mode), there.st_size

    def _moved(self) -> bool:
        """Whether the name leads elsewhere by now, or nowhere."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return True
        mine = os.fstat(self._file)
        self._size = mine.st_size  # another process may write here too, or have cut it
        return (there.st_ino, there.st_dev) != (mine.st_ino, mine.st_dev)

    def _rotate(self) -> None:
        """What cannot be renamed is written on: a file too large is better than lines that are lost."""
        with contextlib.suppress(OSError):
            for number in range(self._keep - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    self._numbered(number).replace(self._numbered(number + 1))
            if self._keep:
                self._path.replace(self._numbered(1))
            else:
                self._path.unlink()
            self.close()
            self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def output(settings: LogSettings) -> Output:
    """The place that is configured. Raises OSError."""
    if settings.output in ("stderr", "stdout"):
        return Stream(getattr(sys, settings.output))
    return RotatedFile(settings.output, settings.max_bytes, settings.keep)
