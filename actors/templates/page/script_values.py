"""Values as JavaScript: as JSON where a value stands, as text inside strings and regular expressions."""

from __future__ import annotations

import re
from typing import Any, Final

from actors.templates.printing import float_text, printed

_CONTROLS: Final = {chr(code): f"\\u{code:04x}" for code in range(32)} | {
    "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", "\u2028": "\\u2028", "\u2029": "\\u2029",
}  # fmt: skip
_HTML_SPECIAL: Final = {letter: f"\\u{ord(letter):04x}" for letter in "\"&'+<>"}
_STRING: Final = _CONTROLS | _HTML_SPECIAL | {"`": "\\u0060", "/": "\\/", "\\": "\\\\"}
_TEMPLATE: Final = _STRING | {letter: f"\\u{ord(letter):04x}" for letter in "${}"}
_REGEXP: Final = _CONTROLS | _HTML_SPECIAL | {letter: f"\\{letter}" for letter in "$()*-./?[\\]^{|}"}
_JSON: Final = (
    _CONTROLS | {letter: f"\\u{ord(letter):04x}" for letter in "&<>"} | {"\b": "\\b", '"': '\\"', "\\": "\\\\"}
)
_STRING_TABLE: Final = str.maketrans(_STRING)
_TEMPLATE_TABLE: Final = str.maketrans(_TEMPLATE)
_REGEXP_TABLE: Final = str.maketrans(_REGEXP)
_JSON_TABLE: Final = str.maketrans(_JSON)
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_$]")


def value(given: Any) -> str:
    """JSON, with spaces around what could run into a word beside it."""
    text = _json(given)
    if _IDENTIFIER.match(text[0]) or _IDENTIFIER.match(text[-1]):
        return f" {text} "
    return text


def string(given: Any) -> str:
    """For the inside of a string in quotes."""
    return _text(given).translate(_STRING_TABLE)


def template_literal(given: Any) -> str:
    """For the inside of a back-quoted string."""
    return _text(given).translate(_TEMPLATE_TABLE)


def regexp(given: Any) -> str:
    """For the inside of a regular expression, which matches the text itself."""
    return _text(given).translate(_REGEXP_TABLE) or "(?:)"


def _text(given: Any) -> str:
    return "" if given is None else printed([given])


def _json(given: Any) -> str:
    match given:
        case None:
            return "null"
        case bool():
            return "true" if given else "false"
        case str():
            return f'"{given.translate(_JSON_TABLE)}"'
        case int():
            return str(given)
        case float():
            # An exponent below 10 is written with one digit there.
            return float_text(given, low=-6, high=21).replace("e-0", "e-")
        case list():
            return f"[{','.join(map(_json, given))}]"
        case dict():
            return "{" + ",".join(f"{_json(key)}:{_json(given[key])}" for key in sorted(given)) + "}"
        case _:
            raise TypeError(f"no value of a template: {type(given).__name__}")
