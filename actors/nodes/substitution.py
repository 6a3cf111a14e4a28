"""Payload values in what an author wrote into a node: `{{path.in.payload}}`.

A text that is one lookup and nothing else becomes the value itself, with its type; inside a longer text the value is
written out. A path that leads nowhere fails the node and is named; `{{?path}}` is empty then. Names are separated by
dots, list places are numbers (`items.0.name` or `items[0].name`), `{{.}}` is the whole payload, and a leading
`payload.` may be written. Nothing is evaluated, and what was put in is never looked at again. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from protocol.codec import dumps
from protocol.errors import NodeError

_LOOKUP: Final = re.compile(r"\{\{([^{}]*)\}\}")
_PLACE: Final = re.compile(r"\[(\d+)\]")
_MUSTACHE: Final = frozenset("#^/>&!=")
_MISSING: Final = object()


class Substitution:
    """Looks up values in one payload (any JSON value)."""

    __slots__ = ("_escape", "_payload")

    def __init__(self, payload: Any, escape: Callable[[str], str] = str) -> None:
        """`escape` makes a written value safe for the text it goes into, such as `html.escape`."""
        self._payload = payload
        self._escape = escape

    def escaped(self, escape: Callable[[str], str]) -> Substitution:
        """The same payload, each value made safe for another kind of text."""
        return Substitution(self._payload, escape)

    def text(self, template: str) -> str:
        """The template with each lookup written out: texts as they are, null as nothing, the rest as JSON.

        Raises NodeError for a path that leads nowhere or is none.
        """
        if "{{" not in template:
            return template
        return _LOOKUP.sub(lambda found: self._escape(written(self._look_up(found.group(1)))), template)

    def value(self, template: Any) -> Any:
        """The template, texts in lists and objects included, with each lookup done; a lookup alone keeps its type.

        An empty `{{?path}}` alone is null. Keys of objects stay as written. Raises NodeError like `text`.
        """
        if isinstance(template, str):
            alone = _LOOKUP.fullmatch(template.strip()) if "{{" in template else None
            return self.text(template) if alone is None else self._look_up(alone.group(1))
        if isinstance(template, dict):
            return {key: self.value(item) for key, item in template.items()}
        if isinstance(template, list | tuple):
            return [self.value(item) for item in template]
        return template

    def _look_up(self, inside: str) -> Any:
        path = inside.strip()
        optional = path.startswith("?")
        path = path.removeprefix("?").strip()
        if not path or path[0] in _MUSTACHE:
            raise NodeError(f"{{{{{inside}}}}} is no path into the payload, such as {{{{user.name}}}}")
        if path == ".":
            return self._payload
        names = _PLACE.sub(r".\1", path).split(".")
        value = _walk(self._payload, names)
        if value is _MISSING and names[0] == "payload":  # as a script would write it
            value = _walk(self._payload, names[1:])
        if value is not _MISSING:
            return value
        if optional:
            return None
        raise NodeError(f"the payload has no {path}")


def written(value: Any) -> str:
    """A JSON value inside a text."""
    if isinstance(value, str):
        return value
    return "" if value is None else dumps(value).decode()


def _walk(value: Any, names: list[str]) -> Any:
    for name in names:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _MISSING
    return value
