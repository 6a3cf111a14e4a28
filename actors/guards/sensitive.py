"""Finds sensitive values in text by their patterns, and the fields that are sensitive whatever they hold.

The kinds are those of nFlow (Go: security/interceptor), and the operator's own. One place gets one label, always the
same: where values overlap, the union of them is the value, and the first of these names it: the operator's kinds in
their order, jwt, api_key, email, ssn, credit_card, phone. Linear in the text for any input, as every pattern is RE2's.

Other than Go's rules, which only ever meet whole strings: card numbers are counted by their digits (13 to 19), not by
characters, and stand in the groups of cards, for texts are full of numbers; what is longer than Go's upper bounds is
found too; letters of any language may stand in an address; tokens may have more than three parts. As in Go no check
digit is computed: a mistyped card number is no less private. Pure; talks to nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from actors.guards import pattern
from actors.guards.pattern import MAX_PATTERN_CHARS, Pattern
from protocol.errors import BadDocument, Problem

JSON: Final = "json"
"""Label of a field's value that is no text: what is encrypted is its JSON text."""
CERTAIN: Final = 1.0
"""Confidence of what is sensitive by its field."""
_NAMED_KEY: Final = r"(?:api[_\-. ]*key|access[_\-. ]*token|auth[_\-. ]*token)"
_LETTERS: Final = r"A-Za-z\x{C0}-\x{1FFF}\x{3040}-\x{D7FF}"
"""Letters of most languages, roughly: `\\p{L}` outgrows the memory of a pattern, and is then twenty times slower."""
_BUILT_IN: Final = (
    ("jwt", "", r"[A-Za-z0-9_\-]{10,}(?:\.[A-Za-z0-9_\-]{10,}){2,}", 0.9),
    ("api_key", rf"(?i:{_NAMED_KEY})[\"'\s]*[:=][\"'\s]*", r"[A-Za-z0-9_\-]{16,}", 0.85),
    ("email", "", rf"[{_LETTERS}0-9._%+\-]+@[{_LETTERS}0-9.\-]+\.[{_LETTERS}][{_LETTERS}0-9\-]*[{_LETTERS}0-9]", 0.9),
    ("ssn", "", r"\b\d{3}-\d{2}-\d{4}\b", 0.95),
    (
        "credit_card",
        "",
        r"\b(?:\d{13,19}|\d{4}(?:[ \-]?\d{4}){2}[ \-]?(?:\d{4}[ \-]?\d{1,3}|\d{1,7})|\d{4}[ \-]?\d{6}[ \-]?\d{4,5})\b",
        0.7,
    ),
    (
        "phone",
        "",
        r"(?:(?:\+|\b)1[-.\s]?(?:\(\d{3}\)|\d{3})|\(\d{3}\)|\b\d{3})[-.\s]?\d{3}[-.\s]?\d{4}\b",
        0.8,
    ),
)
"""Label, what stands before the value, the value, confidence: in the order of precedence."""
BUILT_IN_KINDS: Final = tuple(kind for kind, *_ in _BUILT_IN)
_CUSTOM_CONFIDENCE: Final = 0.8
_API_KEY_NAME: Final = re.compile(r"(?:apikey|accesstoken|authtoken)\Z")
_API_KEY_VALUE: Final = re.compile(r"[A-Za-z0-9_\-]{16,}")
_SHORTEST: Final = 6
"""No value of a kind of ours is shorter: `a@b.cd`."""
_SEPARATORS: Final = str.maketrans("", "", "_-. ")
_LABEL: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ANCHORS: Final = re.compile(r"(?<!\[)[\^$]|\\[Az]")


@dataclass(frozen=True, slots=True)
class SensitiveSettings:
    """What of `[security]` says what is sensitive."""

    by_pattern: bool = True
    """`encrypt_sensitive_data`; False: only by field."""
    kinds: Sequence[str] = ()
    """`sensitive_patterns`: which of ours; empty: all."""
    custom: Mapping[str, str] = field(default_factory=dict)
    """`custom_patterns`: name → regular expression. One with the name of ours takes its place."""
    fields: Sequence[str] = ()
    """`always_encrypt_fields`."""


class Found(NamedTuple):
    """A sensitive value within a text, in characters."""

    start: int
    end: int
    kind: str
    confidence: float


class _Kind(NamedTuple):
    name: str
    pattern: Pattern
    group: int
    confidence: float


class Detector:
    """What is sensitive. May be shared between threads."""

    __slots__ = ("_anchored", "_api_keys", "_fields", "_hints", "_kinds", "_shortest", "_signs")

    def __init__(self, settings: SensitiveSettings) -> None:
        """Raises BadDocument with the key of everything that cannot be."""
        problems = list(_problems(settings))
        own, built_in = [], []
        for name, text in settings.custom.items() if settings.by_pattern and not problems else ():
            try:
                own.append(
                    _Kind(name, pattern.compile(f"security.custom_patterns.{name}", text), 0, _CUSTOM_CONFIDENCE)
                )
            except BadDocument as error:
                problems += error.problems
        if problems:
            raise BadDocument(problems)
        if settings.by_pattern:
            built_in = [
                _Kind(name, pattern.compile(name, f"{lead}({value})" if lead else value), 1 if lead else 0, confidence)
                for name, lead, value, confidence in _BUILT_IN
                if name not in settings.custom and (not settings.kinds or name in settings.kinds)
            ]
        self._kinds = (*own, *built_in)
        self._api_keys = any(kind.name == "api_key" and kind.group for kind in built_in)
        chosen = {kind.name for kind in built_in}
        # Without groups: RE2 needs a second, slower way to find where a group matched.
        signs = _joined(lead + value for name, lead, value, _ in _BUILT_IN if name in chosen)
        self._signs = (*signs, *(kind.pattern for kind in own))
        """One or the other is found in every text that holds a sensitive value."""
        self._anchored = any(_ANCHORS.search(kind.pattern.text) for kind in own)
        self._shortest = 1 if own else _SHORTEST
        self._fields = {_plain(name): name for name in reversed(settings.fields)}
        keys = [*map(_as_key, settings.fields), *([rf'(?i:{_NAMED_KEY}")\s*:'] if self._api_keys else ())]
        self._hints = (*self._signs, *_joined(keys))

    def may_hold(self, json_text: str) -> bool:
        """Whether a JSON text, its escapes read, may hold something. Never False where something is: one look, where
        most texts end."""
        return self._anchored or any(hint.search(json_text) is not None for hint in self._hints)

    def places(self, json_text: str) -> list[tuple[int, int]] | None:
        """Where in a JSON text to look, in ascending order: every key and string without escapes that holds something
        overlaps one of these. None: everywhere.
        """
        if self._anchored:
            return None
        return sorted((match.start(), match.end()) for hint in self._hints for match in hint.finditer(json_text))

    def field(self, key: str) -> str:
        """The configured name of a field that is sensitive whatever it holds, or nothing.

        Case and `_ - .` and spaces do not count: `api_key` is also `apiKey`.
        """
        return self._fields.get(_plain(key), "") if self._fields else ""

    def names_api_key(self, key: str) -> bool:
        """Whether the texts of this field are judged as API keys."""
        return self._api_keys and _API_KEY_NAME.search(_plain(key)) is not None

    def find(self, text: str, *, api_key: bool = False) -> list[Found]:
        """The sensitive values in a text, from left to right, none overlapping. `api_key`: its field's name says so."""
        if api_key and _API_KEY_VALUE.match(text):
            return [Found(0, len(text), "api_key", 0.85)]
        if len(text) < self._shortest or not any(sign.search(text) is not None for sign in self._signs):
            return []
        spans: list[tuple[int, int, int]] = []
        for rank, kind in enumerate(self._kinds):
            places = kind.pattern.finditer(text)
            spans += [(match.start(kind.group), match.end(kind.group), rank) for match in places]
        return list(self._united(sorted(spans)))

    def _united(self, spans: Iterable[tuple[int, int, int]]) -> Iterator[Found]:
        """Overlapping values as one: nothing of any of them may stay."""
        begin, end, first = 0, 0, -1
        for start, stop, rank in spans:
            if first >= 0 and start < end:
                end, first = max(end, stop), min(first, rank)
                continue
            if first >= 0:
                yield self._found(begin, end, first)
            begin, end, first = start, stop, rank
        if first >= 0:
            yield self._found(begin, end, first)

    def _found(self, start: int, end: int, rank: int) -> Found:
        kind = self._kinds[rank]
        return Found(start, end, kind.name, kind.confidence)


def _problems(settings: SensitiveSettings) -> Iterator[Problem]:
    for place, kind in enumerate(settings.kinds):
        if kind not in BUILT_IN_KINDS and kind not in settings.custom:
            known = ", ".join((*BUILT_IN_KINDS, *settings.custom))
            yield Problem(f"security.sensitive_patterns.{place}", f"{kind!r} is no kind; there are {known}")
    for name in settings.custom:
        if not _LABEL.fullmatch(name) or name == JSON:
            yield Problem(
                f"security.custom_patterns.{name}", "a name is letters, digits, _ - or . and at most 64, and not `json`"
            )
    for place, name in enumerate(settings.fields):
        if not _LABEL.fullmatch(name):
            yield Problem(
                f"security.always_encrypt_fields.{place}", "a name is letters, digits, _ - or . and at most 64 of them"
            )


def _plain(key: str) -> str:
    return key.translate(_SEPARATORS).casefold()


def _as_key(name: str) -> str:
    """A pattern for the field's name as a key of JSON text."""
    letters = (re.escape(letter) for letter in _plain(name))
    return r'(?i:"[_\-. ]*' + r"[_\-. ]*".join(letters) + r'[_\-. ]*")\s*:'


def _joined(texts: Iterable[str]) -> Iterator[Pattern]:
    """As few patterns as can be that together find what any of these finds."""
    joined = ""
    for text in texts:
        part = f"(?:{text})"
        if joined and len(joined) + len(part) >= MAX_PATTERN_CHARS:
            yield pattern.compile("security", joined)
            joined = ""
        joined = f"{joined}|{part}" if joined else part
    if joined:
        yield pattern.compile("security", joined)
