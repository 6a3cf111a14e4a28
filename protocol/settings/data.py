"""Where data lives: nFlow's database, Redis, sessions."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import SecretStr, model_validator

from protocol.settings.key import NO_SECRET, Count, Duration, Positive, Seconds, Section, setting

_DRIVER_OF_SCHEME: Final = {
    "postgres": "postgres", "postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite3",
    "sqlite3": "sqlite3",
}  # fmt: skip


def _with_driver(table: Any, key: str) -> Any:
    """A URL says its driver itself, so that it alone can be set from the environment (nFlow manual)."""
    if not isinstance(table, dict) or not isinstance(address := table.get(key), str):
        return table
    driver = _DRIVER_OF_SCHEME.get(address.strip().partition("://")[0].lower()) if "://" in address else None
    if driver is not None:
        return {**table, "driver": driver}
    return table


class DatabaseNflow(Section):
    """nFlow's database: apps, modules, templates, users, tokens, named queries."""

    driver: Literal["", "postgres", "sqlite3", "mysql"] = setting(
        "", "postgres, sqlite3 or mysql; a URL says it itself; empty: no database"
    )
    dsn: SecretStr = setting(NO_SECRET, "how to reach it")
    query: str = setting("SELECT name,query FROM queries", "loads the named queries below at start")
    max_open_conns: Count = setting(0, "connections; 0: the driver's choice")
    max_idle_conns: Count = setting(0, "idle connections kept; 0: the driver's choice")
    pgbouncer: bool = setting(False, "PostgreSQL is reached through PgBouncer: prepare no statements")
    conn_max_lifetime: Duration = setting(0.0, "a connection is renewed after this, seconds; 0: never")
    query_get_app: str = setting("", "named query; empty: from the database", "QueryGetApp")
    query_get_module_by_name: str = setting("", "named query; empty: from the database", "QueryGetModuleByName")
    query_get_template: str = setting("", "named query; empty: from the database", "QueryGetTemplate")
    query_get_user: str = setting("", "named query; empty: from the database", "QueryGetUser")
    query_get_token: str = setting("", "named query; empty: from the database", "QueryGetToken")
    query_insert_log: str = setting("", "named query; empty: from the database", "QueryInsertLog")

    @model_validator(mode="before")
    @classmethod
    def _driver_of_dsn(cls, table: Any) -> Any:
        return _with_driver(table, "dsn")


class Redis(Section):
    """Redis, for scripts and shared rate limits."""

    host: str = setting("", "host:port; empty: no Redis")
    password: SecretStr = setting(NO_SECRET, "password; empty: none")
    db: Count = setting(0, "database number")
    max_retries: Count = setting(0, "further tries of a failed command")
    pool_size: Positive = setting(10, "connections")


class Database(Section):
    """The database of scripts (`db.query` …) and db nodes. Without one they use nFlow's."""

    driver: Literal["", "postgres", "sqlite3", "mysql"] = setting(
        "", "postgres, sqlite3 or mysql; a URL says it itself; empty: nFlow's database"
    )
    url: SecretStr = setting(NO_SECRET, "how to reach it, in the forms of database_nflow.dsn")
    init: str = setting("", "SQL run once on each new connection")
    max_open_conns: Count = setting(10, "connections")
    pgbouncer: bool = setting(False, "PostgreSQL is reached through PgBouncer: prepare no statements")
    max_rows: Positive = setting(10_000, "rows one query may return; more: an error")

    @model_validator(mode="before")
    @classmethod
    def _driver_of_url(cls, table: Any) -> Any:
        return _with_driver(table, "url")


class PgSession(Section):
    """Sessions in PostgreSQL."""

    url: SecretStr = setting(NO_SECRET, "where; empty: not there")


class Session(Section):
    """Sessions of browsers: form state, profile, what scripts keep."""

    store: Literal["", "memory", "redis", "postgres"] = setting(
        "", "memory, redis or postgres; empty: postgres where pg_session.url is set, else memory"
    )
    key: SecretStr = setting(NO_SECRET, "signs the cookie, 16 characters at least; empty: a new one at each start")
    earlier_keys: SecretStr = setting(NO_SECRET, "keys that signed before and are still accepted, between spaces")
    cookie: str = setting("nflow_session", "name of the cookie")
    days: Seconds = setting(30.0, "a session unused for this long ends, days")
    secure: Literal["auto", "always", "never"] = setting(
        "auto", "the cookie's Secure: auto: when the request came by HTTPS or url.url_base begins with https"
    )
    max_kb: Positive = setting(1_024, "largest session, KiB")
    max_sessions: Positive = setting(100_000, "sessions kept in memory; the longest unused goes first")
    max_memory_mb: Positive = setting(512, "MiB of all sessions kept in memory; the longest unused goes first")
