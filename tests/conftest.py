"""Real servers for whichever tests ask for them; and what no test may leave in a server's log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lost_tasks import no_lost_exception
from tests.servers.fixtures import mariadb_server, pgbouncer_server, postgres_server, redis_server
from tests.watched_logs import WatchedLogs

__all__ = ["mariadb_server", "no_lost_exception", "pgbouncer_server", "postgres_server", "redis_server"]


@pytest.fixture(scope="session")
def watched_logs() -> WatchedLogs:
    """The logs of servers that run."""
    return WatchedLogs()


@pytest.fixture(autouse=True)
def nothing_unannounced(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test with a server fails on errors in its log that were not announced."""
    yield
    if "launch" in request.fixturenames:
        watched: WatchedLogs = request.getfixturevalue("watched_logs")
        watched.check()
