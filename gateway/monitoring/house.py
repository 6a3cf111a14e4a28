"""Runs, sandboxes and actors in numbers: what the tree is doing.

Invariant: a look costs the same whatever crowd there is. Of each actor at most `MOST_CHILDREN` children are looked at,
and those of a keeper that makes actors for clients, runs or processes are told together, as `<path>/*`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from actors.kernel import ActorState, System
from actors.runs.processes import Admission
from actors.runs.result_cache import ResultCache
from actors.sandbox.forker import ForkerFigures
from actors.sandbox.pool import PoolFigures
from protocol.observation.metrics import Family, counter, gauge

MOST_CHILDREN: Final = 64
KEEPERS: Final = frozenset({"/root/processes", "/root/sandboxes/pool", "/root/services/sessions"})
"""Whose children come and go."""


class House:
    """The numbers of the tree."""

    def __init__(
        self, system: System, admission: Admission, pool: PoolFigures, forker: ForkerFigures, results: ResultCache
    ) -> None:
        self._system = system
        self._admission = admission
        self._pool = pool
        self._forker = forker
        self._results = results

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        yield from self._processes()
        yield from self._sandboxes()
        yield from self._actors()

    def _processes(self) -> Iterator[Family]:
        admission = self._admission
        yield gauge("nflow_processes_active", "Runs under way", len(admission.active))
        yield gauge("nflow_processes_limit", "Runs that may be under way at once", admission.limit)
        yield gauge("nflow_processes_waiting", "Runs that wait for something outside", len(admission.waiting))
        yield counter("nflow_processes", "Runs begun", admission.admitted)
        yield counter("nflow_processes_failed", "Runs that did not end well", admission.failed)
        yield counter("nflow_processes_refused", "Runs not begun for lack of room", admission.refused)
        for name, count in (("hits", self._results.hits), ("misses", self._results.misses)):
            yield Family(f"nflow_cache_{name}", "counter", f"Looks into a cache: {name}", ("cache",),
                         [(("results",), count)])  # fmt: skip

    def _sandboxes(self) -> Iterator[Family]:
        figures, forker = self._pool, self._forker
        if figures.read is not None:
            state = figures.read()
            yield gauge("nflow_vm_pool_size", "Sandboxes that exist", state.size)
            yield gauge("nflow_vm_pool_limit", "Sandboxes there may be", state.limit)
            yield gauge("nflow_vm_pool_active", "Sandboxes running a script", state.busy)
            yield gauge("nflow_vm_pool_available", "Idle sandboxes", state.idle)
            yield gauge("nflow_vm_pool_starting", "Sandboxes being forked", state.starting)
            yield gauge("nflow_vm_pool_waiting", "Scripts that wait for a sandbox", state.waiting)
        yield counter("nflow_vm_pool_created", "Sandboxes that became ready", figures.created)
        yield counter("nflow_vm_pool_lost", "Sandboxes that died or were discarded", figures.lost)
        yield counter("nflow_vm_pool_faults", "Scripts that killed their sandbox", figures.faults)
        yield gauge("nflow_vm_pool_breakers_open", "Flows whose breaker is not closed", len(figures.breakers()))
        yield counter("nflow_zygotes_lost", "Zygotes that died", forker.zygotes_lost)

    def _actors(self) -> Iterator[Family]:
        system = self._system
        states = list(flatten(system.snapshot(most=MOST_CHILDREN)))
        yield gauge("nflow_actors", "Actors alive", len(states) + sum(state.hidden for state in states))
        yield counter("nflow_dead_letters", "Messages that reached nobody", system.dead_letters)
        depth: defaultdict[str, int] = defaultdict(int)
        oldest: defaultdict[str, float] = defaultdict(float)
        lost: defaultdict[str, int] = defaultdict(int)
        for state in states:
            place = place_of(state.path)
            depth[place] += state.mailbox
            oldest[place] = max(oldest[place], state.oldest_seconds)
            lost[place] += state.lost
        yield _by_actor("nflow_mailbox_depth", "gauge", "Messages waiting", depth)
        yield _by_actor("nflow_mailbox_oldest_seconds", "gauge", "How long the oldest message has waited", oldest)
        yield _by_actor("nflow_mailbox_lost", "counter", "Messages a bounded mailbox refused or dropped", lost)


def place_of(path: str) -> str:
    """What an actor is told as: itself, or one of those of its keeper."""
    parts = path.split("/")
    for length in range(2, len(parts)):
        keeper = "/".join(parts[:length])
        if keeper in KEEPERS or parts[length - 1] == "limits":
            return keeper + "/*"
    return path


def _by_actor(name: str, kind: str, text: str, values: dict[str, int] | dict[str, float]) -> Family:
    rows = [((place,), value) for place, value in sorted(values.items())]
    return Family(name, "counter" if kind == "counter" else "gauge", f"{text}, by actor", ("actor",), rows)


def flatten(state: ActorState) -> Iterator[ActorState]:
    """An actor and all below it."""
    yield state
    for child in state.children:
        yield from flatten(child)
