"""Reads a file of SQL statements by name.

A statement begins with a line `-- name: description`, its name in lower case with underscores, and ends before the next
such line; other comment lines belong to the statement. So SQL lives in `.sql` files, where editors and reviewers know
it, and code names it. Pure but for reading the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_HEADER: Final = re.compile(r"^-- ([a-z][a-z0-9_]*): .+$", re.MULTILINE)


def read_statements(path: Path) -> Mapping[str, str]:
    """Statements by name, in the order of the file. Raises ValueError for a name that comes twice or has no text."""
    parts = _HEADER.split(path.read_text(encoding="utf-8"))
    statements: dict[str, str] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        if name in statements:
            raise ValueError(f"{path.name}: the statement {name} comes twice")
        if not text.strip():
            raise ValueError(f"{path.name}: the statement {name} is empty")
        statements[name] = text.strip()
    return statements
