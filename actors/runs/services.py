"""Whom a run talks to, and what of the configuration it obeys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from actors.catalogue.live import Triggers
from actors.functions.caller import Functions, SessionView
from actors.nodes.registry import Registry
from actors.runs.answer_stream import StreamRoom
from actors.runs.entrance import Authenticator
from actors.runs.figures import RunFigures
from actors.runs.result_cache import ResultCache
from actors.sessions.lone import LoneSession
from actors.tracing import Tracing
from protocol.flow import Flow
from protocol.observation.auditing import Audit, unheard
from protocol.process import StartProcess
from protocol.refs import Recipient, Ref
from protocol.tracking import TrackerRow


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What of the configuration a run obeys."""

    max_steps: int = 10_000
    process_seconds: float = 300.0
    host_call_seconds: float = 30.0
    max_streams: int = 16
    """Answers streamed at once."""
    hostname: str = ""
    url_base: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    patience: Mapping[str, float] = field(default_factory=dict)
    """Host functions with a deadline of their own, seconds."""


class Numbers:
    """Counts up: run and record numbers, unique in the system."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """The next number."""
        self._last += 1
        return self._last


class Aftermath:
    """Work that outlives its run, such as closing what a killed script held open."""

    __slots__ = ("tasks",)

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    def add(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin it."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def _no_version(app: str, flow: str, content: str) -> Flow | None:
    return None


def no_session(session_id: str) -> SessionView:
    """What a runtime without sessions gives its runs."""
    return LoneSession()


def _no_triggers(app: str) -> Triggers:
    return Triggers()


@dataclass(frozen=True, slots=True)
class Services:
    """Whom a run talks to."""

    pool: Recipient[Any]
    kinds: Registry
    settings: RunSettings
    wall: Callable[[], float]
    """Unix time in seconds."""
    new_wid: Callable[[], str]
    log: Callable[[StartProcess, str, str, str, str], None]
    """Takes the run, node id, level, text and trace id of each console line."""
    journal: Recipient[Any] | None = None
    track: Callable[[TrackerRow], None] | None = None
    numbers: Numbers = field(default_factory=Numbers)
    owner: str = ""
    epoch: int = 0
    functions: Functions = field(default_factory=dict)
    session: Callable[[str], SessionView] = no_session
    """Makes one run's view of the session with this id; empty id: one may begin."""
    version: Callable[[str, str, str], Flow | None] = _no_version
    """The flow of (app, name, hash), if it is still known."""
    triggers: Callable[[str], Triggers] = _no_triggers
    """The scripts around the runs of an app."""
    authenticator: Authenticator | None = None
    aftermath: Aftermath = field(default_factory=Aftermath)
    streams: StreamRoom = field(default_factory=StreamRoom)
    results: ResultCache = field(default_factory=lambda: ResultCache(time.monotonic))
    figures: RunFigures | None = None
    """Where runs count; None: nowhere."""
    tracing: Tracing | None = None
    """Who traces runs; None: nobody."""
    audit: Audit = unheard
    """Told of security events."""


class Door(Protocol):
    """What a run needs of the admission: start a fork, find another run, leave."""

    def start(self, start: StartProcess) -> Ref[Any]:
        """Begin a run."""

    def cancel(self, wid: str, reason: str) -> bool:
        """Ask a run to end."""

    def left(self, wid: str, *, well: bool) -> None:
        """This run has ended."""
