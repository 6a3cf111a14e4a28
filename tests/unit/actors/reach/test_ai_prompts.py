"""Prompts are rendered where a large one keeps nobody else waiting."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from actors.functions.ai import AiFunctions, AiSettings
from actors.functions.caller import Caller
from actors.reach.http_client import HttpClient, HttpSettings
from actors.sessions.lone import LoneSession
from protocol.errors import CallRefused
from protocol.process import Request


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("openai", ["key", "s {{a}}", "p {{a}}", "m", {"a": 1}]),
        ("gemini", ["key", "p {{a}}", "m", {"a": 1}]),
        ("ollama", ["", "s {{a}}", "p {{a}}", "m", {"a": 1}]),
    ],
)
async def test_a_prompt_is_not_rendered_on_the_loop(name: str, arguments: list[Any]) -> None:
    threads = []

    def render(source: str, _data: Any) -> str:
        threads.append(threading.current_thread())
        return source

    functions = AiFunctions(HttpClient(HttpSettings(enabled=False)), AiSettings(), render).functions()
    request = Request("GET", "/", "", (), (), (), b"", "127.0.0.1:1", "http")
    caller = Caller("w1", "t", "app", "Home", "n1", request, LoneSession(), 30.0)
    with pytest.raises(CallRefused, match="network is off"):
        await functions[name](caller, arguments)
    assert threads
    assert threading.main_thread() not in threads
