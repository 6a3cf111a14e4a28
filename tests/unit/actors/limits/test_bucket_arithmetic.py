"""How many requests a client has: the arithmetic against a naive bucket of tokens."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.limits import gcra
from protocol.limits import Quota

QUOTAS = st.builds(
    Quota,
    st.integers(1, 500),
    st.sampled_from([1.0, 6.0, 60.0, 3600.0, 7.3]),
    st.integers(0, 60),
)


class Naive:
    """Tokens, in fractions: a fresh client has `limit`, they come back evenly, never more than limit + burst."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.tokens: Fraction | None = None
        self.at = Fraction(0)

    def take(self, now: Fraction) -> tuple[bool, Fraction]:
        quota = self.quota
        if self.tokens is None:
            self.tokens = Fraction(quota.limit)
        else:
            back = (now - self.at) * quota.limit / Fraction(quota.window_seconds)
            self.tokens = min(Fraction(quota.limit + quota.burst), self.tokens + back)
        self.at = now
        allowed = self.tokens >= 1
        if allowed:
            self.tokens -= 1
        return allowed, self.tokens


class Client:
    """One client of the arithmetic, in seconds."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.full: float | None = None

    def take(self, seconds: float, wanted: int = 1) -> tuple[int, float]:
        now = seconds * self.quota.rate
        granted, owed = gcra.grant(self.quota, self.full, now, wanted)
        self.full = now + owed
        return granted, owed


@given(QUOTAS, st.floats(0, 2e9), st.lists(st.floats(0, 200), max_size=200))
def test_it_is_a_bucket_of_tokens(quota: Quota, start: float, pauses: list[float]) -> None:
    client, naive, now = Client(quota), Naive(quota), start
    for pause in pauses:
        now += pause
        granted, owed = client.take(now)
        allowed, tokens = naive.take(Fraction(now))
        left = quota.capacity - owed
        # The clock's own grain, in requests: two floats of this size are never nearer.
        grain = 1e-3 + 4 * quota.rate * 2.4e-7 * len(pauses)
        near = abs(float(tokens) - round(tokens)) < grain
        assert bool(granted) == allowed or near
        if bool(granted) != allowed:
            return  # on the edge of a token the two may part, by that one
        assert left == pytest.approx(float(tokens), abs=grain)


@given(QUOTAS, st.floats(0, 2e9), st.lists(st.floats(0, 3), min_size=1, max_size=300))
def test_a_window_never_sees_more_than_limit_and_burst_and_what_came_back(
    quota: Quota, start: float, pauses: list[float]
) -> None:
    client, now, passed = Client(quota), start, []
    for pause in pauses:
        now += pause * quota.window_seconds / 100
        if client.take(now)[0]:
            passed.append(now)
    for first, began in enumerate(passed):
        for last in range(first, len(passed)):
            seconds = passed[last] - began
            assert last - first + 1 <= quota.limit + quota.burst + seconds * quota.rate + 1e-2


@given(QUOTAS, st.floats(0, 2e9))
def test_a_fresh_client_has_exactly_its_limit_at_once(quota: Quota, now: float) -> None:
    client = Client(quota)
    assert sum(client.take(now)[0] for _ in range(quota.limit + quota.burst + 5)) == quota.limit


@given(QUOTAS, st.floats(0, 1e9))
def test_after_quiet_a_client_has_the_burst_too(quota: Quota, now: float) -> None:
    client = Client(quota)
    client.take(now)
    later = now + 2 * quota.window_seconds * (1 + quota.burst / quota.limit)
    assert sum(client.take(later)[0] for _ in range(quota.capacity + 5)) == quota.capacity


@given(QUOTAS, st.floats(0, 2e9))
def test_who_waits_as_long_as_it_was_told_is_let_in(quota: Quota, now: float) -> None:
    client = Client(quota)
    for _ in range(quota.limit):
        client.take(now)
    granted, owed = client.take(now)
    assert not granted
    wait = gcra.taken(quota, owed, allowed=False).retry_seconds
    assert 0 < wait <= 1 / quota.rate + 1e-3
    assert client.take(now + wait + 1e-6)[0]


@given(QUOTAS, st.floats(0, 1e9), st.integers(1, 600))
def test_many_at_once_are_the_same_as_one_by_one(quota: Quota, now: float, wanted: int) -> None:
    together, apart = Client(quota), Client(quota)
    granted, owed = together.take(now, wanted)
    assert granted == sum(apart.take(now)[0] for _ in range(wanted))
    assert owed == pytest.approx(apart.take(now, 0)[1], abs=1e-3)


def test_a_million_hammering_requests_are_exact() -> None:
    quota, now, allowed = Quota(100, 60.0, 10), 1_700_000_000.0, 0
    client = Client(quota)
    for step in range(1_000_000):
        allowed += client.take(now + step * 0.01)[0]
    assert abs(allowed - (100 + 10_000 * quota.rate)) <= 1


def test_a_clock_set_back_costs_no_more_than_the_whole_bucket() -> None:
    quota = Quota(60, 60.0)
    client = Client(quota)
    client.take(10_000.0)
    granted, owed = client.take(1_000.0)
    assert (granted, owed) == (0, 60.0)
    assert client.take(1_001.1)[0] == 1


def test_the_headers_of_one_clients_first_minute() -> None:
    quota = Quota(10, 60.0, 2)
    client = Client(quota)
    first = gcra.taken(quota, client.take(0.0)[1], allowed=True)
    assert (first.remaining, first.retry_seconds, first.reset_seconds) == (9, 0.0, 6.0)
    for _ in range(9):
        client.take(0.0)
    denied = gcra.taken(quota, client.take(0.0)[1], allowed=False)
    assert (denied.remaining, denied.retry_seconds, denied.reset_seconds) == (0, 6.0, 60.0)
