"""Functions of plugins, as scripts call them, and what becomes of everything an author may do in one."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
import structlog

from protocol.errors import CallRefused, Overloaded
from protocol.plugins import PluginFailed
from tests.unit.actors.plugins.conftest import Up, Write, caller


async def test_a_tagged_method_is_called_with_the_script_s_arguments(write: Write, up: Up) -> None:
    write(
        greeter="""
class Greeter(Plugin):
    @function
    async def hello(self, name, times=1):
        return [f"Hello {name}"] * times
    @function("sayIt")
    def say(self, context, word):
        return f"{word} from {context.flow}/{context.node}, {context.vars['id']}, {context.key}"
    @function(plain=True)
    async def saludar(self): return "hola"
    def functions(self):
        return {"upper": str.upper}
"""
    )
    plugins = await up()
    assert plugins.script_names() == ("greeter.hello", "greeter.sayIt!", "greeter.upper!", "saludar")
    functions = plugins.functions()
    assert await functions["greeter.hello"](caller(), ["Ana", 2]) == ["Hello Ana", "Hello Ana"]
    assert await functions["greeter.hello"](caller(), ["Ana"]) == ["Hello Ana"]
    assert await functions["greeter.sayIt"](caller(), ["hi"]) == "hi from Home/n1, 7, w1:n1:1"
    assert await functions["saludar"](caller(), []) == "hola"
    assert await functions["greeter.upper"](caller(), ["x"]) == "X"


@pytest.mark.parametrize("arguments", [[], [1, 2, 3], ["a", "b", "c", "d"]])
async def test_arguments_that_do_not_fit_are_the_script_s_type_error(
    write: Write, up: Up, arguments: list[Any]
) -> None:
    write(p="class P(Plugin):\n @function\n async def f(self, name, times=1): return 1")
    plugins = await up()
    with pytest.raises(CallRefused, match=r"p\.f\(name, times=1\)") as refused:
        await plugins.functions()["p.f"](caller(), arguments)
    assert refused.value.name == "TypeError"


FAILING = (
    "raise ValueError('secret text')",
    "raise SystemExit(3)",
    "raise KeyboardInterrupt",
    "raise BaseExceptionGroup('g', [SystemExit(1)])",
    "raise GeneratorExit",
    "raise StopIteration",
    "raise MemoryError",
    "def deep(): deep()\n    deep()",
    "assert False",
    "sys.exit('bye')",
)


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("body", FAILING)
async def test_whatever_a_function_raises_is_its_caller_s_error(write: Write, up: Up, kind: str, body: str) -> None:
    write(
        p=f"class P(Plugin):\n  @function\n  {kind} f(self):\n    {body}\n  @function\n  async def ok(self): return 1"
    )
    plugins = await up()
    with pytest.raises(PluginFailed) as failed:
        await plugins.functions()["p.f"](caller(), [])
    assert str(failed.value).startswith("p.f failed: ")
    assert "secret" not in str(failed.value)
    assert await plugins.functions()["p.ok"](caller(), []) == 1
    assert plugins.states[0].failures == 1


async def test_a_refusal_reaches_the_script_as_it_is(write: Write, up: Up) -> None:
    write(p="class P(Plugin):\n @function\n async def f(self): raise CallRefused('no such customer', name='NotFound')")
    with pytest.raises(CallRefused, match="no such customer") as refused:
        await (await up()).functions()["p.f"](caller(), [])
    assert refused.value.name == "NotFound"
    assert not isinstance(refused.value, PluginFailed)


@pytest.mark.parametrize("value", ["{1, 2}", "object()", "2**70", "b'x'", "(lambda: 1)", "{1: {2: {3}}}", "P"])
async def test_what_is_no_json_value_is_its_caller_s_error(write: Write, up: Up, value: str) -> None:
    write(p=f"class P(Plugin):\n @function\n async def f(self): return {value}")
    with pytest.raises(PluginFailed, match=r"p\.f returned what is not JSON"):
        await (await up()).functions()["p.f"](caller(), [])


async def test_models_dataclasses_and_dates_are_json_values(write: Write, up: Up) -> None:
    write(
        p="""
import dataclasses, datetime, pydantic
@dataclasses.dataclass
class D:
    a: int = 1
class M(pydantic.BaseModel):
    b: int = 2
    when: datetime.date = datetime.date(2024, 5, 6)
class P(Plugin):
    @function
    async def f(self): return {"d": D(), "m": [M()]}
"""
    )
    value = await (await up()).functions()["p.f"](caller(), [])
    assert value == {"d": {"a": 1}, "m": [{"b": 2, "when": "2024-05-06"}]}


@pytest.mark.parametrize(
    "body",
    [
        "await asyncio.sleep(60)",
        "await asyncio.Event().wait()",
        "while True: await asyncio.sleep(0)",
        "while True:\n      try: await asyncio.sleep(60)\n      except asyncio.CancelledError: pass",
    ],
)
async def test_an_endless_await_ends_at_the_deadline_and_leaves_no_task(write: Write, up: Up, body: str) -> None:
    write(p=f"class P(Plugin):\n  @function(seconds=0.05)\n  async def f(self):\n    {body}")
    plugins = await up()
    before = asyncio.all_tasks()
    begun = time.monotonic()
    with pytest.raises(CallRefused, match=r"took longer than 0\.05 s") as refused:
        await plugins.functions()["p.f"](caller(), [])
    assert refused.value.name == "TimeoutError"
    assert time.monotonic() - begun < 0.6
    await asyncio.sleep(1.3)  # the grace, then the cut
    assert asyncio.all_tasks() <= before


async def test_a_cancelled_caller_does_not_wait_for_a_function_that_ignores_it(write: Write, up: Up) -> None:
    body = "while True:\n      try: await asyncio.sleep(60)\n      except asyncio.CancelledError: pass"
    write(p=f"class P(Plugin):\n  @function\n  async def f(self):\n    {body}")
    plugins = await up()
    before = asyncio.all_tasks()
    call = asyncio.ensure_future(plugins.functions()["p.f"](caller(), []))
    await asyncio.sleep(0.02)
    call.cancel()
    begun = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert time.monotonic() - begun < 0.5
    await asyncio.sleep(1.3)
    assert asyncio.all_tasks() <= before


async def test_a_function_that_cancels_itself_fails_and_does_not_cancel_its_caller(write: Write, up: Up) -> None:
    write(p="class P(Plugin):\n @function\n async def f(self): raise asyncio.CancelledError")
    with pytest.raises(PluginFailed):
        await (await up()).functions()["p.f"](caller(), [])


async def test_plain_functions_run_on_threads_of_their_own_and_hanging_ones_take_no_others(
    write: Write, up: Up
) -> None:
    write(
        slow="class S(Plugin):\n @function(seconds=0.2)\n def hang(self): time.sleep(1.0)",
        quick="class Q(Plugin):\n @function\n def where(self): return threading.current_thread() is not "
        "threading.main_thread()",
    )
    plugins = await up()
    functions = plugins.functions()
    hanging = [asyncio.ensure_future(functions["slow.hang"](caller(), [])) for _ in range(4)]
    await asyncio.sleep(0.05)
    assert await functions["quick.where"](caller(), []) is True
    ended = await asyncio.gather(*hanging, return_exceptions=True)
    kinds = sorted(type(each).__name__ for each in ended)
    assert kinds == ["CallRefused", "CallRefused", "CallRefused", "Overloaded"], "2 at work, 1 waits, 1 is refused"
    await asyncio.sleep(1.0)
    with pytest.raises(CallRefused, match="took longer"):  # the threads came back
        await functions["slow.hang"](caller(), [])
    assert not any(isinstance(each, Overloaded) for each in ended[:2])


async def test_threads_end_with_the_plugin(write: Write, up: Up, folder: Any) -> None:
    write(p="class P(Plugin):\n @function\n def f(self): return threading.get_ident()")
    plugins = await up()
    ident = await plugins.functions()["p.f"](caller(), [])
    assert ident in {thread.ident for thread in threading.enumerate()}
    for spec in plugins.children():
        keeper = spec.factory()
        await keeper.stopping()  # type: ignore[misc]
    assert ident not in {thread.ident for thread in threading.enumerate()}


async def test_a_step_that_holds_the_loop_is_told(write: Write, up: Up) -> None:
    write(p="class P(Plugin):\n @function\n async def f(self): time.sleep(0.15)")
    plugins = await up()
    with structlog.testing.capture_logs() as lines:
        await plugins.functions()["p.f"](caller(), [])
    assert [(line["plugin"], line["what"]) for line in lines if "held the event loop" in line["event"]] == [
        ("p", "p.f")
    ]


async def test_the_context_shows_the_request_and_reads_and_writes_the_session(write: Write, up: Up) -> None:
    write(
        p="""
class P(Plugin):
    @function
    async def f(self, context):
        await context.session.write("cart", {"items": 2})
        request = context.request
        return [await context.session.read("cart"), request.json(), request.query, request.cookies,
                request.header("CONTENT-type"), request.method, await context.session.profile()]
    @function
    def g(self, context):
        return context.wait(context.session.read("cart"))
    @function(seconds=0.1)
    def k(self, context):
        return context.wait(asyncio.sleep(60))
    @function
    async def h(self, context):
        await context.session.write("auth_session", {"profile": "{}"})
    @function
    async def i(self, context):
        return context.wait(context.session.read("cart"))
    @function
    async def j(self, context):
        return await context.blocking(lambda a: a + 1, 41)
"""
    )
    functions = (await up()).functions()
    who = caller()
    assert await functions["p.f"](who, []) == [
        {"items": 2}, {"k": 1}, {"a": ["1", "2"]}, {"sid": "abc"}, "application/json", "POST", None,
    ]  # fmt: skip
    assert await functions["p.g"](who, []) == {"items": 2}
    assert await functions["p.j"](who, []) == 42
    before = asyncio.all_tasks()
    with pytest.raises(CallRefused):
        await functions["p.k"](who, [])
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() <= before
    with pytest.raises(CallRefused, match="kept by the runtime"):
        await functions["p.h"](who, [])
    with pytest.raises(PluginFailed, match="RuntimeError"):
        await functions["p.i"](who, [])


async def test_the_context_cannot_be_changed(write: Write, up: Up) -> None:
    write(p="class P(Plugin):\n @function\n async def f(self, context): context.wid = 'other'")
    with pytest.raises(PluginFailed, match="AttributeError"):
        await (await up()).functions()["p.f"](caller(), [])


async def test_a_value_is_a_copy_of_what_the_plugin_keeps(write: Write, up: Up) -> None:
    write(p="class P(Plugin):\n held = []\n @function\n async def f(self): return self.held")
    functions = (await up()).functions()
    (await functions["p.f"](caller(), [])).append(1)
    assert await functions["p.f"](caller(), []) == []
