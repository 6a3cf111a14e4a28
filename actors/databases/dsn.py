"""How a database is reached, read from the texts people write.

- PostgreSQL: `user=nflow password='a b' host=localhost port=5432 dbname=nflow sslmode=require`, or
  `postgres://user:pass@host:5432/nflow?sslmode=require`.
- MySQL and MariaDB: `user:pass@tcp(host:3306)/nflow?parseTime=true`, `user@unix(/run/mysqld.sock)/nflow`, or
  `mysql://user:pass@host:3306/nflow`.
- SQLite: `app.sqlite`, `./nflow.db?_busy_timeout=5000`, `file:app.sqlite?mode=ro`, `:memory:`.

Parameters that other drivers know and that change nothing here are let through. What cannot be a DSN is a BadDocument
that never repeats it: there is a password in it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from protocol.errors import BadDocument, Problem

Driver = Literal["sqlite3", "postgres", "mysql"]
Tls = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]

_DRIVERS: Final[Mapping[str, Driver]] = {
    "sqlite3": "sqlite3",
    "sqlite": "sqlite3",
    "postgres": "postgres",
    "postgresql": "postgres",
    "pgx": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_PAIR: Final = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?:\s+|\Z)", re.DOTALL)
_GO: Final = re.compile(
    r"(?:(?P<user>[^:/]*?)(?::(?P<password>.*))?@)?(?:(?P<net>[a-z0-9]+)?(?:\((?P<address>[^)]*)\))?)/(?P<database>[^/?]*)(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_TLS: Final[Mapping[str, Tls]] = {
    "disable": "disable",
    "allow": "prefer",
    "prefer": "prefer",
    "require": "require",
    "verify-ca": "verify-ca",
    "verify-full": "verify-full",
}
_GO_TLS: Final[Mapping[str, Tls]] = {
    "false": "disable",
    "true": "verify-full",
    "preferred": "prefer",
    "skip-verify": "require",
}


@dataclass(frozen=True, slots=True)
class SqliteTarget:
    """A SQLite file."""

    path: str
    """As written; `:memory:` for none."""
    mode: Literal["rwc", "rw", "ro", "memory"] = "rwc"
    options: Mapping[str, str] = field(default_factory=dict)
    """The DSN's parameters, SQLite's own and those of Go's driver."""

    @property
    def in_memory(self) -> bool:
        """Whether it ends with its connection."""
        return self.mode == "memory" or self.path in {":memory:", ""}


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """A server."""

    host: str
    """Name or address; for PostgreSQL also the folder of its socket, or several separated by commas."""
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    socket: str = ""
    """Path of MySQL's socket, instead of host and port."""
    tls: Tls = "prefer"
    options: Mapping[str, str] = field(default_factory=dict)
    """The DSN's other parameters."""

    def number(self, *names: str) -> float:
        """The first of these options that is a number (`5`, `5s`, `500ms`); else 0."""
        for name in names:
            found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)?", self.options.get(name, ""))
            if found:
                return float(found.group(1)) * {"ms": 0.001, "m": 60.0}.get(found.group(2), 1.0)
        return 0.0


def driver_named(name: str) -> Driver:
    """The driver of this name, or of one of its other names. Raises BadDocument."""
    driver = _DRIVERS.get(name.strip().lower())
    if driver is None:
        raise BadDocument([Problem("driver", f"no such driver: {name!r}; use sqlite3, postgres or mysql")])
    return driver


def sqlite_target(dsn: str) -> SqliteTarget:
    """Raises BadDocument."""
    text = dsn.strip()
    for scheme in ("sqlite3://", "sqlite://"):
        text = text.removeprefix(scheme)
    if not text or "\0" in text or "\n" in text:
        raise _wrong("a SQLite file, such as app.sqlite, file:app.sqlite?mode=ro or :memory:")
    if text.split(":", 1)[0] in {"postgres", "postgresql", "mysql", "http", "https"} or re.search(r"@tcp\(", text):
        raise _wrong("a SQLite file: this is the address of a server")
    path, _, query = text.partition("?")
    uri = path.startswith("file:")
    if uri:
        path = unquote(path.removeprefix("file:"))
        path = re.sub(r"^//(?:localhost)?(?=/)", "", path)
    options = dict(parse_qsl(query, keep_blank_values=True))
    match options.pop("mode", "rwc"):
        case "ro":
            mode: Literal["rwc", "rw", "ro", "memory"] = "ro"
        case "rw":
            mode = "rw"
        case "rwc":
            mode = "rwc"
        case "memory":
            mode = "memory"
        case _:
            raise _wrong("a SQLite file whose mode is ro, rw, rwc or memory")
    return SqliteTarget(path, mode, options)


def postgres_target(dsn: str) -> ServerTarget:
    """Raises BadDocument."""
    text = dsn.strip()
    parts = _url_parts(text) if text.startswith(("postgres://", "postgresql://")) else _pairs(text)
    tls = _TLS.get(parts.pop("sslmode", "prefer"))
    if tls is None:
        raise _wrong("PostgreSQL with an sslmode of disable, allow, prefer, require, verify-ca or verify-full")
    return ServerTarget(
        host=parts.pop("host", "") or parts.pop("hostaddr", "") or "localhost",
        port=_port(parts.pop("port", ""), 5432),
        user=(user := parts.pop("user", "") or "postgres"),
        password=parts.pop("password", ""),
        database=parts.pop("dbname", "") or parts.pop("database", "") or user,
        tls=tls,
        options=parts,
    )


def mysql_target(dsn: str) -> ServerTarget:
    """Raises BadDocument."""
    text = dsn.strip()
    if text.startswith(("mysql://", "mariadb://")):
        parts = _url_parts(text)
        socket = parts.pop("unix_socket", "") or parts.pop("socket", "")
    else:
        parts, socket = _go_parts(text)
    tls = _GO_TLS.get(parts.pop("tls", "").lower()) or _TLS.get(parts.pop("sslmode", "").lower()) or "disable"
    return ServerTarget(
        host=parts.pop("host", "") or "127.0.0.1",
        port=_port(parts.pop("port", ""), 3306),
        user=parts.pop("user", "") or "root",
        password=parts.pop("password", ""),
        database=parts.pop("dbname", ""),
        socket=socket,
        tls=tls,
        options=parts,
    )


def _pairs(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    place = 0
    while place < len(text):
        found = _PAIR.match(text, place)
        if found is None:
            break
        value = found.group(2) if found.group(2) is not None else found.group(3)
        parts[found.group(1).lower()] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        place = found.end()
    if place < len(text) or not parts:
        raise _wrong("PostgreSQL, such as postgres://user:pass@host/db or user=… password=… host=… dbname=…")
    return parts


def _url_parts(text: str) -> dict[str, str]:
    """The parts of a URL by libpq's names; its parameters win over what stands in front of them."""
    try:
        url = urlsplit(text)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        authority, _, hosts = url.netloc.rpartition("@")
        host, _, port = hosts.rpartition(":") if re.search(r":\d*$", hosts) else (hosts, "", "")
    except ValueError:
        raise _wrong("a URL, such as postgres://user:pass@host:5432/db") from None
    user, _, password = authority.partition(":")
    parts = {
        "user": unquote(user),
        "password": unquote(password),
        "host": unquote(host).strip("[]"),
        "port": port,
        "dbname": unquote(url.path.removeprefix("/")),
    }
    return parts | {name.lower(): value for name, value in query.items()}


def _go_parts(text: str) -> tuple[dict[str, str], str]:
    """The parts of Go's MySQL form; the password may hold any character (the last @ counts)."""
    found = _GO.fullmatch(text)
    if found is None:
        raise _wrong("MySQL, such as user:pass@tcp(host:3306)/db or mysql://user:pass@host/db")
    address = found.group("address") or ""
    parts = {
        "user": found.group("user") or "",
        "password": found.group("password") or "",
        "dbname": unquote(found.group("database")),
    }
    parts.update(parse_qsl(found.group("query") or "", keep_blank_values=True))
    match found.group("net") or "tcp":
        case "unix":
            return parts, address or "/tmp/mysql.sock"  # noqa: S108  # where Go's driver looks
        case "tcp" | "tcp4" | "tcp6":
            host, _, port = (
                address.rpartition(":") if re.search(r"(?:\]|^[^:]*):[^:\]]*$", address) else (address, "", "")
            )
            return parts | {"host": host.strip("[]"), "port": port}, ""
        case _:
            raise _wrong("MySQL reached by tcp(host:port) or unix(/path)")


def _port(text: str, default: int) -> int:
    first = text.split(",", 1)[0]
    if not first:
        return default
    if not first.isdigit() or not 0 < int(first) < 65536:
        raise _wrong("a server whose port is a number from 1 to 65535")
    return int(first)


def _wrong(wanted: str) -> BadDocument:
    return BadDocument([Problem("dsn", f"not {wanted}")])
