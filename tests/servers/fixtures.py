"""One server of each kind for a whole run of the tests, started when the first test asks for it.

A test that kills a server starts it again.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.mariadb import MariaDb
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.servers.server import Server


def _serving(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """PostgreSQL; its `dsn()` reaches it."""
    yield from _serving(Postgres())


@pytest.fixture(scope="session")
def pgbouncer_server(postgres_server: Postgres) -> Iterator[Server]:
    """PgBouncer in front of it."""
    yield from _serving(PgBouncer(postgres_server))


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Server]:
    """MariaDB; its `dsn()` reaches it."""
    yield from _serving(MariaDb())


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """Redis; its `address` reaches it."""
    yield from _serving(Redis())
