"""Host calls of one script: each is answered once, with a value or an error to throw, and none outlives its script."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from actors.functions.caller import Caller, Functions
from actors.runs.answer_stream import AnswerStream
from actors.runs.host_calls import HostCalls
from actors.sessions.lone import LoneSession
from protocol.errors import CallRefused, Unavailable
from protocol.process import Request
from protocol.sandbox import HostCall, HostReply

REQUEST = Request("GET", "/", "", (), (), (), b"", "", "http")


class Sandbox:
    def __init__(self) -> None:
        self.replies: list[HostReply] = []
        self.came = asyncio.Event()

    def tell(self, reply: HostReply) -> None:
        self.replies.append(reply)
        self.came.set()

    async def reply(self) -> tuple[bool, Any]:
        async with asyncio.timeout(5):
            await self.came.wait()
        (reply,) = self.replies
        return reply.ok, json.loads(reply.value)


class Nothing:
    def after(self, seconds: float, message: Any) -> None:
        self.timer = (seconds, message)

    def cancel(self, wid: str, reason: str) -> bool:
        self.cancelled = wid
        return True

    async def begin(self, *_: Any) -> None:
        raise AssertionError("no stream is begun here")


def calls(functions: Functions | None = None, seconds: float = 30.0) -> tuple[HostCalls, Nothing, Caller]:
    nothing = Nothing()
    caller = Caller("w", "default", "app", "Home", "n", REQUEST, LoneSession(), seconds)
    return HostCalls(nothing, nothing, functions or {}, caller, AnswerStream(nothing.begin), seconds), nothing, caller


async def ask(
    name: str, *arguments: Any, functions: Functions | None = None, seconds: float = 30.0
) -> tuple[bool, Any]:
    sandbox = Sandbox()
    served, _, _ = calls(functions, seconds)
    served.serve(HostCall(1, 1, name, json.dumps(arguments).encode(), sandbox))
    return await sandbox.reply()


async def test_a_function_gets_the_caller_and_its_arguments_and_its_value_goes_back() -> None:
    async def echo(caller: Caller, arguments: list[Any]) -> Any:
        return {"node": caller.node, "arguments": arguments}

    assert await ask("echo", 1, "a", functions={"echo": echo}) == (True, {"node": "n", "arguments": [1, "a"]})


@pytest.mark.parametrize(
    ("error", "thrown"),
    [
        (CallRefused("no such user", name="RangeError"), {"name": "RangeError", "message": "no such user"}),
        (Unavailable("the store is away"), {"name": "Unavailable", "message": "the store is away"}),
        (KeyError("secret"), {"name": "Error", "message": "broken failed: KeyError"}),
    ],
)
async def test_what_a_function_raises_is_thrown_into_the_script_and_a_bug_tells_nothing_of_itself(
    error: Exception, thrown: Any
) -> None:
    async def broken(caller: Caller, arguments: list[Any]) -> Any:
        raise error

    assert await ask("broken", functions={"broken": broken}) == (False, thrown)


async def test_a_value_that_is_no_json_is_the_functions_failure() -> None:
    async def odd(caller: Caller, arguments: list[Any]) -> Any:
        return object()

    ok, thrown = await ask("odd", functions={"odd": odd})
    assert not ok
    assert thrown["message"].startswith("odd failed")


async def test_a_call_that_takes_too_long_is_refused_with_the_key_that_says_how_long() -> None:
    async def endless(caller: Caller, arguments: list[Any]) -> Any:
        await asyncio.Event().wait()

    ok, thrown = await ask("endless", functions={"endless": endless}, seconds=0.01)
    assert not ok
    assert thrown == {"name": "TimeoutError", "message": "endless took longer than 0.01 s (server.host_call_seconds)"}


async def test_an_unknown_function_is_a_reference_error() -> None:
    assert (await ask("nothing"))[1] == {"name": "ReferenceError", "message": "there is no host function nothing"}


async def test_calls_under_way_end_with_their_script_and_what_it_held_open_is_closed() -> None:
    closed = []

    async def hold(caller: Caller, arguments: list[Any]) -> Any:
        async def close() -> None:
            closed.append("transaction")

        caller.holds.keep("tx", object(), close)
        try:
            await asyncio.Event().wait()
        finally:
            closed.append("call")

    sandbox = Sandbox()
    served, _, caller = calls({"hold": hold})
    served.serve(HostCall(1, 1, "hold", b"[]", sandbox))
    await asyncio.sleep(0)
    assert served.open
    await served.close()
    await asyncio.sleep(0)
    assert sorted(closed) == ["call", "transaction"]
    assert sandbox.replies == []
    assert caller.holds.closed


async def test_a_sleep_is_a_timer_of_the_run() -> None:
    sandbox = Sandbox()
    served, nothing, _ = calls(seconds=2.0)
    served.serve(HostCall(1, 1, "sleep", b"[1500]", sandbox))
    seconds, message = nothing.timer
    assert (seconds, sandbox.replies) == (1.5, [])
    served.due(message)
    assert await sandbox.reply() == (True, None)
    assert (await ask("sleep", 3000, seconds=2.0))[1]["message"] == "sleep may last 2 s at most"
