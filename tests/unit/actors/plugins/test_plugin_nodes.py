"""Nodes that plugins do: custom steps, `dromedary`, `dromedary_callback`; logins and HTTP actions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from actors.nodes.dromedary import Dromedary
from actors.nodes.dromedary_callback import DromedaryCallback
from actors.plugins.plugins import Plugins
from actors.sessions.lone import LoneSession
from protocol.codec import loads
from protocol.errors import BadDocument, CallRefused, NodeError, Overloaded, Refusal, Unavailable
from protocol.plugins import ActionCaller, NoSuchAction, PluginFailed
from tests.unit.actors.plugins.conftest import Up, Write, box, caller, request, visit

STEPS = """
@node("same")
async def same(payload): payload["seen"] = True
@node("value")
async def value(payload, context): return {"got": context.fill(context.data["of"]), "id": context.vars["id"]}
@node("second")
def second(payload): return payload, "output_2"
@node("nothing")
async def nothing(payload): return None, "output_1"
@node("answers")
async def answers(payload): return NodeResult({"x": 1}, "o", Response({"ok": True}, 201, headers={"X-A": "b"}))
@node("responds")
async def responds(payload): return Response("text")
@node("three")
async def three(payload): return 1, 2, 3
@node("badanswer")
async def badanswer(payload): return Response("x", 999)
@node("split")
async def split(payload): return Response("x", headers={"A": "b\\r\\nC: d"})
@node("badoutput")
async def badoutput(payload): return NodeResult(payload, 5)
@node("refuses")
async def refuses(payload): raise CallRefused("not today")
@node("fails")
async def fails(payload): raise ValueError("inside")
"""


async def step(plugins: Plugins, kind: str, payload: Any, **data: Any) -> Any:
    return await plugins.kinds()[kind](box(kind, **data), visit(payload))


async def test_a_step_gets_the_payload_and_gives_the_next(write: Write, up: Up) -> None:
    write(steps=STEPS)
    plugins = await up()
    done = await step(plugins, "same", {"a": 1})
    assert (loads(done.payload), done.next, done.answer) == ({"a": 1, "seen": True}, "output_1", None)
    done = await step(plugins, "value", {"a": {"b": 5}}, of="{{a.b}}")
    assert loads(done.payload) == {"got": 5, "id": "7"}
    assert (await step(plugins, "second", [1])).next == "output_2"
    assert (await step(plugins, "nothing", [1])).payload == b"null"
    done = await step(plugins, "answers", 1)
    assert (loads(done.payload), done.next) == ({"x": 1}, "o")
    assert (done.answer.status, done.answer.content_type, done.answer.body) == (201, "application/json", b'{"ok":true}')
    assert done.answer.headers == (("X-A", "b"),)
    done = await step(plugins, "responds", {"kept": 1})
    assert (loads(done.payload), done.answer.body) == ({"kept": 1}, b"text")


@pytest.mark.parametrize("kind", ["three", "badanswer", "split", "badoutput", "fails"])
async def test_what_a_step_does_wrong_is_its_run_s_error(write: Write, up: Up, kind: str) -> None:
    write(steps=STEPS)
    plugins = await up()
    with pytest.raises(PluginFailed) as failed:
        await step(plugins, kind, {})
    assert "inside" not in str(failed.value)
    assert (await step(plugins, "second", {})).next == "output_2"


async def test_a_refusing_step_fails_the_run_with_its_words(write: Write, up: Up) -> None:
    write(steps=STEPS)
    with pytest.raises(CallRefused, match="not today"):
        await step(await up(), "refuses", {})


@pytest.mark.parametrize("payload", [None, True, 0, "text", [], [1], {}, {"deep": [{"a": None}]}])
async def test_any_payload_reaches_a_step_unharmed(write: Write, up: Up, payload: Any) -> None:
    write(steps="@node('echo')\nasync def echo(payload): return NodeResult(payload)")
    assert loads((await step(await up(), "echo", payload)).payload) == payload


RUNS = """
class P(Plugin):
    async def run(self, payload, context):
        if payload == "refuse": raise CallRefused("no")
        return {"was": payload, "data": context.data["dromedary_name"]}, "output_2"
"""


async def test_a_dromedary_node_calls_the_plugin_it_names(write: Write, up: Up) -> None:
    write(p=RUNS, other="class O(Plugin): pass")
    kind = Dromedary(await up())
    done = await kind.run(box("dromedary", dromedary_name="p"), visit([1]))
    assert (loads(done.payload), done.next) == ({"was": [1], "data": "p"}, "output_2")
    with pytest.raises(PluginFailed, match="no"):
        await kind.run(box("dromedary", dromedary_name="p"), visit("refuse"))
    with pytest.raises(NodeError, match=r"there is no plugin 'mail'; plugins with run: p"):
        await kind.run(box("dromedary", dromedary_name="mail"), visit(1))
    with pytest.raises(NodeError, match=r"plugin other has no run; plugins with run: p"):
        await kind.run(box("dromedary", dromedary_name="other"), visit(1))
    for name in (None, "", 5):
        with pytest.raises(NodeError, match="needs `dromedary_name`"):
            await kind.run(box("dromedary", dromedary_name=name), visit(1))


# --- callbacks ---


class Branches:
    """Branches that note their payloads; `during` is awaited in each."""

    def __init__(self, during: Any = None) -> None:
        self.begun: list[tuple[str, Any]] = []
        self.running = self.most = self.cancelled = 0
        self.during = during

    def __call__(self, nodes: Sequence[str], payload: bytes) -> list[Any]:
        outer = self

        class Branch:
            async def run(self) -> bytes:
                outer.running += 1
                outer.most = max(outer.most, outer.running)
                try:
                    if outer.during is not None:
                        await outer.during(len(outer.begun))
                    outer.begun.append((nodes[0], loads(payload)))
                except asyncio.CancelledError:
                    outer.cancelled += 1
                    raise
                finally:
                    outer.running -= 1
                return b"null"

        return [Branch()]


CALLS = """
class P(Plugin):
    closed = 0
    async def callbacks(self, payload, context):
        try:
            for number in range(payload["times"]):
                yield {"n": number, "wid": context.wid}
            if payload.get("hang"): await asyncio.Event().wait()
            if payload.get("fail"): raise ValueError("secret")
            if payload.get("odd"): yield object()
        finally:
            P.closed += 1
    @function
    async def count(self): return P.closed
"""
TWO = {"output_1": "on", "output_2": "back"}


async def wait(plugins: Plugins, payload: Any, branches: Any, outputs: Any = None, **data: Any) -> Any:
    node = box("dromedary_callback", outputs or TWO, dromedary_name="p", **data)
    return await DromedaryCallback(plugins, 2.0).run(node, visit(payload, waits=True, branches=branches))


async def test_the_run_goes_on_at_once_and_another_one_waits(write: Write, up: Up) -> None:
    write(p=CALLS)
    kind = DromedaryCallback(await up(), 2.0)
    begun: list[str] = []

    def begin() -> str:
        begun.append("w2")
        return "w2"

    node = box("dromedary_callback", TWO, dromedary_name="p")
    done = await kind.run(node, visit({"a": 1}, wait=begin))
    assert (done.payload, done.next, begun) == (b'{"a":1}', "output_1", ["w2"])
    done = await kind.run(box("dromedary_callback", {"output_1": "x"}, dromedary_name="p"), visit(1, wait=begin))
    assert (done.next, begun) == ("", ["w2", "w2"]), "the only output is where branches begin, so the run ends"
    done = await kind.run(box("dromedary_callback", {"output_1": "x", "output_2": None}, dromedary_name="p"), visit(1))
    assert done.next == "output_1"


async def test_each_value_begins_a_branch_in_order(write: Write, up: Up) -> None:
    write(p=CALLS)
    plugins, branches = await up(), Branches()
    done = await wait(plugins, {"times": 3}, branches)
    assert branches.begun == [("back", {"n": number, "wid": "w1"}) for number in range(3)]
    assert (done.next, branches.most) == ("", 1)
    assert await plugins.functions()["p.count"](caller(), []) == 1


async def test_waiting_ends_after_max_values_or_at_its_timeout_and_the_generator_is_closed(
    write: Write, up: Up
) -> None:
    write(p=CALLS)
    plugins, branches = await up(), Branches()
    await wait(plugins, {"times": 100}, branches, max=2)
    assert len(branches.begun) == 2
    outputs = {**TWO, "timeout": "late"}
    await wait(plugins, {"times": 1, "hang": True}, branches, outputs, timeout=0.1)
    assert branches.begun[2:] == [("back", {"n": 0, "wid": "w1"}), ("late", {"times": 1, "hang": True})]
    assert await plugins.functions()["p.count"](caller(), []) == 2


async def test_only_so_many_branches_run_at_once(write: Write, up: Up) -> None:
    write(p=CALLS)
    branches = Branches(lambda _: asyncio.sleep(0.02))
    await wait(await up(), {"times": 7}, branches, limit=3)
    assert (len(branches.begun), branches.most) == (7, 3)


async def test_a_full_house_or_a_failing_branch_loses_no_callback(write: Write, up: Up) -> None:
    write(p=CALLS)
    troubles = iter([Overloaded("full", retry_after=0.01), NodeError("bad"), None, None, None])

    async def trouble(_: int) -> None:
        if (error := next(troubles)) is not None:
            raise error

    branches = Branches(trouble)
    await wait(await up(), {"times": 3}, branches)
    assert [payload["n"] for _, payload in branches.begun] == [1, 2], "0 failed as a branch, after it had waited"


@pytest.mark.parametrize("how", ["fail", "odd"])
async def test_a_failing_generator_fails_the_run_that_waits(write: Write, up: Up, how: str) -> None:
    write(p=CALLS)
    branches = Branches()
    with pytest.raises(PluginFailed) as failed:
        await wait(await up(), {"times": 1, how: True}, branches)
    assert "secret" not in str(failed.value)
    assert len(branches.begun) == 1


async def test_cancelling_the_run_that_waits_ends_its_branches_and_the_generator(write: Write, up: Up) -> None:
    write(p=CALLS)
    plugins, branches = await up(), Branches(lambda _: asyncio.sleep(60))
    before = asyncio.all_tasks()
    run = asyncio.ensure_future(wait(plugins, {"times": 9}, branches, limit=2))
    await asyncio.sleep(0.05)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await asyncio.sleep(0.05)
    assert branches.cancelled == 2
    assert await plugins.functions()["p.count"](caller(), []) == 1
    assert asyncio.all_tasks() <= before


async def test_a_generator_that_tidies_up_slowly_is_let_finish(write: Write, up: Up) -> None:
    write(
        p="""
class P(Plugin):
    tidied = 0
    async def callbacks(self, payload):
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)
            P.tidied += 1
    @function
    async def count(self): return P.tidied
"""
    )
    plugins = await up()
    with structlog.testing.capture_logs() as lines:
        await wait(plugins, {}, Branches(), timeout=0.1)
        await asyncio.sleep(0.2)
    assert await plugins.functions()["p.count"](caller(), []) == 1
    assert lines == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"timeout": 0}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"max": -1}, "max"),
        ({"limit": True}, "limit"),
        ({"timeout": 1e12}, "timeout"),
    ],
)
async def test_a_number_that_is_none_fails_the_node(write: Write, up: Up, data: dict[str, Any], says: str) -> None:
    write(p=CALLS)
    with pytest.raises(NodeError, match=f"`{says}` of a dromedary_callback node"):
        await wait(await up(), {"times": 1}, Branches(), **data)


async def test_a_plugin_that_never_calls_back_is_told_before_anything_waits(write: Write, up: Up) -> None:
    write(p="class P(Plugin): pass", q="class Q(Plugin):\n async def callbacks(self, payload): return 5")
    kind = DromedaryCallback(await up(), 2.0)
    with pytest.raises(NodeError, match="plugin p has no callbacks; plugins with callbacks: q"):
        await kind.run(box("dromedary_callback", TWO, dromedary_name="p"), visit(1))
    node = box("dromedary_callback", TWO, dromedary_name="q")
    with pytest.raises(PluginFailed, match=r"q\.callbacks is no async generator"):
        await kind.run(node, visit(1, waits=True, branches=Branches()))


# --- logins ---

LOGIN = """
class P(Plugin):
    async def authenticate(self, request, context):
        match request.header("x-as"):
            case "ana": return User({"username": "ana", "roles": ["a"]})
            case "page": return Redirect("/enter?x=1")
            case "split": return Redirect("/a\\r\\nSet-Cookie: x")
            case "odd": return {"username": "ana"}
            case "true": return True
            case "fail": raise KeyError("x")
            case "set": return User({"x": {1, 2}})
            case "name": return User("bob")
"""


async def judged(plugins: Plugins, as_: str) -> Any:
    authenticator = plugins.authenticator()
    assert authenticator is not None
    return await authenticator(caller(request=request(headers=((b"X-As", as_.encode()),)), session=LoneSession()))


async def test_an_authenticator_says_who_it_is(write: Write, up: Up) -> None:
    write(p=LOGIN)
    plugins = await up()
    verdict = await judged(plugins, "ana")
    assert (verdict.allowed, verdict.user) == (True, {"username": "ana", "roles": ["a"]})
    verdict = await judged(plugins, "page")
    assert (verdict.allowed, verdict.redirect) == (False, "/enter?x=1")
    verdict = await judged(plugins, "nobody")
    assert (verdict.allowed, verdict.redirect, verdict.user) == (False, "", None)


@pytest.mark.parametrize("as_", ["odd", "true", "fail", "set", "split", "name"])
async def test_an_authenticator_that_does_something_else_lets_nobody_in(write: Write, up: Up, as_: str) -> None:
    write(p=LOGIN)
    with pytest.raises(PluginFailed):
        await judged(await up(), as_)


async def test_an_authenticator_that_is_not_up_lets_nobody_in(write: Write, up: Up) -> None:
    write(p=LOGIN + "    async def start(self, config): raise OSError\n")
    with pytest.raises(Unavailable):
        await judged(await up(), "ana")


async def test_without_an_authenticator_there_is_none(write: Write, up: Up) -> None:
    write(p="class P(Plugin): pass")
    assert (await up()).authenticator() is None


# --- actions ---

ACTIONS = """
from dataclasses import dataclass
import pydantic
@dataclass
class Order:
    item: str
    count: int = 1
class Receipt(pydantic.BaseModel):
    total: int
class P(Plugin):
    @action
    async def order(self, body: Order, context) -> Receipt:
        \"\"\"Order something.

        More about it.
        \"\"\"
        return Receipt(total=body.count * 2)
    @action("any-thing")
    def anything(self, body): return {"got": body}
    @action
    async def nothing(self): pass
    @action
    async def who(self, context): return [context.tenant, context.key, context.wid, context.request.method]
    @action
    async def refuse(self, body): raise CallRefused("sold out", name="SoldOut")
"""
CLIENT = ActionCaller(request(), "acme", "token", "key-1")


async def test_an_action_takes_the_body_and_returns_the_answer(write: Write, up: Up) -> None:
    write(p=ACTIONS)
    plugins = await up()
    assert await plugins.act("p", "order", {"item": "pen", "count": 4}, CLIENT) == {"total": 8}
    assert await plugins.act("p", "any-thing", [1], CLIENT) == {"got": [1]}
    assert await plugins.act("p", "nothing", {"ignored": 1}, CLIENT) is None
    assert await plugins.act("p", "who", None, CLIENT) == ["acme", "key-1", "", "POST"]
    with pytest.raises(CallRefused, match="sold out"):
        await plugins.act("p", "refuse", {}, CLIENT)


async def test_a_body_that_does_not_fit_is_told_with_every_path(write: Write, up: Up) -> None:
    write(p=ACTIONS)
    with pytest.raises(BadDocument) as bad:
        await (await up()).act("p", "order", {"count": "many"}, CLIENT)
    assert sorted(problem.path for problem in bad.value.problems) == ["body.count", "body.item"]


@pytest.mark.parametrize(("plugin", "name"), [("x", "order"), ("p", "x"), ("", ""), ("p", "__init__"), ("p", "start")])
async def test_only_tagged_methods_are_actions(write: Write, up: Up, plugin: str, name: str) -> None:
    write(p=ACTIONS)
    with pytest.raises(NoSuchAction) as refused:
        await (await up()).act(plugin, name, None, CLIENT)
    assert isinstance(refused.value, Refusal)


async def test_actions_describe_themselves(write: Write, up: Up) -> None:
    write(p=ACTIONS)
    found = {info.name: info for info in (await up()).actions()}
    assert list(found) == ["order", "any-thing", "nothing", "who", "refuse"]
    order = found["order"]
    assert (order.plugin, order.summary, order.description) == ("p", "Order something.", "More about it.")
    assert order.input_schema is not None
    assert order.input_schema["required"] == ["item"]
    assert order.output_schema is not None
    assert order.output_schema["properties"]["total"]["type"] == "integer"
    assert found["any-thing"].input_schema is None
