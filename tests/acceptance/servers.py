"""What the tests know of a running server: its address, its process, its log, its store, its metrics."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One response, as it came over the wire."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    """A server process."""

    host: str
    port: int
    process: subprocess.Popen[bytes]
    folder: Path
    expected: list[str] = field(default_factory=list)
    """Errors in its log that tests have announced."""

    def expect(self, *patterns: str) -> None:
        """Announce errors that a test is about to provoke: regular expressions, each for one event of the log."""
        self.expected.extend(patterns)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def store(self) -> Path:
        return self.folder / "nflow.sqlite"

    def log(self) -> str:
        """What the server has written, to either stream."""
        return (self.folder / "log").read_text(errors="replace")

    def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        body: bytes | str | None = None,
        json: Any = ...,
        headers: Mapping[str, str] | None = None,
        timeout: float = 20,
    ) -> Answer:
        """One request on a connection of its own; redirects are not followed."""
        sent = dict(headers or {})
        if json is not ...:
            body = _dumps(json)
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, **more: Any) -> Answer:
        """A GET."""
        return self.ask(path, **more)

    def post(self, path: str, **more: Any) -> Answer:
        """A POST."""
        return self.ask(path, "POST", **more)

    def connect(self, timeout: float = 20) -> socket.socket:
        """A bare connection, for requests no client library would send."""
        return socket.create_connection((self.host, self.port), timeout=timeout)

    def metrics(self) -> dict[str, float]:
        """Series as written (`name{label="x"}`) → value."""
        lines = self.get("/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def metric(self, name: str, **labels: str) -> float:
        """All series of this name with these labels, together; 0 while there is none."""
        return total(self.metrics(), name, **labels)


def total(metrics: Mapping[str, float], name: str, **labels: str) -> float:
    """The series of this name that have these labels, together."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(
        value
        for series, value in metrics.items()
        if series.partition("{")[0] == name and all(each in series for each in wanted)
    )


def _dumps(value: Any) -> str:
    return json.dumps(value)


def until(true: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Wait for something to be so; the last value, which is falsy if it never was."""
    deadline = time.monotonic() + seconds
    while not (value := true()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return value


def received(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def statuses(wire: bytes) -> list[int]:
    """The status of every response in what was received."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", wire)]
