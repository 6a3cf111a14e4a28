"""Plugins from text, started as a server starts them, and runs that call them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from actors.functions.caller import Caller
from actors.kernel import ChildSpec, Supervisor, System
from actors.nodes.registry import NodeContext
from actors.plugins.live import PluginLimits
from actors.plugins.plugins import Plugins
from actors.plugins.roster import Order, roster
from actors.sessions.lone import LoneSession
from protocol.codec import dumps
from protocol.flow import Node
from protocol.process import Request

Write = Callable[..., Path]
Up = Callable[..., Any]
QUICK = PluginLimits(call_seconds=2.0, node_seconds=2.0, start_seconds=0.5, close_seconds=0.5, threads=2, waiting=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for plugin files."""
    made = tmp_path / "plugins"
    made.mkdir()
    return made


@pytest.fixture
def write(folder: Path) -> Write:
    """Plugin files by name, from their text behind the usual imports."""

    def put(**files: str) -> Path:
        head = "import asyncio, time, os, sys, threading\nfrom nflow_runtime import *\n"
        for name, text in files.items():
            (folder / f"{name}.py").write_text(head + text, encoding="utf-8")
        return folder

    return put


@pytest.fixture
async def up(folder: Path) -> AsyncIterator[Up]:
    """The folder's plugins, up; they are closed at the end."""
    systems: list[System] = []
    numbers = itertools.count()

    async def start(
        tables: Mapping[str, Any] | None = None, limits: PluginLimits = QUICK, given: tuple[Any, ...] = (), **more: Any
    ) -> Plugins:
        plugins = Plugins(roster(Order((), folder, tables or {}, given)), limits)
        system = System(f"s{next(numbers)}")
        systems.append(system)
        await system.start(ChildSpec("plugins", lambda: Supervisor(plugins.children()), **more))
        return plugins

    yield start
    for system in systems:
        await system.stop(10.0)


def request(**more: Any) -> Request:
    """An HTTP request."""
    given: dict[str, Any] = {
        "method": "POST", "path": "/x", "query_string": "a=1&a=2", "query": (("a", "1"), ("a", "2")), "form": (),
        "headers": ((b"Content-Type", b"application/json"), (b"Cookie", b"sid=abc")), "body": b'{"k":1}',
        "remote": "127.0.0.1:5", "scheme": "http",
    }  # fmt: skip
    return Request(**{**given, **more})


def caller(**more: Any) -> Caller:
    """A run that calls."""
    given: dict[str, Any] = {
        "wid": "w1", "tenant": "default", "app": "app", "flow": "Home", "node": "n1", "request": request(),
        "session": LoneSession(), "seconds": 2.0, "key": "w1:n1:1", "variables": (("id", "7"),),
    }  # fmt: skip
    return Caller(**{**given, **more})


def box(kind: str, outputs: Mapping[str, str | None] | None = None, **data: Any) -> Node:
    """A node."""
    return Node("n1", kind, "n1", {"type": kind, **data}, outputs or {"output_1": "n2"})


def visit(payload: Any, **more: Any) -> NodeContext:
    """What a node knows."""
    who = caller()
    return NodeContext(who.wid, who.tenant, "", dumps(payload), who.key, who, **more)
