"""The walk: every rule of a run, without actors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runs import walk
from protocol.errors import LimitExceeded, NodeError, RunCancelled, ScriptError, Unavailable
from protocol.flow import Flow, Node, Options, Retry
from protocol.process import Answer, Failure, ProcessState
from protocol.sandbox import ScriptAnswer


def node(name: str, kind: str = "js", **outputs: str | None) -> Node:
    return Node(name, kind, name, {}, outputs)


def flow(*nodes: Node, answer_with_payload: bool = False) -> Flow:
    by_id: Mapping[str, Node] = {each.id: each for each in nodes}
    return Flow("app", "Home", by_id, (), "hash", answer_with_payload=answer_with_payload)


def state(graph: Flow, *, max_steps: int = 100, durable: bool = False) -> walk.WalkState:
    return walk.WalkState(graph, max_steps, max_steps, durable, b"{}")


def only(commands: tuple[walk.Command, ...], kind: type) -> list:
    return [command for command in commands if isinstance(command, kind)]


def finish(commands: tuple[walk.Command, ...]) -> walk.Finish:
    (ended,) = only(commands, walk.Finish)
    return ended


def text(body: str, status: int = 200) -> ScriptAnswer:
    return ScriptAnswer(status, "text/plain; charset=UTF-8", body.encode())


def test_a_run_performs_its_first_node_with_the_first_payload() -> None:
    _, commands = walk.begin(state(flow(node("a"))), "a")
    assert commands == (walk.Perform(node("a"), "", b"{}", 1),)


def test_a_node_leads_to_the_node_its_chosen_output_is_connected_to() -> None:
    at, _ = walk.begin(state(flow(node("a", output_1="b", output_2="c"), node("b"), node("c"))), "a")
    _, commands = walk.advance(at, walk.NodeDone("output_2", b'{"n":1}'))
    (performed,) = only(commands, walk.Perform)
    assert (performed.node.id, performed.previous, performed.payload) == ("c", "a", b'{"n":1}')


@pytest.mark.parametrize("output", ["output_9", "unconnected", "dangling"])
def test_a_choice_that_leads_nowhere_ends_the_run_with_an_empty_answer(output: str) -> None:
    at, _ = walk.begin(state(flow(node("a", unconnected=None, dangling="ghost"))), "a")
    _, commands = walk.advance(at, walk.NodeDone(output, b"1"))
    assert finish(commands).reply == Answer(200, "", b"")


def test_an_answer_leaves_at_the_end_of_the_run() -> None:
    at, _ = walk.begin(state(flow(node("a", output_1="b"), node("b"))), "a")
    at, commands = walk.advance(at, walk.NodeDone("output_1", b"{}", text("hello", 201), (("X-A", "1"),)))
    assert not only(commands, walk.Finish)
    _, commands = walk.advance(at, walk.NodeDone("output_1", b"{}", None, (("X-B", "2"),)))
    reply = finish(commands).reply
    assert reply == Answer(201, "text/plain; charset=UTF-8", b"hello", (("X-A", "1"), ("X-B", "2")))


def test_two_answers_are_joined_and_the_first_status_wins() -> None:
    at, _ = walk.begin(state(flow(node("a", output_1="b"), node("b"))), "a")
    at, _ = walk.advance(at, walk.NodeDone("output_1", b"{}", text("one", 201)))
    _, commands = walk.advance(at, walk.NodeDone("output_1", b"{}", text("two", 500)))
    reply = finish(commands).reply
    assert isinstance(reply, Answer)
    assert (reply.status, reply.body) == (201, b"onetwo")


def test_a_flow_of_the_manuals_answers_its_last_payload() -> None:
    at, _ = walk.begin(state(flow(node("a"), answer_with_payload=True)), "a")
    _, commands = walk.advance(at, walk.NodeDone("output_1", b'{"result":4}'))
    assert finish(commands).reply == Answer(200, "application/json", b'{"result":4}\n')


def test_a_failing_node_ends_the_run_and_names_the_node() -> None:
    at, _ = walk.begin(state(flow(node("a", output_1="b"), node("b"))), "a")
    error = ScriptError("boom")
    _, commands = walk.advance(at, walk.NodeFailed(error))
    assert finish(commands) == walk.Finish(Failure(error, "a"), ProcessState.ERROR)
    (step,) = only(commands, walk.StepEnded)
    assert (step.outcome, step.next_node) == ("!error", "")


def test_a_fork_goes_both_ways_with_the_same_payload() -> None:
    graph = flow(node("f", "gorutine", output_1="a", output_2="b"), node("a"), node("b"))
    _, commands = walk.begin(state(graph), "f")
    assert only(commands, walk.Fork) == [walk.Fork("b", b"{}", 49)]
    (performed,) = only(commands, walk.Perform)
    assert (performed.node.id, performed.previous) == ("a", "f")


def test_a_fork_without_a_second_branch_goes_on() -> None:
    graph = flow(node("f", "gorutine", output_1="a"), node("a"))
    _, commands = walk.begin(state(graph), "f")
    assert not only(commands, walk.Fork)
    assert len(only(commands, walk.Perform)) == 1


def test_a_cycle_is_ended_at_the_configured_number_of_steps() -> None:
    at, commands = walk.begin(state(flow(node("a", output_1="a")), max_steps=5), "a")
    performed = 0
    while only(commands, walk.Perform):
        performed += 1
        at, commands = walk.advance(at, walk.NodeDone("output_1", b"{}"))
    assert performed == 5
    reply = finish(commands).reply
    assert isinstance(reply, Failure)
    assert isinstance(reply.error, LimitExceeded)
    assert reply.error.key == "server.max_steps"


def test_a_cycle_of_forks_is_ended_too() -> None:
    graph = flow(node("f", "gorutine", output_1="g"), node("g", "gorutine", output_1="f"))
    _, commands = walk.begin(state(graph, max_steps=7), "f")
    assert isinstance(finish(commands).reply, Failure)


def test_a_request_with_all_its_forks_takes_no_more_steps_than_one_run_may() -> None:
    graph = flow(node("f", "gorutine", output_1="a", output_2="a"), node("a", output_1="f"))
    todo, performed, branches = [("f", 100)], 0, 0
    while todo:
        first, budget = todo.pop()
        branches += 1
        at = walk.WalkState(graph, 100, budget, False, b"{}")
        at, commands = walk.begin(at, first)
        while not only(commands, walk.Finish):
            performed += len(only(commands, walk.Perform))
            todo += [(fork.node, fork.budget) for fork in only(commands, walk.Fork)]
            at, commands = walk.advance(at, walk.NodeDone("output_1", b"{}"))
    assert performed <= 100
    assert branches <= 100


def test_a_starter_cannot_be_a_step() -> None:
    _, commands = walk.begin(state(flow(node("s", "starter"))), "s")
    reply = finish(commands).reply
    assert isinstance(reply, Failure)
    assert isinstance(reply.error, NodeError)
    assert str(reply.error) == "Starter can not run with play button"


def test_a_cancelled_run_abandons_its_node_and_replies_once() -> None:
    at, _ = walk.begin(state(flow(node("a"))), "a")
    at, commands = walk.advance(at, walk.CancelAsked("the client left"))
    assert isinstance(commands[0], walk.Abandon)
    reply = finish(commands).reply
    assert isinstance(reply, Failure)
    assert isinstance(reply.error, RunCancelled)
    assert walk.advance(at, walk.NodeDone("output_1", b"{}")) == (at, ())


def test_a_cancelled_run_that_has_answered_replies_with_its_answer() -> None:
    at, _ = walk.begin(state(flow(node("a", output_1="b"), node("b"))), "a")
    at, _ = walk.advance(at, walk.NodeDone("output_1", b"{}", text("hello", 201)))
    _, commands = walk.advance(at, walk.CancelAsked("killed by a script"))
    ended = finish(commands)
    assert isinstance(commands[0], walk.Abandon)
    assert isinstance(ended.reply, Answer)
    assert (ended.reply.status, ended.reply.body, ended.state) == (201, b"hello", ProcessState.CANCELLED)


def test_a_durable_run_goes_on_only_once_its_step_is_committed() -> None:
    at, _ = walk.begin(state(flow(node("a", output_1="b"), node("b")), durable=True), "a")
    at, commands = walk.advance(at, walk.NodeDone("output_1", b"1"))
    assert [type(command) for command in commands] == [walk.StepEnded]
    assert walk.advance(at, walk.NodeDone("output_1", b"2")) == (at, ()), "a second result of the node changes nothing"
    _, commands = walk.advance(at, walk.StepCommitted())
    (performed,) = only(commands, walk.Perform)
    assert performed.payload == b"1"


def test_the_last_step_of_a_run_is_committed_together_with_its_end() -> None:
    at, _ = walk.begin(state(flow(node("a", output_1="b"), node("b")), durable=True), "a")
    at, (step,) = walk.advance(at, walk.NodeDone("output_1", b"1"))
    assert isinstance(step, walk.StepEnded)
    assert step.ends is None
    at, _ = walk.advance(at, walk.StepCommitted())
    _, (last,) = walk.advance(at, walk.NodeDone("output_1", b"2"))
    assert isinstance(last, walk.StepEnded)
    assert last.ends is ProcessState.END


def test_a_durable_run_whose_step_is_refused_fails_as_unavailable() -> None:
    at, _ = walk.begin(state(flow(node("a")), durable=True), "a")
    at, _ = walk.advance(at, walk.NodeDone("output_1", b"1"))
    _, commands = walk.advance(at, walk.StepRefused("disk full"))
    reply = finish(commands).reply
    assert isinstance(reply, Failure)
    assert isinstance(reply.error, Unavailable)


def test_visits_count_how_often_a_node_was_entered() -> None:
    at, _ = walk.begin(state(flow(node("a", output_1="a"))), "a")
    for visit in (2, 3, 4):
        at, commands = walk.advance(at, walk.NodeDone("output_1", b"{}"))
        (performed,) = only(commands, walk.Perform)
        assert performed.visit == visit


def test_a_fork_counts_its_visits_like_any_node() -> None:
    at, commands = walk.begin(state(flow(node("f", "gorutine", output_1="a"), node("a", output_1="f"))), "f")
    seen = [step.visit for step in only(commands, walk.StepEnded)]
    for _ in range(2):
        at, commands = walk.advance(at, walk.NodeDone("output_1", b"{}"))
        seen += [step.visit for step in only(commands, walk.StepEnded) if step.node.id == "f"]
    assert seen == [1, 2, 3]


NAMES = "abcde"
EVENTS = st.one_of(
    st.builds(walk.NodeDone, st.sampled_from(["output_1", "output_2", "nowhere"]), st.just(b"{}")),
    st.builds(walk.NodeFailed, st.just(ScriptError("x"))),
    st.just(walk.StepCommitted()),
    st.builds(walk.StepRefused, st.just("full")),
    st.builds(walk.CancelAsked, st.just("gone")),
    st.builds(walk.OutOfTime, st.just(1.0)),
)
GRAPHS = st.fixed_dictionaries(
    {
        name: st.tuples(
            st.sampled_from(["js", "gorutine", "starter", "http"]),
            st.sampled_from([None, *NAMES, "ghost"]),
            st.sampled_from([None, *NAMES, "ghost"]),
        )
        for name in NAMES
    }
)


@given(GRAPHS, st.lists(EVENTS, max_size=40), st.booleans())
def test_whatever_happens_a_run_finishes_at_most_once_and_nothing_follows(
    graph: dict[str, tuple[str, str | None, str | None]], events: list[walk.Event], durable: bool
) -> None:
    nodes = [node(name, kind, output_1=one, output_2=two) for name, (kind, one, two) in graph.items()]
    at, commands = walk.begin(state(flow(*nodes), max_steps=20, durable=durable), "a")
    seen = list(commands)
    for event in events:
        at, commands = walk.advance(at, event)
        seen.extend(commands)
    ends = [index for index, command in enumerate(seen) if isinstance(command, walk.Finish)]
    assert len(ends) <= 1
    assert not ends or ends[0] == len(seen) - 1
    assert sum(isinstance(command, walk.Perform) for command in seen) <= 20


# --- suspension, and what c.response.status says ----------------------------------------------------------------------


@pytest.mark.parametrize("durable", [False, True])
def test_a_run_that_suspends_ends_with_its_answer_and_offers_what_its_outputs_lead_to(durable: bool) -> None:
    graph = flow(node("form", output_1="save", output_2="back", output_3=None), node("save"), node("back"))
    at, _ = walk.begin(state(graph, durable=durable), "form")
    done = walk.NodeDone("output_1", b'{"break":true}', text("<form>"), suspends=True)
    at, commands = walk.advance(at, done)
    (step,) = only(commands, walk.StepEnded)
    assert step.ends is ProcessState.END
    if durable:
        at, commands = walk.advance(at, walk.StepCommitted())
    assert only(commands, walk.Suspend) == [walk.Suspend("form", b'{"break":true}', frozenset({"save", "back"}))]
    assert finish(commands).reply == Answer(200, "text/plain; charset=UTF-8", b"<form>")
    assert not only(commands, walk.Perform)
    assert commands.index(only(commands, walk.Suspend)[0]) < commands.index(finish(commands))


@pytest.mark.parametrize(
    ("payload", "suspends"),
    [
        (b'{"break":true}', True),
        (b'{"break":"true"}', True),
        (b'{"break":false}', False),
        (b'{"break":1}', False),
        (b'{"a":{"break":true}}', False),
        (b'["break"]', False),
        (b'"break"', False),
        (b"null", False),
    ],
)
def test_only_a_payload_whose_break_is_true_suspends(payload: bytes, suspends: bool) -> None:
    assert walk.breaks(payload) is suspends


def test_a_status_without_an_answer_is_that_of_the_answer_the_last_payload_becomes() -> None:
    at, _ = walk.begin(state(flow(node("a", output_1="b"), node("b"), answer_with_payload=True)), "a")
    at, _ = walk.advance(at, walk.NodeDone("output_1", b"{}", status=401))
    _, commands = walk.advance(at, walk.NodeDone("output_1", b'{"error":"no"}'))
    assert finish(commands).reply == Answer(401, "application/json", b'{"error":"no"}\n')


def test_a_run_that_may_not_begin_is_refused_once() -> None:
    at, commands = walk.refused(state(flow(node("a"))), NodeError("no"))
    assert isinstance(finish(commands).reply, Failure)
    assert walk.refused(at, NodeError("again")) == (at, ())
    assert walk.answered(at, Answer(200, "", b"")) == (at, ())


# --- what an author asked for: retry, mappings ------------------------------------------------------------------------


def with_options(options: Options, **outputs: str | None) -> Node:
    return replace(node("a", **outputs), options=options)


def test_a_failing_node_is_tried_again_after_growing_waits_and_then_fails() -> None:
    tried = with_options(Options(retry=Retry(3, 0.5, 2.0, 30.0)), output_1="b")
    at, _ = walk.begin(state(flow(tried, node("b"))), "a")
    at, commands = walk.advance(at, walk.NodeFailed(ScriptError("one")))
    assert commands == (walk.Pause(0.5),)
    at, (again,) = walk.advance(at, walk.RetryDue())
    assert isinstance(again, walk.Perform)
    assert (again.node, again.visit) == (tried, 1)
    at, commands = walk.advance(at, walk.NodeFailed(ScriptError("two")))
    assert commands == (walk.Pause(1.0),)
    at, _ = walk.advance(at, walk.RetryDue())
    at, commands = walk.advance(at, walk.NodeFailed(ScriptError("three")))
    (step,) = only(commands, walk.StepEnded)
    assert step.attempt == 3
    assert str(finish(commands).reply.error) == "three"


def test_a_node_that_succeeds_at_its_second_attempt_goes_on_and_the_next_one_begins_with_its_first() -> None:
    options = Options(retry=Retry(2, 0.0, 1.0, 1.0))
    graph = flow(with_options(options, output_1="b"), replace(node("b"), options=options))
    at, _ = walk.begin(state(graph), "a")
    at, _ = walk.advance(at, walk.NodeFailed(ScriptError("one")))
    at, _ = walk.advance(at, walk.RetryDue())
    at, commands = walk.advance(at, walk.NodeDone("output_1", b"1"))
    assert only(commands, walk.StepEnded)[0].attempt == 2
    _, commands = walk.advance(at, walk.NodeFailed(ScriptError("b fails once")))
    assert commands == (walk.Pause(0.0),)


def test_a_cancelled_run_is_not_tried_again() -> None:
    retried = with_options(Options(retry=Retry(9, 1, 1, 1)))
    at, _ = walk.begin(state(flow(retried)), "a")
    at, commands = walk.advance(at, walk.NodeFailed(ScriptError("x")))
    at, commands = walk.advance(at, walk.CancelAsked("gone"))
    assert isinstance(finish(commands).reply.error, RunCancelled)
    assert walk.advance(at, walk.RetryDue()) == (at, ())
    at, _ = walk.begin(state(flow(retried)), "a")
    _, commands = walk.advance(at, walk.NodeFailed(RunCancelled("x")))
    assert finish(commands)


def test_a_node_sees_its_input_and_the_run_gets_its_output() -> None:
    options = Options(input={"id": "{{customer.id}}", "n": 1}, output={"sum": "{{total}}"})
    at, (performed,) = walk.begin(state(flow(with_options(options)))._replace(payload=b'{"customer":{"id":7}}'), "a")
    assert performed.payload == b'{"id":7,"n":1}'
    _, commands = walk.advance(at, walk.NodeDone("output_1", b'{"total":3,"more":4}'))
    assert only(commands, walk.StepEnded)[0].payload == b'{"customer":{"id":7},"sum":3}'


@pytest.mark.parametrize("where", ["input", "output"])
def test_a_mapping_that_leads_nowhere_fails_the_node_and_names_the_path(where: str) -> None:
    options = Options(**{where: {"id": "{{customer.id}}"}})
    at, commands = walk.begin(state(flow(with_options(options))), "a")
    if where == "output":
        _, commands = walk.advance(at, walk.NodeDone("output_1", b"{}"))
    assert "customer.id" in str(finish(commands).reply.error)
