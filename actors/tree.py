"""The supervision tree as code: the one file that knows all actors. Start order is list order, stop is the reverse.

    root            rest_for_one   3 / 60 s, then the program ends and its orchestrator starts it again
     ├ stores       one_for_one    databases and clients, flows, the store's threads, journal    an outage is a state
     ├ services     one_for_one    limits (└ a bucket per client), sessions, plugins, tracker batchers, retention
     ├ sandboxes    one_for_all    forker (zygotes), pool (└ sandboxes)
     ├ processes    dynamic        one actor per run; drained on stop
     └ gateway                     received as a child spec: actors never import it; stops first, so drains first

Per gateway worker: sandboxes, processes, tracker batchers. One per deployment: the SQLite writer, journal, retention.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from actors.catalogue import Catalogue, Flows
from actors.functions.caller import Functions, SessionView
from actors.journal import Journal, JournalFigures, JournalSettings
from actors.kernel import Actor, Backoff, ChildSpec, Intensity, Strategy, Supervisor, System
from actors.nodes.registry import Registry
from actors.retention import Retention
from actors.runs.answer_stream import StreamRoom
from actors.runs.entrance import Authenticator
from actors.runs.figures import RunFigures
from actors.runs.processes import Admission, Processes
from actors.runs.result_cache import ResultCache
from actors.runs.services import RunSettings, Services, no_session
from actors.sandbox.forker import Forker, ForkerFigures
from actors.sandbox.launcher import ZygoteProcess
from actors.sandbox.pool import Pool, PoolFigures, PoolSettings
from actors.sandbox.sandbox import Sandbox, counts_as_failure
from actors.stores.store import Store
from actors.tracing import Tracing
from actors.tracker import Tracker, Trackers
from protocol.flow import Realm
from protocol.observation.auditing import Audit, unheard
from protocol.process import StartProcess
from protocol.refs import Ref
from protocol.sandbox import Limits
from protocol.storage import RetentionDays

PATIENT = Backoff(0.1, 5.0)
CALM = Intensity(5, 10.0)


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
    log: Callable[[StartProcess, str, str, str, str], None]
    """Told of a run, the id of its node, a level of `console`, a text and the id of its trace or nothing."""
    store: Store | None
    """None: nothing is written down, so a durable run fails."""
    journal: JournalSettings
    tracker: Tracker | Trackers | None
    retention: RetentionDays
    retention_seconds: float
    drain_seconds: float
    doors: tuple[ChildSpec, ...] = ()
    """Actors that keep the connections of everybody else (databases, Redis, HTTP, mail): they start first."""
    keepers: tuple[ChildSpec, ...] = ()
    """Actors that own what else host functions and nodes use (sessions, plugins), in start order."""
    flows: Callable[[], Actor[Any]] | None = None
    """Makes the keeper of the flows. None: it reads `documents` once."""
    kinds: Registry = field(default_factory=dict)
    functions: Functions = field(default_factory=dict)
    session: Callable[[str], SessionView] | None = None
    authenticator: Authenticator | None = None
    pool_figures: PoolFigures = field(default_factory=PoolFigures)
    forker_figures: ForkerFigures = field(default_factory=ForkerFigures)
    journal_figures: JournalFigures = field(default_factory=JournalFigures)
    run_figures: RunFigures | None = None
    """None: nobody counts how long flows and nodes take."""
    results: ResultCache = field(default_factory=lambda: ResultCache(time.monotonic))
    tracing: Tracing | None = None
    audit: Audit = unheard
    """Told of security events."""
    sandbox: Callable[[Ref[Any]], Actor[Any]] | None = None
    """Given the pool: makes a sandbox actor of another kind (simulations). None: real processes."""


def tree(system: System, parts: Parts, gateway: ChildSpec) -> ChildSpec:
    """The root's spec."""
    return _branch(
        "root",
        [
            _branch("stores", _stores(system, parts)),
            _branch("services", _services(parts)),
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
    return ChildSpec(name, lambda: Supervisor(children, strategy, intensity), shutdown_seconds=math.inf)


def _stores(system: System, parts: Parts) -> list[ChildSpec]:
    flows = ChildSpec("flows", parts.flows or (lambda: Flows(parts.catalogue, parts.documents, parts.realm)))
    store = parts.store
    if store is None:
        return [*parts.doors, flows]
    journal = ChildSpec("journal", lambda: Journal(store, parts.journal, parts.journal_figures), backoff=PATIENT)
    return [*parts.doors, flows, *store.children(), journal]


def _services(parts: Parts) -> list[ChildSpec]:
    services: list[ChildSpec] = list(parts.keepers)
    if parts.tracker is not None:
        services.extend(parts.tracker.children())
    store = parts.store
    if store is not None:
        keep = parts.retention, parts.retention_seconds, parts.wall
        services.append(ChildSpec("retention", lambda: Retention(store, *keep), backoff=PATIENT))
    return services


def _sandboxes(system: System, parts: Parts) -> list[ChildSpec]:
    def sandbox(pool: Ref[Any], number: int) -> ChildSpec:
        def make() -> Actor[Any]:
            if parts.sandbox is not None:
                return parts.sandbox(pool)
            return Sandbox(pool, _known(system, "forker"), parts.limits)

        return ChildSpec(f"sandbox-{number}", make, shutdown_seconds=1.0, counts=counts_as_failure)

    zygote = partial(ZygoteProcess, memory_mb=parts.limits.memory_mb)
    forker = ChildSpec("forker", lambda: Forker(parts.forker_figures, zygote))
    pool = ChildSpec("pool", lambda: Pool(parts.pool, sandbox, parts.pool_figures))
    return [forker, pool] if parts.sandbox is None else [pool]


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
            audit=parts.audit,
            journal=_known(system, "journal") if parts.store is not None else None,
            track=parts.tracker.track if parts.tracker is not None else None,
            functions=parts.functions,
            streams=StreamRoom(parts.run.max_streams),
            session=parts.session or no_session,
            version=parts.catalogue.version,
            triggers=parts.catalogue.triggers,
            authenticator=parts.authenticator,
            results=parts.results,
            figures=parts.run_figures,
            tracing=parts.tracing,
        ),
    )
