"""Redis from Debian's package: nothing is kept on disk."""

from __future__ import annotations

from tests.servers.server import Server, program


class Redis(Server):
    """A server, with a password when one is given."""

    def __init__(self, password: str = "") -> None:
        self.password = password
        super().__init__("redis")

    def command(self) -> list[str]:
        secret = ["--requirepass", self.password] if self.password else []
        place = ["--port", str(self.port), "--bind", self.host, "--dir", str(self.folder)]
        return [program("redis-server"), *place, "--save", "", "--appendonly", "no", *secret]

    @property
    def address(self) -> str:
        """host:port."""
        return f"{self.host}:{self.port}"
