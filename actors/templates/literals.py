"""Numbers, characters and strings as they are written in Go's template language."""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\'\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))", re.DOTALL
)
_NAMED: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", "'": "'", '"': '"',
}  # fmt: skip
_OCTAL: Final = re.compile(r"[+-]?0[0-7_]+\Z")
_MAX_INT: Final = (1 << 63) - 1


def number(text: str) -> int | float:
    """The value of a number. Raises ValueError for what is none, or does not fit."""
    plain = text.lower()
    if plain.endswith("_") or "__" in plain or "_." in plain or "._" in plain:
        raise ValueError(text)
    if plain.lstrip("+-").startswith("0x") and ("p" in plain or "." in plain):
        return float.fromhex(plain.replace("_", ""))
    if not plain.lstrip("+-").startswith("0x") and ("." in plain or "e" in plain):
        return float(plain.replace("_", ""))
    value = int(plain.replace("_", ""), 8 if _OCTAL.match(plain) else 0)
    if not -_MAX_INT - 1 <= value <= _MAX_INT:
        raise ValueError(text)
    return value


def unquote(text: str) -> str:
    """What a quoted string or character constant means. Raises ValueError for an escape Go does not know."""
    if text[0] == "`":
        return text[1:-1].replace("\r", "")
    return _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    named, octal, *hexes, other = match.groups()
    if named is not None:
        return _NAMED[named]
    if other is not None:
        raise ValueError(match.group())
    code = int(octal, 8) if octal is not None else int(next(digits for digits in hexes if digits is not None), 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ValueError(match.group())
    return chr(code)
