"""What a store of sessions does, wherever it keeps them.

Laws, held by one test suite over memory, Redis and PostgreSQL:
- A change is in the store, whole, before `save` returns; a `save` that raises Unavailable may have happened or not.
- Changes of several servers are merged key by key: the last one wins each key, and none is lost.
- A session unused for its lifetime is gone; being read or saved is use.
- A session that has ended takes no changes, so nobody brings it back.
- A store out of reach answers Unavailable and is found again by itself.
"""

from __future__ import annotations

from typing import Protocol

from protocol.sessions import Changes, Maps


class SessionStore(Protocol):
    """Where sessions are kept."""

    async def open(self) -> None:
        """Make ready; an outage is no error here. Idempotent."""

    async def close(self) -> None:
        """Let go of what it holds. Idempotent."""

    def touch(self, session: str) -> bool:
        """Say that the session is used, where that needs no asking.

        True: what this process last read or saved of it still stands. False: it has to be loaded to know.
        """

    async def load(self, session: str) -> Maps | None:
        """The session's maps; None: there is none. Counts as use. Raises Unavailable."""

    async def save(self, session: str, changes: Changes, *, begin: bool = False, rename: str = "") -> None:
        """Apply the changes, all or nothing. `begin`: the session is new; `rename`: from now on this is its id.

        Raises SessionEnded when there is none of this id, CallRefused when it would grow too large, Unavailable.
        """

    async def end(self, session: str) -> None:
        """Forget the session, if there is one. Raises Unavailable."""

    async def sweep(self) -> int:
        """Throw away a bite of what has expired; how many. 0: nothing is left to throw away. Raises Unavailable."""

    async def clear(self) -> int:
        """End every session; how many there were. One that begins meanwhile may stay. Raises Unavailable."""

    async def count(self) -> int | None:
        """How many there are; None: to know, each would have to be looked at. Raises Unavailable."""


def prefixed_length(text: bytes) -> bytes:
    """The text after its length in bytes and a colon: no such text begins another one."""
    return b"%d:%b" % (len(text), text)
