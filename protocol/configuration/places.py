"""Where in a TOML text each key is written, so that an error can say its line.

TOML's reader tells no lines, so this looks for headers and keys itself. What it cannot follow (a key written inside an
array that spans lines, say) has no line, and the error names the file alone.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

Path = tuple[str, ...]

_NAME: Final = r"""(?:[A-Za-z0-9_-]{1,200}|"[^"\\\n]{0,200}"|'[^'\n]{0,200}')"""
_NAMES: Final = rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME}){{0,8}}"
_HEADER: Final = re.compile(rf"[ \t]*(\[[ \t]*{_NAMES}[ \t]*\])[ \t]*(?:#.*)?\r?")
_KEY: Final = re.compile(rf"[ \t]*({_NAMES})[ \t]*=")
_FENCES: Final = ('"""', "'''")


def places(text: str) -> dict[Path, int]:
    """The names that lead to a key or table → its line, the first of the text being 1."""
    found: dict[Path, int] = {}
    table: Path = ()
    for number, line in _lines(text):
        if header := _HEADER.fullmatch(line):
            table = _names(header.group(1))
            for length in range(1, len(table) + 1):
                found.setdefault(table[:length], number)
        elif key := _KEY.match(line):
            path = (*table, *_names(f"{key.group(1)} = 0"))
            for length in range(len(table) + 1, len(path) + 1):
                found.setdefault(path[:length], number)
    return found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines, without comments and what is inside texts of several lines."""
    fence = ""
    for number, line in enumerate(text.split("\n"), 1):
        if fence:
            fence = fence if line.count(fence) % 2 == 0 else ""
            continue
        if line.lstrip().startswith("#"):
            continue
        yield number, line
        fence = next((each for each in _FENCES if line.count(each) % 2), "")


def _names(text: str) -> Path:
    """The names of a header or key, read as TOML reads them."""
    names: list[str] = []
    tree: Any = tomllib.loads(text)
    while isinstance(tree, dict) and tree:
        name, tree = next(iter(tree.items()))
        names.append(name)
    return tuple(names)
