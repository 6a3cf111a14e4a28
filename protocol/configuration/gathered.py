"""What was written, by section and key: the one tree that files, profiles and variables are put into.

Invariants: a name that somebody else wrote is shown on one line, without control characters, and cut; no more than a
hundred problems are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from protocol.errors import Problem

Known = Mapping[str, tuple[str, ...] | None]
"""Section → its keys, or None when its names are free."""

MOST_PROBLEMS: Final = 100
_MOST_CHARACTERS: Final = 60


@dataclass(slots=True)
class Gathered:
    """What was written."""

    tree: dict[str, dict[str, Any]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    """`section.key` → the file with its line, the variable, or the profile it was last written in."""
    problems: list[Problem] = field(default_factory=list)

    def put(self, section: str, key: str, value: Any, origin: str) -> None:
        """Set a key; a later source wins."""
        self.tree.setdefault(section, {})[key] = value
        self.origins[f"{section}.{key}"] = printable(origin)

    def complain(self, path: str, message: str, origin: str = "", *, fatal: bool = True) -> None:
        """Note a problem, unless there are enough."""
        if len(self.problems) < MOST_PROBLEMS:
            told = f"{message} (from {printable(origin)})" if origin else message
            self.problems.append(Problem(printable(path), told, fatal))

    @property
    def full(self) -> bool:
        """Whether no more problems are noted."""
        return len(self.problems) >= MOST_PROBLEMS


def printable(name: str, most: int = _MOST_CHARACTERS) -> str:
    """A name as it can be shown: on one line, without control characters, not too long, not nothing."""
    cut = name if len(name) <= most else f"{name[:most]}…"
    if cut.isprintable():
        return cut or '""'
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut)
