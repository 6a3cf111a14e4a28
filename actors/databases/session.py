"""One connection as its pool sees it: what a driver's file has to offer, and nothing of how.

A session serves one statement at a time. Errors are sorted by the driver's file, the only place that knows them: a
`CallRefused` is the server's own, definite answer and leaves the session as good as it was; anything else means that
nobody knows what happened, and the pool throws the session away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from actors.databases.database import Executed, Isolation, Rows


class Session(Protocol):
    """One connection to one server."""

    @property
    def usable(self) -> bool:
        """False once it is closed, in doubt, in a transaction, or bears traces of what was done with it."""

    def doubt(self) -> None:
        """A statement ended in an error that is no answer, or was given up: the session must not be used again."""

    async def query(self, sql: str, parameters: Sequence[Any], most: int) -> Rows:
        """Raises CallRefused for wrong SQL, values or more than `most` rows; Unavailable."""

    async def execute(self, sql: str, parameters: Sequence[Any]) -> Executed:
        """Raises like `query`."""

    async def begin(self, isolation: Isolation) -> None:
        """Open a transaction."""

    async def commit(self) -> None:
        """End it. Raises CallRefused when the server rolled it back instead."""

    async def rollback(self) -> None:
        """End it, undoing all of it."""

    async def leave(self) -> None:
        """Close the connection, whatever it is doing, and end on the server what it was doing. Raises nothing."""


class Connector(Protocol):
    """Opens sessions to one server."""

    async def connect(self) -> Session:
        """Raises Unavailable when the server is out of reach or refuses us."""
