"""Masks secrets and personal data in log lines (Go: security/sanitizer), whoever said them.

The kinds, in this order: configured secrets by their very value, `user:password@` of URLs, and then nFlow's: api_key,
jwt, private_key, password, access_token, what is named like a secret, email, ssn, credit_card, ip_address, phone,
custom patterns. A kind sees what those before it left. What is masked becomes `[REDACTED:kind]`, `[REDACTED]`,
`[kind:****]` or `****`, as the options say.

Invariants: never raises; linear in the text, less than a millisecond for 10 kB of the worst (`FINDINGS`); a text with
nothing to mask costs one pass. Deliberately unlike Go: ten digits that begin with 0 or 1 are no phone number (unix
timestamps), a card number begins with 2 to 6, a JWT with `ey` (dotted names of modules are none), and digits behind a
decimal point are neither. Pure; may be shared between threads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote_to_bytes

from actors.guards import pattern
from actors.guards.pattern import Pattern, PatternSet, literals
from actors.guards.redaction import names_a_secret
from protocol.errors import BadDocument, Problem

SHORTEST_SECRET: Final = 6
"""Characters of a configured secret that is masked wherever it appears; shorter ones would mask words."""
LONGEST_SECRET: Final = 500
SHORTEST_LINE: Final = 16
"""Of a longer secret, lines shorter than this are not masked by themselves."""
FINDINGS: Final = 100
"""In one text, of all kinds together, or one for each `BYTES_PER_FINDING`; the rest is masked as a whole."""
BYTES_PER_FINDING: Final = 100

_QUOTED: Final = r"""\\*"(?:[^"\\]|\\.)*"|\\*'(?:[^'\\]|\\.)*\'"""
_SEPARATOR: Final = r"""\\*["']?\s*[:=]\s*"""
_WORDS: Final = (
    r"passw|passphrase|pass[_\-.](?:word|phrase|code)|pwd|secret|authorization|api[_\-. ]?key|private[_\-. ]?key|cookie"
    r"|credential|contrase|clave"
)
_TOKEN: Final = r"token(?:[_\-.][\w.\-]*)?"  # noqa: S105 a pattern
_NAME: Final = rf"(?:[\w.\-]*(?:(?:{_WORDS})[\w.\-]*|{_TOKEN}))"

SECRET_KINDS: Final[Mapping[str, str]] = {
    "url_password": r"[a-z][a-z0-9+.\-]*://[^\s:/?#@\"<>]*:([^\s/?#\"<>]*)@|\b[\w.\-]+:([^\s/@\"'<>]+)@(?:tcp|unix)\(",
    "api_key": r"\b(?:api[_\-]?key|access[_\-]?token|auth[_\-]?token)" + _SEPARATOR + r"\\*[\"']?[a-z0-9_\-]{16,}",
    "jwt": r"(?-i:\bey[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]*)",
    "private_key": r"(?s:-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z))",
    "password": rf"(?:password|passwd|pwd){_SEPARATOR}(?:{_QUOTED}|\S{{4,}})",
    "access_token": r"\bbearer\s+[a-z0-9._~+/\-]{6,}=*|authorization\\*[\"']?\s*[:=,]\s*\\*[\"']?(basic\s+[^\s\"',]+)",
    "secret": (
        rf"{_NAME}=({_QUOTED}|[^\s\"'&;,)\]}}]{{4,}})"
        rf"|[\"']{_NAME}\\*[\"']\s*[:,=]\s*b?({_QUOTED}|[0-9]{{4,}})"
        r"|\b(?:set-)?cookie:\s*([^\r\n\"']+)"
    ),
}
"""Kinds that are secrets: these alone are masked where an operator is told of his own mistakes."""
PERSONAL_KINDS: Final[Mapping[str, str]] = {
    "email": r"\b[a-z0-9._%+\-]+@[a-z0-9.\-]+\.[a-z]{2,}\b",
    "ssn": r"\b\d{3}-\d{2}-\d{4}\b",
    "credit_card": r"(?:^|[^\w.])([2-6](?:[ +\-]?\d){12,18})\b",
    "ip_address": r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    "phone": (
        r"((?:\+1[\-. ]?)?\(\d{3}\)[\-. ]?\d{3}[\-. ]\d{4})\b"
        r"|(?:^|[^\w.])((?:\+1[\-. ]?)?\d{3}[\-. ]\d{3}[\-. ]\d{4}|(?:\+1)?[2-9]\d{9})\b"
    ),
}
KINDS: Final[Mapping[str, str]] = {**SECRET_KINDS, **PERSONAL_KINDS}
_LABELS: Final[Mapping[str, str]] = {"url_password": "password", "configured": "secret"}
"""Kinds that are told by another's name."""
_PATH: Final = "security.log_patterns"


@dataclass(frozen=True, slots=True)
class SanitizerSettings:
    """What is masked, and how it looks."""

    kinds: tuple[str, ...] = tuple(KINDS)
    """Which of the known kinds; none of them: only configured secrets and custom patterns."""
    custom: Mapping[str, str] = field(default_factory=dict)
    """Name → regular expression (RE2)."""
    secrets: frozenset[str] = frozenset()
    """Values masked wherever they appear; shorter ones than `SHORTEST_SECRET` are not."""
    masking_char: str = "*"
    preserve_length: bool = False
    show_type: bool = True


class Sanitizer:
    """Masks texts."""

    __slots__ = ("_labels", "_marks", "_mask", "_patterns", "_preserve", "_secret", "_set", "_show")

    def __init__(self, settings: SanitizerSettings = SanitizerSettings()) -> None:
        """Raises BadDocument for a kind nobody knows, a masking character that is none, or a bad custom pattern."""
        self._preserve = settings.preserve_length
        self._show = settings.show_type
        self._mask = settings.masking_char
        if len(self._mask) != 1 or not self._mask.isprintable():
            raise BadDocument([Problem("security.log_masking_char", "must be one character")])
        named = list(_chosen(settings))
        self._patterns = tuple(each for _, each in named)
        self._set = PatternSet(self._patterns)
        self._labels = tuple(_LABELS.get(name, name) for name, _ in named)
        self._marks = (b"[REDACTED", *(f"[{label}:{self._mask}".encode() for label in {*self._labels, "secret"}))
        self._secret = self._label("secret", 8)

    def text(self, text: str) -> str:
        """The text with everything masked. Lone surrogates become `?`, where anything is masked.

        What is only seen when percent-encoding is read (`ana%40example.com` in a path) is masked in the text so read.
        """
        data = text.encode("utf-8", "replace")
        clean = self.data(data)
        if b"%" in clean:
            read = unquote_to_bytes(clean)
            masked = self.data(read)
            if masked is not read:
                clean = masked
        return text if clean is data else clean.decode("utf-8", "replace")

    def data(self, text: bytes) -> bytes:
        """The same for UTF-8. Answers the argument itself when there is nothing to mask."""
        found = self._set.found(text)
        left = max(FINDINGS, len(text) // BYTES_PER_FINDING) if found else 0
        for index in found:
            text, left = self._masked(index, text, left)
        return text

    def may_mask(self, text: bytes) -> bool:
        """Whether `text` may change this one. One pass over many texts joined is cheaper than one over each."""
        return bool(self._set.found(text) or (b"%" in text and self._set.found(unquote_to_bytes(text))))

    def value(self, name: str, value: Any) -> Any:
        """A field of a line: masked when it is named like a secret; yes, no and nothing tell none."""
        if value is None or isinstance(value, bool):
            return value
        if names_a_secret(name) and not (isinstance(value, int | float) and name.endswith("tokens")):
            return self._secret
        return self.text(value) if isinstance(value, str) else value

    def _masked(self, index: int, text: bytes, left: int) -> tuple[bytes, int]:
        """The text without this kind, and how many findings are left to it then."""
        label, marks = self._labels[index], self._marks
        pieces: list[bytes] = []
        end = 0
        for start, stop in self._patterns[index].spans(text):
            if text.startswith(marks, start):  # by a kind before this one, or by an earlier pass
                continue
            left -= 1
            if left < 0:
                stop = len(text)
            pieces += (text[end:start], self._label(label, len(text[start:stop].decode("utf-8", "replace"))).encode())
            end = stop
            if left < 0:
                break
        return (b"".join(pieces) + text[end:] if pieces else text), left

    def _label(self, name: str, characters: int) -> str:
        """What stands for a masked text of so many characters."""
        if not self._preserve:
            return f"[REDACTED:{name}]" if self._show else "[REDACTED]"
        mask = self._mask * characters
        return f"[{name}:{mask}]" if self._show else mask


def _chosen(settings: SanitizerSettings) -> Iterable[tuple[str, Pattern]]:
    """Kinds and their patterns, in order."""
    unknown = [kind for kind in settings.kinds if kind not in KINDS]
    if unknown:
        known = ", ".join(KINDS)
        raise BadDocument([Problem(_PATH, f"there is no kind {kind!r}; there are {known}") for kind in unknown])
    secrets = {form for secret in settings.secrets if len(secret) >= SHORTEST_SECRET for form in _forms(secret)}
    if secrets:
        yield "configured", literals(secrets)
    for kind, text in KINDS.items():
        if kind in settings.kinds:
            yield kind, pattern.compile(_PATH, text, ignore_case=True)
    for name, text in settings.custom.items():
        yield name, pattern.compile(f"security.log_custom_patterns.{name}", text)


def _forms(secret: str) -> Iterable[str]:
    """How a secret may be written inside other text. Of a long one (a key's PEM) each line counts by itself."""
    if len(secret) > LONGEST_SECRET:
        for line in secret.split():
            for start in range(0, len(line), LONGEST_SECRET):
                if len(piece := line[start : start + LONGEST_SECRET]) >= SHORTEST_LINE:
                    yield piece
        return
    yield secret
    yield quote(secret, safe="")
    yield quote(secret, safe="!'()*")  # as scripts do (encodeURIComponent)
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
