"""A key that nobody reads does nothing, whatever its line in config.toml says."""

from __future__ import annotations

import ast
from pathlib import Path

from actors.library.queries import DEFAULTS
from protocol.settings.model import Sections

ROOT = Path(__file__).resolve().parents[3]


def test_every_key_is_read_where_the_parts_are_made() -> None:
    """By its name alone: it does not show what becomes of the value, but a key that is only declared is found."""
    read = {
        node.attr
        for folder in ("gateway", "protocol/settings")
        for path in (ROOT / folder).rglob("*.py")
        if path.name not in {"engine.py", "data.py", "outside.py"} or folder == "gateway"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    unread = [
        f"{section}.{key.alias or name}"
        for section, field in Sections.model_fields.items()
        for name, key in getattr(field.annotation, "model_fields", {}).items()
        if name not in read and key.alias not in DEFAULTS  # the named queries are read by their aliases, all together
    ]
    assert not unread
