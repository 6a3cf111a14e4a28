"""One workflow run: carries out what the walk commands, and turns what comes of it into events.

Invariant: its `reply_to` is told exactly once, whatever happens to the run, the sandbox or this actor; what the run
changed in its client's session is written before. It talks to the pool (scripts), the journal (durable steps), the
tracker (rows nobody waits for), the sessions and, for host calls, to the sandbox that waits. The walk itself is pure:
`actors/runs/walk.py`; where a run begins is found in `actors/runs/entrance.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.functions.caller import Caller, SessionView
from actors.functions.sessions import log_in, login_event, profile_of
from actors.kernel import Actor
from actors.nodes.registry import NodeContext, Outcome
from actors.nodes.script_request import EMPTY, script_request
from actors.runs import entrance, walk
from actors.runs.branch import RunBranch, shared
from actors.runs.client import Client
from actors.runs.entrance import Entrance, Verdict
from actors.runs.farewell import Farewell, failure_level, failure_line, log_start, settle
from actors.runs.performance import Performance
from actors.runs.records import RunRecords, describe
from actors.runs.services import Door, Services
from actors.sessions.lone import LoneSession
from protocol.codec import loads
from protocol.errors import Crashed, NflowError, NodeError
from protocol.flow import Script
from protocol.process import Answer, CancelProcess, DescribeProcess, Failure, ProcessState, RunExpired, StartProcess
from protocol.sandbox import HostCall, ScriptFailed, ScriptResult
from protocol.tracking import NotRecorded, Recorded


class ProcessActor(Actor[Any]):
    """One run."""

    __slots__ = (
        "_cache_key", "_client", "_door", "_entrance", "_performance", "_performing", "_records", "_services",
        "_session", "_start", "_state", "_suspend", "_turned_from", "_well",
    )  # fmt: skip

    def __init__(self, start: StartProcess, services: Services, door: Door) -> None:
        self._start = start
        self._services = services
        self._door = door
        self._state = walk.first_state(start, services.settings.max_steps)
        self._entrance: Entrance | None = None
        self._performing: walk.Perform | None = None
        """None until the walk begins: a script that runs before is the login."""
        self._cache_key = b""
        """Under which the result of the node being performed is to be kept; empty: not at all."""
        self._client = Client(start, lambda: self.session, services.streams)
        self._session: SessionView | None = None
        self._suspend: walk.Suspend | None = None
        self._turned_from = ""
        """The path whose login failed: kept for after the login."""
        self._well = False
        self._records: RunRecords
        self._performance: Performance

    def started(self) -> None:
        """Step onto the first node, or find out where that is."""
        start = self._start
        self._records = RunRecords(start, self._services, self.context.ref)
        self._performance = Performance(self.context, self._services, self._door, self._client, self._caller)
        if start.resume or start.start.auth:
            self._performance.work(entrance.entrance(start, self.session, self._services.version))
            return
        self._records.begin()
        self._state, commands = walk.begin(self._state, start.start.first)
        self._carry_out(commands)

    def receive(self, message: Any) -> Any:
        """Everything that can happen to a run."""
        match message:
            case ScriptResult():
                if self._performance.over(message):
                    self._script_ended(message)
            case ScriptFailed() | HostCall():
                self._heard(message)
            case Recorded(number):
                if self._records.committed(number):
                    self._event(walk.StepCommitted())
            case NotRecorded(number, reason):
                if number == self._records.awaited:
                    self._event(walk.StepRefused(reason))
            case CancelProcess(reason):
                self._event(walk.CancelAsked(reason))
            case RunExpired() if self._start.waits and self._state.steps <= 1:
                pass  # it waits for as long as its node says
            case RunExpired():
                self._event(walk.OutOfTime(self._services.settings.process_seconds))
            case DescribeProcess():
                return describe(self._start, self._state)
            case _:
                self._heard(message)
        return None

    def released(self) -> None:
        """However the run ended: the script is let go and the caller has a reply."""
        if self._performance.busy:
            self._performance.abandon()
        if not self._client.told:
            self._client.fail(Crashed(RuntimeError("the process actor ended early"), self._start.wid))
        self._client.leave()
        self._door.left(self._start.wid, well=self._well)
        self._records.left(well=self._well)
        del self._client, self._performance  # they know this actor: without them it ends with its last reference

    @property
    def session(self) -> SessionView:
        """The client's session as this run sees it. A fork has one of its own, which nobody keeps."""
        if self._session is None:
            start = self._start
            self._session = LoneSession() if start.alone else self._services.session(start.session)
        return self._session

    # --- events in ---

    def _event(self, event: walk.Event) -> None:
        self._state, commands = walk.advance(self._state, event)
        self._carry_out(commands)

    def _heard(self, message: Any) -> None:
        ended = self._performance.hear(message)
        if ended is not None:
            self._ended(ended)

    def _ended(self, result: Any) -> None:
        """What was being done has ended."""
        match result:
            case ScriptResult():
                self._script_ended(result)
            case ScriptFailed(_, error, logs):
                self._write_logs(logs)
                self._failed(error)
            case walk.RetryDue():
                self._event(result)
            case Outcome(payload, following, answer):
                done = walk.NodeDone(following, payload, answer)
                if self._cache_key:
                    self._remember(done)
                self._event(done)
            case Entrance():
                self._enter(result)
            case bytes():
                self._ask_login(result)
            case Verdict():
                self._judged(result)
            case Farewell(reply, session):
                self._leave(reply, session)
            case NflowError():
                self._failed(result)
            case BaseException():
                raise result
            case _:
                raise TypeError(f"what a run does cannot end in {type(result).__name__}")

    def _failed(self, error: NflowError) -> None:
        self._records.failing(error)
        if self._performing is not None:
            self._event(walk.NodeFailed(error))
        else:
            self._refuse(entrance.of_login(error))

    def _script_ended(self, result: ScriptResult) -> None:
        if result.logs:
            self._write_logs(result.logs)
        if result.variables is not None:
            variables: dict[str, Any] = loads(result.variables)
            self._start = self._start._replace(variables=tuple(variables.items()))
        if self._performing is None:
            self._login_ended(result)
            return
        payload = result.payload
        suspends = b'"break"' in payload and walk.breaks(payload)
        done = walk.NodeDone(result.next, payload, result.answer, result.headers, result.status, suspends)
        if self._cache_key:
            self._remember(done)
        self._event(done)

    def _remember(self, done: walk.NodeDone) -> None:
        """Keep a result that may be used again."""
        options = self._performing.node.options if self._performing is not None else None
        if options is not None and options.cache is not None and not done.suspends:
            self._services.results.put(self._cache_key, done, options.cache.seconds)

    # --- the way in ---

    def _enter(self, found: Entrance) -> None:
        """Where the run begins is known; before it may come the login."""
        self._entrance = found
        start = self._start
        if found.resumed is not None or found.flow is not start.flow:
            self._start = start._replace(flow=found.flow, payload=found.payload, variables=found.variables)
            self._state = walk.first_state(self._start, self._services.settings.max_steps)
            self._records = RunRecords(self._start, self._services, self.context.ref)
        if found.login:
            self._performance.work(self._login(found.first))
        else:
            self._walk(found.first)

    async def _login(self, target: str) -> Verdict | bytes:
        if (authenticator := self._services.authenticator) is not None:
            verdict = await authenticator(self._caller())
            user = verdict.user if verdict.allowed else None
            if user is not None and user != await profile_of(self.session) and await log_in(self.session, user):
                self._services.audit(login_event(user, self._start.request, self._start.wid))
            self._records.username = entrance.username(verdict.user)
            return verdict
        profile = await profile_of(self.session)
        self._records.username = entrance.username(profile)
        return entrance.login_payload(profile, target, self._start.endpoint)

    def _ask_login(self, payload: bytes) -> None:
        flow = self._start.flow
        try:
            script = entrance.login_script(self._services.triggers(flow.app), flow.app, flow.name)
        except NflowError as error:
            self._refuse(error)
        else:
            self._send_script(script, script.key, payload, "")

    def _login_ended(self, result: ScriptResult) -> None:
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
            self._turn_away(Answer(401, "application/json", entrance.UNAUTHORIZED))

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
                    self._records.step(command)
                case walk.Suspend():
                    self._suspend = command
                case walk.Finish(reply, state):
                    self._finish(reply, state)
                case walk.Fork(node, payload, budget):
                    self._fork(node, payload, budget)
                case walk.Pause(seconds):
                    self._performance.pause(seconds)
                case walk.Abandon():
                    self._performance.abandon()

    def _perform(self, command: walk.Perform) -> None:
        self._performing = command
        self._records.enter(command)
        self._client.headers = self._state.headers
        node = command.node
        options = node.options
        if options is not None and options.cache is not None and self._found(command):
            return
        if node.script is not None:
            self._send_script(node.script, self._start.flow.hash, command.payload, command.previous)
        elif (kind := self._services.kinds.get(node.kind)) is not None:
            self._performance.work(kind(node, self._node_context(command)))
        else:
            self._event(walk.NodeFailed(NodeError("Type node not found", kind=node.kind)))
            return
        if options is not None and options.timeout_seconds is not None:
            self._performance.limit(options.timeout_seconds)

    def _found(self, command: walk.Perform) -> bool:
        """Whether a result of before stands for this node's: then it is used."""
        results = self._services.results
        try:
            self._cache_key = results.key(self._start.flow.hash, command.node, command.payload)
        except NflowError as error:
            self._event(walk.NodeFailed(error))
            return True
        done = results.get(self._cache_key)
        if done is not None:
            self._cache_key = b""
            self._event(done)
        return done is not None

    def _send_script(self, script: Script, flow: str, payload: bytes, previous: str) -> None:
        start, settings = self._start, self._services.settings
        request = script_request(start, script.needs, settings.env, settings.url_base) if script.needs else EMPTY
        self._performance.script(script, start.flow.tenant, flow, request, payload, previous)

    def _finish(self, reply: Answer | Failure, state: ProcessState) -> None:
        self._well = state is ProcessState.END
        self._records.end(state, reply)
        if self._session is None and self._entrance is None and self._suspend is None:  # as almost always
            self._leave(reply, "")
            return
        resumed = self._entrance.resumed if self._entrance is not None else None
        changed = self._session is not None and self._session.changed
        if not (changed or resumed or self._suspend or self._turned_from) or isinstance(self._session, LoneSession):
            self._leave(reply, "")
            return
        self._performance.work(
            settle(reply, self.session, self._start, self._suspend, resumed, self._turned_from, self._services.wall())
        )

    def _leave(self, reply: Answer | Failure, session: str) -> None:
        """The last thing a run does."""
        if self._start.tells_payload and isinstance(reply, Answer):
            reply = Answer(200, "application/json", self._state.payload)
        self._client.end(reply, session, self._state.answer)
        if isinstance(reply, Failure) and (failed := failure_line(reply.error, self._start)):
            self._say(failure_level(reply.error), failed)
        triggers = self._services.triggers(self._start.flow.app)
        if triggers.log and not self._start.alone:
            self._begin(log_start(triggers, self._services.new_wid(), self._start, reply, self._state.steps), "log()")
        self.context.stop()

    def _fork(self, node: str, payload: bytes, budget: int) -> None:
        start, wid = self._start, self._services.new_wid()
        if self._begin(entrance.branch_start(start, wid, node, payload, budget), f"the branch at {node}"):
            self._client.forked = wid

    def _begin(self, start: StartProcess, what: str) -> bool:
        """Begin a run nobody waits for. Whether there was room."""
        try:
            self._door.start(start)
        except NflowError as refusal:
            self._say("error", f"{what} was not started: {refusal}")
            return False
        return True

    def _write_logs(self, logs: tuple[tuple[str, str], ...]) -> None:
        for level, text in logs:
            self._say(level, text)

    def _say(self, level: str, text: str) -> None:
        trace = self._records.trace
        self._services.log(self._start, self._at()[0], level, text, trace.id if trace is not None else "")

    def _at(self) -> tuple[str, int]:
        """Id and visit of the node being performed."""
        performing = self._performing
        return (performing.node.id, performing.visit) if performing is not None else (entrance.AUTH_NODE, 0)

    def _node_context(self, command: walk.Perform) -> NodeContext:
        caller = self._caller()
        return NodeContext(
            caller.wid, caller.tenant, command.previous, command.payload, caller.key, caller, self._branches,
            waits=self._start.waits and command.previous == "" and command.visit == 1, wait=self._wait,
        )  # fmt: skip

    def _branches(self, nodes: Sequence[str], payload: bytes) -> list[RunBranch]:
        """Begin a run at each of these nodes: each may take an equal share of the steps that are left."""
        share, self._state = shared(self._state, len(nodes), unbounded=self._start.waits)
        wid = self._services.new_wid
        return [RunBranch(self._door, self._start, wid(), node, payload, share) for node in nodes]

    def _wait(self) -> str:
        """Begin a run that waits at this node; its process id."""
        (share, state), wid = shared(self._state, 1), self._services.new_wid()
        start = entrance.branch_start(self._start, wid, self._at()[0], state.payload, share)
        self._door.start(start._replace(waits=True))
        self._state, self._client.forked = state, wid
        return wid

    def _caller(self) -> Caller:
        start, flow, (node, visit) = self._start, self._start.flow, self._at()
        return Caller(
            start.wid, flow.tenant, flow.app, flow.name, node, start.request, self.session,
            self._services.settings.host_call_seconds, key=f"{start.wid}:{node}:{visit}",
            variables=start.variables, payload=start.payload if self._performing is None else self._performing.payload,
            traceparent=self._records.trace.parent if self._records.trace is not None else "",
        )  # fmt: skip
