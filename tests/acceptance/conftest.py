"""A running server for the acceptance tests: HTTP in, HTTP out, nothing in between is touched."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from loadtests.server import free_port, nflow, serving
from tests.acceptance.playbooks import write
from tests.acceptance.servers import Server
from tests.watched_logs import WatchedLogs

Launch = Callable[..., Server]
COMPLAINING = "PYTHONWARNINGS=default"
"""Servers say what Python would keep to itself: sockets nobody closed."""
Serve = Callable[..., str]


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory, watched_logs: WatchedLogs) -> Iterator[Launch]:
    """Start a server for a playbook (a file, a folder, or the document itself) and a configuration text.

    A test fails on errors in its log that were not announced: `expects` are regular expressions, as for
    `Server.expect`.
    """
    with watched_logs.room(), ExitStack() as running:

        def start(
            playbook: Path | dict[str, Any], config: str = "", *, health: str = "/health",
            tls: ssl.SSLContext | None = None, expects: Sequence[str] = (),
        ) -> Server:  # fmt: skip
            folder = tmp_path_factory.mktemp("server")
            file, port = folder / "config.toml", free_port()
            if not isinstance(playbook, Path):
                playbook = write(folder / "app.json", playbook)
            if "[store]" not in config:
                config = f"[store]\n{config}"
            file.write_text(config.replace("[store]\n", f'[store]\npath = "{folder}/nflow.sqlite"\n', 1))
            probe = f"http{'s' if tls else ''}://127.0.0.1:{port}{health}"
            command = ["env", COMPLAINING, *nflow(file, playbook, port)]
            process = running.enter_context(serving(command, probe, log=folder / "log", tls=tls))
            return watched_logs.watch(Server("127.0.0.1", port, process, folder, list(expects)))

        yield start


@pytest.fixture(scope="module")
def serve(launch: Launch) -> Serve:
    """Like `launch`; answers just the URL."""
    return lambda playbook, config="", **more: launch(playbook, config, **more).url
