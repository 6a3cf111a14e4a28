"""Files below one folder, by paths that scripts give.

Invariant: what is opened or written lies below the root, whatever the path says and whoever changes the folder at the
same time. A path is made relative and free of links first, then walked from the root's descriptor one part at a time,
following no link: a link put there in between makes the walk fail. Only regular files are opened. Nothing here waits
for a device, but a disk can be slow: callers on the loop use a thread.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from typing import Final

from protocol.errors import CallRefused

MISSING: Final = "NotFoundError"
OUTSIDE: Final = "SecurityError"
"""Names of the errors a script sees; the gateway tells them apart by these as well."""
MAX_PATH: Final = 4_096
_DIRECTORY: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_CREATE: Final = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_CREAT | os.O_EXCL


def open_file(root: str, path: str) -> int:
    """Open the regular file `path` below `root` for reading; the caller closes the descriptor.

    Links are followed where they stay below the root. Raises CallRefused, named MISSING or OUTSIDE.
    """
    parts = _resolve(root, path)
    with _folder_of(root, parts, path) as folder:
        descriptor = _open(parts[-1], _READ, folder, path)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise CallRefused(f"{path!r} is no file", name=MISSING)


def read_file(root: str, path: str, most: int) -> bytes:
    """The content of a file of at most `most` bytes. Raises CallRefused."""
    with os.fdopen(open_file(root, path), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise CallRefused(f"{path!r} is larger than {most} bytes (files.max_kb)", name="RangeError")
    return data


def replace_file(root: str, path: str, data: bytes) -> None:
    """Write a whole file, in a folder that exists: readers see the old content or the new. Raises CallRefused."""
    parts = _resolve(root, path)
    with _folder_of(root, parts, path) as folder:
        mode = _mode(parts[-1], folder, path)
        draft = f".nflow-{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(draft, _CREATE, mode, dir_fd=folder), "wb") as file:
                file.write(data)
            os.rename(draft, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(draft, dir_fd=folder)
            raise _refusal(path, error) from None


def _resolve(root: str, path: str) -> list[str]:
    """The parts of `path` below `root`, with no link left in them. The last is the file's name."""
    if "\0" in path or len(path) > MAX_PATH or not path.isprintable():
        raise CallRefused("a path of a file is a short text without control characters", name=OUTSIDE)
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts:
        raise CallRefused(f"{path!r}: files are named relative to files.root, without `..`", name=OUTSIDE)
    if not parts:
        raise CallRefused(f"{path!r} names no file", name=MISSING)
    top = os.path.realpath(root)
    found = os.path.realpath(os.path.join(top, *parts))  # noqa: PTH118 a Path would drop what `..` in links leads to
    if not found.startswith(top.rstrip("/") + "/"):
        raise CallRefused(f"{path!r} leads out of files.root", name=OUTSIDE)
    return found[len(top.rstrip("/")) + 1 :].split("/")


@contextlib.contextmanager
def _folder_of(root: str, parts: list[str], path: str) -> Iterator[int]:
    """Descriptor of the folder that the last part is in."""
    try:
        folder = os.open(os.path.realpath(root), _DIRECTORY)
    except OSError:
        raise CallRefused("files.root is no folder that can be read", name=MISSING) from None
    try:
        for part in parts[:-1]:
            inner = _open(part, _DIRECTORY, folder, path)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _open(name: str, flags: int, folder: int, path: str) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise _refusal(path, error) from None


def _mode(name: str, folder: int, path: str) -> int:
    """Permissions of the file that will be replaced, or of a new one."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return 0o644
    except OSError as error:
        raise _refusal(path, error) from None
    if not stat.S_ISREG(found.st_mode):
        raise CallRefused(f"{path!r} is no file", name=MISSING)
    return stat.S_IMODE(found.st_mode) & 0o777


def _refusal(path: str, error: OSError) -> CallRefused:
    """Says what is wrong with the author's path, and nothing of the machine's."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return CallRefused(f"{path!r}: there is no such file", name=MISSING)
    return CallRefused(f"{path!r}: {error.strerror}", name=OUTSIDE if isinstance(error, PermissionError) else "Error")
