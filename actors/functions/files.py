"""`file_to_string(path)` and `string_to_file(path, text)` (Go: files of the whole machine).

Here they are off until `vm_pool.enable_filesystem` is set, and see only what lies below `files.root`. A disk can be
slow, so both work on a thread. They talk to `actors/guards/paths.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from actors.functions.arguments import Arguments
from actors.functions.caller import Caller, Functions
from actors.guards import paths
from protocol.errors import CallRefused


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What of the configuration the functions obey."""

    enabled: bool = False
    """`vm_pool.enable_filesystem`."""
    root: str = ""
    """`files.root`."""
    max_bytes: int = 1 << 20
    """Largest file, read or written (`files.max_kb`)."""


class FileFunctions:
    """The functions."""

    def __init__(self, settings: FileSettings) -> None:
        self._settings = settings

    def functions(self) -> Functions:
        """By name."""
        return {"file_to_string": self.file_to_string, "string_to_file": self.string_to_file}

    async def file_to_string(self, _caller: Caller, values: list[Any]) -> str:
        """The text of a file; bytes that are not UTF-8 become U+FFFD."""
        path = Arguments("file_to_string(path)", values).text(0)
        root = self._root()
        data = await asyncio.to_thread(paths.read_file, root, path, self._settings.max_bytes)
        return data.decode("utf-8", "replace")

    async def string_to_file(self, _caller: Caller, values: list[Any]) -> None:
        """Write a text as a whole file; its folder must exist."""
        given = Arguments("string_to_file(path, text)", values)
        path, data = given.text(0), given.text(1).encode("utf-8", "replace")
        root, most = self._root(), self._settings.max_bytes
        if len(data) > most:
            raise CallRefused(f"the text is larger than {most} bytes (files.max_kb)", name="RangeError")
        await asyncio.to_thread(paths.replace_file, root, path, data)

    async def read(self, path: str) -> bytes:
        """A file's bytes, for what else may carry files. Raises CallRefused."""
        return await asyncio.to_thread(paths.read_file, self._root(), path, self._settings.max_bytes)

    def _root(self) -> str:
        if not self._settings.enabled:
            raise CallRefused("files are off: set [vm_pool] enable_filesystem = true", name=paths.OUTSIDE)
        if not self._settings.root:
            raise CallRefused("there is no folder for files: set [files] root", name=paths.OUTSIDE)
        return self._settings.root
