"""The per-flow breaker."""

from __future__ import annotations

from actors.sandbox.breaker import Breaker, BreakerState


def opened() -> Breaker:
    breaker = Breaker()
    for second in range(3):
        breaker.fault(float(second))
    return breaker


def test_two_faults_do_not_open_it() -> None:
    breaker = Breaker()
    breaker.fault(0.0)
    breaker.fault(1.0)
    assert breaker.admits(1.0)


def test_three_faults_within_a_minute_open_it() -> None:
    breaker = opened()
    assert breaker.state is BreakerState.OPEN
    assert not breaker.admits(3.0)
    assert breaker.retry_after(3.0) == 9.0


def test_three_faults_over_more_than_a_minute_do_not() -> None:
    breaker = Breaker()
    for second in (0.0, 40.0, 61.0):
        breaker.fault(second)
    assert breaker.admits(61.0)


def test_after_ten_seconds_one_run_may_try() -> None:
    breaker = opened()
    assert breaker.admits(12.0)
    assert not breaker.admits(12.1)


def test_a_good_try_closes_it() -> None:
    breaker = opened()
    breaker.admits(12.0)
    breaker.success()
    assert breaker.state is BreakerState.CLOSED
    assert breaker.idle(12.0)


def test_a_bad_try_opens_it_again() -> None:
    breaker = opened()
    breaker.admits(12.0)
    breaker.fault(12.5)
    assert not breaker.admits(22.0)
    assert breaker.admits(22.5)


def test_a_try_that_never_ends_does_not_keep_it_shut_for_good() -> None:
    breaker = opened()
    assert breaker.admits(12.0)
    assert breaker.admits(22.0)
