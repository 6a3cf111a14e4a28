"""Values on their way into a database and out of it, where the three agree.

In: what JSON can say, and bytes. A boolean is one, an object or array is its JSON text, and a Node `Buffer` as JSON
writes it (`{"type": "Buffer", "data": [1, 2]}`, or base64 text as `data`) is bytes.
Out: JSON values only. Integers and decimals that a JavaScript number cannot hold exactly become texts, times ISO 8601,
bytes base64. Pure.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from protocol.codec import dumps
from protocol.errors import CallRefused

MOST_BYTES: Final = 64 << 20
"""Of one result, in its texts and bytes: more than a script could be given in any case."""
_SAFE: Final = 2**53 - 1
_AS_IT_IS: Final = frozenset({str, bool, type(None)})
_WHOLE: Final = 2**63
_ISO: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?:Z|\+00:?00)")


def weight(rows: Iterable[Iterable[Any]]) -> int:
    """How much the texts and bytes of these rows are."""
    return sum(len(cell) for each in rows for cell in each if isinstance(cell, str | bytes))


def too_much() -> CallRefused:
    """The refusal of a result that is too large."""
    return CallRefused(f"the query returns more than {MOST_BYTES >> 20} MiB", name="RangeError")


def plain(value: Any) -> str | int | float | bool | bytes | None:
    """A parameter as one of the kinds every database can be given.

    Raises CallRefused for what none of them can hold.
    """
    if isinstance(value, str | bool | bytes | type(None)):
        return value
    if isinstance(value, int):
        if -_WHOLE <= value < _WHOLE:
            return value
        raise CallRefused(f"the number {value} is too large for a database: give it as a text", name="RangeError")
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise CallRefused(f"{value} is no number a database can hold", name="RangeError")
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, dict | list | tuple):
        return json_or_bytes(value)
    raise CallRefused(f"a {type(value).__name__} cannot be given to a database", name="TypeError")


def json_or_bytes(value: dict[str, Any] | list[Any] | tuple[Any, ...]) -> str | bytes:
    """The JSON text of an object or array; the bytes of a `Buffer`."""
    if isinstance(value, dict) and value.get("type") == "Buffer" and len(value) == 2 and "data" in value:
        try:
            data = value["data"]
            return base64.b64decode(data, validate=True) if isinstance(data, str) else bytes(data)
        except (TypeError, ValueError, binascii.Error):
            raise CallRefused("a Buffer's data must be an array of bytes or base64 text", name="TypeError") from None
    try:
        return dumps(value).decode()
    except ValueError as error:
        raise CallRefused(f"the value {error}", name="TypeError") from None


def written(value: Any) -> str:
    """A parameter as text, in the form all servers read: `true`, `1.5`, JSON."""
    value = plain(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return "" if value is None else str(value)


def number_text(number: float) -> str:
    """A JavaScript number; whole ones without a fraction, so that an integer column takes them."""
    return str(int(number)) if number.is_integer() and abs(number) < _WHOLE else repr(number)


def without_zone(text: str) -> str | None:
    """A UTC moment as JavaScript writes it, in the form a column without zones takes; None for any other text."""
    found = _ISO.fullmatch(text)
    return f"{found.group(1)} {found.group(2)}" if found else None


def iso(text: str) -> str:
    """PostgreSQL's text of a time (`2024-01-01 10:00:00+00`) as ISO 8601 (`2024-01-01T10:00:00Z`)."""
    if " " not in text or not text[0].isdigit() or text.endswith("BC"):
        return zoned(text)
    return zoned(text.replace(" ", "T", 1))


def zoned(text: str) -> str:
    """A time with its zone written out: `Z`, `+02:00`."""
    if text.endswith(("+00", "+00:00")):
        return text.rpartition("+")[0] + "Z"
    return f"{text}:00" if len(text) > 3 and text[-3] in "+-" and ":" in text else text


def integer(number: int) -> int | str:
    """A number where JavaScript can hold it exactly, else its text."""
    return number if -_SAFE <= number <= _SAFE else str(number)


def decimal(number: str) -> int | float | str:
    """A decimal's text as a number where none of its digits is lost by that, else the text."""
    try:
        exact = Decimal(number)
        value = float(number)
    except (ArithmeticError, ValueError):
        return number
    if not math.isfinite(value) or Decimal(repr(value)) != exact:
        return number
    return int(value) if value.is_integer() and abs(value) <= _SAFE else value


def real(number: float) -> float | str:
    """A floating point number; what JSON has no word for is its name."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def json_value(value: Any) -> Any:
    """Anything a driver returns, as a JSON value."""
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is int:
        return integer(value)
    if kind is float:
        return real(value)
    match value:
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case Decimal():
            return decimal(str(value))
        case datetime.datetime() | datetime.date() | datetime.time():
            return zoned(value.isoformat())
        case datetime.timedelta():
            return duration(value)
        case Mapping():
            return {str(key): json_value(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [json_value(item) for item in value]
        case _:  # a driver's own record, or a type nobody asked about
            return json_value(dict(value.items())) if hasattr(value, "items") else str(value)


def row(values: Iterable[Any]) -> tuple[Any, ...]:
    """One row, as JSON values."""
    return tuple([value if type(value) in _AS_IT_IS else json_value(value) for value in values])


def duration(time: datetime.timedelta) -> str:
    """A time of day or a span as MySQL writes it: `-26:03:04.5`."""
    micros = time // datetime.timedelta(microseconds=1)
    seconds, rest = divmod(abs(micros), 1_000_000)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    sign = "-" if micros < 0 else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"
