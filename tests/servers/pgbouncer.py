"""PgBouncer from Debian's package, in transaction mode: each statement may reach another connection of PostgreSQL.

It also speaks TLS to its clients, under a certificate of its own.
"""

from __future__ import annotations

from tests.servers.certificate import self_signed
from tests.servers.postgres import PASSWORD, Postgres, quoted
from tests.servers.server import Server, program


class PgBouncer(Server):
    """A pooler in front of a PostgreSQL server."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        super().__init__("pgbouncer")

    def prepare(self) -> None:
        secret = PASSWORD.replace("'", "''")
        server = f"host={self._postgres.host} port={self._postgres.port} dbname=nflow user=nflow password='{secret}'"
        self.write("users.txt", '"nflow" "{}"\n'.format(PASSWORD.replace('"', '""')))
        certificate, key = self_signed("localhost")
        self.certificate = self.write("server.crt", certificate)
        self.certificate.chmod(0o644)
        self.write("server.key", key)
        self.write(
            "pgbouncer.ini",
            f"[databases]\nnflow = {server}\n"
            f"[pgbouncer]\nlisten_addr = {self.host}\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {self.folder}/users.txt\n"
            "pool_mode = transaction\ndefault_pool_size = 10\nmax_client_conn = 100\nserver_login_retry = 0.2\n"
            f"client_tls_sslmode = allow\nclient_tls_cert_file = {self.folder}/server.crt\n"
            f"client_tls_key_file = {self.folder}/server.key\n",
        )

    def command(self) -> list[str]:
        return [program("pgbouncer"), str(self.folder / "pgbouncer.ini")]

    def dsn(self, **more: str) -> str:
        """Key/value form."""
        pairs = {"user": "nflow", "password": PASSWORD, "host": self.host, "port": str(self.port), "dbname": "nflow"}
        pairs |= {"sslmode": "disable"} | more
        return " ".join(f"{name}={quoted(value)}" for name, value in pairs.items())
