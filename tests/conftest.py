"""Real servers for whichever tests ask for them."""

from __future__ import annotations

from tests.servers.fixtures import mariadb_server, pgbouncer_server, postgres_server, redis_server

__all__ = ["mariadb_server", "pgbouncer_server", "postgres_server", "redis_server"]
