"""HAProxy from Debian's package as a reverse proxy that lets nobody through to one path."""

from __future__ import annotations

from tests.servers.server import Server, program


class HaProxy(Server):
    """A proxy in front of `upstream`, a port of this machine. `denied`: path prefix answered with 403."""

    def __init__(self, upstream: int, denied: str) -> None:
        self._upstream = upstream
        self._denied = denied
        super().__init__("haproxy")

    def prepare(self) -> None:
        self.write(
            "haproxy.cfg",
            "global\nmaxconn 512\n"
            "defaults\nmode http\ntimeout connect 5s\ntimeout client 10s\ntimeout server 20s\nhttp-reuse always\n"
            f"frontend in\nbind {self.host}:{self.port}\nhttp-request deny if {{ path_beg {self._denied} }}\n"
            "default_backend runtime\n"
            f"backend runtime\nserver runtime 127.0.0.1:{self._upstream}\n",
        )

    def command(self) -> list[str]:
        return [program("haproxy"), "-db", "-f", str(self.folder / "haproxy.cfg")]
