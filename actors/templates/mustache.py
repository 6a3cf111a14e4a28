"""Mustache: what a template, read by `mustache_parser`, makes of a JSON value.

Invariant: a name reaches the keys of objects and the places of lists, never an attribute of a Python value, and no
value is called or read as a template. Lookups, partials, depth and output are paid for, so a rendering ends. Covered is
the core of the specification (comments, delimiters, interpolation, sections, inverted sections, partials); lambdas,
dynamic names and inheritance, its optional parts, are not. Beyond it `'` is escaped, as Go's programs did, since
attributes are quoted with it; and blanks may stand before the sign of a tag: `{{ #name }}`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from actors.templates.failure import TemplateLimit
from actors.templates.mustache_parser import Body, Include, Path, Section, Variable, indented, parse
from actors.templates.printing import shown

MAX_STEPS: Final = 300_000
MAX_DEPTH: Final = 40
"""Partials within each other."""
MAX_NESTED: Final = 200
"""Sections and partials within each other while rendering: what the stack has room for, with its callers on it."""
MAX_INCLUDED: Final = 1_000_000
"""Most characters of partials read in one rendering; one partial under two indentations is two."""
MAX_COMPILED: Final = 32
NO_PARTIALS: Final[Mapping[str, str]] = MappingProxyType({})
_MISSING: Final = object()


class Compiled:
    """The trees of the templates read last. Its owner is who renders."""

    __slots__ = ("_trees",)

    def __init__(self) -> None:
        self._trees: OrderedDict[str, Body] = OrderedDict()

    def __len__(self) -> int:
        return len(self._trees)

    def tree(self, source: str) -> Body:
        """The tree of a template, kept or read. Raises TemplateError."""
        tree = self._trees.get(source)
        if tree is not None:
            self._trees.move_to_end(source)
            return tree
        tree = self._trees[source] = parse(source)
        if len(self._trees) > MAX_COMPILED:
            self._trees.popitem(last=False)
        return tree


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
    kept = Compiled() if compiled is None else compiled
    run = _Run(data, limit_chars, partials, kept)
    try:
        run.body(kept.tree(source))
    except RecursionError:
        raise TemplateLimit(1, "nested too deeply") from None
    text = "".join(run.written)
    # Half of a surrogate pair, as scripts may make one, is no text that can be sent.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class _Run:
    """One rendering: what was written, and what it may still spend."""

    __slots__ = (
        "_compiled", "_depth", "_nested", "_partials", "_readable", "_room", "_scopes", "_steps", "_trees", "written",
    )  # fmt: skip

    def __init__(self, data: Any, room: int, partials: Mapping[str, str], compiled: Compiled) -> None:
        self.written: list[str] = []
        self._scopes = [data]
        """What names are looked for in, the nearest last."""
        self._room = room
        self._steps = MAX_STEPS
        self._nested = 0
        self._depth = 0
        self._readable = MAX_INCLUDED
        self._partials = partials
        self._compiled = compiled
        self._trees: dict[Include, Body] = {}

    def body(self, nodes: Body) -> None:
        """Write the nodes. Each of them costs a step or a character of room at least."""
        for node in nodes:
            if isinstance(node, str):
                self._write(node)
            elif isinstance(node, Variable):
                self._variable(node)
            elif isinstance(node, Section):
                self._section(node)
            else:
                self._include(node)

    def _variable(self, variable: Variable) -> None:
        """A value as it is written: nothing for null, else as Go prints it."""
        value = self._value(variable.path)
        if value is None:
            return
        text = value if isinstance(value, str) else shown(value)
        self._spend(len(text) >> 6)
        self._write(_escaped(text) if variable.escaped else text)

    def _section(self, section: Section) -> None:
        value = self._value(section.path)
        if section.inverted:
            if _is_empty(value):
                self._within(section.body)
        elif isinstance(value, list):
            for item in value:
                self._scopes.append(item)
                self._within(section.body)
                self._scopes.pop()
        elif not _is_empty(value):
            self._scopes.append(value)
            self._within(section.body)
            self._scopes.pop()

    def _include(self, include: Include) -> None:
        text = self._partials.get(include.name, "")
        self._spend(1 + (len(text) >> 6))
        if not text:
            return
        if self._depth >= MAX_DEPTH:
            raise TemplateLimit(1, f"partials include each other deeper than {MAX_DEPTH} levels")
        self._depth += 1
        self._within(self._tree(include, text))
        self._depth -= 1

    def _tree(self, include: Include, text: str) -> Body:
        """The tree of a partial. What is read counts, kept or not, so that a limit does not depend on what is kept."""
        tree = self._trees.get(include)
        if tree is None:
            self._readable -= len(text) + len(include.indent) * (text.count("\n") + 1)
            if self._readable < 0:
                raise TemplateLimit(1, f"the partials are longer than {MAX_INCLUDED} characters")
            tree = self._trees[include] = self._compiled.tree(indented(text, include.indent))
        return tree

    def _within(self, nodes: Body) -> None:
        self._nested += 1
        if self._nested > MAX_NESTED:
            raise TemplateLimit(1, f"sections and partials nest deeper than {MAX_NESTED} levels")
        self.body(nodes)
        self._nested -= 1

    def _value(self, path: Path) -> Any:
        """What a name stands for, null when for nothing: its first part in the nearest scope that has it, the others
        in what was found. A list is paid for when it is fetched, since a section walks it.
        """
        scopes = self._scopes
        self._spend(1 + ((len(scopes) + len(path)) >> 3))
        if not path:
            value = scopes[-1]
        else:
            first = path[0]
            for scope in reversed(scopes):
                value = scope.get(first, _MISSING) if isinstance(scope, dict) else _field(scope, first)
                if value is not _MISSING:
                    break
            for part in path[1:]:
                value = _field(value, part)
            if value is _MISSING:
                return None
        if isinstance(value, list):
            self._spend(len(value))
        return value

    def _spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise TemplateLimit(1, f"the template takes more than {MAX_STEPS} steps")

    def _write(self, text: str) -> None:
        self._room -= len(text)
        if self._room < 0:
            raise TemplateLimit(1, "the output is larger than its limit")
        self.written.append(text)


def _field(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name, _MISSING)
    if isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < 10:
        place = int(name)
        return value[place] if place < len(value) else _MISSING
    return _MISSING


def _is_empty(value: Any) -> bool:
    """Whether a section is left out: for null, false, 0, NaN, an empty text or list. An empty object is an object."""
    return not (value or isinstance(value, dict)) or (isinstance(value, float) and value != value)


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#39;")
