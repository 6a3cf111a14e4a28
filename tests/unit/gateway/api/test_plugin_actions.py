"""POST /api/plugin/{plugin}/{action} over plugins of every temper: a failure is the caller's error."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.api.call import NOBODY_SHOWN, ApiError, Call, Shown, refusal
from gateway.api.plugins import PluginEndpoints
from protocol.errors import BadDocument, CallRefused, Expired, NflowError, Overloaded, Problem, Unavailable
from protocol.plugins import ActionCaller, ActionInfo, NoSuchAction


class Plugins:
    """One plugin with one action."""

    def __init__(self, action: Callable[[Any], Any]) -> None:
        self._action = action
        self.caller: ActionCaller | None = None

    def actions(self) -> Sequence[ActionInfo]:
        return ()

    async def act(self, plugin: str, action: str, body: Any, caller: ActionCaller) -> Any:
        self.caller = caller
        if (plugin, action) != ("mine", "do"):
            raise NoSuchAction
        return self._action(body)


def call(body: bytes = b"", action: str = "do", token: Shown = NOBODY_SHOWN, **headers: str) -> Call:
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    path = f"/api/plugin/mine/{action}"
    return Call(None, path, "a=1", {"plugin": "mine", "action": action}, {}, lines, "1.2.3.4:5", body, token)


def raising(error: Exception) -> Callable[[Any], Any]:
    def act(body: Any) -> Any:
        raise error

    return act


async def status_and_message(plugins: Plugins | None, asked: Call) -> tuple[int, str]:
    try:
        answer = await PluginEndpoints(plugins).act(asked)
    except NflowError as error:
        answer = refusal(error)
    return answer.status, json.loads(answer.body)["message"]


async def test_an_action_gets_the_body_and_its_value_is_the_answer() -> None:
    plugins = Plugins(lambda body: {"got": body})
    answer = await PluginEndpoints(plugins).act(call(b'{"n": 1}'))
    assert (answer.status, json.loads(answer.body)) == (200, {"got": {"n": 1}})
    assert json.loads((await PluginEndpoints(plugins).act(call())).body) == {"got": None}


async def test_an_action_knows_its_caller_but_not_the_callers_token() -> None:
    plugins = Plugins(lambda body: None)
    asked = call(token=Shown(name="shop"), Idempotency_Key="k1", Authorization="Bearer secret", X_Trace="t")
    await PluginEndpoints(plugins).act(asked)
    assert plugins.caller is not None
    assert (plugins.caller.who, plugins.caller.key) == ("shop", "k1")
    assert plugins.caller.request.headers == ((b"Idempotency-Key", b"k1"), (b"X-Trace", b"t"))
    assert plugins.caller.request.query == (("a", "1"),)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (CallRefused("no such customer"), 502, "plugin mine, action do: no such customer"),
        (ValueError("secret inside"), 502, "plugin mine, action do: ValueError"),
        (Expired("deadline"), 502, "plugin mine, action do: it took too long, or broke off"),
        (BadDocument([Problem("body.n", "is missing")]), 400, "body.n: is missing"),
        (Overloaded("all threads are busy"), 503, "all threads are busy"),
        (Unavailable("the plugin is closed"), 503, "the plugin is closed"),
    ],
)
async def test_a_failure_is_told_without_a_traceback(error: Exception, status: int, message: str) -> None:
    assert await status_and_message(Plugins(raising(error)), call()) == (status, message)


async def test_an_action_nobody_offers_is_a_404() -> None:
    for plugins in (None, Plugins(lambda body: None)):
        status, message = await status_and_message(plugins, call(action="other"))
        assert (status, message) == (404, "there is no action 'other' of a plugin 'mine'")


async def test_a_result_that_is_no_json_is_the_plugins_failure() -> None:
    with pytest.raises(ApiError, match="plugin mine, action do"):
        await PluginEndpoints(Plugins(lambda body: object())).act(call())
