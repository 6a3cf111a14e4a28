"""Which header lines HTTP allows. What scripts, plugins and sandboxes set is checked here before it is believed."""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNSAFE_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def is_header(name: str, value: str) -> bool:
    """Whether this line can stand in the head of a message."""
    return _TOKEN.fullmatch(name) is not None and is_header_value(value)


def is_header_value(value: str) -> bool:
    """Whether this can be a header's value: no control characters but tabs."""
    return _UNSAFE_VALUE.search(value) is None
