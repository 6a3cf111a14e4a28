"""nginx from Debian's package as a reverse proxy that lets nobody through to one path."""

from __future__ import annotations

from tests.servers.server import Server, program


class Nginx(Server):
    """A proxy in front of `upstream`, a port of this machine. `denied`: path prefix answered with 403."""

    def __init__(self, upstream: int, denied: str) -> None:
        self._upstream = upstream
        self._denied = denied
        super().__init__("nginx")

    def prepare(self) -> None:
        temporary = "".join(
            f"{name}_temp_path {self.folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        self.write(
            "nginx.conf",
            f"daemon off;\nworker_processes 1;\nerror_log stderr warn;\npid {self.folder}/pid;\n"
            "events { worker_connections 512; }\n"
            f"http {{\naccess_log off;\n{temporary}"
            f"upstream runtime {{ server 127.0.0.1:{self._upstream}; keepalive 4; }}\n"
            f"server {{\nlisten {self.host}:{self.port};\nproxy_http_version 1.1;\n"
            'proxy_set_header Connection "";\n'
            f"location {self._denied} {{ return 403; }}\n"
            "location / { proxy_pass http://runtime; }\n}\n}\n",
        )

    def command(self) -> list[str]:
        return [program("nginx"), "-c", str(self.folder / "nginx.conf"), "-e", "stderr", "-p", str(self.folder)]
