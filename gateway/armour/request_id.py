"""The id of a request: the client's own where it is harmless, else one of ours.

It goes back with every answer and stands in every log line of the request, so one that could break a log line or a
header is not taken. Ours sort by time within a process: its start in milliseconds, a random part, a count.
"""

from __future__ import annotations

import re
import secrets
import time
from itertools import count
from typing import Final

HEADER: Final = "X-Request-ID"
_ACCEPTED: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


class RequestIds:
    """Gives every request its id."""

    __slots__ = ("_count", "_prefix")

    def __init__(self) -> None:
        self._prefix = f"{time.time_ns() // 1_000_000:011x}-{secrets.token_hex(4)}"
        self._count = count(1)

    def of(self, shown: str | None) -> str:
        """The id of a request that shows this header; None: it shows none."""
        if shown is not None and _ACCEPTED.fullmatch(shown) is not None:
            return shown
        return f"{self._prefix}-{next(self._count):08x}"
