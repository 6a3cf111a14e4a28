"""Hostile JSON in, a plain value and its blemishes out.

A playbook may come from anyone, so its text is read once, by a parser that remembers what JSON parsers usually hide:
keys written twice, NaN and infinities, numbers out of range. `Document.blemishes` names them, and lone surrogates, NUL
and over-deep nesting, for any part of the value, each with its path; so a reader can refuse one flow for them and serve
the others. Only text that is not JSON at all is refused as a whole.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from protocol.errors import Problem

MAX_BYTES: Final = 16 << 20
"""Largest document in bytes; the largest playbook known is under 2 MB."""
MAX_DEPTH: Final = 100
"""Deepest nesting counted from the part that is looked at."""
MAX_PROBLEMS: Final = 200
"""Problems looked for in one part: more help nobody."""

_PLAIN_KEY: Final = re.compile(r"[\w$-]+\Z")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

Trail = tuple["Trail", str | int] | None
"""A path while it is walked: a linked list from the leaf up, so that only reported paths cost a text."""


@dataclass(frozen=True, slots=True)
class NotJson:
    """Stands in the value where the text held something JSON has no word for."""

    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document."""

    value: Any
    doubled: dict[int, tuple[dict[str, Any], list[str]]] = field(default_factory=dict)
    """Objects with keys written twice, by identity: (the object, those keys). The last value of a key won."""

    def doubled_keys(self, part: dict[str, Any]) -> list[str]:
        """Keys that were written more than once in this object."""
        return self.doubled.get(id(part), (part, []))[1]

    def blemishes(self, part: Any, path: str) -> list[Problem]:
        """Everything in `part` that no runtime could take as written. `path` is where the part lies."""
        problems = [Problem(path, message) for message in self._faults(part, 0)]
        # A stack of iterators, not of values: a list of millions of empty lists must not be held twice.
        open_parts: list[tuple[Iterator[tuple[str | int, Any]], Trail]] = []
        if isinstance(part, dict | list):
            open_parts.append((_children(part), None))
        while open_parts:
            children, trail = open_parts[-1]
            for key, child in children:
                found = self._faults(child, len(open_parts))
                if found:
                    problems.extend(Problem(spell(path, (trail, key)), message) for message in found)
                    if len(problems) >= MAX_PROBLEMS:
                        return problems[:MAX_PROBLEMS]
                if isinstance(child, dict | list) and len(open_parts) <= MAX_DEPTH:
                    open_parts.append((_children(child), (trail, key)))
                    break
            else:
                open_parts.pop()
        return problems

    def _faults(self, item: Any, depth: int) -> list[str]:
        if isinstance(item, str):
            return [f"the text {fault}" for fault in _text_faults(item)]
        if isinstance(item, NotJson):
            return [f"{item.text} is not JSON"]
        if isinstance(item, dict):
            faults = [f"the key {show(key)} is written more than once" for key in self.doubled_keys(item)]
            faults += [f"the key {show(key)} {fault}" for key in item for fault in _text_faults(key)]
        elif isinstance(item, list):
            faults = []
        else:
            return []
        if depth > MAX_DEPTH:
            faults.append(f"nested deeper than {MAX_DEPTH} levels")
        return faults


def parse(document: bytes | str, max_bytes: int = MAX_BYTES) -> Document | Problem:
    """Read the text; a Problem when it is not JSON at all. Never raises."""
    if len(document) > max_bytes:
        return Problem("document", f"larger than {max_bytes} bytes")
    if isinstance(document, bytes):
        try:
            document = document.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            return Problem("document", f"not UTF-8 at byte {error.start}")
    doubled: dict[int, tuple[dict[str, Any], list[str]]] = {}

    def remember_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            again = [key for key, count in counts.items() if count > 1]
            doubled[id(found)] = (found, again)  # holding the object keeps its identity from being reused
        return found

    try:
        value = json.loads(
            document.removeprefix("\ufeff"),
            object_pairs_hook=remember_doubles,
            parse_constant=NotJson,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        return Problem("document", f"not JSON: {error.msg}: line {error.lineno} column {error.colno}")
    except RecursionError:
        return Problem("document", "not readable: nested too deep")
    return Document(value, doubled)


def join(path: str, key: str | int) -> str:
    """The path one step further: `a.b`, `a[0]`, or `a["odd key"]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if _PLAIN_KEY.match(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{show(key)}]"


def show(text: str, width: int = 60) -> str:
    """The text quoted for a message, on one line, cut when long, and always printable."""
    cut = text if len(text) <= width else text[:width] + "…"
    return '"' + cut.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0").replace("\n", "\\n") + '"'


def spell(path: str, trail: Trail) -> str:
    """The text of a walked path."""
    steps: list[str | int] = []
    while trail is not None:
        trail, step = trail
        steps.append(step)
    for step in reversed(steps):
        path = join(path, step)
    return path


def _children(part: dict[str, Any] | list[Any]) -> Iterator[tuple[str | int, Any]]:
    return iter(part.items()) if isinstance(part, dict) else iter(enumerate(part))


def _text_faults(text: str) -> list[str]:
    faults = []
    if "\0" in text:
        faults.append("holds the character U+0000")
    if not text.isascii() and _SURROGATE.search(text):
        faults.append("holds a lone surrogate, which is no character")
    return faults


def _float(text: str) -> float | NotJson:
    number = float(text)
    return number if abs(number) != float("inf") else NotJson(f"the number {text[:40]}")


def _integer(text: str) -> int | float | NotJson:
    """Beyond 64 bits a number is the nearest double, as every JSON reader of the scripts' world has it."""
    return int(text) if len(text) <= 18 else _float(text)
