"""MariaDB from Debian's package, in a folder of its own. It also speaks TLS, under a certificate of its own."""

from __future__ import annotations

import os
import subprocess

from tests.servers.certificate import self_signed
from tests.servers.server import Server, program

PASSWORD = "it's:a@secret/"


class MariaDb(Server):
    """A server with the user `nflow` and its database `nflow`."""

    def __init__(self) -> None:
        super().__init__("mariadb")

    def prepare(self) -> None:
        self.data = self.folder / "data"
        self.socket = self.folder / "s"
        # fmt: off
        self.run([
            program("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
            "--auth-root-authentication-method=normal", "--innodb-flush-log-at-trx-commit=0",
        ])
        # fmt: on
        certificate, key = self_signed("localhost")
        self.certificate = self.write("server.crt", certificate)
        self.certificate.chmod(0o644)
        self.write("server.key", key)
        name = PASSWORD.replace("'", "''")
        self.write(
            "init.sql",
            "create database if not exists nflow character set utf8mb4;\n"
            f"create user if not exists 'nflow'@'%' identified by '{name}';\n"
            "grant all on nflow.* to 'nflow'@'%';\n",  # each on a line of its own: that is how they are read
        )

    def command(self) -> list[str]:
        # fmt: off
        return [
            program("mariadbd"), "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}",
            f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid", "--skip-name-resolve",
            f"--init-file={self.folder}/init.sql", "--performance-schema=off", "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=2", "--max-connections=60", "--default-time-zone=-05:00",
            f"--ssl-cert={self.folder}/server.crt", f"--ssl-key={self.folder}/server.key",
        ]
        # fmt: on

    def ready(self) -> bool:
        return "ready for connections" in self.log() and super().ready()

    def dsn(self, options: str = "parseTime=true", *, host: str = "") -> str:
        """Go's form."""
        return f"nflow:{PASSWORD}@tcp({host or self.host}:{self.port})/nflow?{options}"

    def sql(self, sql: str) -> list[list[str]]:
        """What the server itself says, past the code under test."""
        client = [program("mariadb"), "--no-defaults", f"--socket={self.socket}", "-u", "root", "-N", "-B", "nflow"]
        done = subprocess.run([*client, "-e", sql], capture_output=True, text=True, env={**os.environ}, timeout=30)
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def connections(self) -> int:
        """Connections of the user `nflow`."""
        return int(self.sql("select count(*) from information_schema.processlist where user = 'nflow'")[0][0])
