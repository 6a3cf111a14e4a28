"""Reads mustache into a tree (specification: mustache(5), without its optional parts).

Invariant: the nodes are frozen and free of anything of a run, so one tree serves every rendering; sections are closed
and their nesting is bounded; reading takes time in proportion to the text. Whether a tag stands alone on its line is
asked of the source's line itself, so it does not depend on the tags before it. `mustache` renders what is read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from actors.templates.failure import TemplateError, TemplateLimit

MAX_NESTED: Final = 100
"""Sections within each other."""
_BLANK: Final = " \t\f\v"
_REST_OF_LINE: Final = re.compile(r"[ \t\f\v]*(?:\r\n?|\n|\Z)")
_LINE: Final = re.compile(r"^(?=[^\r\n])", re.MULTILINE)
_KINDS: Final = frozenset("#^/>&!=")
_ALONE: Final = frozenset("#^/>!=")
"""Tags that take their line with them when nothing else is on it."""

Path = tuple[str, ...]
"""The parts of a dotted name; empty for `.`, the value at hand."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`{{name}}`, or without escaping `{{{name}}}` and `{{&name}}`."""

    path: Path
    escaped: bool


@dataclass(frozen=True, slots=True)
class Section:
    """`{{#name}}…{{/name}}`: its body for each item; inverted, `{{^name}}…`: once when there is none."""

    path: Path
    inverted: bool
    body: Body


@dataclass(frozen=True, slots=True)
class Include:
    """`{{>name}}`, a partial. `indent` goes before each of its lines: the blanks before a tag alone on its line."""

    name: str
    indent: str


Node = str | Variable | Section | Include
"""A text is written as it is."""
Body = tuple[Node, ...]


def parse(source: str) -> Body:
    """The tree of a template. Raises TemplateError, with the line; TemplateLimit when sections nest too deeply."""
    return _Parser(source).parse()


def indented(text: str, indent: str) -> str:
    """A partial's text with `indent` before each line that is not empty."""
    return _LINE.sub(lambda _: indent, text) if indent else text


class _Opened(NamedTuple):
    """A section whose end is yet to come, and the nodes before it."""

    name: str
    inverted: bool
    start: int
    before: list[Node]


class _Parser:
    __slots__ = ("_at", "_close", "_nodes", "_open", "_opened", "_paths", "_source", "_texts")

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._open, self._close = "{{", "}}"
        self._nodes: list[Node] = []
        self._texts: list[str] = []
        """Texts since the last node: comments and delimiters do not part them."""
        self._opened: list[_Opened] = []
        self._paths: dict[str, Path] = {".": ()}

    def parse(self) -> Body:
        while (start := self._source.find(self._open, self._at)) >= 0:
            self._tag(start)
        self._texts.append(self._source[self._at :])
        self._flush()
        if self._opened:
            opened = self._opened[-1]
            raise self._malformed(opened.start, f"the section {opened.name[:80]!r} has no end")
        return tuple(self._nodes)

    def _tag(self, start: int) -> None:
        """The text up to the tag at `start`, and the tag."""
        source, first = self._source, start + len(self._open)
        kind = source[first : first + 1]
        if kind != "{":
            while kind.isspace():
                first += 1
                kind = source[first : first + 1]
            kind = kind if kind in _KINDS else ""
        first += len(kind)
        ending = self._close if kind not in ("{", "=") else ("}" if kind == "{" else "=") + self._close
        last = source.find(ending, first)
        if last < 0:
            raise self._malformed(start, "the tag has no end")
        indent = self._text_before(start, last + len(ending), kind)
        name = source[first:last].strip()
        match kind:
            case "#" | "^":
                self._section(name, kind == "^", start)
            case "/":
                self._end(name, start)
            case ">":
                self._add(Include(name, indent))
            case "=":
                self._delimiters(name, start)
            case "!":
                pass
            case _:
                self._add(Variable(self._path(name), escaped=kind == ""))

    def _text_before(self, start: int, end: int, kind: str) -> str:
        """Keep the text before a tag, and go on after it. One alone takes its line along; returns its indentation."""
        source = self._source
        text = source[self._at : start]
        if kind in _ALONE:
            kept = text.rstrip(_BLANK)
            # Before the text stands a tag, or the line end that a tag alone on its line took along.
            line_end = kept[-1:] or source[max(self._at - 1, 0) : self._at]
            if line_end in ("", "\n", "\r") and (rest := _REST_OF_LINE.match(source, end)):
                self._texts.append(kept)
                self._at = rest.end()
                return text[len(kept) :]
        self._texts.append(text)
        self._at = end
        return ""

    def _section(self, name: str, inverted: bool, start: int) -> None:
        if len(self._opened) >= MAX_NESTED:
            raise TemplateLimit(self._line(start), f"sections nest deeper than {MAX_NESTED} levels")
        self._flush()
        self._opened.append(_Opened(name, inverted, start, self._nodes))
        self._nodes = []

    def _end(self, name: str, start: int) -> None:
        if not self._opened or self._opened[-1].name != name:
            raise self._malformed(start, f"{name[:80]!r} ends here, but is not the section that is open")
        self._flush()
        opened = self._opened.pop()
        body, self._nodes = tuple(self._nodes), opened.before
        self._add(Section(self._path(name), opened.inverted, body))

    def _delimiters(self, text: str, start: int) -> None:
        new = text.split()
        if len(new) != 2:
            raise self._malformed(start, "delimiters are two, with a blank between them")
        self._open, self._close = new

    def _add(self, node: Node) -> None:
        self._flush()
        self._nodes.append(node)

    def _flush(self) -> None:
        if text := "".join(self._texts):
            self._nodes.append(text)
        self._texts.clear()

    def _path(self, name: str) -> Path:
        path = self._paths.get(name)
        if path is None:
            path = self._paths[name] = tuple(name.split("."))
        return path

    def _malformed(self, at: int, message: str) -> TemplateError:
        return TemplateError(self._line(at), message)

    def _line(self, at: int) -> int:
        return self._source.count("\n", 0, at) + 1
