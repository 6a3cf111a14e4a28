"""Mustache, by the mstache library, which this file owns.

Invariant: a name reaches the keys of objects and the places of lists, never an attribute of a Python value; the library
by itself would call methods. Lookups, partials and output are paid for, so a rendering ends. All of the core
specification holds; `'` is escaped as well, since Go's programs did so and attributes are quoted with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import mstache

from actors.templates.failure import TemplateError, TemplateLimit
from actors.templates.printing import shown

MAX_STEPS: Final = 300_000
MAX_DEPTH: Final = 40
"""Partials within each other."""
MAX_COMPILED: Final = 32
NO_PARTIALS: Final[Mapping[str, str]] = MappingProxyType({})
_MISSING: Final = object()
_ESCAPES: Final = ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"), (b'"', b"&quot;"), (b"'", b"&#39;"))


class Compiled(OrderedDict[Any, Any]):
    """The library's compiled templates, the last ones used. Its owner is who renders."""

    def get(self, key: Any, default: Any = None) -> Any:
        """What is kept under `key`, which counts as used."""
        if key not in self:
            return default
        self.move_to_end(key)
        return self[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        while len(self) > MAX_COMPILED:
            self.popitem(last=False)


def render_mustache(
    source: str,
    data: Any,
    limit_chars: int,
    partials: Mapping[str, str] = NO_PARTIALS,
    compiled: Compiled | None = None,
) -> str:
    """The text of a mustache template over a JSON value.

    `partials`: texts by name; one that is not there is empty. Raises TemplateError for a malformed template and
    TemplateLimit for one that does not end within its bounds.
    """
    run = _Run(partials)
    written: list[str] = []
    room = limit_chars
    chunks = mstache.stream(
        source.encode("utf-8", "replace").decode(),
        data,
        resolver=run.partial,
        getter=run.get,
        stringify=run.text,
        escape=_escaped,
        lambda_render=None,
        cache=Compiled() if compiled is None else compiled,
        recursion_limit=MAX_DEPTH,
        strict=True,
    )
    try:
        for chunk in chunks:
            room -= len(chunk)
            if room < 0:
                raise TemplateLimit(1, "the output is larger than its limit")
            written.append(str(chunk))
    except mstache.TokenException as error:
        raise TemplateError(1, str(error)) from None
    except mstache.TemplateRecursionError:
        raise TemplateLimit(1, f"partials include each other deeper than {MAX_DEPTH} levels") from None
    return "".join(written)


class _Run:
    """One rendering's work, and what it may look at."""

    __slots__ = ("_partials", "_steps")

    def __init__(self, partials: Mapping[str, str]) -> None:
        self._partials = partials
        self._steps = MAX_STEPS

    def _spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise TemplateLimit(1, f"the template takes more than {MAX_STEPS} steps")

    def partial(self, name: Any) -> str:
        """The text of a partial."""
        text = self._partials.get(str(name), "")
        self._spend(1 + (len(text) >> 6))
        return text

    def get(self, scope: Any, scopes: Sequence[Any], key: Any, default: Any = None) -> Any:
        """The value of a dotted name: its first part from the nearest scope that has it, the others from there on."""
        self._spend(1 + (len(scopes) >> 3))
        if key == ".":
            return self._paid(scope)
        first, *others = key.split(".")
        value = _field(scope, first)
        for outer in reversed(scopes):
            if value is not _MISSING:
                break
            value = _field(outer, first)
        for part in others:
            if value is _MISSING:
                break
            value = _field(value, part)
        return default if value is _MISSING else self._paid(value)

    def _paid(self, value: Any) -> Any:
        """A list is paid for when it is fetched: the library walks it unasked."""
        if isinstance(value, list):
            self._spend(len(value))
        return value

    def text(self, value: Any, _text: bool) -> bytes:
        """A value as it is written: nothing for null, else as Go prints it."""
        if value is None:
            return b""
        written = shown(value).encode("utf-8", "replace")
        self._spend(len(written) >> 6)
        return written


def _field(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name, _MISSING)
    if isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < 10:
        place = int(name)
        return value[place] if place < len(value) else _MISSING
    return _MISSING


def _escaped(data: bytes) -> bytes:
    for special, entity in _ESCAPES:
        data = data.replace(special, entity)
    return data
