"""One row of the torture table: short in the suite, long by `make torture`, which says its numbers in one line each."""

from __future__ import annotations

import os
from typing import Final

LONG: Final = os.environ.get("TORTURE") == "1"


def tell(row: str, what: str, numbers: str) -> None:
    """A line of docs/torture.md: shown by `make torture`."""
    print(f"\n{row} | {what} | {numbers}")
