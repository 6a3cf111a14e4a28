"""Regular expressions for text that anyone may have written: RE2, which has no input that makes it slow.

Whatever matches untrusted text (rules of the analysis, kinds of sensitive values, masks of logs) is compiled here; the
standard library's `re` needs half a second for one hostile line of 10 kB. Invariants: a search is linear in its text,
the memory of one pattern is bounded, and no text can make it raise, lone surrogates included. Positions count
characters of the text as given.

The price: no look-around and no back-references. A pattern that matches the empty text is refused: it would be found
everywhere. Which of many patterns occur at all a `PatternSet` says in one pass; who has UTF-8 already asks for `spans`.
Pure functions; the owner of `re2`. Patterns may be shared between threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

import re2

from protocol.errors import BadDocument, Problem

MAX_PATTERN_CHARS: Final = 2_000
MAX_MEMORY_BYTES: Final = 1 << 20
"""Of one compiled pattern, its caches included; RE2 takes 8 MiB unless told."""

MAX_SET_MEMORY_BYTES: Final = 16 << 20
"""Of a set of patterns, or of many literals."""


class Match(Protocol):
    """One place where a pattern matches. Group 0 is the whole match."""

    def start(self, group: int = 0) -> int:
        """First character, -1 for a group that took no part."""

    def end(self, group: int = 0) -> int:
        """One behind the last character."""

    def group(self, group: int = 0) -> str | None:
        """The text, None for a group that took no part; half a surrogate pair is `?` in it."""


class Pattern:
    """A compiled regular expression."""

    __slots__ = ("_compiled", "ignores_case", "text")

    def __init__(self, text: str, compiled: Any, *, ignores_case: bool = False) -> None:
        self.text = text
        """As it was written."""
        self.ignores_case = ignores_case
        self._compiled = compiled

    def search(self, text: str) -> Match | None:
        """The first match."""
        return next(self.finditer(text), None)

    def finditer(self, text: str) -> Iterator[Match]:
        """Every match that takes up room, from left to right, none overlapping."""
        for match in self._compiled.finditer(_without_surrogates(text)):
            if match.end() > match.start():
                yield match

    def sub(self, replacement: str | Callable[[Match], str], text: str) -> str:
        """The text with every match replaced. A `replacement` that is text is put in as it is: no `\\1` in it."""
        pieces: list[str] = []
        end = 0
        for match in self.finditer(text):
            pieces += (text[end : match.start()], replacement if isinstance(replacement, str) else replacement(match))
            end = match.end()
        return "".join(pieces) + text[end:] if pieces else text

    def spans(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Start and end, in bytes, of every match's first group that took part, or of the match where none did.

        `text` is UTF-8.
        """
        groups = range(1, self._compiled.groups + 1)
        for match in self._compiled.finditer(text):
            span: tuple[int, int] = next((found for g in groups if (found := match.span(g))[0] >= 0), match.span())
            if span[1] > span[0]:
                yield span


class PatternSet:
    """Says which of many patterns occur in a text, in one pass over it."""

    __slots__ = ("_everything", "_set", "patterns")

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.patterns = tuple(patterns)
        options = re2.Options()
        options.max_mem = MAX_SET_MEMORY_BYTES
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        for pattern in self.patterns:
            self._set.Add(f"(?i){pattern.text}" if pattern.ignores_case else pattern.text)
        # A set that runs out of memory says that nothing was found. This one is always found.
        self._set.Add("")
        self._set.Compile()
        self._everything = list(range(len(self.patterns)))

    def found(self, text: bytes) -> list[int]:
        """Positions of the patterns that occur in `text` (UTF-8), ascending; all of them where RE2 could not say."""
        found: list[int] | None = self._set.Match(text)
        if found is None:
            return self._everything
        if len(found) == 1:
            return []
        found.sort()
        found.pop()
        return found


def literals(values: Iterable[str]) -> Pattern:
    """A pattern that finds exactly these texts, none of them empty; where several begin, the longest."""
    text = "|".join(re2.escape(value) for value in sorted(set(values), key=len, reverse=True))
    options = re2.Options()
    options.max_mem = MAX_SET_MEMORY_BYTES
    return Pattern(text, re2.compile(text, options))


def compile(path: str, text: str, *, ignore_case: bool = False) -> Pattern:  # noqa: A001
    """Make a pattern of RE2's syntax; `.` takes no line end, `(?i)` and the like are understood.

    `path` says where the text was written, such as `security.rules.no_fetch`. Raises BadDocument naming it.
    """
    if len(text) > MAX_PATTERN_CHARS:
        raise _bad(path, f"has {len(text)} characters, more than {MAX_PATTERN_CHARS}")
    options = re2.Options()
    options.max_mem = MAX_MEMORY_BYTES
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        compiled = re2.compile(text, options)
    except UnicodeEncodeError:
        raise _bad(path, "has half a surrogate pair in it") from None
    except re2.error as error:
        raise _bad(path, _words(error)) from None
    if compiled.search("") is not None:
        raise _bad(path, "matches the empty text, so it would be found everywhere")
    return Pattern(text, compiled, ignores_case=ignore_case)


def _without_surrogates(text: str) -> str:
    """The text as RE2 can read it, character for character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _words(error: Exception) -> str:
    """Why RE2 refused, in its words and, where they say little, ours."""
    raw = error.args[0] if error.args else b""
    said = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    if "invalid perl operator: (?" in said or "invalid escape sequence: \\" in said:
        said += "; look-around and back-references are not supported"
    return f"not a regular expression: {said}"


def _bad(path: str, message: str) -> BadDocument:
    return BadDocument([Problem(path, message)])
