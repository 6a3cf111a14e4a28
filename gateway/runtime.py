"""The whole runtime in one object: settings in, a supervised tree out. What the CLI serves and programs embed.

    runtime = Runtime(settings, {"app": Path("playbook.json")})
    async with runtime:
        print(runtime.url)

`start` returns once requests are answered; `stop` drains. The root's giving up is `failed`: the program then exits with
an error and its orchestrator starts it again.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
import uvloop

from actors.catalogue import Catalogue
from actors.kernel import ChildSpec, System
from actors.processes import Admission
from actors.tree import Parts, tree
from gateway.address import check_address
from gateway.assembly import Assembly
from gateway.exchange import ServerSettings
from gateway.monitoring.figures import Figures
from gateway.monitoring.health import HealthSources
from gateway.monitoring.kernel_figures import KernelFigures
from gateway.monitoring.metrics import Metrics, Sources
from gateway.routes import endpoints
from gateway.server import Gateway, Listening
from gateway.version import VERSION
from protocol.codec import TimeOrderedIds
from protocol.settings import Settings


class Runtime:
    """One runtime on the running loop."""

    def __init__(self, settings: Settings, documents: Mapping[str, Path], apps: tuple[str, ...] | None = None) -> None:
        """`documents`: app name → playbook file, or a folder of them. `apps`: of nFlow's database; None: all.

        Raises BadDocument for a setting that cannot be.
        """
        self._settings = settings
        self.system = System("system")
        self._kernel = KernelFigures()
        self.system.subscribe(self._kernel.hear, lives=False)
        self.catalogue = Catalogue()
        self.admission = Admission(settings.server.max_processes)
        self.figures = Figures(time.time())
        self.listening = Listening()
        self._new_wid = TimeOrderedIds()
        self.assembly = Assembly(settings, documents, apps, self.catalogue, self.admission, self._new_wid)
        self._parts = self.assembly.parts
        self._log = structlog.get_logger("runtime")

    @property
    def url(self) -> str:
        """Where the server listens."""
        if self.listening.address is None:
            raise RuntimeError("the runtime is not started")
        host, port = self.listening.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def failed(self) -> asyncio.Future[Any]:
        """Done when the root gave up."""
        return self.system.failed

    async def start(self) -> None:
        """Start the tree; returns once the server listens.

        Raises UnusableAddress, UnusableStore, or what made the root give up.
        """
        check_address(self._settings.server.host, self._settings.server.port)
        if self._parts.store is not None:
            await self._parts.store.open()
        await self.system.start(tree(self.system, self._parts, self._gateway()))
        # What is here now stays for good: collections need not walk it again.
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        """Drain and stop: accepted requests are answered, rows are flushed, sandboxes end."""
        drain = self._settings.server.drain_seconds
        await self.system.stop(2 * drain + 15.0)
        if self._parts.store is not None:
            await self._parts.store.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def parts(self) -> Parts:
        """What the tree is made with."""
        return self._parts

    def _gateway(self) -> ChildSpec:
        settings, parts = self._settings, self._parts
        server = settings.server
        asked = ServerSettings(
            host=server.host,
            port=server.port,
            max_body=server.max_body_mb << 20,
            keepalive_seconds=min(server.keepalive_seconds, server.header_seconds),
            body_seconds=server.body_seconds,
            drain_seconds=server.drain_seconds,
            durability=settings.store.durability,
            files_root=settings.files.root,
            debug=settings.debug.enabled,
            access_log=server.access_log,
        )
        tracker, store = parts.tracker, parts.store
        metrics = Metrics(
            Sources(
                self.system, self.figures, self.admission, parts.pool_figures, parts.forker_figures,
                self._kernel,
                (lambda: tracker.state) if tracker is not None else None, time.time,
            )
        )  # fmt: skip
        health = HealthSources(
            self.figures,
            self.admission,
            parts.pool_figures,
            lambda: store.state.reason if store is not None else "",
            time.time,
            VERSION,
        )
        served = endpoints(settings.monitor, health, metrics)
        return ChildSpec(
            "gateway",
            lambda: Gateway(
                asked,
                self.catalogue,
                self.admission,
                self.figures,
                served,
                self._new_wid,
                self.listening,
                self.assembly.cookie,
            ),
            shutdown_seconds=server.drain_seconds + 1.0,
        )


def run(main: Callable[[], Any]) -> Any:
    """Run a coroutine function on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
