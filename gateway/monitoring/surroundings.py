"""What the runtime keeps and whom it talks to, in numbers: store, tracker, databases, sessions, servers, plugins.

Only states and counts are told: no address, no host of a circuit, no text of an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from actors.databases.pool import PoolNumbers
from actors.journal import JournalFigures
from actors.plugins.plugins import Plugins
from actors.reach.reach import Reach
from actors.sessions.sessions import Sessions
from protocol.observation.metrics import Family, counter, gauge
from protocol.storage import StoreState
from protocol.tracking import TrackerState


class Connected(Protocol):
    """A database with a pool of connections."""

    @property
    def numbers(self) -> PoolNumbers:
        """How its pool stands."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is looked at."""

    store: Callable[[], StoreState] | None
    journal: JournalFigures
    trackers: Callable[[], tuple[TrackerState, ...]]
    databases: Mapping[str, Connected]
    """By what each is for."""
    sessions: Sessions
    reach: Reach
    plugins: Plugins

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        yield from self._stores()
        yield from self._databases()
        yield from self._sessions()
        yield from self._servers()
        yield from self._plugins()

    def _stores(self) -> Iterator[Family]:
        if self.store is not None:
            yield gauge("nflow_store_up", "1 while the store was in reach when last spoken to", self.store().available)
        journal = self.journal
        yield counter("nflow_journal_recorded", "Records of durable runs on disk", journal.recorded)
        yield counter("nflow_journal_refused", "Records the journal did not take", journal.refused)
        yield counter("nflow_journal_commits", "Commits of the journal", journal.commits)
        yield gauge("nflow_journal_waiting", "Records taken and not on disk yet", journal.waiting)
        states = self.trackers()
        if states:
            yield counter("nflow_tracker_stored", "Tracker rows stored", states[0].stored)
            yield counter("nflow_tracker_dropped", "Tracker rows dropped", sum(state.dropped for state in states))
            yield gauge("nflow_tracker_waiting", "Tracker rows not yet stored", sum(state.waiting for state in states))
            yield counter(
                "nflow_tracker_failed_batches", "Tracker batches that were not taken",
                sum(state.failed_batches for state in states),
            )  # fmt: skip

    def _databases(self) -> Iterator[Family]:
        pools = {name: database.numbers for name, database in sorted(self.databases.items())}
        parts: tuple[tuple[str, str, Callable[[PoolNumbers], int]], ...] = (
            ("open", "Connections that are open or being opened", lambda pool: pool.open),
            ("in_use", "Connections in use", lambda pool: pool.in_use),
            ("idle", "Connections at rest", lambda pool: pool.idle),
            ("waiting", "Callers that wait for a connection", lambda pool: pool.waiting),
            ("max", "Connections there may be", lambda pool: pool.max_open),
        )
        for name, text, number in parts:
            rows = [((database,), number(pool)) for database, pool in pools.items()]
            yield Family(f"nflow_db_connections_{name}", "gauge", f"{text}, by database", ("database",), rows)
        yield Family(
            "nflow_db_up", "gauge", "1 while the database was in reach at the last try", ("database",),
            [((database,), not pool.out_of_reach) for database, pool in pools.items()],
        )  # fmt: skip

    def _sessions(self) -> Iterator[Family]:
        sessions = self.sessions
        yield gauge("nflow_sessions_active", "Sessions in use, an actor each", sessions.live)
        yield counter("nflow_sessions_begun", "Sessions begun", sessions.begun)
        yield counter("nflow_sessions_saved", "Changes of sessions saved", sessions.saved)
        yield counter("nflow_sessions_ended", "Sessions ended by their users", sessions.ended)
        yield counter("nflow_sessions_refused", "Times there was no room for a session in use", sessions.refused)
        yield gauge("nflow_sessions_store_up", "1 while the session store was in reach when last spoken to",
                    sessions.state.available)  # fmt: skip

    def _servers(self) -> Iterator[Family]:
        reach = self.reach
        http, box = reach.http.figures, reach.letter_box
        yield counter("nflow_outgoing_requests", "Requests to other servers", http.requests)
        yield counter("nflow_outgoing_requests_failed", "Requests to other servers without an answer", http.failed)
        yield gauge("nflow_outgoing_requests_active", "Requests to other servers under way", http.active)
        yield gauge("nflow_outgoing_circuits_open", "Servers that are left alone now", len(reach.http.open_circuits))
        yield counter("nflow_mails_sent", "Mails nobody waited for that were sent", box.sent)
        yield counter("nflow_mails_failed", "Mails nobody waited for that were not sent", box.failed)
        yield gauge("nflow_mails_waiting", "Mails that wait to be sent", len(box.waiting))
        if reach.redis.configured:
            yield gauge("nflow_redis_up", "1 while the circuit of Redis is closed", reach.redis.reachable)

    def _plugins(self) -> Iterator[Family]:
        states = self.plugins.states
        yield Family("nflow_plugin_up", "gauge", "1 while the plugin can be called", ("plugin",),
                     [((state.name,), not state.trouble) for state in states])  # fmt: skip
        yield Family("nflow_plugin_calls", "counter", "Calls into a plugin", ("plugin",),
                     [((state.name,), state.calls) for state in states])  # fmt: skip
        yield Family("nflow_plugin_failures", "counter", "Calls that failed by the plugin's fault", ("plugin",),
                     [((state.name,), state.failures) for state in states])  # fmt: skip
