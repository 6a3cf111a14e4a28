"""A running server for the acceptance tests: HTTP in, HTTP out, nothing in between is touched."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from loadtests.server import free_port, nflow, serving
from tests.acceptance.playbooks import write
from tests.acceptance.servers import Server

Launch = Callable[..., Server]
Serve = Callable[..., str]


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """Start a server for a playbook (a file, a folder, or the document itself) and a configuration text."""
    with ExitStack() as running:

        def start(
            playbook: Path | dict[str, Any], config: str = "", *, health: str = "/health",
            tls: ssl.SSLContext | None = None,
        ) -> Server:  # fmt: skip
            folder = tmp_path_factory.mktemp("server")
            file, port = folder / "config.toml", free_port()
            if not isinstance(playbook, Path):
                playbook = write(folder / "app.json", playbook)
            if "[store]" not in config:
                config = f"[store]\n{config}"
            file.write_text(config.replace("[store]\n", f'[store]\npath = "{folder}/nflow.sqlite"\n', 1))
            probe = f"http{'s' if tls else ''}://127.0.0.1:{port}{health}"
            process = running.enter_context(serving(nflow(file, playbook, port), probe, log=folder / "log", tls=tls))
            return Server("127.0.0.1", port, process, folder)

        yield start


@pytest.fixture(scope="module")
def serve(launch: Launch) -> Serve:
    """Like `launch`; answers just the URL."""
    return lambda playbook, config="": launch(playbook, config).url
