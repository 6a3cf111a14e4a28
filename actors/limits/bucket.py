"""One client's bucket: counts its requests one after the other, and leaves as soon as no mail waits.

Its state is no field of its own but a row of the keeper's table (`table.py`), or of Redis, so an actor that leaves,
crashes or is killed takes nothing with it. Where Redis counts, the bucket only hands on: requests that come meanwhile
travel together.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.kernel import Actor
from protocol.limits import Counting, Take, Taken


class Bucket(Actor[Take]):
    """The bucket of one client."""

    __slots__ = ("_count", "_key", "_leave")

    def __init__(self, key: str, count: Callable[[str], Taken | Counting], leave: Callable[[str], None]) -> None:
        """`count` takes one request off the client's state; `leave` is called when this incarnation is over."""
        self._key = key
        self._count = count
        self._leave = leave

    def receive(self, message: Take) -> Taken | Counting:
        """One more request."""
        self.context.passivate()
        return self._count(self._key)

    def released(self) -> None:
        """The state rests."""
        self._leave(self._key)
