"""A test fails when a task ended with an exception that nobody looked at: asyncio only logs that."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


class _Lost(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "never retrieved" in text:
            self.found.append(text)


@pytest.fixture(autouse=True)
def no_lost_exception() -> Iterator[None]:
    """Listens to asyncio's complaints."""
    lost, logger = _Lost(), logging.getLogger("asyncio")
    logger.addHandler(lost)
    yield
    logger.removeHandler(lost)
    if lost.found:
        pytest.fail("\n".join(lost.found), pytrace=False)
