"""Bytes from values and values from bytes: the one place of the parent where JSON text is made or read.

Invariant: whatever `loads` returns, `dumps` can write again, every store accepts it, and a script sees the same.
That is why `loads` refuses more than the parser does: depth beyond what the writer can nest, and NUL, which
PostgreSQL's jsonb refuses. Refusals are `BadDocument`, with the position, never a parser's own exception.
Also here: the Go encoder's rules for error bodies, and time-ordered ids.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable
from typing import Any, Final

import orjson

from protocol.errors import BadDocument, Problem

MAX_DEPTH: Final = 200
"""Deepest nesting of a value. The writer gives up at 254, so this leaves room for wrapping."""

_ESCAPED_FOR_GO: Final = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
_RANDOM_POOL: Final = 8 * 256
_PAIR: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPES: Final = re.compile(rb"\\[^u]|" + _PAIR + rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})")
"""Every escape of a JSON text; half a surrogate pair is group 1."""


def loads(data: bytes | str, at: str = "document") -> Any:
    """Read one JSON value.

    `at` names the document in the error. Raises BadDocument for text that is not JSON (NaN, lone surrogates, bad UTF-8,
    trailing text included), nested deeper than MAX_DEPTH, or holding U+0000.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadDocument([Problem(at, f"{error.msg}: line {error.lineno} column {error.colno}")]) from None
    except UnicodeEncodeError:  # a str with lone surrogates never was text
        raise BadDocument([Problem(at, "not valid Unicode: it holds a lone surrogate")]) from None
    if _may_be_deep(data) and _depth_exceeds(value, MAX_DEPTH):
        raise BadDocument([Problem(at, f"nested deeper than {MAX_DEPTH} levels")])
    if _may_hold_nul(data) and _holds_nul(value):
        raise BadDocument([Problem(at, "holds the character U+0000, which no store accepts")])
    return value


def loads_from_script(data: bytes, at: str = "document") -> Any:
    """Read one JSON value a script's `JSON.stringify` wrote: like `loads`, but its texts may be what they are there.

    A JavaScript string may hold U+0000 and halves of surrogate pairs. The first is kept; the second, which is no
    character anywhere else, becomes U+FFFD, as in Go.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        whole = _ESCAPES.sub(_whole_escape, data)
        if whole == data:
            raise BadDocument([Problem(at, f"{error.msg}: line {error.lineno} column {error.colno}")]) from None
        return loads_from_script(whole, at)
    if _may_be_deep(data) and _depth_exceeds(value, MAX_DEPTH):
        raise BadDocument([Problem(at, f"nested deeper than {MAX_DEPTH} levels")])
    return value


def dumps(value: Any) -> bytes:
    """Write a value as compact JSON. NaN and infinities become null, as in JavaScript.

    Raises ValueError for what JSON cannot say: other types, integers over 64 bits, lone surrogates, over-deep nesting.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"cannot be written as JSON: {error}") from None


def canonical(value: Any) -> bytes:
    """Write a value so that equal values give equal bytes (keys sorted): what content hashes are taken of.

    Raises ValueError like `dumps`.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"cannot be written as JSON: {error}") from None


def go_json(value: Any) -> bytes:
    """Write a value as Go's JSON encoder does: keys sorted, `<`, `>`, `&` escaped, Go's float forms, a last newline.

    For the error bodies callers already parse. Lone surrogates become U+FFFD. Raises ValueError like `dumps`, and for
    NaN and infinities, which Go refuses.
    """
    try:
        text = orjson.dumps(_as_go(value, 0), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"cannot be written as JSON: {error}") from None
    for plain, escaped in _ESCAPED_FOR_GO:
        if plain in text:
            text = text.replace(plain, escaped)
    return text


class TimeOrderedIds:
    """Makes UUIDv7 texts (RFC 9562): 48 bits of Unix milliseconds, a 12-bit counter, 62 random bits.

    Ids of one object strictly increase, also when the clock stands still or steps back, so they sort by creation and
    fill a B-tree from its right edge. One object per process; not for use from several threads.
    """

    __slots__ = ("_clock", "_counter", "_left", "_millis", "_random")

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        """`clock` gives Unix nanoseconds."""
        self._clock = clock
        self._millis = -1
        self._counter = 0
        self._random = b""
        self._left = 0

    def __call__(self) -> str:
        """The next id, as 36 lower-case characters."""
        millis = self._clock() // 1_000_000
        if millis > self._millis:
            self._millis = millis
            self._counter = 0
        elif self._counter < 0xFFF:
            self._counter += 1
        else:  # 4096 ids in one millisecond: borrow from the next rather than repeat or wait
            self._millis += 1
            self._counter = 0
        if not self._left:  # one system call for 256 ids
            self._random = os.urandom(_RANDOM_POOL)
            self._left = _RANDOM_POOL
        self._left -= 8
        tail = int.from_bytes(self._random[self._left : self._left + 8], "little") & 0x3FFFFFFFFFFFFFFF
        text = f"{self._millis:012x}{0x7000 | self._counter:04x}{tail | 0x8000000000000000:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _whole_escape(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape.group(1) else escape.group()


def _may_be_deep(data: bytes | str) -> bool:
    if isinstance(data, str):
        return data.count("[") + data.count("{") > MAX_DEPTH
    return data.count(b"[") + data.count(b"{") > MAX_DEPTH


def _may_hold_nul(data: bytes | str) -> bool:
    return "\\u0000" in data if isinstance(data, str) else b"\\u0000" in data


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [child for item in level if isinstance(item, dict | list) for child in _children(item)]
        if not level:
            return False
    return True


def _children(container: dict[str, Any] | list[Any]) -> Any:
    return container.values() if isinstance(container, dict) else container


def _holds_nul(value: Any) -> bool:
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            if "\0" in item:
                return True
        elif isinstance(item, dict):
            rest.extend(item)
            rest.extend(item.values())
        elif isinstance(item, list):
            rest.extend(item)
    return False


def _as_go(value: Any, depth: int) -> Any:
    """The value with its floats and texts in the forms of Go's encoder."""
    if depth > MAX_DEPTH:
        raise ValueError(f"cannot be written as JSON: nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        return _whole_text(value)
    if isinstance(value, float):
        return orjson.Fragment(_go_float(value))
    if isinstance(value, dict):
        return {_whole_text(str(key)): _as_go(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_go(item, depth + 1) for item in value]
    return value


def _whole_text(text: str) -> str:
    """The text with each lone surrogate replaced, as Go replaces invalid UTF-8."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _go_float(number: float) -> str:
    """Shortest digits that read back, plain between 1e-6 and 1e21, else with an exponent (Go: encoding/json)."""
    if not math.isfinite(number):
        raise ValueError(f"cannot be written as JSON: {number}")
    shortest = repr(number)
    mantissa, _, exponent = shortest.partition("e")
    if 1e-6 <= abs(number) < 1e21 or number == 0:
        if exponent:
            places = len(mantissa.replace("-", "").replace(".", "")) - 1 - int(exponent)
            # Large numbers end in zeros, not in the digits of their exact value.
            return f"{number:.{places}f}" if places > 0 else mantissa.replace(".", "") + "0" * -places
        return shortest.removesuffix(".0")
    if not exponent:  # repr writes 0.0001 plainly down to 1e-4, so only small numbers come here
        return shortest
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"
