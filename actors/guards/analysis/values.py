"""Values that folding knows, and what JavaScript's operators and methods make of them.

Python's `str`, `float`, `bool`, None for null, a list for an array; UNDEFINED; UNKNOWN for what is not known. Bounded:
no method makes a value more than a few times as long as what it was given.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

UNKNOWN: Final = object()
UNDEFINED: Final = object()
LONGEST_TEXT: Final = 4_096
MOST_ELEMENTS: Final = 256
_LONGEST_REPLACEMENT: Final = 64


def text_of(value: Any) -> str | None:
    """As JavaScript's `String` has it; None when that is not known, and for lists in lists, which could grow."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else None
        case list():
            return _joined(value, ",")
        case _:
            return "undefined" if value is UNDEFINED else None


def _joined(values: list[Any], sign: str) -> str | None:
    texts = [None if isinstance(each, list) else "" if each in (None, UNDEFINED) else text_of(each) for each in values]
    return sign.join(text for text in texts if text is not None) if None not in texts else None


def truth_of(value: Any) -> bool | None:
    """Whether it is true in a condition; None when that is not known."""
    if value is UNKNOWN:
        return None
    return value is not UNDEFINED and (isinstance(value, list) or bool(value))


def same(left: Any, right: Any) -> bool | None:
    """Whether two values of one type are the same; None when that is not known."""
    if left is UNKNOWN or right is UNKNOWN or type(left) is not type(right) or isinstance(left, list):
        return None
    return bool(left == right)


def method_of_list(value: list[Any], method: str, given: list[Any]) -> Any:
    """What an array's method gives."""
    match method, given:
        case "join", ([] | [str()]):
            joined = _joined(value, given[0] if given else ",")
            return UNKNOWN if joined is None else joined
        case "reverse", []:
            return value[::-1]
        case "concat", [list() as more] if len(value) + len(more) <= MOST_ELEMENTS:
            return value + more
        case "at", [float() as index] if index.is_integer() and -len(value) <= index < len(value):
            return value[int(index)]
        case _:
            return UNKNOWN


def method_of_text(value: str, method: str, given: list[Any]) -> Any:
    """What a string's method gives."""
    match method, given:
        case "concat", _:
            texts = [text_of(each) for each in given]
            return UNKNOWN if None in texts else value + "".join(filter(None, texts))
        case "split", [str() as sign] if len(value) <= MOST_ELEMENTS:
            return value.split(sign) if sign else list(value)
        case (("replace" | "replaceAll"), [str() as old, str() as new]) if old and len(new) <= _LONGEST_REPLACEMENT:
            return value.replace(old, new) if method == "replaceAll" else value.replace(old, new, 1)
        case "toLowerCase", []:
            return value.lower()
        case "toUpperCase", []:
            return value.upper()
        case (("toString" | "valueOf" | "trim"), []):
            return value.strip() if method == "trim" else value
        case (("slice" | "substring"), [float() as start]) if start.is_integer() and start >= 0:
            return value[int(start) :]
        case (("slice" | "substring"), [float() as start, float() as end]) if 0 <= start <= end < 1e9:
            return value[int(start) : int(end)]
        case (("charAt" | "at"), [float() as index]) if 0 <= index < len(value):
            return value[int(index)]
        case _:
            return UNKNOWN


def atob(given: list[Any]) -> Any:
    """Base64 read as Latin-1."""
    try:
        return base64.b64decode(given[0], validate=True).decode("latin-1") if len(given) == 1 else UNKNOWN
    except (TypeError, ValueError, binascii.Error):
        return UNKNOWN


def characters(codes: list[Any]) -> Any:
    """`String.fromCharCode`."""
    if not all(isinstance(code, float) and code.is_integer() and 0 <= code <= 0x10FFFF for code in codes):
        return UNKNOWN
    return "".join(chr(int(code)) for code in codes)
