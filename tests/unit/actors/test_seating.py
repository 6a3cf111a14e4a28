"""Which sandbox takes which script."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.sandbox.seating import Seating
from protocol.flow import Script
from protocol.sandbox import RunScript

SCRIPT = Script("k", "", "main", frozenset(), b"{}")


class Stub:
    """Stands for a ref: only its identity matters."""


def script(run: int, tenant: str = "t", flow: str = "f") -> RunScript:
    return RunScript(run, tenant, flow, SCRIPT, b"{}", b"{}", "", Stub())  # type: ignore[arg-type]


def seated(count: int) -> tuple[Seating, list[Any]]:
    seating, refs = Seating(), [Stub() for _ in range(count)]
    for ref in refs:
        seating.add(ref)  # type: ignore[arg-type]
        seating.ready(ref, 0.0)  # type: ignore[arg-type]
    return seating, refs


def take(seating: Seating, order: RunScript) -> Any:
    seat = seating.choose(order.tenant, order.flow)
    if seat is None:
        return None
    seating.assign(seat, order, 0.0)
    return seat.ref


def test_a_script_goes_to_the_sandbox_that_holds_its_flow() -> None:
    seating, _ = seated(3)
    first = take(seating, script(1, flow="a"))
    second = take(seating, script(2, flow="b"))
    seating.free(first, 1, 1.0)
    seating.free(second, 2, 2.0)
    assert take(seating, script(3, flow="a")) is first


def test_a_sandbox_of_another_tenant_is_never_chosen() -> None:
    seating, _ = seated(1)
    ref = take(seating, script(1, tenant="a"))
    seating.free(ref, 1, 1.0)
    assert take(seating, script(2, tenant="b")) is None


def test_a_new_process_has_no_tenant() -> None:
    seating, _ = seated(1)
    ref = take(seating, script(1, tenant="a"))
    seating.lost(ref, 1)
    assert take(seating, script(2, tenant="b")) is None, "it is not ready"
    assert seating.ready(ref, 1.0)
    assert take(seating, script(2, tenant="b")) is ref


def test_a_run_handed_to_a_dying_sandbox_stays_its_own() -> None:
    seating, _ = seated(1)
    ref = take(seating, script(1))
    seating.lost(ref, None)
    assert not seating.ready(ref, 1.0), "the run lies in its mailbox"
    assert seating.free(ref, 1, 2.0) is not None


def test_a_sandbox_that_becomes_ready_twice_is_idle_once() -> None:
    seating, (ref,) = seated(1)
    seating.ready(ref, 1.0)
    assert [seat.ref for seat in seating.idle] == [ref]


def test_a_late_result_of_a_lost_run_frees_nothing() -> None:
    seating, _ = seated(1)
    ref = take(seating, script(1))
    seating.lost(ref, 1)
    assert seating.free(ref, 1, 1.0) is None
    assert seating.idle == []


class SeatingMachine(RuleBasedStateMachine):
    """Whatever happens, a run is at one seat, and a seat is idle or busy or starting."""

    def __init__(self) -> None:
        super().__init__()
        self.seating = Seating()
        self.runs = 0

    @rule()
    def spawn(self) -> None:
        if len(self.seating.seats) < 5:
            self.seating.add(Stub())  # type: ignore[arg-type]

    @rule(index=st.integers(0, 4))
    def become_ready(self, index: int) -> None:
        seats = [seat for seat in self.seating.seats.values() if not seat.started or seat.run is None]
        if seats:
            self.seating.ready(seats[index % len(seats)].ref, 0.0)

    @rule(tenant=st.sampled_from("ab"), flow=st.sampled_from("xyz"))
    def run(self, tenant: str, flow: str) -> None:
        self.runs += 1
        take(self.seating, script(self.runs, tenant, flow))

    @rule(index=st.integers(0, 4), well=st.booleans(), in_hand=st.booleans())
    def end(self, index: int, well: bool, in_hand: bool) -> None:
        busy = list(self.seating.busy.items())
        if not busy:
            return
        run, seat = busy[index % len(busy)]
        if well and seat.started:
            self.seating.free(seat.ref, run, 0.0)
        else:
            self.seating.lost(seat.ref, run if in_hand else None)

    @rule(index=st.integers(0, 4))
    def remove(self, index: int) -> None:
        seats = list(self.seating.seats.values())
        if seats:
            self.seating.remove(seats[index % len(seats)])

    @invariant()
    def each_seat_is_in_one_place(self) -> None:
        seating = self.seating
        for seat in seating.seats.values():
            assert (seat in seating.idle) + (seat.run is not None) <= 1
            assert seat not in seating.idle or seat.started
        assert {seat.run.run for seat in seating.seats.values() if seat.run is not None} == set(seating.busy)
        assert len(seating.idle) == len({id(seat) for seat in seating.idle})
        assert all(seat.ref in seating.seats for seat in seating.idle)


TestSeating = SeatingMachine.TestCase
