"""Values as Go writes them: `%v`, and what `print` makes of several.

Values are those of JSON, in Python: None, bool, int, float, str, list, dict. An integer too large for Go's int64 is a
float there, and printed so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final


class Html(str):
    """Text that is HTML already, by the author's word (`unescapeHTML`): it is not escaped in HTML."""

    __slots__ = ()


_MAX_INT: Final = 1 << 63


def shown(value: Any) -> str:
    """`%v`: `<nil>`, `map[a:1 b:2]`, `[1 2]`, `1e+06` for a float."""
    if isinstance(value, str):
        return str(value)
    parts: list[str] = []
    _show(value, parts)
    return "".join(parts)


def _show(value: Any, parts: list[str]) -> None:
    match value:
        case str():
            parts.append(value)
        case None:
            parts.append("<nil>")
        case bool():
            parts.append("true" if value else "false")
        case int():
            parts.append(str(value) if -_MAX_INT <= value < _MAX_INT else float_text(float(value)))
        case float():
            parts.append(float_text(value))
        case dict():
            parts.append("map[")
            for at, key in enumerate(sorted(value)):
                parts.append(f" {key}:" if at else f"{key}:")
                _show(value[key], parts)
            parts.append("]")
        case list():
            parts.append("[")
            for at, item in enumerate(value):
                if at:
                    parts.append(" ")
                _show(item, parts)
            parts.append("]")
        case _:
            raise TypeError(f"no value of a template: {type(value).__name__}")


def float_text(value: float, low: int = -4, high: int = 6) -> str:
    """The shortest text of a float, with an exponent below 10**low and from 10**high on: `1e+06`, as Go prints."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if value == 0:
        return f"{sign}0"
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # The value is 0.DIGITS * 10**point.
    leading = len(whole + fraction) - len(digits)
    point = len(whole) - leading + int(exponent or 0)
    digits = digits.rstrip("0")
    power = point - 1
    if power < low or power >= high:
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if len(digits) <= point:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def printed(values: Sequence[Any]) -> str:
    """`print`: a space between two values neither of which is text."""
    if len(values) == 1:
        return shown(values[0])
    parts: list[str] = []
    before: Any = ""
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(before, str):
            parts.append(" ")
        parts.append(shown(value))
        before = value
    return "".join(parts)


def type_name(value: Any) -> str:
    """The Go type a value has when it comes from a script."""
    match value:
        case None:
            return "<nil>"
        case Html():
            return "template.HTML"
        case str():
            return "string"
        case bool():
            return "bool"
        case int():
            return "int64" if -_MAX_INT <= value < _MAX_INT else "float64"
        case float():
            return "float64"
        case dict():
            return "map[string]interface {}"
        case _:
            return "[]interface {}"
