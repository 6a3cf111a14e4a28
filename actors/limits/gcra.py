"""The arithmetic of a bucket: one number for each client, by the generic cell rate algorithm.

The number is the moment at which the bucket will be full again. Time is counted in requests (`seconds * quota.rate`):
one request moves that moment by exactly 1, and nothing is lost to rounding, however many there are. What a client owes
is how far the moment lies ahead: 0 is a full bucket, `quota.capacity` an empty one. Pure; `redis.lua` is the same.
"""

from __future__ import annotations

from typing import Final

from protocol.limits import Quota, Taken

GRAIN: Final = 1e-6
"""Less than this share of a request is rounding, where the clock's numbers change their exponent."""


def grant(quota: Quota, full: float | None, now: float, wanted: int = 1) -> tuple[int, float]:
    """(how many of the wanted requests are allowed, what the client owes after them).

    `full` None: a client never seen; it has `limit` requests, and earns the burst by being quiet. A clock that was set
    back never costs a client more than its whole bucket.
    """
    capacity = quota.capacity
    if full is None:
        owed: float = quota.burst
    else:
        owed = full - now
        if owed < 0.0:
            owed = 0.0
        elif owed > capacity:
            owed = capacity
    granted = int(capacity - owed + GRAIN)
    if granted > wanted:
        granted = wanted
    return granted, owed + granted


def taken(quota: Quota, owed: float, *, allowed: bool) -> Taken:
    """What a client that now owes so much is told."""
    room = quota.capacity - owed
    ahead = owed - quota.burst
    return Taken(
        allowed,
        int(room + GRAIN) if room > 0.0 else 0,
        0.0 if allowed else (1.0 - room) / quota.rate,
        ahead / quota.rate if ahead > 0.0 else 0.0,
    )


def forgettable(quota: Quota, now: float) -> float:
    """Buckets that were full by this moment have been so for a whole window: they need not be remembered."""
    return now - quota.limit
