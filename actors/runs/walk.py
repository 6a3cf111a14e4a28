"""The walk of one run over its graph: a pure state machine, `(state, event) → (state, commands)`.

It decides what happens next and does nothing itself: the process actor carries the commands out and feeds what came of
them back as events. So every rule of a run (edges, cycles, answers, when a step counts as done) is tested without
actors. Invariant: after `Finish` nothing but `Finish` has been or will be commanded, and exactly one reply was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from actors.nodes.substitution import Substitution
from protocol.codec import dumps, loads_from_script
from protocol.errors import LimitExceeded, NflowError, NodeError, RunCancelled, Unavailable
from protocol.flow import Durability, Flow, Node
from protocol.process import Answer, Failure, Pairs, ProcessState, StartProcess
from protocol.sandbox import ScriptAnswer

NO_VISITS: Final[Mapping[str, int]] = MappingProxyType({})
STARTER_KINDS = frozenset({"starter", "httpstart"})
FORK_KIND = "gorutine"


# --- events -----------------------------------------------------------------------------------------------------------


class NodeDone(NamedTuple):
    """The current node ended well."""

    next: str
    payload: bytes
    answer: ScriptAnswer | None = None
    headers: Pairs = ()
    status: int = 0
    """What the status of an answer made of the last payload shall be; 0: not said."""
    suspends: bool = False
    """True: the run ends here and goes on with a later request (nFlow: `payload.break`)."""


class NodeFailed(NamedTuple):
    """The current node did not."""

    error: NflowError


class RetryDue(NamedTuple):
    """The time between two attempts is over."""


@dataclass(frozen=True, slots=True)
class StepCommitted:
    """The journal has the step."""


@dataclass(frozen=True, slots=True)
class StepRefused:
    """The journal could not take the step."""

    reason: str


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """Somebody wants the run to end: its client left, an operator, another script."""

    reason: str


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """The run's own deadline passed."""

    seconds: float


Event = NodeDone | NodeFailed | RetryDue | StepCommitted | StepRefused | CancelAsked | OutOfTime


# --- commands ---------------------------------------------------------------------------------------------------------


class Perform(NamedTuple):
    """Do this node: send its script to a sandbox, or await its kind's function."""

    node: Node
    previous: str
    payload: bytes
    visit: int


class Pause(NamedTuple):
    """The node failed and is tried again after this time: then comes RetryDue."""

    seconds: float


class Fork(NamedTuple):
    """Begin a run of its own at `node` with a copy of the payload; nobody waits for it and its answers go nowhere."""

    node: str
    payload: bytes
    budget: int
    """Steps the branch may take: half of what was left, so a request with all its forks is bounded like one run."""


class StepEnded(NamedTuple):
    """A node is finished: write it down. When `wait` is set the walk stands still until StepCommitted."""

    node: Node
    next_node: str
    outcome: str
    payload: bytes
    visit: int
    order: int
    wait: bool
    attempt: int = 1
    """Which attempt at the node this was."""
    ends: ProcessState | None = None
    """Set when the run is over with this step, so that both are committed together."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """The node that is being performed is no longer wanted: interrupt it."""


class Suspend(NamedTuple):
    """The run waits for its client: keep the payload, and the nodes that may be asked for."""

    node: str
    payload: bytes
    offered: frozenset[str]
    """Ids of the nodes that the suspended node's outputs lead to."""


class Finish(NamedTuple):
    """The run is over; this is its one reply."""

    reply: Answer | Failure
    state: ProcessState


Command = Perform | Pause | Fork | StepEnded | Abandon | Suspend | Finish


# --- state ------------------------------------------------------------------------------------------------------------


class WalkState(NamedTuple):
    """Where a run stands between two events."""

    flow: Flow
    max_steps: int
    """The configured bound (`server.max_steps`), for messages."""
    budget: int
    """Steps this run may take: the bound, less what its forks were given."""
    durable: bool
    payload: bytes
    node: Node | None = None
    """The node being performed, or whose step is being committed."""
    previous: str = ""
    steps: int = 0
    visits: Mapping[str, int] = NO_VISITS
    answer: ScriptAnswer | None = None
    headers: Pairs = ()
    awaiting: NodeDone | NodeFailed | None = None
    """What is to happen once the journal has the step."""
    ended: bool = False
    status: int = 0
    attempt: int = 1
    """At the current node."""


def first_state(start: StartProcess, max_steps: int) -> WalkState:
    """Where a run stands before its first node. `max_steps`: the configured bound."""
    budget = max_steps if start.max_steps is None else start.max_steps
    return WalkState(start.flow, max_steps, budget, start.durability is Durability.DURABLE, start.payload)


def begin(state: WalkState, first: str) -> tuple[WalkState, tuple[Command, ...]]:
    """Step onto the first node."""
    return _enter(state, first, previous="", payload=state.payload)


def advance(state: WalkState, event: Event) -> tuple[WalkState, tuple[Command, ...]]:
    """What an event leads to. Events that come after the end lead to nothing."""
    if state.ended:
        return state, ()
    match event:
        case NodeDone() if state.awaiting is None and state.node is not None:
            return _done(state, state.node, event)
        case NodeFailed() if state.awaiting is None and state.node is not None:
            return _failed(state, state.node, event)
        case RetryDue() if state.awaiting is None and state.node is not None:
            return _perform(state, state.node)
        case StepCommitted() if isinstance(state.awaiting, NodeDone) and state.node is not None:
            return _follow(state, state.node, state.awaiting)
        case StepCommitted() if isinstance(state.awaiting, NodeFailed):
            return _fail(state, state.awaiting.error)
        case StepRefused(reason):
            return _fail(state, Unavailable(f"the journal did not take the step: {reason}"))
        case CancelAsked(reason) if state.answer is None:
            state, commands = _fail(state, RunCancelled(reason), ProcessState.CANCELLED)
            return state, (Abandon(), *commands)
        case CancelAsked():  # what was answered stays answered (Go)
            state, commands = _end(state, state.payload, ProcessState.CANCELLED)
            return state, (Abandon(), *commands)
        case OutOfTime(seconds):
            state, commands = _fail(state, LimitExceeded("run time", "server.process_seconds", seconds))
            return state, (Abandon(), *commands)
        case _:
            return state, ()


def breaks(payload: bytes) -> bool:
    """Whether the payload asks for the run's suspension: `break` is true, or "true" (Go)."""
    value = loads_from_script(payload)
    return isinstance(value, dict) and ((asked := value.get("break")) is True or asked == "true")


def answered(state: WalkState, answer: Answer) -> tuple[WalkState, tuple[Command, ...]]:
    """End before the first node with this answer."""
    return (state, ()) if state.ended else (_with(state, ended=True), (Finish(answer, ProcessState.END),))


def refused(state: WalkState, error: NflowError) -> tuple[WalkState, tuple[Command, ...]]:
    """End before the first node: the run may not begin."""
    return (state, ()) if state.ended else _fail(state, error)


def _enter(
    state: WalkState, target: str | None, previous: str, payload: bytes
) -> tuple[WalkState, tuple[Command, ...]]:
    forks: tuple[Command, ...] = ()
    node = state.flow.nodes.get(target) if target is not None else None
    steps, budget, visits = state.steps, state.budget, state.visits
    while node is not None and node.kind == FORK_KIND:
        # A fork is no work of its own: both branches get the payload, and the main one goes on at once.
        steps += 1
        if steps > budget:
            break
        visits = _entered(visits, node)
        branch, onward = node.outputs.get("output_2"), node.outputs.get("output_1")
        forks = (*forks, StepEnded(node, onward or "", "output_1", payload, visits[node.id], steps, wait=False))
        if branch is not None:
            share = (budget - steps) // 2
            budget -= share
            forks = (*forks, Fork(branch, payload, share))
        previous = node.id
        node = state.flow.nodes.get(onward) if onward is not None else None
    if node is None:
        state, commands = _end(state, payload)
        return state, (*forks, *commands)
    steps += 1
    visits = _entered(visits, node)
    state = WalkState(
        state.flow, state.max_steps, budget, state.durable, payload, node, previous, steps, visits, state.answer,
        state.headers, None, False, state.status,
    )  # fmt: skip
    if steps > budget:
        state, commands = _fail(state, LimitExceeded("steps of one run", "server.max_steps", state.max_steps))
        return state, (*forks, *commands)
    if node.kind in STARTER_KINDS:
        state, commands = _fail(state, NodeError("Starter can not run with play button"))
        return state, (*forks, *commands)
    if node.options is None:
        return state, (*forks, Perform(node, previous, payload, visits[node.id]))
    state, commands = _perform(state, node)
    return state, (*forks, *commands)


def _perform(state: WalkState, node: Node) -> tuple[WalkState, tuple[Command, ...]]:
    payload = state.payload
    if node.options is not None and node.options.input is not None:
        try:
            payload = dumps(Substitution(loads_from_script(payload)).value(node.options.input))
        except NflowError as error:
            return _failed(state, node, NodeFailed(error))
    return state, (Perform(node, state.previous, payload, state.visits[node.id]),)


def _entered(visits: Mapping[str, int], node: Node) -> Mapping[str, int]:
    return {**visits, node.id: visits.get(node.id, 0) + 1}


def _done(state: WalkState, node: Node, event: NodeDone) -> tuple[WalkState, tuple[Command, ...]]:
    if node.options is not None and node.options.output is not None:
        try:
            event = event._replace(payload=_mapped(state.payload, event.payload, node.options.output))
        except NflowError as error:
            return _failed(state, node, NodeFailed(error))
    ended = _step(state, node, event.next, event.payload, suspends=event.suspends)
    if state.durable:
        return _with(state, awaiting=event), (ended,)
    state, commands = _follow(state, node, event)
    return state, (ended, *commands)


def _failed(state: WalkState, node: Node, event: NodeFailed) -> tuple[WalkState, tuple[Command, ...]]:
    retry = node.options.retry if node.options is not None else None
    if retry is not None and state.attempt < retry.attempts and event.error.retried:
        return state._replace(attempt=state.attempt + 1), (Pause(retry.wait_after(state.attempt)),)
    ended = _step(state, node, "!error", state.payload)
    if state.durable:
        return _with(state, awaiting=event), (ended,)
    state, commands = _fail(state, event.error)
    return state, (ended, *commands)


def _mapped(before: bytes, after: bytes, output: Mapping[str, Any]) -> bytes:
    """The run's payload with what the author takes of the node's."""
    payload = loads_from_script(before)
    taken = Substitution(loads_from_script(after)).value(output)
    return dumps({**payload, **taken} if isinstance(payload, dict) else taken)


def _step(state: WalkState, node: Node, outcome: str, payload: bytes, *, suspends: bool = False) -> StepEnded:
    target, ends = node.outputs.get(outcome), None
    if outcome == "!error":
        ends = ProcessState.ERROR
    elif suspends or target is None or target not in state.flow.nodes:
        ends = ProcessState.END
    visit = state.visits[node.id]
    return StepEnded(
        node, target or "", outcome, payload, visit, state.steps, state.durable, state.attempt, ends
    )  # fmt: skip


def _follow(state: WalkState, node: Node, event: NodeDone) -> tuple[WalkState, tuple[Command, ...]]:
    answer, headers = state.answer, state.headers
    if event.answer is not None or event.headers:
        answer, headers = _told(state, event)
    target = node.outputs.get(event.next)
    ended = event.suspends or target not in state.flow.nodes
    state = WalkState(
        state.flow, state.max_steps, state.budget, state.durable, event.payload, node, state.previous, state.steps,
        state.visits, answer, headers, None, ended, event.status or state.status,
    )  # fmt: skip
    if not ended:
        return _enter(state, target, previous=node.id, payload=event.payload)
    finish = Finish(_answer(state, event.payload), ProcessState.END)
    if not event.suspends:
        return state, (finish,)
    offered = frozenset(target for target in node.outputs.values() if target is not None)
    return state, (Suspend(node.id, event.payload, offered), finish)


def _told(state: WalkState, event: NodeDone) -> tuple[ScriptAnswer | None, Pairs]:
    """What the client will get after this node: answers are concatenated and the first status wins (Go).

    An answer leaves at the end of the run, so headers set after it still go out.
    """
    first, second = state.answer, event.answer
    if second is None:
        return first, _replaced(state.headers, event.headers)
    headers = _replaced(state.headers, second.headers + event.headers)
    if first is not None:
        second = ScriptAnswer(first.status, first.content_type, first.body + second.body, (), first.file)
    return second, headers


def _replaced(earlier: Pairs, later: Pairs) -> Pairs:
    """All header lines in the order they were set; a later node's replace those of the same name, but for cookies."""
    if not earlier:
        return later
    again = {name for name, _ in later} - {"Set-Cookie"}
    return (*[line for line in earlier if line[0] not in again], *later)


def _end(
    state: WalkState, payload: bytes, end: ProcessState = ProcessState.END
) -> tuple[WalkState, tuple[Command, ...]]:
    return _with(state, ended=True), (Finish(_answer(state, payload), end),)


def _answer(state: WalkState, payload: bytes) -> Answer:
    """What the client gets of a run that ends now."""
    given = state.answer
    if given is not None:
        return Answer(given.status, given.content_type, given.body, state.headers, "", "", given.file)
    if state.flow.answer_with_payload:
        return Answer(state.status or 200, "application/json", payload + b"\n", state.headers)
    return Answer(state.status or 200, "", b"", state.headers)


def _fail(
    state: WalkState, error: NflowError, end: ProcessState = ProcessState.ERROR
) -> tuple[WalkState, tuple[Command, ...]]:
    node = state.node.id if state.node is not None else ""
    return _with(state, ended=True), (Finish(Failure(error, node), end),)


def _with(state: WalkState, *, awaiting: NodeDone | NodeFailed | None = None, ended: bool = False) -> WalkState:
    return WalkState(
        state.flow, state.max_steps, state.budget, state.durable, state.payload, state.node, state.previous,
        state.steps, state.visits, state.answer, state.headers, awaiting, ended, state.status, state.attempt,
    )  # fmt: skip
