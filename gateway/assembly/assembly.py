"""Everything of one runtime, put together from its settings: the parts of the tree, and what the gateway needs of them.

Making it touches nothing: no file is opened, nobody is connected to. Raises BadDocument with the key's path for a
setting that cannot be.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from actors.auditing.recorder import recorded
from actors.auditing.trail import AuditTrail
from actors.catalogue import Catalogue, Flows, FlowsSettings
from actors.journal import JournalSettings
from actors.kernel import ChildSpec
from actors.modules.defaults import default_sources
from actors.nodes.parallel import parallel
from actors.plugins.plugins import Plugins
from actors.reach.reach import Reach
from actors.runs.processes import Admission
from actors.runs.services import RunSettings
from actors.sandbox.pool import PoolSettings
from actors.templates.templates import Templates
from actors.tracker import Tracker, Trackers, TrackerSettings
from actors.tree import Parts
from gateway.assembly.analysis import make_inspector
from gateway.assembly.audit import ledger
from gateway.assembly.data import Data, cookie_settings
from gateway.assembly.encryption import EncryptionParts
from gateway.assembly.limits import LimitParts
from gateway.assembly.outside import reach_settings
from gateway.assembly.plugins import make_plugins, plugin_kinds
from gateway.assembly.reporters import reporters
from gateway.assembly.watching import Watching
from gateway.logs import LOG_LEVELS
from gateway.session_cookie import SessionCookie
from gateway.version import VERSION
from protocol.observation.auditing import Audit, unheard
from protocol.process import StartProcess
from protocol.sandbox import Limits
from protocol.settings import Settings
from protocol.storage import RetentionDays


class Assembly:
    """What one runtime is made of."""

    def __init__(
        self,
        settings: Settings,
        documents: Mapping[str, Path],
        apps: tuple[str, ...] | None,
        catalogue: Catalogue,
        admission: Admission,
        new_wid: Callable[[], str],
        given: Sequence[Any] = (),
        watching: Watching | None = None,
    ) -> None:
        """`documents`: app name → playbook file, or a folder of them. `apps`: of nFlow's database; None: all.
        `given`: plugins the program hands in."""
        self.trail = AuditTrail(time.time)
        self.audit: Audit = self.trail.tell if settings.log.audit else unheard
        self.watching = watching = watching or Watching(settings)
        admission.tracing = watching.tracing
        self.plugins = plugins = make_plugins(settings, given)
        self.reach = Reach(reach_settings(settings, self.audit))
        self.encryption = EncryptionParts(settings)
        self.data = data = Data(settings, self.reach.redis, self.encryption, self.audit)
        self.cookie = SessionCookie(cookie_settings(settings), time.time)
        self.limits = LimitParts(settings)
        self.templates = Templates()
        self.modules = default_sources()
        self.inspector = make_inspector(settings)
        store, server = settings.store, settings.server
        watched = FlowsSettings(settings.flows.reload_seconds, apps, data.triggers)

        def flows() -> Flows:
            return Flows(
                catalogue, documents, server.realm, settings=watched, modules=self.modules, library=data.outside,
                own=data.own, inspector=self.inspector, audit=self.audit,
            )  # fmt: skip

        self.parts = Parts(
            documents=documents,
            catalogue=catalogue,
            admission=admission,
            run=_run(settings),
            limits=_limits(settings, plugins),
            pool=_pool(settings),
            realm=server.realm,
            new_wid=new_wid,
            wall=time.time,
            log=_console,
            store=data.store,
            journal=JournalSettings(batch_records=store.journal_batch, waiting_records=store.journal_buffer),
            tracker=_tracker(settings, data),
            doors=(
                *watching.doors(),
                *_recorder(settings, self.trail),
                *self.reach.children(),
                *data.keepers,
                *self.limits.doors,
            ),
            keepers=(
                *watching.services(),
                *self.limits.keepers,
                *data.services,
                plugins.child(),
                *reporters(settings, lambda: self.parts),
            ),
            run_figures=watching.runs,
            tracing=watching.tracing,
            flows=flows,
            functions={
                **data.functions,
                **self.reach.functions(self.templates.mustache, data.read_file),
                **plugins.functions(),
            },
            kinds={
                "parallel": parallel,
                **data.kinds,
                **self.reach.kinds(data.page(self.templates.go)),
                **plugin_kinds(plugins, server.process_seconds),
            },
            session=data.session,
            authenticator=plugins.authenticator(),
            retention=RetentionDays(store.process_days, store.step_days, store.tracker_days),
            retention_seconds=store.sweep_minutes * 60,
            drain_seconds=server.drain_seconds,
            audit=self.audit,
        )


def _recorder(settings: Settings, trail: AuditTrail) -> tuple[ChildSpec, ...]:
    """The audit's actor: it starts first, so it stops last."""
    if not settings.log.audit:
        return ()
    about = f"nflow {VERSION}, process {os.getpid()}"
    return (recorded(trail, lambda: ledger(settings), about),)


def _console(start: StartProcess, node: str, level: str, text: str, trace: str) -> None:
    more = {"trace_id": trace} if trace else {}
    structlog.get_logger("script").log(
        LOG_LEVELS.get(level, logging.INFO), text, wid=start.wid, app=start.flow.app, flow=start.flow.name, node=node,
        **more,
    )  # fmt: skip


def _run(settings: Settings) -> RunSettings:
    server = settings.server
    return RunSettings(
        max_steps=server.max_steps,
        process_seconds=server.process_seconds,
        host_call_seconds=server.host_call_seconds,
        max_streams=server.max_streams or max(1, settings.vm_pool.max_size // 2),
        hostname=socket.gethostname(),
        url_base=settings.url.url_base,
        env=settings.env,
        patience=dict.fromkeys(("openai", "gemini", "ollama"), settings.ai.timeout_seconds + 1.0),
    )


def _limits(settings: Settings, plugins: Plugins) -> Limits:
    server, vm_pool = settings.server, settings.vm_pool
    return Limits(
        memory_mb=vm_pool.max_memory_mb,
        execution_seconds=vm_pool.max_execution_seconds,
        operations=vm_pool.max_operations,
        output_bytes=server.max_output_kb << 10,
        log_bytes=server.max_log_kb << 10,
        host_calls=server.max_host_calls,
        # A belt: each call has its own deadline in the server.
        host_call_seconds=max(server.host_call_seconds, settings.ai.timeout_seconds + 1.0),
        functions=plugins.script_names(),
    )


def _pool(settings: Settings) -> PoolSettings:
    server, vm_pool = settings.server, settings.vm_pool
    return PoolSettings(
        max_size=vm_pool.max_size,
        preload_size=min(vm_pool.preload_size, vm_pool.max_size),
        idle_seconds=vm_pool.idle_timeout * 60,
        cleanup_seconds=vm_pool.cleanup_interval * 60,
        wait_seconds=server.wait_seconds,
        max_waiting=server.max_waiting,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    )


def _tracker(settings: Settings, data: Data) -> Tracker | Trackers | None:
    """Ours, and nFlow's own table too, where there is an nFlow database."""
    given = settings.tracker
    if not given.enabled:
        return None
    tracked = TrackerSettings(
        batch_rows=given.batch_size,
        flush_seconds=given.flush_interval / 1000,
        waiting_rows=given.channel_buffer,
        workers=given.workers,
        verbose=given.verbose_logging,
    )
    ours, table = Tracker(data.store, tracked), data.tracker_table()
    return ours if table is None else Trackers(ours, Tracker(table, tracked, "nflow-batcher"))
