"""Lists and tables written as one text, as variables have them: JSON, or what TOML would have after the `=`."""

from __future__ import annotations

import tomllib
from typing import Any

from protocol.codec import loads
from protocol.errors import BadDocument


def table_written(text: str) -> dict[str, Any] | None:
    """The table of `{"a": 1}` or `{a = 1}`; None where it is none."""
    value = _value(text) if text.strip().startswith("{") else None
    return value if isinstance(value, dict) else None


def list_written(text: str) -> list[Any]:
    """The list of `["a", "b"]`, or of `a, b`."""
    stripped = text.strip()
    value = _value(stripped) if stripped.startswith("[") and stripped.endswith("]") else None
    if isinstance(value, list):
        return value
    return [part.strip() for part in text.split(",") if part.strip()]


def _value(text: str) -> Any:
    try:
        return loads(text)
    except BadDocument:
        pass
    try:
        return tomllib.loads(f"value = {text.strip()}").get("value")
    except (ValueError, RecursionError):
        return None
