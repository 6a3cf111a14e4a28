"""How people write where their database is."""

from __future__ import annotations

from typing import Any

import pytest

from actors.databases.connection import DatabaseOptions, make_database
from actors.databases.dsn import driver_named, mysql_target, postgres_target, sqlite_target
from protocol.errors import BadDocument


@pytest.mark.parametrize(
    ("dsn", "wanted"),
    [
        (
            "user=nflow password=secret host=localhost port=5432 dbname=nflow sslmode=require",
            {
                "user": "nflow",
                "password": "secret",
                "host": "localhost",
                "port": 5432,
                "database": "nflow",
                "tls": "require",
            },
        ),
        ("host=localhost user=nflow password=secret dbname=nflow sslmode=require", {"port": 5432, "database": "nflow"}),
        ("user=postgres dbname=nflow sslmode=disable", {"host": "localhost", "password": "", "tls": "disable"}),
        (r"user=a password='it\'s a \\ b' dbname = x", {"password": "it's a \\ b", "database": "x"}),
        ("user='' password='' host=db", {"user": "postgres", "database": "postgres", "host": "db"}),
        (
            "postgres://user:pass@host/db",
            {"user": "user", "password": "pass", "host": "host", "database": "db", "tls": "prefer"},
        ),
        (
            "postgresql://u:p%40%2F%3A@h:6543/d?sslmode=verify-full",
            {"password": "p@/:", "port": 6543, "tls": "verify-full"},
        ),
        ("postgres://u:p@[::1]:5433/d", {"host": "::1", "port": 5433}),
        (
            "postgres:///d?host=/var/run/postgresql&user=u",
            {"host": "/var/run/postgresql", "user": "u", "database": "d"},
        ),
        ("postgres://user:pass@localhost/sessions?sslmode=disable", {"database": "sessions", "tls": "disable"}),
        (
            "user=a dbname=b pool_max_conns=7 application_name=x",
            {"options": {"pool_max_conns": "7", "application_name": "x"}},
        ),
    ],
)
def test_postgres(dsn: str, wanted: dict[str, Any]) -> None:
    target = postgres_target(dsn)
    assert {name: getattr(target, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("dsn", "wanted"),
    [
        (
            "user:pass@tcp(host:3307)/db?parseTime=true",
            {"user": "user", "password": "pass", "host": "host", "port": 3307, "database": "db", "tls": "disable"},
        ),
        ("user:p@ss:w/rd@tcp(host)/db", {"password": "p@ss:w/rd", "host": "host", "port": 3306}),
        (
            "user@unix(/run/mysqld/mysqld.sock)/db",
            {"socket": "/run/mysqld/mysqld.sock", "user": "user", "password": ""},
        ),
        ("user:pass@tcp([::1]:3306)/db", {"host": "::1", "port": 3306}),
        ("user:pass@tcp([de:ad::ca:fe])/db", {"host": "de:ad::ca:fe", "port": 3306}),
        ("user:pass@/db", {"host": "127.0.0.1", "database": "db"}),
        ("/", {"user": "root", "database": ""}),
        ("u:p@tcp(h)/d?tls=true", {"tls": "verify-full"}),
        ("u:p@tcp(h)/d?tls=skip-verify&charset=utf8", {"tls": "require", "options": {"charset": "utf8"}}),
        ("mysql://u:p%40@h:3308/d?tls=preferred", {"password": "p@", "port": 3308, "tls": "prefer", "database": "d"}),
        ("mariadb://u@h/d", {"host": "h", "password": ""}),
    ],
)
def test_mysql(dsn: str, wanted: dict[str, Any]) -> None:
    target = mysql_target(dsn)
    assert {name: getattr(target, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("dsn", "path", "mode"),
    [
        ("app.sqlite", "app.sqlite", "rwc"),
        ("./nflow.db", "./nflow.db", "rwc"),
        ("file:app.sqlite?mode=ro&cache=shared", "app.sqlite", "ro"),
        ("file:/a%20b/c.db", "/a b/c.db", "rwc"),
        ("file:///a/b.db", "/a/b.db", "rwc"),
        ("app.sqlite?_busy_timeout=100", "app.sqlite", "rwc"),
        ("sqlite:///tmp/x.db", "/tmp/x.db", "rwc"),
        ("sqlite://x.db", "x.db", "rwc"),
        (":memory:", ":memory:", "rwc"),
        ("file:x?mode=memory", "x", "memory"),
    ],
)
def test_sqlite(dsn: str, path: str, mode: str) -> None:
    target = sqlite_target(dsn)
    assert (target.path, target.mode) == (path, mode)
    assert target.in_memory == ("memory" in dsn)


@pytest.mark.parametrize(
    ("driver", "dsn"),
    [
        ("postgres", ""),
        ("postgres", "s3cret"),
        ("postgres", "user=a password='s3cret"),
        ("postgres", "user=a password=s3cret oops"),
        ("postgres", "host=a port=s3cret"),
        ("postgres", "host=a port=70000"),
        ("postgres", "host=a sslmode=s3cret"),
        ("postgres", "postgres://u:s3cret@[::1/db"),
        ("postgres", "postgres://u:p@h/db?sslmode=verify-full&sslrootcert=/no/s3cret"),
        ("mysql", ""),
        ("mysql", "s3cret"),
        ("mysql", "u:s3cret@tcp(h:port)/d"),
        ("mysql", "u:s3cret@pipe(h)/d"),
        ("sqlite3", ""),
        ("sqlite3", "postgres://u:s3cret@h/db"),
        ("sqlite3", "u:s3cret@tcp(h)/d"),
        ("sqlite3", "app.sqlite?mode=s3cret"),
        ("oracle", "s3cret"),
    ],
)
async def test_what_cannot_be_one_is_refused_without_repeating_it(driver: str, dsn: str) -> None:
    with pytest.raises(BadDocument) as refused:
        make_database(driver, dsn)
    assert "s3cret" not in str(refused.value)
    assert refused.value.problems[0].path in {"dsn", "driver"}


def test_a_password_is_not_shown_with_its_target() -> None:
    assert "s3cret" not in repr(postgres_target("postgres://u:s3cret@h/d"))


@pytest.mark.parametrize("name", ["sqlite", "SQLite3", "postgresql", "pgx", "mariadb"])
def test_drivers_have_several_names(name: str) -> None:
    assert driver_named(name) in {"sqlite3", "postgres", "mysql"}


async def test_init_that_is_no_sql_is_refused_at_the_start() -> None:
    with pytest.raises(BadDocument, match="init: "):
        make_database("sqlite3", ":memory:", DatabaseOptions(init="select 'open"))
