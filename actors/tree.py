"""The supervision tree as code: the one file that knows all actors. Start order is list order, stop is the reverse.

    root            rest_for_one   3 / 60 s, then the program ends and its orchestrator starts it again
     ├ stores       one_for_one    flows, writer (SQLite), journal        an outage is a state, not a crash
     ├ services     one_for_one    tracker batchers                       flushed on stop
     ├ sandboxes    one_for_all    forker (zygotes), pool (└ sandboxes)
     ├ processes    dynamic        one actor per run; drained on stop
     └ gateway                     received as a child spec: actors never import it; stops first, so drains first

Per gateway worker: sandboxes, processes, tracker batchers. One per deployment: the SQLite writer and the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors.catalogue import Catalogue, Flows
from actors.journal import Journal
from actors.kernel import Backoff, ChildSpec, Intensity, Mailbox, Strategy, Supervisor, System
from actors.nodes.registry import Registry
from actors.process import RunSettings, Services
from actors.processes import Admission, Processes
from actors.sandbox.forker import Forker, ForkerFigures
from actors.sandbox.pool import Pool, PoolFigures, PoolSettings
from actors.sandbox.sandbox import Sandbox, counts_as_failure
from actors.stores.sqlite import SqliteSettings, SqliteWriter
from actors.tracker import TrackerSettings, batchers
from protocol.flow import Realm
from protocol.refs import Ref
from protocol.sandbox import Limits


@dataclass(frozen=True, slots=True)
class Parts:
    """What the tree is made with: settings as values, and the doors its actors share with the gateway."""

    documents: Mapping[str, Path]
    catalogue: Catalogue
    admission: Admission
    run: RunSettings
    limits: Limits
    pool: PoolSettings
    realm: Realm
    new_wid: Callable[[], str]
    wall: Callable[[], float]
    log: Callable[[str, str, str, str], None]
    store: SqliteSettings | None
    """None: nothing is written down, so durable flows are refused."""
    journal_capacity: int
    tracker: TrackerSettings | None
    drain_seconds: float
    kinds: Registry = field(default_factory=dict)
    pool_figures: PoolFigures = field(default_factory=PoolFigures)
    forker_figures: ForkerFigures = field(default_factory=ForkerFigures)


PATIENT = Backoff(0.1, 5.0)
CALM = Intensity(5, 10.0)


def tree(system: System, parts: Parts, gateway: ChildSpec) -> ChildSpec:
    """The root's spec."""
    return _branch(
        "root",
        [
            _branch("stores", _stores(system, parts)),
            _branch("services", _services(system, parts)),
            _branch("sandboxes", _sandboxes(system, parts), Strategy.ONE_FOR_ALL),
            ChildSpec("processes", lambda: _processes(system, parts), shutdown_seconds=parts.drain_seconds),
            gateway,
        ],
        Strategy.REST_FOR_ONE,
        Intensity(3, 60.0),
    )


def _branch(
    name: str,
    children: list[ChildSpec],
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: Intensity = CALM,
) -> ChildSpec:
    return ChildSpec(name, lambda: Supervisor(children, strategy, intensity), shutdown_seconds=float("inf"))


def _stores(system: System, parts: Parts) -> list[ChildSpec]:
    flows = ChildSpec("flows", lambda: Flows(parts.catalogue, parts.documents, parts.realm))
    store = parts.store
    if store is None:
        return [flows]
    writer = ChildSpec("writer", lambda: SqliteWriter(store), backoff=PATIENT)
    journal = ChildSpec(
        "journal",
        lambda: Journal(_known(system, "writer")),
        mailbox=Mailbox(parts.journal_capacity),
        backoff=PATIENT,
    )
    return [flows, writer, journal]


def _services(system: System, parts: Parts) -> list[ChildSpec]:
    tracker = parts.tracker
    return batchers(tracker, lambda: _known(system, "writer")) if tracker is not None else []


def _sandboxes(system: System, parts: Parts) -> list[ChildSpec]:
    def sandbox(pool: Ref[Any], number: int) -> ChildSpec:
        return ChildSpec(
            f"sandbox-{number}",
            lambda: Sandbox(pool, _known(system, "forker"), parts.limits),
            shutdown_seconds=1.0,
            counts=counts_as_failure,
        )

    return [
        ChildSpec("forker", lambda: Forker(parts.forker_figures)),
        ChildSpec("pool", lambda: Pool(parts.pool, sandbox, parts.pool_figures)),
    ]


def _known(system: System, name: str) -> Ref[Any]:
    """An actor that registered itself; the ones named here are started before those that ask."""
    ref = system.lookup(name)
    if ref is None:
        raise LookupError(f"no actor is registered as {name!r}")
    return ref


def _processes(system: System, parts: Parts) -> Processes:
    return Processes(
        parts.admission,
        Services(
            pool=_known(system, "pool"),
            kinds=parts.kinds,
            settings=parts.run,
            wall=parts.wall,
            new_wid=parts.new_wid,
            log=parts.log,
            journal=_known(system, "journal") if parts.store is not None else None,
            track=parts.tracker.spread.track if parts.tracker is not None else None,
        ),
    )
