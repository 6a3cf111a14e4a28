"""What `nflow check` finds in playbook files: all that a server would say of them, before there is one.

Documents are read as at a load, scripts looked through as at a save, and compiled, not run, by the engine itself in a
sandbox of its own. Where none can be started, that is said, and the rest is checked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from actors.sandbox import frames
from actors.sandbox.launcher import ZygoteProcess
from actors.sandbox.link import Link
from gateway.assembly.analysis import make_inspector
from protocol.errors import NflowError, Problem
from protocol.flow import Flow, Realm, Script
from protocol.formats import read
from protocol.formats.script import body_entry
from protocol.refs import NOBODY, Ref
from protocol.routing import RouteTable
from protocol.sandbox import Limits, RunScript
from protocol.settings import Settings

_SECONDS: Final = 10.0
"""For a sandbox to be ready, and for one script."""
_UNRUN: Final = "return; "
"""Before a script: it is compiled whole, and nothing of it runs. On its first line, so that lines stay the author's."""


@dataclass(slots=True)
class Checked:
    """What was found."""

    problems: list[tuple[str, Problem]] = field(default_factory=list)
    """File, and what is wrong in it; no file: of all together."""
    flows: list[Flow] = field(default_factory=list)
    """Those that can be served."""
    unread: list[str] = field(default_factory=list)
    """What could not even be read, and why."""
    failing: set[tuple[str, str]] = field(default_factory=set)
    """File and path of the scripts of those flows that would be refused."""

    @property
    def bad(self) -> bool:
        """Whether a flow would be refused, a script not run."""
        return bool(self.unread) or any(problem.fatal for name, problem in self.problems if name)

    def lines(self) -> Iterator[str]:
        """For people."""
        order = {name: place for place, name in enumerate(dict.fromkeys(name for name, _ in self.problems if name))}
        for name, problem in sorted(self.problems, key=lambda each: order.get(each[0], len(order))):
            before = f"{name}: " if name else ""
            yield f"{before}{'error' if problem.fatal else 'warning'}: {problem.path}: {problem.message}"


def check_files(files: Iterable[Path], settings: Settings, modules: Mapping[str, str]) -> Checked:
    """Check them one by one and together. `modules`: the built-in ones, name → source. Raises BadDocument for rules of
    the analysis that cannot be."""
    checked, inspector = Checked(), make_inspector(settings)
    scripts: list[tuple[str, Script]] = []
    for file in files:
        name = str(file)
        try:
            document = file.read_bytes()
        except OSError as error:
            checked.unread.append(f"{name}: cannot be read: {error.strerror}")
            continue
        reading = read(document, file.stem, modules)
        issues = inspector.flows(reading.flows, "save")[1] if inspector is not None else []
        checked.problems += [(name, problem) for problem in (*reading.problems, *issues)]
        checked.failing |= {(name, issue.path) for issue in issues if issue.fatal}
        checked.flows += reading.flows
        scripts += [
            (name, node.script) for flow in reading.flows for node in flow.nodes.values() if node.script is not None
        ]
    uncompiled = _uncompiled(scripts, set(modules.values()))
    checked.problems += uncompiled
    checked.failing |= {(name, problem.path) for name, problem in uncompiled if problem.fatal}
    checked.problems += [("", conflict) for conflict in RouteTable.build(checked.flows).conflicts]
    return checked


def _uncompiled(scripts: list[tuple[str, Script]], ours: set[str]) -> list[tuple[str, Problem]]:
    """The scripts that do not compile. `ours`: texts that surely do."""
    texts = list(dict.fromkeys(script.source for _, script in scripts if script.source and script.source not in ours))
    if not texts:
        return []
    try:
        refused = asyncio.run(_refused(texts))
    except (NflowError, OSError, TimeoutError) as error:
        why = f"not compiled: no sandbox could be started: {error or 'it took too long'}"
        return [("", Problem("scripts", why, fatal=False))]
    return [
        (name, Problem(script.path, f"does not compile: {refused[script.source]}"))
        for name, script in scripts
        if script.source in refused
    ]


async def _refused(texts: list[str]) -> dict[str, str]:
    """Text → why the engine does not compile it. Raises SandboxLost, OSError, TimeoutError."""
    zygote = ZygoteProcess(lambda pid, status, cpu: None, lambda: None)
    zygote.start()
    refused: dict[str, str] = {}
    news = _News()
    try:
        async with asyncio.timeout(_SECONDS):
            forked = await zygote.fork()
            link = await Link.open(news, forked.socket)
            await link.ready
        try:
            link.send(frames.write_configure(Limits(execution_seconds=_SECONDS)))
            for number, text in enumerate(texts, 1):
                link.send(frames.write_run(_order(number, text), remembered=False))
                async with asyncio.timeout(_SECONDS):
                    ended = await news.next()
                if isinstance(ended, frames.Failed) and ended.kind == "compile":
                    refused[text] = ended.message
                elif not isinstance(ended, frames.Failed | frames.Done):
                    break  # it died of this one: a run will say so
        finally:
            link.close()
            os.close(forked.pidfd)
    finally:
        zygote.close()
    return refused


class _News:
    """Keeps what a sandbox tells until it is asked for."""

    def __init__(self) -> None:
        self._told: asyncio.Queue[Any] = asyncio.Queue(8)

    def tell(self, message: Any) -> None:
        """Of one script at a time there is one piece of news."""
        if not self._told.full():
            self._told.put_nowait(message)

    async def next(self) -> Any:
        """The next piece."""
        return await self._told.get()


def _order(number: int, text: str) -> RunScript:
    entry = "async" if body_entry(text) == "async" else "body"
    script = Script(f"check-{number}", _UNRUN + text, entry, frozenset(), b"{}", Realm.FRESH)
    return RunScript(number, "check", "check", script, b"{}", b"{}", "", cast("Ref[Any]", NOBODY))
