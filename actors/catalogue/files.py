"""Playbook files and trigger files, looked at again and again: what is there, and what of it has changed.

For one thread: every call may wait for a disk. Invariants: a file that cannot be read keeps its last content and is a
problem; a file is gone only when two looks in a row have missed it, because editors replace a file by a new one; a file
changed a moment ago is read again, because two changes may fall into one tick of the file system's clock.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from actors.catalogue.live import AppDocument, Triggers
from actors.library.versions import VersionSource, content_hash
from protocol.errors import Problem
from protocol.formats.document import MAX_BYTES

_SETTLED_SECONDS: Final = 2.0
"""A file changed less than this ago is read whatever its times say."""
_TRIGGER_BYTES: Final = 1 << 20

_Signature = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class FilesFound:
    """What one look found."""

    documents: tuple[AppDocument, ...]
    triggers: Triggers
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Known:
    signature: _Signature | None
    content: bytes
    missed: int = 0


class PlaybookFiles:
    """The files of a deployment."""

    def __init__(self, documents: Mapping[str, Path], triggers: Path | None = None) -> None:
        """`documents`: app name → file; where the path is a folder, each `*.json` in it is the app of its stem.
        `triggers`: folder of `auth.js` and `log.js`."""
        self._documents = documents
        self._trigger_folder = triggers
        self._known: dict[Path, _Known] = {}
        self._made: dict[Path, AppDocument] = {}
        self._problems: list[Problem] = []

    def look(self) -> FilesFound:
        """Everything as it is now; a file that has not changed costs one question to the file system."""
        self._problems = []
        documents: dict[str, AppDocument] = {}
        for app, path in self._listed():
            if app in documents:
                taken = documents[app].place
                self._problems.append(Problem(str(path), f"ignored: the app {app!r} is in {taken} already"))
                continue
            document = self._document(app, path)
            if document is not None:
                documents[app] = document
        triggers = Triggers(self._trigger("auth.js"), self._trigger("log.js"))
        return FilesFound(tuple(documents.values()), triggers, tuple(self._problems))

    def _listed(self) -> Iterator[tuple[str, Path]]:
        for app, path in self._documents.items():
            if path.is_dir():
                # Those known and gone come last: they may be on their way back.
                found = sorted(file for file in path.iterdir() if _is_playbook(file))
                gone = [file for file in self._made if file.parent == path and file not in found]
                yield from ((file.stem, file) for file in (*found, *gone))
            else:
                yield app, path

    def _document(self, app: str, path: Path) -> AppDocument | None:
        content = self._content(path, MAX_BYTES, wanted=True)
        if content is None:
            self._made.pop(path, None)
            return None
        made = self._made.get(path)
        if made is None or made.text is not content or made.app != app:
            made = AppDocument(app, content, content_hash(content), VersionSource.FILE, str(path))
            self._made[path] = made
        return made

    def _trigger(self, name: str) -> str:
        if self._trigger_folder is None:
            return ""
        content = self._content(self._trigger_folder / name, _TRIGGER_BYTES, wanted=False)
        return (content or b"").decode("utf-8", "replace").removeprefix("\ufeff")

    def _content(self, path: Path, most: int, *, wanted: bool) -> bytes | None:
        """What the file holds; the very same object while it does not change. None: it is gone."""
        known = self._known.get(path)
        try:
            signature = _signature(path)
            if known is None or signature != known.signature:
                content = _read(path, most)
                if known is not None and content == known.content:
                    content = known.content
                fresh = time.time() - signature[0] / 1e9 < _SETTLED_SECONDS
                self._known[path] = known = _Known(None if fresh else signature, content)
            known.missed = 0
        except FileNotFoundError as error:
            return self._missing(path, known, error, wanted)
        except OSError as error:
            self._problems.append(Problem(str(path), f"cannot be read: {error.strerror or error}"))
        return known.content if known is not None else None

    def _missing(self, path: Path, known: _Known | None, error: OSError, wanted: bool) -> bytes | None:
        if known is not None and not known.missed:
            known.missed = 1
            return known.content
        self._known.pop(path, None)
        if wanted and path in self._documents.values():
            self._problems.append(Problem(str(path), f"cannot be read: {error.strerror}"))
        return None


def _is_playbook(path: Path) -> bool:
    return path.suffix == ".json" and not path.name.startswith(".")


def _signature(path: Path) -> _Signature:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is not a file")
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _read(path: Path, most: int) -> bytes:
    """The content, and one byte more than `most` of what is larger, so that the reader says so."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        return file.read(most + 1)
