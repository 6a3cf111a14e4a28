"""The whole runtime in one object: settings in, a supervised tree out. What the CLI serves and programs embed.

    runtime = Runtime(settings, {"app": Path("playbook.json")})
    async with runtime:
        print(runtime.url)

Or without a port of its own, below a path of an aiohttp application that starts and stops it:

    Runtime(settings, documents, listen=False).attach(app, "/flows")

`start` returns once requests are answered; `stop` drains. The root's giving up is `failed`: the program then exits with
an error and its orchestrator starts it again.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
import uvloop
from aiohttp import web

from actors.catalogue import Catalogue
from actors.guards.sanitizer import Sanitizer, SanitizerSettings
from actors.kernel import ChildSpec, System
from actors.runs.processes import Admission
from actors.tree import Parts, tree
from gateway.address import check_address
from gateway.api.bearer import Bearers
from gateway.api.desk import Desk
from gateway.api.embedding import attach, check_prefix
from gateway.api.execution import Execution, Executions
from gateway.api.reception import Reception
from gateway.armour.certificate import Certificate
from gateway.assembly import Assembly
from gateway.assembly.armour import make_armour, make_certificate
from gateway.assembly.debug import make_debug_access, make_debug_routes
from gateway.assembly.limits import make_clients
from gateway.assembly.watching import Watching
from gateway.clients.accounts import Accounts
from gateway.configuration.followers import Rooms, follow
from gateway.configuration.live import Live
from gateway.exchange import Exchanges, ServerSettings
from gateway.logs import access_log
from gateway.logs.settings import secrets
from gateway.routes import ApiParts, hidden, routes
from gateway.server import Gateway, Listening
from gateway.version import VERSION
from protocol.codec import TimeOrderedIds
from protocol.errors import BadDocument
from protocol.settings import Settings
from protocol.settings.checks import contradictions


class Runtime:
    """One runtime on the running loop."""

    def __init__(
        self,
        settings: Settings,
        documents: Mapping[str, Path],
        apps: tuple[str, ...] | None = None,
        *,
        listen: bool = True,
        plugins: Sequence[Any] = (),
    ) -> None:
        """`documents`: app name → playbook file, or a folder of them. `apps`: of nFlow's database; None: all.
        `listen` False: no port is opened; see `attach` and `execute`. `plugins`: objects, classes and tagged functions
        of the program's own, beside those of the folder and of installed packages.

        Raises BadDocument for a setting that cannot be.
        """
        if wrong := [problem for problem in contradictions(settings) if problem.fatal]:
            raise BadDocument(wrong)
        self._settings = settings
        self.live = Live(settings)
        """The settings in force, and who follows their changes."""
        self.system = System("system")
        self._watching = Watching(settings, listen=listen)
        self.system.subscribe(self._watching.kernel.hear, lives=False)
        self.catalogue = Catalogue()
        self.admission = Admission(settings.server.max_processes)
        self.figures = self._watching.figures
        self.listening = Listening()
        self._new_wid = TimeOrderedIds()
        self.assembly = Assembly(
            settings, documents, apps, self.catalogue, self.admission, self._new_wid, plugins, self._watching
        )
        self._parts = self.assembly.parts
        self._served = _served(settings, listen=listen)
        self._prefix = ""
        self._debug_access = make_debug_access(settings, self.assembly)
        self._armour = make_armour(settings, self._parts.pool_figures, listen=listen)
        self._certificate: Certificate | None = None
        self._exchanges = Exchanges(
            self._served,
            self.admission,
            self._new_wid,
            self.assembly.cookie,
            self._armour,
            self.assembly.encryption.answers,
            Sanitizer(SanitizerSettings(kinds=(), secrets=frozenset(secrets(settings)))).data,
        )
        self._executions = Executions(
            self.catalogue, self._exchanges, self._new_wid, self._served.durability, self._served.max_body
        )
        self._reception: Reception | None = None
        self._started = False
        self._log = structlog.get_logger("runtime")

    @property
    def url(self) -> str:
        """Where the server listens."""
        if self.listening.address is None:
            raise RuntimeError("the runtime is not started" if self._served.listen else "the runtime opens no port")
        host, port = self.listening.address
        scheme = "http" if self._certificate is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @property
    def certificate(self) -> Certificate | None:
        """The server's, which can be read anew; None: it speaks plain HTTP, or is not started."""
        return self._certificate

    @property
    def failed(self) -> asyncio.Future[Any]:
        """Done when the root gave up."""
        return self.system.failed

    async def start(self) -> None:
        """Start the tree; returns once the server listens.

        Raises UnusableAddress, UnusableStore, or what made the root give up.
        """
        if self._served.listen:
            check_address(self._served.host, self._served.port)
            self._certificate = make_certificate(self._settings)
        if self._watching.port:
            check_address(self._served.host, self._watching.port, "monitor.metrics_port")
        if self._parts.store is not None:
            await self._parts.store.open()
        await self.system.start(tree(self.system, self._parts, self._gateway()))
        # What is here now stays for good: collections need not walk it again.
        gc.collect()
        gc.freeze()
        self._started = True
        self._log.info("Started nFlow Runtime", **self._told())

    async def stop(self) -> None:
        """Drain and stop: accepted requests are answered, rows are flushed, sandboxes end."""
        started, self._started = self._started, False
        if started:
            self._log.info("Stopping nFlow Runtime", runs=len(self.admission.active))
        drain = self._settings.server.drain_seconds
        await self.system.stop(2 * drain + 15.0)
        if self._parts.store is not None:
            await self._parts.store.close()
        if started:
            self._log.info("Stopped nFlow Runtime")

    def _told(self) -> dict[str, Any]:
        """What the log says of a start."""
        settings, catalogue = self._settings, self.catalogue
        return {
            "version": VERSION, "url": self.url if self._served.listen else "",
            "profile": settings.server.profile or "none", "apps": len(catalogue.live),
            "flows": len(catalogue.flows), "pid": os.getpid(),
        }  # fmt: skip

    def attach(self, app: web.Application, prefix: str = "") -> None:
        """Let an aiohttp application serve the runtime below `prefix`, and start and stop it with itself.

        Call it after adding the application's own routes: those come first. Raises ValueError for a bad prefix.
        """
        check_prefix(prefix)
        self._prefix = prefix
        attach(app, prefix, lambda: self.reception.handle, self.start, self.stop, self._armour.headers)

    async def execute(self, workflow: str, value: Any = None) -> Execution:
        """Run a workflow in process, by its app, `app/flow`, or flow, with this first payload (None: an object).

        Raises what the run failed with, ApiError for a name that is no one workflow, RuntimeError before the start; an
        answer with an error status is an `Execution` that says so.
        """
        _ = self.reception  # before the start no workflow is known: that must not look like a wrong name
        done = await self._executions.execute(self._executions.find(workflow), {} if value is None else value)
        if done.error is not None:
            raise done.error
        return done

    @property
    def reception(self) -> Reception:
        """Where requests are handed in. Raises RuntimeError before the start."""
        if self._reception is None:
            raise RuntimeError("the runtime is not started")
        return self._reception

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
        settings, served, data = self._settings, self._served, self.assembly.data
        api, wall = settings.api, time.time
        parts = ApiParts(
            self.catalogue, self.admission, self._exchanges, self._executions, self.assembly.cookie, data.session,
            self._new_wid, served.durability, data.own, self._parts.store,
            self.assembly.plugins,
        )  # fmt: skip
        further = (*self.assembly.limits.families, self._armour.families)
        monitoring = self._watching.watch(self.system, self.admission, self.assembly, further)
        table = routes(
            settings.monitor, api, parts, monitoring, self._prefix, port=self._watching.port is not None,
            debug=make_debug_routes(self.live, self.system, self.assembly, self._watching),
        )  # fmt: skip
        self.catalogue.hidden = lambda flows: hidden(table, flows)
        bearers = Bearers(
            api.admin_token.get_secret_value(), open_execution=api.open_execution, tokens=data.outside or data.own,
            wall=wall,
        )  # fmt: skip
        accounts = Accounts(bearers.name, self.assembly.cookie, data.session, time.monotonic)
        clients = make_clients(settings, self.assembly.limits.limits, accounts, self.assembly.audit)
        desk = Desk(bearers, self._exchanges, self._debug_access, self.assembly.audit)
        reception = self._reception = Reception(
            self.catalogue,
            self._exchanges,
            self.figures,
            table,
            desk,
            self._armour,
            clients,
            access=access_log() if settings.server.access_log else None,
        )
        rooms = Rooms(
            reception, bearers, clients, self.assembly.limits.limits, self.admission, self.assembly.reach.guard,
            self._debug_access, self._certificate,
        )  # fmt: skip
        follow(self.live, rooms)
        return ChildSpec(
            "gateway",
            lambda: Gateway(served, self.admission, reception, self.listening, self._certificate),
            shutdown_seconds=served.drain_seconds + 1.0,
        )


def _served(settings: Settings, *, listen: bool) -> ServerSettings:
    server = settings.server
    return ServerSettings(
        host=server.host,
        port=server.port,
        max_body=server.max_body_mb << 20,
        keepalive_seconds=min(server.keepalive_seconds, server.header_seconds),
        body_seconds=server.body_seconds,
        drain_seconds=server.drain_seconds,
        durability=settings.store.durability,
        files_root=settings.files.root,
        debug=settings.debug.enabled,
        listen=listen,
        max_head=server.max_header_kb << 10,
        max_connections=server.max_connections,
        handshake_seconds=min(10.0, server.header_seconds),
    )


def run(main: Callable[[], Any]) -> Any:
    """Run a coroutine function on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
