"""A running server for the acceptance tests: HTTP in, HTTP out, nothing in between is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from loadtests.server import free_port, nflow, serving

Serve = Callable[..., str]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start a server for a playbook file and a configuration text; answers its URL. Ended after the module."""
    with ExitStack() as running:

        def start(playbook: Path, config: str = "") -> str:
            folder = tmp_path_factory.mktemp("server")
            file, port = folder / "config.toml", free_port()
            if "[store]" not in config:
                config = f'[store]\npath = "{folder}/nflow.sqlite"\n{config}'
            file.write_text(config)
            url = f"http://127.0.0.1:{port}"
            running.enter_context(serving(nflow(file, playbook, port), f"{url}/health", log=folder / "log"))
            return url

        yield start
