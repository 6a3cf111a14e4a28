"""One workflow run: carries out what the walk commands, and turns what comes of it into events.

Invariant: its `reply_to` is told exactly once, whatever happens to the run, the sandbox or this actor. It talks to the
pool (scripts), the journal (durable steps), the tracker (rows nobody waits for) and, for host calls, to the sandbox
that waits. The walk itself is pure: `actors/walk.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from actors import walk
from actors.host_calls import HostCalls
from actors.kernel import Actor
from actors.nodes.registry import NodeContext, Outcome, Registry
from actors.nodes.script_request import EMPTY, script_request
from actors.run_records import RunRecords
from protocol.errors import Crashed, NflowError, NodeError, RunCancelled
from protocol.flow import Durability, Start
from protocol.process import Answer, CancelProcess, Failure, ProcessState, Reply, RunExpired, StartProcess
from protocol.refs import Recipient, Ref
from protocol.sandbox import CancelScript, HostCall, RunScript, ScriptFailed, ScriptResult
from protocol.tracking import NotRecorded, Recorded, TrackerRow


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What of the configuration a run obeys."""

    max_steps: int = 10_000
    process_seconds: float = 300.0
    host_call_seconds: float = 30.0
    hostname: str = ""
    url_base: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


class Numbers:
    """Counts up: run and record numbers, unique in the system."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """The next number."""
        self._last += 1
        return self._last


@dataclass(frozen=True, slots=True)
class Services:
    """Whom a run talks to."""

    pool: Recipient[Any]
    kinds: Registry
    settings: RunSettings
    wall: Callable[[], float]
    """Unix time in seconds."""
    new_wid: Callable[[], str]
    log: Callable[[str, str, str, str], None]
    """Takes (process id, node id, level, text) of each console line."""
    journal: Recipient[Any] | None = None
    track: Callable[[TrackerRow], None] | None = None
    numbers: Numbers = field(default_factory=Numbers)
    owner: str = ""
    epoch: int = 0


class Door(Protocol):
    """What a run needs of the admission: start a fork, find another run, leave."""

    def start(self, start: StartProcess) -> Ref[Any]:
        """Begin a run."""

    def cancel(self, wid: str, reason: str) -> bool:
        """Ask a run to end."""

    def left(self, wid: str, *, well: bool) -> None:
        """This run has ended."""


@dataclass(frozen=True, slots=True)
class _KindDone:
    visit: int
    result: Outcome | BaseException


class Nobody:
    """The reply slot of a fork: its answers go nowhere."""

    __slots__ = ()

    def tell(self, message: Reply) -> None:
        """Swallow it."""


NOBODY = Nobody()


class ProcessActor(Actor[Any]):
    """One run."""

    __slots__ = (
        "_began", "_door", "_forked", "_host_calls", "_performing", "_records", "_replied", "_run", "_services",
        "_start", "_state", "_task", "_well",
    )  # fmt: skip

    def __init__(self, start: StartProcess, services: Services, door: Door) -> None:
        self._start = start
        self._services = services
        self._door = door
        max_steps = services.settings.max_steps
        self._state = walk.WalkState(
            start.flow,
            max_steps,
            max_steps if start.max_steps is None else start.max_steps,
            start.durability is Durability.DURABLE,
            start.payload,
        )
        self._run = 0
        self._performing: walk.Perform | None = None
        self._began = 0.0
        self._forked = ""
        self._task: asyncio.Task[Outcome] | None = None
        self._host_calls: HostCalls | None = None
        self._replied = False
        self._well = False
        self._records: RunRecords

    def started(self) -> None:
        """Step onto the first node."""
        start, services = self._start, self._services
        self._records = RunRecords(
            start, self.context.ref, services.journal, services.track, services.numbers.next, services.wall,
            services.settings.hostname, (services.owner, services.epoch),
        )  # fmt: skip
        self._records.begin()
        self._state, commands = walk.begin(self._state, self._start.start.first)
        self._carry_out(commands)

    def receive(self, message: Any) -> None:
        """Everything that can happen to a run."""
        match message:
            case ScriptResult():
                self._script_ended(message)
            case ScriptFailed(run, error, logs):
                if run == self._run:
                    self._write_logs(logs)
                    self._run = 0
                    self._event(walk.NodeFailed(error))
            case HostCall():
                self._host_call(message)
            case _KindDone(visit, result):
                self._kind_ended(visit, result)
            case Recorded(number):
                if self._records.committed(number):
                    self._event(walk.StepCommitted())
            case NotRecorded(number, reason):
                if number == self._records.awaited:
                    self._event(walk.StepRefused(reason))
            case CancelProcess(reason):
                self._event(walk.CancelAsked(reason))
            case RunExpired():
                self._event(walk.OutOfTime(self._services.settings.process_seconds))
            case _ if self._host_calls is not None:
                self._host_calls.due(message)
            case _:
                raise TypeError(f"a process does not understand {type(message).__name__}")

    def released(self) -> None:
        """However the run ended: the script is let go and the caller has a reply."""
        if self._run:
            self._services.pool.tell(CancelScript(self._run))
            self._run = 0
        if self._task is not None:
            self._task.cancel()
        if not self._replied:
            self._reply(Failure(Crashed(RuntimeError("the process actor ended early"), self._start.wid)))
        self._door.left(self._start.wid, well=self._well)

    # --- events in ---

    def _event(self, event: walk.Event) -> None:
        self._state, commands = walk.advance(self._state, event)
        self._carry_out(commands)

    def _script_ended(self, result: ScriptResult) -> None:
        if result.run != self._run:
            return
        self._run = 0
        if result.logs:
            self._write_logs(result.logs)
        self._event(walk.NodeDone(result.next, result.payload, result.answer, result.headers))

    def _kind_ended(self, visit: int, result: Outcome | BaseException) -> None:
        if self._performing is None or self._performing.visit != visit:
            return
        self._task = None
        if isinstance(result, Outcome):
            self._event(walk.NodeDone(result.next, result.payload, result.answer))
        elif isinstance(result, NflowError):
            self._event(walk.NodeFailed(result))
        else:
            raise result

    # --- commands out ---

    def _carry_out(self, commands: tuple[walk.Command, ...]) -> None:
        for command in commands:
            match command:
                case walk.Perform():
                    self._perform(command)
                case walk.StepEnded():
                    self._records.step(command, self._began)
                case walk.Finish(reply, state):
                    self._finish(reply, state)
                case walk.Fork(node, payload, budget):
                    self._fork(node, payload, budget)
                case walk.Abandon():
                    self._abandon()

    def _perform(self, command: walk.Perform) -> None:
        self._performing = command
        self._began = self._services.wall()
        node, script = command.node, command.node.script
        if script is not None:
            start, services = self._start, self._services
            settings = services.settings
            self._run = services.numbers.next()
            request = script_request(start, script.needs, settings.env, settings.url_base) if script.needs else EMPTY
            services.pool.tell(
                RunScript(
                    self._run, start.flow.tenant, start.flow.hash, script, request, command.payload, command.previous,
                    self.context.ref,
                )
            )  # fmt: skip
            return
        kind = self._services.kinds.get(node.kind)
        if kind is None:
            self._event(walk.NodeFailed(NodeError("Type node not found", kind=node.kind)))
            return
        key = f"{self._start.wid}:{node.id}:{command.visit}"
        context = NodeContext(self._start.wid, self._start.flow.tenant, command.previous, command.payload, key)
        self._task = asyncio.ensure_future(kind(node, context))
        ref, visit = self.context.ref, command.visit
        self._task.add_done_callback(lambda task: _report(task, ref, visit))

    def _finish(self, reply: Reply, state: ProcessState) -> None:
        self._well = state is ProcessState.END
        self._records.end(state)
        self._reply(reply)
        self.context.stop()

    def _reply(self, reply: Reply) -> None:
        if self._replied:
            return
        self._replied = True
        wid, forked = self._start.wid, self._forked
        if isinstance(reply, Answer):
            reply = Answer(reply.status, reply.content_type, reply.body, reply.headers, wid, forked)
        elif isinstance(reply, Failure):
            reply = Failure(reply.error, reply.node, wid, forked)
        self._start.reply_to.tell(reply)

    def _fork(self, node: str, payload: bytes, budget: int) -> None:
        start, wid = self._start, self._services.new_wid()
        first = start.start if start.start.first == node else _starting_at(start, node)
        branch = StartProcess(
            wid,
            start.flow,
            first,
            start.variables,
            f"go_rutine_{wid}",
            start.request,
            payload,
            start.durability,
            NOBODY,
            budget,
        )
        try:
            self._door.start(branch)
        except NflowError as refusal:
            self._services.log(start.wid, node, "error", f"the branch was not started: {refusal}")
            return
        self._forked = wid

    def _abandon(self) -> None:
        if self._run:
            self._services.pool.tell(CancelScript(self._run))
            self._run = 0
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _write_logs(self, logs: tuple[tuple[str, str], ...]) -> None:
        node = self._performing.node.id if self._performing is not None else ""
        for level, text in logs:
            self._services.log(self._start.wid, node, level, text)

    def _host_call(self, call: HostCall) -> None:
        if call.run != self._run:
            return
        if self._host_calls is None:
            self._host_calls = HostCalls(self.context, self._door, self._services.settings.host_call_seconds)
        self._host_calls.serve(call)


def _report(task: asyncio.Task[Outcome], ref: Ref[Any], visit: int) -> None:
    if task.cancelled():
        ref.tell(_KindDone(visit, RunCancelled("the node was cancelled")))
        return
    error = task.exception()
    ref.tell(_KindDone(visit, error if error is not None else task.result()))


def _starting_at(start: StartProcess, node: str) -> Start:
    return replace(start.start, first=node)
