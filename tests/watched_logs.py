"""The logs of all servers that tests have started: looked at after each test, and once more when a server has ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import pytest

from tests.server_log import unannounced


class Logged(Protocol):
    """A server with a log."""

    expected: list[str]

    def log(self) -> str:
        """All it has written."""


S = TypeVar("S", bound=Logged)


class WatchedLogs:
    """Who is watched, and how far each log has been read."""

    def __init__(self) -> None:
        self._read: dict[int, tuple[Logged, int]] = {}

    def watch(self, server: S) -> S:
        """Look at this one's log from now on."""
        self._read[id(server)] = server, 0
        return server

    @contextmanager
    def room(self) -> Iterator[None]:
        """Servers started in here have ended when it is left: their last words are looked at then."""
        before = set(self._read)
        yield
        try:
            self.check(whole=True)
        finally:
            for key in set(self._read) - before:
                del self._read[key]

    def check(self, *, whole: bool = False) -> None:
        """Fail when something was written that nobody announced. `whole`: the last line has ended."""
        found = []
        for key, (server, read) in self._read.items():
            text = server.log()
            end = len(text) if whole else text.rfind("\n2") + 1  # an event may go on for several lines
            if end > read:
                found += unannounced(text[read:end], server.expected)
                self._read[key] = server, end
        if found:
            pytest.fail("the server's log has errors nobody announced:\n" + "\n".join(found[:20]), pytrace=False)
