"""Database cells as the values nFlow means: texts that may have been stored as bytes, flags in every dialect.

The Go designer writes some texts as byte strings, which SQLite then keeps as blobs and a `Database` gives out as
base64. Pure.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from protocol.codec import dumps

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}\Z")
_NO: Final = frozenset({"", "0", "f", "false", "n", "no", "off"})


def text(value: Any) -> str:
    """The cell as text; nothing is the empty text."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict | list):  # a column of the JSON type
        return dumps(value).decode()
    return value if isinstance(value, str) else str(value)


def source(value: Any) -> str:
    """A cell that holds a document, a script or a page, also where it was stored as bytes.

    Sixteen and more base64 characters without a blank or a bracket are no such text, unless they do not decode to one.
    """
    found = text(value)
    if len(found) % 4 == 0 and _BASE64.match(found):
        try:
            return base64.b64decode(found, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return found
    return found


def flag(value: Any) -> bool:
    """A truth value: booleans, numbers, and the words databases write for them."""
    return value.strip().lower() not in _NO if isinstance(value, str) else bool(value)


def number(value: Any) -> float | None:
    """A number, also one stored as text; None for everything else."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
