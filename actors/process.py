"""One workflow run: carries out what the walk commands, and turns what comes of it into events.

Invariant: its `reply_to` is told exactly once, whatever happens to the run, the sandbox or this actor; what the run
changed in its client's session is written before. It talks to the pool (scripts), the journal (durable steps), the
tracker (rows nobody waits for), the sessions and, for host calls, to the sandbox that waits. The walk itself is pure:
`actors/walk.py`; where a run begins is found in `actors/entrance.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from actors import entrance, walk
from actors.client import Client
from actors.entrance import Entrance, Verdict
from actors.farewell import Farewell, log_start, settle
from actors.functions.caller import Caller, SessionView
from actors.host_calls import HostCalls
from actors.kernel import Actor
from actors.nodes.registry import NodeContext, Outcome
from actors.nodes.script_request import EMPTY, script_request
from actors.run_records import RunRecords
from actors.services import Door, Services
from actors.sessions.lone import LoneSession
from actors.walk import breaks
from protocol.codec import loads
from protocol.errors import Crashed, NflowError, NodeError, RunCancelled
from protocol.flow import Durability, Script
from protocol.process import Answer, CancelProcess, Failure, ProcessState, RunExpired, StartProcess
from protocol.refs import NOBODY
from protocol.sandbox import CancelScript, HostCall, RunScript, ScriptFailed, ScriptResult
from protocol.tracking import NotRecorded, Recorded


@dataclass(frozen=True, slots=True)
class _Done:
    """Work done outside the mailbox, by the number under which it was begun."""

    work: int
    result: Any


class ProcessActor(Actor[Any]):
    """One run."""

    __slots__ = (
        "_began", "_calls", "_client", "_door", "_entrance", "_guarding", "_performing", "_records", "_run",
        "_services", "_session", "_start", "_state", "_suspend", "_task", "_turned_from", "_well", "_work",
    )  # fmt: skip

    def __init__(self, start: StartProcess, services: Services, door: Door) -> None:
        self._start = start
        self._services = services
        self._door = door
        self._state = _first_state(start, services.settings.max_steps)
        self._entrance: Entrance | None = None
        self._guarding = False
        """The script that runs is the login."""
        self._run = 0
        self._performing: walk.Perform | None = None
        self._began = 0.0
        self._client = Client(start, lambda: self.session)
        self._task: asyncio.Task[Any] | None = None
        self._work = 0
        self._calls: HostCalls | None = None
        self._session: SessionView | None = None
        self._suspend: walk.Suspend | None = None
        self._turned_from = ""
        """The path whose login failed: kept for after the login."""
        self._well = False
        self._records: RunRecords

    def started(self) -> None:
        """Step onto the first node, or find out where that is."""
        start = self._start
        self._records = self._new_records()
        if start.resume or start.start.auth:
            self._set_out(entrance.entrance(start, self.session, self._services.version))
            return
        self._records.begin()
        self._state, commands = walk.begin(self._state, start.start.first)
        self._carry_out(commands)

    def receive(self, message: Any) -> None:
        """Everything that can happen to a run."""
        match message:
            case ScriptResult():
                self._script_ended(message)
            case ScriptFailed(run, error, logs):
                if run == self._run:
                    self._write_logs(logs)
                    self._script_over(walk.NodeFailed(error))
            case HostCall():
                self._host_call(message)
            case _Done(work, result):
                if work == self._work:
                    self._task = None
                    self._done(result)
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
            case _ if self._calls is not None:
                self._calls.due(message)
            case _ if not self._run:
                pass  # a timer of a script that has ended
            case _:
                raise TypeError(f"a process does not understand {type(message).__name__}")

    def released(self) -> None:
        """However the run ended: the script is let go and the caller has a reply."""
        self._abandon()
        self._client.fail(Crashed(RuntimeError("the process actor ended early"), self._start.wid))
        self._door.left(self._start.wid, well=self._well)

    @property
    def session(self) -> SessionView:
        """The client's session as this run sees it. A fork has one of its own, which nobody keeps."""
        if self._session is None:
            alone = self._start.reply_to is NOBODY
            self._session = LoneSession() if alone else self._services.session(self._start.session)
        return self._session

    # --- events in ---

    def _event(self, event: walk.Event) -> None:
        self._state, commands = walk.advance(self._state, event)
        self._carry_out(commands)

    def _done(self, result: Any) -> None:
        match result:
            case Entrance():
                self._enter(result)
            case bytes():
                self._guarding = True
                text = self._services.triggers(self._start.flow.app).auth
                try:
                    script = entrance.login_script(text, self._start.flow.app, self._start.flow.name)
                except NflowError as error:
                    self._refuse(error)
                else:
                    self._send_script(script, result, "", entrance.AUTH_NODE)
            case Verdict():
                self._judged(result)
            case Outcome():
                self._event(walk.NodeDone(result.next, result.payload, result.answer))
            case walk.NodeDone() | walk.NodeFailed():
                self._event(result)
            case Farewell(reply, session):
                self._leave(reply, session)
            case NflowError() if self._performing is not None:
                self._event(walk.NodeFailed(result))
            case NflowError():
                self._refuse(result)
            case BaseException():
                raise result
            case _:
                raise TypeError(f"work of a run cannot end in {type(result).__name__}")

    def _script_ended(self, result: ScriptResult) -> None:
        if result.run != self._run:
            return
        if result.logs:
            self._write_logs(result.logs)
        if result.variables is not None:
            variables: dict[str, Any] = loads(result.variables)
            self._start = self._start._replace(variables=tuple(variables.items()))
        if self._guarding:
            self._login_ended(result)
            return
        payload = result.payload
        suspends = b'"break"' in payload and breaks(payload)
        done = walk.NodeDone(result.next, payload, result.answer, result.headers, result.status, suspends)
        self._script_over(done)

    def _script_over(self, event: walk.Event) -> None:
        """The script's end is an event once what it held open is closed."""
        self._run = 0
        calls, self._calls = self._calls, None
        if self._guarding and isinstance(event, walk.NodeFailed):
            self._refuse(event.error)
        elif calls is not None and calls.open:
            self._set_out(_closed(calls, event))
        else:
            self._event(event)

    # --- the way in ---

    def _enter(self, found: Entrance) -> None:
        """Where the run begins is known; before it may come the login."""
        self._entrance = found
        start = self._start
        if found.resumed is not None or found.flow is not start.flow:
            self._start = start._replace(flow=found.flow, payload=found.payload, variables=found.variables)
            self._state = _first_state(self._start, self._services.settings.max_steps)
            self._records = self._new_records()
        if found.login:
            self._set_out(self._login(found.first))
        else:
            self._walk(found.first)

    async def _login(self, target: str) -> Verdict | bytes:
        authenticator = self._services.authenticator
        if authenticator is not None:
            return await authenticator(self._caller())
        profile = await entrance.profile_of(self.session)
        return entrance.login_payload(profile, target, self._start.endpoint)

    def _login_ended(self, result: ScriptResult) -> None:
        self._run, self._guarding, self._calls = 0, False, None
        turned = entrance.turned_away(result)
        if turned is not None:
            self._turn_away(turned)
            return
        answer = result.answer
        headers = (*result.headers, *(answer.headers if answer is not None else ()))
        self._state = self._state._replace(answer=answer, headers=headers, status=result.status)
        self._walk(result.next)

    def _judged(self, verdict: Verdict) -> None:
        if verdict.allowed and self._entrance is not None:
            self._walk(self._entrance.first)
        elif verdict.redirect:
            self._turn_away(Answer(307, "", b"", (("Location", verdict.redirect),)))
        else:
            self._turn_away(Answer(401, "application/json", b'{"error":"Unauthorized"}\n'))

    def _walk(self, first: str) -> None:
        self._records.begin()
        self._state, commands = walk.begin(self._state, first)
        self._carry_out(commands)

    def _turn_away(self, answer: Answer) -> None:
        query = self._start.request.query_string
        self._turned_from = self._start.request.path + (f"?{query}" if query else "")
        self._state, commands = walk.answered(self._state, answer)
        self._carry_out(commands)

    def _refuse(self, error: NflowError) -> None:
        self._state, commands = walk.refused(self._state, error)
        self._carry_out(commands)

    # --- commands out ---

    def _carry_out(self, commands: tuple[walk.Command, ...]) -> None:
        for command in commands:
            match command:
                case walk.Perform():
                    self._perform(command)
                case walk.StepEnded():
                    self._records.step(command, self._began)
                case walk.Suspend():
                    self._suspend = command
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
            self._send_script(script, command.payload, command.previous, node.id)
            return
        kind = self._services.kinds.get(node.kind)
        if kind is None:
            self._event(walk.NodeFailed(NodeError("Type node not found", kind=node.kind)))
            return
        caller = self._caller()
        context = NodeContext(caller.wid, caller.tenant, command.previous, command.payload, caller.key, caller)
        self._set_out(kind(node, context))

    def _send_script(self, script: Script, payload: bytes, previous: str, node: str) -> None:
        start, services = self._start, self._services
        self._run = services.numbers.next()
        env, url_base = services.settings.env, services.settings.url_base
        request = script_request(start, script.needs, env, url_base) if script.needs else EMPTY
        flow = start.flow.hash if not self._guarding else script.key
        services.pool.tell(
            RunScript(self._run, start.flow.tenant, flow, script, request, payload, previous, self.context.ref)
        )

    def _set_out(self, work: Any) -> None:
        """Do this outside the mailbox; its result comes back as `_Done`."""
        self._work += 1
        ref, number = self.context.ref, self._work
        self._task = task = asyncio.ensure_future(work)
        task.add_done_callback(lambda done: ref.tell(_Done(number, _result(done))))

    def _finish(self, reply: Answer | Failure, state: ProcessState) -> None:
        self._well = state is ProcessState.END
        self._records.end(state)
        resumed = self._entrance.resumed if self._entrance is not None else None
        changed = self._session is not None and self._session.changed
        if not (changed or resumed or self._suspend or self._turned_from) or self._start.reply_to is NOBODY:
            self._leave(reply, "")
            return
        self._set_out(
            settle(reply, self.session, self._start, self._suspend, resumed, self._turned_from, self._services.wall())
        )

    def _leave(self, reply: Answer | Failure, session: str) -> None:
        """The last thing a run does."""
        self._client.end(reply, session, self._state.answer.body if self._state.answer is not None else b"")
        text = self._services.triggers(self._start.flow.app).log
        if text and self._start.flow.name != entrance.LOG_FLOW:
            self._log_run(text, reply)
        self.context.stop()

    def _fork(self, node: str, payload: bytes, budget: int) -> None:
        start, wid = self._start, self._services.new_wid()
        branch = entrance.branch_start(start, wid, node, payload, budget)
        try:
            self._door.start(branch)
        except NflowError as refusal:
            self._services.log(start.wid, node, "error", f"the branch was not started: {refusal}")
            return
        self._client.forked = wid

    def _log_run(self, text: str, reply: Answer | Failure) -> None:
        try:
            self._door.start(log_start(text, self._services.new_wid(), self._start, reply, self._state.steps))
        except NflowError as refusal:
            self._services.log(self._start.wid, "log", "error", f"log() was not started: {refusal}")

    def _abandon(self) -> None:
        if self._run:
            self._services.pool.tell(CancelScript(self._run))
            self._run = 0
        if self._task is not None:
            self._work += 1
            self._task.cancel()
            self._task = None
        if self._calls is not None:
            calls, self._calls = self._calls, None
            calls.cancel()
            if calls.open:
                self._services.aftermath.add(calls.close())

    def _write_logs(self, logs: tuple[tuple[str, str], ...]) -> None:
        for level, text in logs:
            self._services.log(self._start.wid, self._at()[0], level, text)

    def _at(self) -> tuple[str, int]:
        """Id and visit of the node being performed."""
        performing = self._performing
        return (performing.node.id, performing.visit) if performing is not None else (entrance.AUTH_NODE, 0)

    # --- host calls ---

    def _host_call(self, call: HostCall) -> None:
        if call.run != self._run:
            return
        if self._calls is None:
            self._client.headers = self._state.headers
            services = self._services
            self._calls = HostCalls(
                self.context, self._door, services.functions, self._caller(), self._client.stream,
                services.settings.host_call_seconds,
            )  # fmt: skip
        self._calls.serve(call)

    def _caller(self) -> Caller:
        start, flow, (node, visit) = self._start, self._start.flow, self._at()
        return Caller(
            start.wid, flow.tenant, flow.app, flow.name, node, start.request, self.session,
            self._services.settings.host_call_seconds, key=f"{start.wid}:{node}:{visit}",
        )  # fmt: skip

    def _new_records(self) -> RunRecords:
        services = self._services
        return RunRecords(
            self._start, self.context.ref, services.journal, services.track, services.numbers.next, services.wall,
            services.settings.hostname, (services.owner, services.epoch),
        )  # fmt: skip


def _first_state(start: StartProcess, max_steps: int) -> walk.WalkState:
    budget = max_steps if start.max_steps is None else start.max_steps
    return walk.WalkState(start.flow, max_steps, budget, start.durability is Durability.DURABLE, start.payload)


def _result(task: asyncio.Task[Any]) -> Any:
    if task.cancelled():
        return RunCancelled("the node was cancelled")
    return task.exception() or task.result()


async def _closed(calls: HostCalls, event: walk.Event) -> walk.Event:
    await calls.close()
    return event
