"""The door to the buckets: who asks for one more request of a client is told whether it is allowed.

Invariant: at any time one bucket actor for a client, alive while it has mail (see `bucket.py`); its state is one number
in the table of the keeper, and outlives both. Every request is answered: should a bucket or the keeper be gone, the
door counts by itself, with the same numbers. Where Redis counts (`shared.py`), the table mirrors what it said, so that
an outage goes on from there. Talks to the gateway, which calls it, and to the buckets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.kernel import ChildSpec, Mailbox, Restart
from actors.limits import gcra
from actors.limits.bucket import Bucket
from actors.limits.figures import LimitFigures
from actors.limits.shared import SharedBuckets
from actors.limits.table import Table
from protocol.errors import AskError, Gone
from protocol.limits import REST, TAKE, Counting, Quota, Taken
from protocol.refs import AnyRef

CROWD = 1_000
"""From so many buckets on each leaves at once."""
MOST_WAITING = Mailbox(10_000)
"""Requests of one client that may wait for its bucket; more: 503."""


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How much, and how many clients are remembered."""

    quota: Quota
    max_clients: int = 100_000
    cleanup_seconds: float = 600.0
    """Time between removals of buckets that say nothing any more."""
    call_seconds: float = 1.0
    """Longest wait for a bucket; then the door counts by itself."""


def _crash_costs_nobody_else(cause: BaseException | None) -> bool:
    """A bucket that crashes has dropped the message at fault; its neighbours need not go with it."""
    return False


class Limits:
    """The limits of one runtime."""

    __slots__ = ("_live", "_now", "_spawn", "figures", "quota", "settings", "shared", "table")

    def __init__(self, settings: LimitSettings, now: Callable[[], float], shared: SharedBuckets | None = None) -> None:
        """`now`: seconds of a steady clock. `shared`: where other servers count too; None: only here."""
        self.settings = settings
        self.quota = settings.quota
        self.table = Table(settings.max_clients)
        self.figures = LimitFigures(lambda: len(self.table), lambda: self.table.evicted)
        self.shared = shared
        if shared is not None:
            shared.join(self.count, self.mirror, self.figures)
        self._now = now
        self._live: dict[str, AnyRef] = {}
        self._spawn: Callable[[ChildSpec], AnyRef] | None = None

    @property
    def live(self) -> int:
        """Buckets that have mail, or had some a moment ago."""
        return len(self._live)

    async def take(self, key: str) -> Taken:
        """Count one more request of this client. Raises Overloaded when thousands of it wait already."""
        quota = self.quota
        if not quota.limit:
            return Taken(False, 0, quota.window_seconds, quota.window_seconds)
        ref = self._live.get(key)
        try:
            if ref is None or not ref.alive:
                ref = self._begin(key)
            reply = await ref.ask(TAKE, self.settings.call_seconds)
        except AskError:  # a bucket's fault is not the client's
            return self.count(key)
        return await reply.taken if isinstance(reply, Counting) else reply

    def count(self, key: str) -> Taken:
        """The same, here and now: what a bucket does with its mail."""
        quota = self.quota
        now = self._now() * quota.rate
        granted, owed = gcra.grant(quota, self.table.take(key), now)
        self.table.put(key, now + owed, self.forgettable)
        return gcra.taken(quota, owed, allowed=granted > 0)

    def mirror(self, key: str, owed: float) -> None:
        """What the shared bucket of this client owes."""
        self.table.take(key)
        self.table.put(key, self.now() + owed, self.forgettable)

    def obey(self, quota: Quota) -> None:
        """Another quota from now on; everybody begins anew."""
        if quota != self.quota:
            self.quota = quota
            self.table.clear()
            if self.shared is not None:
                self.shared.quota = quota

    def sweep(self) -> int:
        """Forget the buckets that say nothing any more."""
        return self.table.sweep(self.forgettable())

    def now(self) -> float:
        """The time, in requests of the quota."""
        return self._now() * self.quota.rate

    def forgettable(self) -> float:
        """Buckets full since then are forgotten first."""
        return gcra.forgettable(self.quota, self.now())

    def attach(self, spawn: Callable[[ChildSpec], AnyRef]) -> None:
        """The keeper is ready."""
        self._live.clear()
        self._spawn = spawn

    def detach(self) -> None:
        """The keeper leaves: the door counts by itself."""
        self._live.clear()
        self._spawn = None

    def rest(self) -> None:
        """Buckets without mail may go."""
        for ref in self._live.values():
            ref.tell(REST)

    def left(self, key: str) -> None:
        """A bucket has no mail any more."""
        ref = self._live.get(key)
        if ref is not None and not ref.alive:
            del self._live[key]

    def _begin(self, key: str) -> AnyRef:
        if self._spawn is None:
            raise Gone("the limits have no keeper now")
        count = self.count if self.shared is None else self.shared.count
        crowded = len(self._live) >= CROWD
        ref = self._live[key] = self._spawn(
            ChildSpec(
                key,
                lambda: Bucket(key, count, self.left, crowded=crowded),
                restart=Restart.TRANSIENT,
                mailbox=MOST_WAITING,
                counts=_crash_costs_nobody_else,
            )
        )
        return ref
