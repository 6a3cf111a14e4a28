"""From a driver's name and a DSN to a database. Nothing is connected yet: `open` and the first statement do that."""

from __future__ import annotations

from dataclasses import dataclass

from actors.databases import dsn as texts
from actors.databases.mysql import MysqlConnector
from actors.databases.placeholders import Dialect
from actors.databases.pool import Pool, PoolSize
from actors.databases.pooled import PooledDatabase
from actors.databases.postgres import PostgresConnector
from actors.databases.slow import SlowStatements
from actors.databases.sqlite import SqliteConnector
from protocol.errors import BadDocument, CallRefused, Problem

_CONNECTIONS = 10


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """What beside its DSN a database obeys."""

    max_open: int = 0
    """Connections; 0: what the DSN says, else 10."""
    max_idle: int = 0
    """Connections kept while nobody uses them; 0: all."""
    lifetime_seconds: float = 0.0
    """A connection is renewed after this; 0: never."""
    pgbouncer: bool = False
    """PostgreSQL is reached through PgBouncer: prepare nothing under a name."""
    init: str = ""
    """SQL run once on each new connection; statements end with semicolons."""
    statement_seconds: float = 30.0
    """Deadline of each statement."""
    connect_seconds: float = 5.0
    """Deadline of each try to connect."""
    slow: SlowStatements | None = None
    """Where statements that took long are kept; None: nowhere."""
    name: str = ""
    """How it is called there: its section of the configuration."""


def make_database(driver: str, dsn: str, options: DatabaseOptions | None = None) -> PooledDatabase:
    """A database of this driver (`sqlite3`, `postgres`, `mysql`, and their other names).

    Raises BadDocument for a driver or DSN that cannot be one, or `init` that is no SQL.
    """
    options = options or DatabaseOptions()
    name = texts.driver_named(driver)
    try:
        match name:
            case "sqlite3":
                target = texts.sqlite_target(dsn)
                pool = Pool(SqliteConnector(target, options.init), _size(options, 0, alone=target.in_memory))
                return _pooled(name, Dialect.SQLITE, pool, options)
            case "postgres":
                server = texts.postgres_target(dsn)
                seconds = options.connect_seconds
                postgres = PostgresConnector(server, options.init, pgbouncer=options.pgbouncer, connect_seconds=seconds)
                pool = Pool(postgres, _size(options, int(server.number("pool_max_conns", "max_conns"))))
                return _pooled(name, Dialect.POSTGRES, pool, options)
            case "mysql":
                server = texts.mysql_target(dsn)
                mysql = MysqlConnector(server, options.init, connect_seconds=options.connect_seconds)
                pool = Pool(mysql, _size(options, int(server.number("pool_max_conns"))))
                return _pooled(name, Dialect.MYSQL, pool, options)
    except CallRefused as error:
        raise BadDocument([Problem("init", str(error))]) from None


def _pooled(driver: str, dialect: Dialect, pool: Pool, options: DatabaseOptions) -> PooledDatabase:
    watch = options.slow.watch(options.name or driver, dialect) if options.slow is not None else None
    return PooledDatabase(driver, dialect, pool, options.statement_seconds, watch)


def _size(options: DatabaseOptions, most: int, *, alone: bool = False) -> PoolSize:
    """`most` is what the DSN says, or 0. `alone`: a database in memory is one connection, kept for ever."""
    if alone:
        return PoolSize(1, 1, 0.0, options.statement_seconds)
    max_open = options.max_open or most or _CONNECTIONS
    max_idle = min(options.max_idle or max_open, max_open)
    return PoolSize(max_open, max_idle, options.lifetime_seconds, options.statement_seconds)
