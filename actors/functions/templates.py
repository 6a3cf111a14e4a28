"""Page templates, for scripts: `get_template(name)` (as in Go), and for the nodes that render them.

A template is looked for in a folder (`name.html`, `name.tmpl`, `name`), then in the library; "" where it is nowhere.
Invariants: nothing outside the folder and nothing hidden in it is ever read: a name that could lead there is looked up
in the library only; an answer is at most `fresh_seconds` old, and during an outage of the library the last known one.
"""

from __future__ import annotations

import asyncio
import stat
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from actors.functions.arguments import Arguments
from actors.functions.caller import Caller, Functions
from actors.library.library import Library
from protocol.errors import CallRefused, Unavailable

_ENDINGS: Final = (".html", ".tmpl", "")
_KEPT: Final = 256
_LONGEST_NAME: Final = 200


class _Known(NamedTuple):
    text: str
    looked: float


class Templates:
    """Templates of one deployment."""

    def __init__(
        self,
        library: Library | None,
        folder: Path | None,
        *,
        max_bytes: int = 1 << 20,
        fresh_seconds: float = 0.5,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """`fresh_seconds`: how long an answer is given again without a look. `clock` gives seconds; default: the
        loop's."""
        self._library = library
        self._folder = folder
        self._max_bytes = max_bytes
        self._fresh_seconds = fresh_seconds
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def functions(self) -> Functions:
        """By the names scripts call them."""
        return {"get_template": self.get_template}

    async def get_template(self, caller: Caller, values: list[Any]) -> str:
        """`get_template(name)`: its text; "" when there is none."""
        return await self.text(Arguments("get_template(name)", values).text(0, ""))

    async def text(self, name: str) -> str:
        """The template's text. Raises CallRefused for one that is too large, Unavailable for one never seen."""
        known = self._known.get(name)
        if known is not None and self._clock() - known.looked < self._fresh_seconds:
            return known.text
        try:
            text = await self._look(name)
        except Unavailable:
            if known is None:
                raise
            text = known.text
        if len(name) <= _LONGEST_NAME:
            self._known[name] = _Known(text, self._clock())
            self._known.move_to_end(name)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return text

    def clear(self) -> None:
        """Forget every answer: the next one is looked for."""
        self._known.clear()

    def __len__(self) -> int:
        """Answers kept."""
        return len(self._known)

    async def _look(self, name: str) -> str:
        if self._folder is not None and _is_plain(name):
            text = await asyncio.to_thread(_read, self._folder, name, self._max_bytes)
            if text is not None:
                return text
        if self._library is None or "\0" in name:
            return ""
        template = await self._library.template(name)
        if template is None:
            return ""
        if len(template.content) > self._max_bytes:
            raise _too_large(name, self._max_bytes)
        return template.content


def _is_plain(name: str) -> bool:
    """Whether the name is a file's own name: no folder, nothing hidden, nothing unprintable."""
    return (
        0 < len(name) <= _LONGEST_NAME
        and name.isprintable()
        and not name.startswith(".")
        and not any(part in name for part in ("/", "\\", "..", ":"))
    )


def _read(folder: Path, name: str, most: int) -> str | None:
    """The first of the three files that is there. Raises CallRefused for one that is too large."""
    for ending in _ENDINGS:
        path = folder / (name + ending)
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                continue
            with path.open("rb") as file:
                content = file.read(most + 1)
        except (OSError, ValueError):
            continue
        if len(content) > most:
            raise _too_large(name, most)
        return content.decode("utf-8", "replace").removeprefix("\ufeff")
    return None


def _too_large(name: str, most: int) -> CallRefused:
    return CallRefused(f"get_template(name): the template {name!r} is larger than {most >> 10} KiB (files.max_kb)")
