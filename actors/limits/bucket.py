"""One client's bucket: counts its requests one after the other while there are some, then leaves.

While few are there a bucket stays until its keeper sends it to rest, within a second: coming and going costs more than
counting. In a crowd it leaves as soon as no mail waits. Its state is no field of its own but a row of the keeper's
table (`table.py`), or of Redis: an actor that leaves, crashes or is killed takes nothing with it. Where Redis counts,
the bucket only hands on: requests that come meanwhile travel together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from actors.kernel import Actor
from protocol.limits import Counting, Rest, Take, Taken


class Bucket(Actor[Take | Rest]):
    """The bucket of one client."""

    __slots__ = ("_count", "_crowded", "_key", "_leave")

    def __init__(
        self, key: str, count: Callable[[str], Taken | Counting], leave: Callable[[str], None], *, crowded: bool
    ) -> None:
        """`count` takes one request off the client's state; `leave` is called when this incarnation is over."""
        self._key = key
        self._count = count
        self._leave = leave
        self._crowded = crowded

    def receive(self, message: Take | Rest) -> Taken | Counting | None:
        """One more request, or time to go."""
        match message:
            case Take():
                if self._crowded:
                    self.context.passivate()
                return self._count(self._key)
            case Rest():
                self.context.passivate()
                return None
            case _:
                assert_never(message)

    def released(self) -> None:
        """The state rests."""
        self._leave(self._key)
