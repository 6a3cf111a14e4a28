"""When a server is left alone, and when it is asked again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.reach.circuit import Circuit, Circuits, CircuitState
from protocol.errors import Unavailable


def opened(at: float = 100.0) -> Circuit:
    circuit = Circuit(failures_allowed=3, open_seconds=10.0)
    for _ in range(3):
        circuit.failed(at, "refused")
    return circuit


def test_three_failures_in_a_row_open_it() -> None:
    circuit = Circuit(failures_allowed=3)
    for outcome in (False, False, True, False, False):
        assert circuit.admits(0.0)
        if outcome:
            circuit.succeeded()
        else:
            circuit.failed(0.0, "x")
    assert circuit.state is CircuitState.CLOSED
    circuit.failed(0.0, "x")
    assert circuit.state is CircuitState.OPEN
    assert not circuit.admits(0.0)


def test_after_the_wait_one_call_tries_and_the_others_do_not() -> None:
    circuit = opened()
    assert not circuit.admits(109.9)
    assert circuit.admits(110.0)
    assert not circuit.admits(110.0)
    assert circuit.state is CircuitState.HALF_OPEN


def test_the_probe_decides() -> None:
    circuit = opened()
    assert circuit.admits(110.0)
    circuit.failed(111.0, "still")
    assert not circuit.admits(120.9)
    assert circuit.admits(121.0)
    circuit.succeeded()
    assert circuit.admits(121.0)
    assert circuit.state is CircuitState.CLOSED


def test_a_probe_that_never_comes_back_is_followed_by_another() -> None:
    circuit = opened()
    assert circuit.admits(110.0)
    assert not circuit.admits(119.9)
    assert circuit.admits(120.0)


def test_calls_that_fail_late_do_not_keep_it_open() -> None:
    circuit = opened(at=100.0)
    circuit.failed(109.0, "begun before it opened")
    assert circuit.admits(110.0)


def test_the_refusal_says_when_and_why() -> None:
    with pytest.raises(Unavailable, match=r"example\.org is not asked for 4\.0 s more: it failed") as refused:
        opened().check(106.0, "example.org")
    assert refused.value.retry_after == 4.0
    with pytest.raises(Unavailable) as refused:
        opened().check(106.0, "the server", "10.0.0.7:443")
    assert "10.0.0.7" not in str(refused.value), "who asks is not told the address"
    assert "10.0.0.7:443, last with: refused" in refused.value.whole


def test_one_server_does_not_answer_for_another_and_success_forgets() -> None:
    circuits = Circuits(1, 10.0)
    circuits.failed("a", 0.0, "x")
    circuits.check("b", 0.0, "b")
    with pytest.raises(Unavailable):
        circuits.check("a", 0.0, "a")
    assert circuits.not_closed() == {"a": "open"}
    circuits.succeeded("a")
    circuits.check("a", 0.0, "a")
    assert len(circuits) == 0


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=300))
def test_the_table_never_outgrows_its_bound(calls: list[tuple[int, bool]]) -> None:
    circuits = Circuits(2, 10.0, most=7)
    for key, well in calls:
        if well:
            circuits.succeeded(key)
        else:
            circuits.failed(key, 0.0, "x")
        assert len(circuits) <= 7
