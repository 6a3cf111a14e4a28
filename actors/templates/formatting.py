"""`printf`, as Go's fmt does it for the values a template can hold.

Invariant: it never fails; what does not fit is said in the text, as Go says it: `%!d(string=hi)`, `%!d(MISSING)`,
`%!(EXTRA int=1)`. Widths are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from actors.templates.printing import float_text, shown, type_name

MAX_WIDTH: Final = 1_000
"""Widths and precisions beyond it are cut to it."""
_VERB: Final = re.compile(r"%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?(.)?", re.DOTALL)
_QUOTED: Final = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"',
}  # fmt: skip
_FLOATS: Final = frozenset("eEfFgG")


class _Form(NamedTuple):
    """What stands between `%` and the verb."""

    flags: str
    width: int
    precision: int | None
    verb: str

    def padded(self, text: str, *, zeros: bool = False) -> str:
        if len(text) >= self.width:
            return text
        if "-" in self.flags:
            return text.ljust(self.width)
        if zeros and "0" in self.flags:
            sign = text[0] if text[:1] in ("+", "-", " ") else ""
            return sign + text[len(sign) :].rjust(self.width - len(sign), "0")
        return text.rjust(self.width)

    def signed(self, text: str) -> str:
        if text.startswith(("-", "+")):
            return text if text[0] == "-" or "+" in self.flags else text[1:]
        if "+" in self.flags:
            return f"+{text}"
        return f" {text}" if " " in self.flags else text


def formatted(text: str, values: Sequence[Any]) -> str:
    """`text` with its verbs replaced."""
    parts: list[str] = []
    at = used = 0
    for match in _VERB.finditer(text):
        parts.append(text[at : match.start()])
        at = match.end()
        flags, width, precision, verb = match.groups()
        if verb is None:
            parts.append("%!(NOVERB)")
            continue
        if verb == "%":
            parts.append("%")
            continue
        form = _Form(flags, 0, None, verb)
        if width:
            form, used = _sized(form, "width", width, values, used, parts)
        if "." in match.group()[: -len(verb)]:
            form, used = _sized(form, "precision", precision or "0", values, used, parts)
        if used >= len(values):
            parts.append(f"%!{verb}(MISSING)")
            continue
        parts.append(_one(form, values[used]))
        used += 1
    parts.append(text[at:])
    if used < len(values):
        extra = ", ".join(
            shown(value) if value is None else f"{type_name(value)}={shown(value)}" for value in values[used:]
        )
        parts.append(f"%!(EXTRA {extra})")
    return "".join(parts)


def _sized(form: _Form, what: str, text: str, values: Sequence[Any], used: int, parts: list[str]) -> tuple[_Form, int]:
    """The form with its width or precision, which `*` takes from the values."""
    if text != "*":
        size = min(int(text[:9]), MAX_WIDTH)
    else:
        value = values[used] if used < len(values) else None
        used += 1
        if isinstance(value, bool) or not isinstance(value, int):
            parts.append(f"%!(BAD{'WIDTH' if what == 'width' else 'PREC'})")
            return form, used
        size = max(-MAX_WIDTH, min(value, MAX_WIDTH))
    if what == "precision":
        return form._replace(precision=size if size >= 0 else None), used
    if size < 0:
        form = form._replace(flags=f"{form.flags}-")
    return form._replace(width=abs(size)), used


def _one(form: _Form, value: Any) -> str:
    verb = form.verb
    if verb == "T":
        return form.padded(type_name(value))
    if value is None:
        return form.padded("<nil>") if verb == "v" else f"%!{verb}(<nil>)"
    if verb == "v":
        return form.padded(_go_syntax(value) if "#" in form.flags else _plain(form, value), zeros=_is_number(value))
    if isinstance(value, bool):
        return form.padded("true" if value else "false") if verb == "t" else _bad(verb, value)
    if isinstance(value, str):
        return _of_text(form, value)
    if isinstance(value, int):
        return _of_int(form, value)
    if isinstance(value, float):
        return _of_float(form, value)
    if isinstance(value, list):
        return "[" + " ".join(_one(form, item) for item in value) + "]"
    return "map[" + " ".join(f"{_one(form, key)}:{_one(form, value[key])}" for key in sorted(value)) + "]"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(form: _Form, value: Any) -> str:
    text = shown(value)
    if isinstance(value, str) and form.precision is not None:
        return text[: form.precision]
    return form.signed(text) if _is_number(value) else text


def _bad(verb: str, value: Any) -> str:
    return f"%!{verb}({type_name(value)}={shown(value)})"


def _of_text(form: _Form, value: str) -> str:
    cut = str(value) if form.precision is None else str(value)[: form.precision]
    match form.verb:
        case "s":
            return form.padded(cut)
        case "q":
            return form.padded(_quoted(cut, raw="#" in form.flags))
        case "x" | "X":
            digits = cut.encode("utf-8", "replace").hex(" " if " " in form.flags else "")
            return form.padded(digits if form.verb == "x" else digits.upper())
        case _:
            return _bad(form.verb, value)


def _of_int(form: _Form, value: int) -> str:
    sharp = "#" in form.flags
    match form.verb:
        case "d":
            text = str(value)
        case "b":
            text = format(value, "#b" if sharp else "b")
        case "o":
            text = format(value, "o") if not sharp else f"{'-' if value < 0 else ''}0{abs(value):o}"
        case "O":
            text = format(value, "#o")
        case "x" | "X":
            text = format(value, ("#" if sharp else "") + form.verb)
        case "c" | "q" | "U":
            return form.padded(_of_rune(form.verb, value))
        case _:
            return _bad(form.verb, value)
    if form.precision is None:
        return form.padded(form.signed(text), zeros=True)
    sign, digits = ("-", text[1:]) if value < 0 else ("", text)
    return form.padded(form.signed(sign + digits.rjust(form.precision, "0")))


def _of_rune(verb: str, value: int) -> str:
    if verb == "U":
        return f"U+{value:04X}"
    known = 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF
    letter = chr(value) if known else "\ufffd"
    return (
        letter if verb == "c" else "'" + _quoted(letter, raw=False)[1:-1].replace("'", "\\'").replace('\\"', '"') + "'"
    )


def _of_float(form: _Form, value: float) -> str:
    verb = form.verb
    if verb not in _FLOATS:
        return _bad(verb, value)
    if verb in "gG" and form.precision is None:
        text = float_text(value)
        text = text.upper() if verb == "G" else text
    elif value != value or value in (float("inf"), float("-inf")):
        text = float_text(value)
    elif verb in "gG":
        text = format(value, f".{form.precision or 1}{verb}")
    else:
        text = format(value, f".{6 if form.precision is None else form.precision}{verb}")
    return form.padded(form.signed(text), zeros=True)


def _quoted(text: str, *, raw: bool) -> str:
    """A Go string literal."""
    if raw and "`" not in text and text.isprintable():
        return f"`{text}`"
    return '"' + "".join(map(_quoted_letter, text)) + '"'


def _quoted_letter(letter: str) -> str:
    if letter in _QUOTED:
        return _QUOTED[letter]
    if letter.isprintable():
        return letter
    code = ord(letter)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _go_syntax(value: Any) -> str:
    """`%#v`."""
    match value:
        case None:
            return "interface {}(nil)"
        case str():
            return _quoted(value, raw=False)
        case list():
            return "[]interface {}{" + ", ".join(_go_syntax(item) for item in value) + "}"
        case dict():
            inner = ", ".join(f"{_quoted(key, raw=False)}:{_go_syntax(value[key])}" for key in sorted(value))
            return "map[string]interface {}{" + inner + "}"
        case _:
            return shown(value)
