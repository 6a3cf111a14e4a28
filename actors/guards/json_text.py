"""JSON as text: where its strings are, which of them are keys, where a value ends, and the path of a place.

For those who change single values of a text and leave the rest as it is, byte for byte: numbers keep their digits, keys
their order and their doubles. Invariant: linear in the text for any input, also for text that is no JSON at all. Pure;
serves the masking of tracker rows and the encryption of answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

STRING: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)(?:"(\s*+:\s*+)?|\\?\Z)', re.DOTALL)
"""A string, its content, and the colon that makes it a key. An unterminated one reaches to the end, so every scan is
linear."""
_BRACKET_OR_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_MARK_OR_STRING: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_SCALAR: Final = re.compile(rb"[^,\]}\s]*+")
_LONG_ESCAPE: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}")
_SHORT_ESCAPES: Final = tuple(
    (f"\\{letter}", character) for letter, character in zip('"/bfnrt', '"/\b\f\n\r\t', strict=True)
)
_LONGEST_POINTER: Final = 512


def value_end(text: bytes, start: int) -> int:
    """Where the JSON value that begins at `start` ends."""
    first = text[start : start + 1]
    if first == b'"':
        found = _BRACKET_OR_STRING.match(text, start)
        return found.end() if found else len(text)
    if first not in (b"{", b"["):
        scalar = _SCALAR.match(text, start)
        return scalar.end() if scalar else start
    depth = 0
    for token in _BRACKET_OR_STRING.finditer(text, start):
        if token[0] in (b"{", b"["):
            depth += 1
        elif token[0] in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                return token.end()
    return len(text)


def string_value(content: bytes) -> str:
    """What the content of a JSON string says, its escapes read; half a surrogate pair stays what it is."""
    if b"\\" in content:
        try:
            return str(json.loads(b'"' + content + b'"', strict=False))
        except ValueError:
            pass
    return content.decode("utf-8", "replace")


def written(text: str) -> bytes:
    """The content of the JSON string that says this: the inverse of `string_value`."""
    return json.dumps(text, ensure_ascii=not _is_whole(text))[1:-1].encode()


def unescaped(text: str) -> str:
    """A JSON text with the escapes of its strings read: what each says stands in it as it is. No JSON any more."""
    if "\\" not in text:
        return text
    parts = text.split("\\\\")
    for place, part in enumerate(parts):
        if "\\" in part:
            for escape, character in _SHORT_ESCAPES:
                part = part.replace(escape, character)
            parts[place] = _LONG_ESCAPE.sub(lambda found: string_value(found[0].encode()), part)
    return "\\".join(parts)


def pointers(text: bytes, places: Sequence[int]) -> list[str]:
    """The JSON Pointers (RFC 6901) of the values and keys of a valid text that begin at these places, which ascend.

    One of more than 512 characters is cut, with `…`: a hostile text has long names, deep nesting and many places.
    """
    found: list[str] = []
    around: list[str] = []
    """Pointers of the containers around."""
    steps: list[str | int] = []
    """In each of them, where we are: a key, or an index."""
    key_next = False
    for token in _MARK_OR_STRING.finditer(text):
        mark = token[0]
        if key_next and mark[:1] == b'"':
            steps[-1], key_next = string_value(token[1]).encode("utf-8", "replace").decode(), False
        while len(found) < len(places) and places[len(found)] <= token.start():
            found.append(_pointer(around, steps))
        if len(found) == len(places):
            break
        if mark in (b"{", b"["):
            around.append(_pointer(around, steps))
            key_next = mark == b"{"
            steps.append("" if key_next else 0)
        elif mark in (b"}", b"]") and steps:
            around.pop()
            steps.pop()
            key_next = False
        elif mark == b"," and steps:
            step = steps[-1]
            if isinstance(step, int):
                steps[-1] = step + 1
            else:
                key_next = True
    return found + [_pointer(around, steps)] * (len(places) - len(found))


def _pointer(around: Sequence[str], steps: Sequence[str | int]) -> str:
    if not steps:
        return ""
    above = around[-1]
    if above.endswith("…"):
        return above
    pointer = f"{above}/{str(steps[-1]).replace('~', '~0').replace('/', '~1')}"
    return pointer if len(pointer) <= _LONGEST_POINTER else f"{pointer[:_LONGEST_POINTER]}…"


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
