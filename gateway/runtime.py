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
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
import uvloop

from actors.catalogue import Catalogue
from actors.functions.sessions import SessionFunctions
from actors.journal import JournalSettings
from actors.kernel import ChildSpec, System
from actors.processes import Admission
from actors.sandbox.pool import PoolSettings
from actors.services import RunSettings
from actors.sessions.cookie import CookieSettings, cookie_keys
from actors.sessions.session import SessionSettings
from actors.sessions.sessions import SessionKeeper, Sessions
from actors.sessions.stores.memory import MemoryCaps, MemorySessions
from actors.sessions.view import RunSession
from actors.stores.sqlite import SqliteSettings
from actors.stores.sqlite_store import SqliteStore
from actors.tracker import Tracker, TrackerSettings
from actors.tree import PATIENT, Parts, tree
from gateway.address import check_address
from gateway.exchange import ServerSettings
from gateway.logs import LOG_LEVELS
from gateway.monitoring.figures import Figures
from gateway.monitoring.health import HealthSources
from gateway.monitoring.kernel_figures import KernelFigures
from gateway.monitoring.metrics import Metrics, Sources
from gateway.routes import endpoints
from gateway.server import Gateway, Listening
from gateway.session_cookie import SessionCookie
from gateway.version import VERSION
from protocol.codec import TimeOrderedIds
from protocol.sandbox import Limits
from protocol.settings import Settings
from protocol.storage import RetentionDays


class Runtime:
    """One runtime on the running loop."""

    def __init__(self, settings: Settings, documents: Mapping[str, Path]) -> None:
        self._settings = settings
        self.system = System("system")
        self._kernel = KernelFigures()
        self.system.subscribe(self._kernel.hear, lives=False)
        self.catalogue = Catalogue()
        self.admission = Admission(settings.server.max_processes)
        self.figures = Figures(time.time())
        self.listening = Listening()
        self._new_wid = TimeOrderedIds()
        session, base = settings.session, settings.url.url_base
        keys = cookie_keys(session.key.get_secret_value(), session.earlier_keys.get_secret_value())
        self._cookie = SessionCookie(
            CookieSettings(keys, session.cookie, session.days * 86_400, session.secure, base.startswith("https")),
            time.time,
        )
        self._parts = _parts(settings, documents, self)
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
                asked, self.catalogue, self.admission, self.figures, served, self._new_wid, self.listening, self._cookie
            ),
            shutdown_seconds=server.drain_seconds + 1.0,
        )


def run(main: Callable[[], Any]) -> Any:
    """Run a coroutine function on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def _parts(settings: Settings, documents: Mapping[str, Path], runtime: Runtime) -> Parts:
    server, vm_pool, store = settings.server, settings.vm_pool, settings.store
    kept = SqliteStore(SqliteSettings(store.path, store.synchronous))
    scripts = structlog.get_logger("script")
    session = settings.session
    sessions = Sessions(
        MemorySessions(
            MemoryCaps(session.days * 86_400, session.max_kb, session.max_sessions, session.max_memory_mb), time.time
        ),
        SessionSettings(max_kb=session.max_kb),
    )

    def log(wid: str, node: str, level: str, text: str) -> None:
        scripts.log(LOG_LEVELS.get(level, logging.INFO), text, wid=wid, node=node)

    return Parts(
        documents=documents,
        catalogue=runtime.catalogue,
        admission=runtime.admission,
        run=RunSettings(
            max_steps=server.max_steps,
            process_seconds=server.process_seconds,
            host_call_seconds=server.host_call_seconds,
            hostname=socket.gethostname(),
            url_base=settings.url.url_base,
            env=settings.env,
        ),
        limits=Limits(
            memory_mb=vm_pool.max_memory_mb,
            execution_seconds=vm_pool.max_execution_seconds,
            operations=vm_pool.max_operations,
            output_bytes=server.max_output_kb << 10,
            log_bytes=server.max_log_kb << 10,
            host_calls=server.max_host_calls,
            host_call_seconds=server.host_call_seconds,
        ),
        pool=PoolSettings(
            max_size=vm_pool.max_size,
            preload_size=min(vm_pool.preload_size, vm_pool.max_size),
            idle_seconds=vm_pool.idle_timeout * 60,
            cleanup_seconds=vm_pool.cleanup_interval * 60,
            wait_seconds=server.wait_seconds,
            max_waiting=server.max_waiting,
            cores=_cores(),
        ),
        realm=server.realm,
        new_wid=runtime._new_wid,
        wall=time.time,
        log=log,
        store=kept,
        journal=JournalSettings(batch_records=store.journal_batch, waiting_records=store.journal_buffer),
        tracker=_tracker(settings, kept),
        keepers=(ChildSpec("sessions", lambda: SessionKeeper(sessions), shutdown_seconds=10.0, backoff=PATIENT),),
        functions=SessionFunctions().functions(),
        session=partial(RunSession, sessions),
        retention=RetentionDays(store.process_days, store.step_days, store.tracker_days),
        retention_seconds=store.sweep_minutes * 60,
        drain_seconds=server.drain_seconds,
    )


def _cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tracker(settings: Settings, store: SqliteStore) -> Tracker | None:
    tracker = settings.tracker
    if not tracker.enabled:
        return None
    return Tracker(
        store,
        TrackerSettings(
            batch_rows=tracker.batch_size,
            flush_seconds=tracker.flush_interval / 1000,
            waiting_rows=tracker.channel_buffer,
            workers=tracker.workers,
        ),
    )
