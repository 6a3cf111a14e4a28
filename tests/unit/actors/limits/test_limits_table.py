"""Which clients are forgotten when there is no room: those that say nothing any more, then the longest unused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.limits.table import Table


def keys(table: Table, among: str) -> str:
    """Those of `among` that are there."""
    there = ""
    for key in among:
        full = table.take(key)
        if full is not None:
            there += key
            table.put(key, full, lambda: float("-inf"))
    return there


def test_the_longest_unused_goes_first() -> None:
    table = Table(3)
    for key in "abc":
        table.put(key, 10.0, lambda: 0.0)
    table.put("a", table.take("a") or 0.0, lambda: 0.0)
    table.put("d", 10.0, lambda: 0.0)
    assert keys(table, "abcd") == "acd"
    assert table.evicted == 1


def test_who_says_nothing_any_more_goes_before_that() -> None:
    table = Table(3)
    for key, full in (("a", 10.0), ("b", 1.0), ("c", 10.0)):
        table.put(key, full, lambda: 0.0)
    table.put("d", 10.0, lambda: 5.0)
    assert keys(table, "abcd") == "acd"
    assert table.evicted == 0, "b had nothing left to say"


def test_a_sweep_forgets_who_says_nothing() -> None:
    table = Table(10)
    for number in range(10):
        table.put(str(number), float(number), lambda: 0.0)
    assert table.sweep(4.0) == 5
    assert len(table) == 5


@given(st.integers(1, 40), st.lists(st.integers(0, 60), max_size=400))
def test_it_never_holds_more_than_its_bound_and_always_the_last_one(most: int, uses: list[int]) -> None:
    table = Table(most)
    for time, use in enumerate(uses):
        table.take(str(use))
        table.put(str(use), time + 100.0, lambda: 0.0)
        assert len(table) <= most
        assert table.take(str(use)) == time + 100.0
        table.put(str(use), time + 100.0, lambda: 0.0)


@given(st.integers(1, 30), st.lists(st.integers(0, 60), max_size=300))
def test_small_tables_keep_exactly_the_last_used(most: int, uses: list[int]) -> None:
    table = Table(most)
    for use in uses:
        table.take(str(use))
        table.put(str(use), 1.0, lambda: 0.0)
    last: list[int] = []
    for use in reversed(uses):
        if use not in last and len(last) < most:
            last.append(use)
    assert {use for use in range(61) if table.take(str(use)) is not None} == set(last)
