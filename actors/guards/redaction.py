"""Masks secrets in what the tracker keeps: the values of keys such as `password`, and of such query parameters.

Invariant: the text stays what it was, byte for byte, but for the masked values, so numbers keep their digits and keys
their order; what was JSON stays JSON. Linear in the text for any input, also for text that is no JSON at all: payloads
come out of scripts. Works on the text and not on parsed values, because most payloads hold no such key and one scan
then is all they cost.

Only keys are judged. A secret under an innocent key, or inside a longer text, is stored as it is.
Pure functions; called by the stores, on whichever thread writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_plus

from actors.guards.json_text import STRING, string_value, value_end

MASK: Final = "***"

_SECRET_NAME: Final = re.compile(
    r"passw|passphrase|pass[_\-. ](?:word|phrase|code)|pwd|secret|token|authorization|api[_\-. ]?key|private[_\-. ]?key"
    r"|cookie|credential|contrase|^pass$|^clave$"
)
_COUNT_NAME: Final = re.compile(r"tokens$")
"""Names such as `max_tokens`: a number under them is a count, not a secret."""
_NEEDLES: Final = (b"pass", b"pwd", b"secret", b"token", b"authoriz", b"api", b"private", b"cookie", b"credential")
_SPANISH_NEEDLES: Final = (b"contrase", b"clave")
_ESCAPED_ASCII: Final = b"\\u00"
"""A key may spell its letters as escapes; text with such an escape is read key by key."""

_PARAMETER_NAME: Final = re.compile(r"([^&;=?]++)(=?)")
_PARAMETER_VALUE: Final = re.compile(r"[^&;]*+")


def names_a_secret(name: str) -> bool:
    """Whether what is kept under this name is to be masked."""
    return _SECRET_NAME.search(name.lower()) is not None


def mask(payload_json: bytes) -> bytes:
    """Replace by `"***"` the value of every key that names a secret, at any depth.

    null, true and false stay: they say whether there is one, not what it is. A whole object or list under such a key is
    replaced. Keys are compared without regard to case. Returns the argument itself when nothing is masked.
    """
    if not _may_hold_secret(payload_json):
        return payload_json
    kept: list[bytes] = []
    start = position = 0
    while found := STRING.search(payload_json, position):
        position = found.end()
        if found[2] is None:
            continue
        name = string_value(found[1]).lower()
        if not _SECRET_NAME.search(name):
            continue
        end = value_end(payload_json, position)
        if _tells_nothing(name, payload_json[position:end]):
            continue
        kept += (payload_json[start:position], b'"***"')
        start = position = end
    if not kept:
        return payload_json
    kept.append(payload_json[start:])
    return b"".join(kept)


def mask_query(text: str) -> str:
    """Replace by `***` the values of query parameters that name a secret.

    `text` is a query string, a URL or path with one behind its `?`, or a JSON text. Returns the argument itself when
    nothing is masked.
    """
    if "=" not in text and '"' not in text:
        return text
    if text.startswith(("{", "[")):
        return mask(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    kept: list[str] = []
    start = position = 0
    while found := _PARAMETER_NAME.search(text, position):
        position = found.end()
        if not found[2] or not _SECRET_NAME.search(unquote_plus(found[1]).lower()):
            continue  # what follows `=` is read as a name again: a value may be a URL with a query of its own
        value = _PARAMETER_VALUE.match(text, position)
        end = value.end() if value else position
        if end > position:
            kept += (text[start:position], MASK)
            start = position = end
    return "".join(kept) + text[start:] if kept else text


def may_hold_secrets(payloads: Iterable[bytes], queries: Iterable[str]) -> bool:
    """Whether any of many texts may need masking: one scan over all of them is a third of the cost of one for each.

    Never False where `mask` or `mask_query` would change a text.
    """
    text = "\n".join(queries)
    return "%" in text or _may_hold_secret(b"\n".join(payloads) + b"\n" + text.encode("utf-8", "surrogatepass"))


def _may_hold_secret(text: bytes) -> bool:
    lowered = text.lower()
    return (
        any(needle in lowered for needle in _NEEDLES)
        or any(needle in lowered for needle in _SPANISH_NEEDLES)
        or _ESCAPED_ASCII in lowered
    )


def _tells_nothing(name: str, value: bytes) -> bool:
    """Whether the value under a secret's name is no secret: absent, a yes or no, or a count."""
    if value in (b"null", b"true", b"false", b""):
        return True
    return value[:1] in b"-0123456789" and _COUNT_NAME.search(name) is not None
