"""Cuts a template into tokens: text, and what stands inside `{{ }}` (Go: text/template/parse).

Invariant: linear in the source. `{{- ` takes the white space before it away, ` -}}` that after it; comments leave
nothing. It talks to `parser`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from actors.templates.failure import TemplateError

SPACE: Final = " \t\r\n"

_OPEN: Final = re.compile(r"\{\{(?:-(?=[ \t\r\n]))?")
_COMMENT: Final = re.compile(r"[ \t\r\n]*/\*")
_COMMENT_END: Final = re.compile(r"\*/(?:([ \t\r\n]+-)?\}\})?")
_TOKEN: Final = re.compile(
    r"""(?P<close>(?:[ \t\r\n]+-)?\}\})
    | (?P<space>[ \t\r\n]+)
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]+)?|0[bB][01_]+|0[oO][0-7_]+
        |(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?))
    | (?P<field>\.(?!\d)\w+)
    | (?P<dot>\.)
    | (?P<variable>\$\w*)
    | (?P<word>(?!\d)\w+)
    | (?P<string>"(?:[^"\\\n]|\\.)*")
    | (?P<raw>`[^`]*`)
    | (?P<char>'(?:[^'\\\n]|\\.)+')
    | (?P<sign>:=|=|\||\(|\)|,)
    """,
    re.VERBOSE,
)
_BORDERED: Final = frozenset({"number", "field", "dot", "variable", "word"})
_BORDER: Final = frozenset(" \t\r\n.,|:)(=}")
_UNTERMINATED: Final = {
    '"': "unterminated quoted string",
    "`": "unterminated raw quoted string",
    "'": "unterminated character constant",
}


class Token(NamedTuple):
    """`kind`: text, open, close, space, number, field, dot, variable, word, string, raw, char, sign or end."""

    kind: str
    text: str
    line: int


def tokens(source: str) -> Iterator[Token]:
    """The tokens of a template, the last of kind `end`. Raises TemplateError."""
    at = 0
    line = 1
    trim = False
    while True:
        found = _OPEN.search(source, at)
        text = source[at : found.start() if found else len(source)]
        begins = line + (len(text[: len(text) - len(text.lstrip(SPACE))].split("\n")) - 1 if trim else 0)
        shown = text.lstrip(SPACE) if trim else text
        if found and found.end() - found.start() == 3:
            shown = shown.rstrip(SPACE)
        if shown:
            yield Token("text", shown, begins)
        line += text.count("\n")
        if not found:
            yield Token("end", "", line)
            return
        comment = _COMMENT.match(source, found.end())
        # `{{/*` at once, or after the space of a trim marker: elsewhere a slash is a bad character.
        if comment and (comment.end() == found.end() + 2 or found.end() - found.start() == 3):
            at, trim = _skip_comment(source, comment.end(), line)
            line += source.count("\n", found.end(), at)
            continue
        yield Token("open", "", line)
        at = found.end()
        for token in _inside(source, at, line):
            yield token
            at += len(token.text)
            line = token.line + token.text.count("\n")
        trim = "-" in token.text


def _skip_comment(source: str, at: int, line: int) -> tuple[int, bool]:
    end = _COMMENT_END.search(source, at)
    if end is None:
        raise TemplateError(line, "unclosed comment")
    if not end.group().endswith("}"):
        raise TemplateError(line, "comment ends before closing delimiter")
    return end.end(), end.group(1) is not None


def _inside(source: str, at: int, line: int) -> Iterator[Token]:
    """The tokens of one action, the last of kind `close`."""
    while True:
        match = _TOKEN.match(source, at)
        if match is None:
            raise _unreadable(source, at, line)
        kind = match.lastgroup or ""
        text = match.group()
        yield Token(kind, text, line)
        at = match.end()
        if kind == "close":
            return
        if kind in _BORDERED and at < len(source) and source[at] not in _BORDER:
            raise TemplateError(line, f"bad character {source[at]!r} after {text!r}")
        if "\n" in text:
            line += text.count("\n")


def _unreadable(source: str, at: int, line: int) -> TemplateError:
    if at >= len(source):
        return TemplateError(line, "unclosed action")
    if source[at] in _UNTERMINATED:
        return TemplateError(line, _UNTERMINATED[source[at]])
    return TemplateError(line, f"unexpected {source[at]!r} in an action")
