"""Exceptions as text for the log: what happened and where, never the values that local variables had."""

from __future__ import annotations

import traceback
from typing import Final

FRAMES: Final = 40
"""Innermost frames that are told of each exception of a chain."""
MOST_CHARACTERS: Final = 32 << 10
_HALF: Final = MOST_CHARACTERS // 2


def told(error: BaseException | None) -> str:
    """The traceback's lines, causes first, as Python writes them. Never raises."""
    if error is None:
        return ""
    try:
        described = traceback.TracebackException(
            type(error), error, error.__traceback__, limit=-FRAMES, capture_locals=False, compact=True
        )
        text = "".join(described.format()).rstrip("\n")
    except Exception as broken:  # an exception whose own attributes raise
        return f"{type(error).__name__} (its traceback cannot be told: {type(broken).__name__})"
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:_HALF]}\n… {len(text) - 2 * _HALF} characters …\n{text[-_HALF:]}"
