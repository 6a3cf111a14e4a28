"""The functions a template may call (Go: text/template, and nFlow's `unescapeHTML`).

Each takes its arguments as a list. Invariant: they look at values and at nothing else, and what they refuse is a
ValueError or IndexError whose text says why; `program` adds the place. Numbers compare as numbers, where Go refuses to
compare an integer with a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from actors.templates.formatting import formatted
from actors.templates.printing import Html, printed, shown, type_name

Function = Callable[[list[Any]], Any]

_HTML: Final = str.maketrans({"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"})
_NOT_IN_QUERY: Final = re.compile(r"[^A-Za-z0-9\-._~]")
_JS_SPECIAL: Final = {
    "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
}  # fmt: skip


def truth(value: Any) -> bool:
    """Whether a value counts as true: not nil, false, 0 or empty."""
    return bool(value)


def _joined(arguments: list[Any]) -> str:
    """The arguments of an escaping function as one text."""
    return printed(["<no value>" if value is None else value for value in arguments])


def _html(arguments: list[Any]) -> str:
    return _joined(arguments).translate(_HTML)


def _js(arguments: list[Any]) -> str:
    return "".join(_JS_SPECIAL.get(letter) or _js_letter(letter) for letter in _joined(arguments))


def _js_letter(letter: str) -> str:
    if letter.isprintable():
        return letter
    return f"\\u{ord(letter):04X}"


def _urlquery(arguments: list[Any]) -> str:
    octets = _bytes(_joined(arguments)).decode("latin-1")
    return _NOT_IN_QUERY.sub(lambda found: f"%{ord(found.group()):02X}", octets).replace("%20", "+")


def _print(arguments: list[Any]) -> str:
    return printed(arguments)


def _println(arguments: list[Any]) -> str:
    return " ".join(map(shown, arguments)) + "\n"


def _printf(arguments: list[Any]) -> str:
    _count("printf", arguments, 1)
    if not isinstance(arguments[0], str):
        raise ValueError(f"wrong type for the format: expected string; found {type_name(arguments[0])}")
    return formatted(arguments[0], arguments[1:])


def _len(arguments: list[Any]) -> int:
    _count("len", arguments, 1, 1)
    match arguments[0]:
        case str() as text:
            return len(_bytes(text))
        case list() | dict() as value:
            return len(value)
        case None:
            raise ValueError("len of nil")
        case value:
            raise ValueError(f"len of type {type_name(value)}")


def _index(arguments: list[Any]) -> Any:
    _count("index", arguments, 1)
    value = arguments[0]
    for key in arguments[1:]:
        match value:
            case None:
                raise ValueError("index of untyped nil")
            case dict():
                if not isinstance(key, str):
                    raise ValueError(f"value has type {type_name(key)}; should be string")
                value = value.get(key)
            case str():
                value = _bytes(value)[_place(key, len(_bytes(value)) - 1)]
            case list():
                value = value[_place(key, len(value) - 1)]
            case _:
                raise ValueError(f"can't index item of type {type_name(value)}")
    return value


def _slice(arguments: list[Any]) -> Any:
    _count("slice", arguments, 1, 4)
    value, *keys = arguments
    if value is None:
        raise ValueError("slice of untyped nil")
    if not isinstance(value, str | list):
        raise ValueError(f"can't slice item of type {type_name(value)}")
    if isinstance(value, str) and len(keys) == 3:
        raise ValueError("cannot 3-index slice a string")
    items: Any = _bytes(value) if isinstance(value, str) else value
    places = [_place(key, len(items)) for key in keys]
    begin = places[0] if places else 0
    end = places[1] if len(places) > 1 else len(items)
    if begin > end or (len(places) == 3 and end > places[2]):
        raise ValueError(f"invalid slice index: {begin} > {end}")
    found = items[begin:end]
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else found


def _place(key: Any, most: int) -> int:
    if isinstance(key, bool) or not isinstance(key, int):
        shown_type = "nil" if key is None else f"type {type_name(key)}"
        raise ValueError(f"cannot index slice/array with {shown_type}")
    if not 0 <= key <= most:
        raise ValueError(f"index out of range: {key}")
    return key


def _bytes(text: str) -> bytes:
    """Go counts a text's bytes."""
    return text.encode("utf-8", "replace")


def _not(arguments: list[Any]) -> bool:
    _count("not", arguments, 1, 1)
    return not truth(arguments[0])


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nil"
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case _:
            raise ValueError(f"non-comparable type {type_name(value)}")


def _equal(one: Any, other: Any) -> bool:
    kinds = _kind(one), _kind(other)
    if kinds[0] == kinds[1]:
        return bool(one == other)
    if "nil" in kinds:
        return False
    raise _incomparable(one, other)


def _incomparable(one: Any, other: Any) -> ValueError:
    return ValueError(f"incompatible types for comparison: {type_name(one)} and {type_name(other)}")


def _eq(arguments: list[Any]) -> bool:
    if len(arguments) < 2:
        _count("eq", arguments, 1)
        raise ValueError("missing argument for comparison")
    first, *others = arguments
    return any(_equal(first, other) for other in others)


def _ne(arguments: list[Any]) -> bool:
    _count("ne", arguments, 2, 2)
    return not _equal(*arguments)


def _less(name: str, arguments: list[Any]) -> bool:
    _count(name, arguments, 2, 2)
    one, other = arguments
    kinds = _kind(one), _kind(other)
    if kinds[0] != kinds[1]:
        raise _incomparable(one, other)
    if kinds[0] in ("bool", "nil"):
        raise ValueError(f"invalid type for comparison: {type_name(one)}")
    return bool(one < other)


def _lt(arguments: list[Any]) -> bool:
    return _less("lt", arguments)


def _le(arguments: list[Any]) -> bool:
    return _less("le", arguments) or _equal(*arguments)


def _gt(arguments: list[Any]) -> bool:
    return not _le(arguments)


def _ge(arguments: list[Any]) -> bool:
    return not _less("ge", arguments)


def _call(arguments: list[Any]) -> Any:
    raise ValueError("not supported: a template is given values, never functions")


def _unescape_html(arguments: list[Any]) -> Html:
    _count("unescapeHTML", arguments, 1, 1)
    return Html("" if arguments[0] is None else shown(arguments[0]))


def _count(name: str, arguments: list[Any], least: int, most: int | None = None) -> None:
    if least <= len(arguments) and (most is None or len(arguments) <= most):
        return
    wanted = f"{least}" if least == most else f"at least {least}" if most is None else f"{least} to {most}"
    raise ValueError(f"wrong number of args for {name}: want {wanted} got {len(arguments)}")


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "call": _call,
        "eq": _eq,
        "ge": _ge,
        "gt": _gt,
        "html": _html,
        "index": _index,
        "js": _js,
        "le": _le,
        "len": _len,
        "lt": _lt,
        "ne": _ne,
        "not": _not,
        "print": _print,
        "printf": _printf,
        "println": _println,
        "slice": _slice,
        "unescapeHTML": _unescape_html,
        "urlquery": _urlquery,
    }
)
"""By name. `and` and `or` are not among them: they look at their arguments one by one, so `program` does them."""

NAMES: Final = frozenset(FUNCTIONS) | {"and", "or"}
"""What a template may name."""
