"""Copies what an nFlow database, or one playbook, holds into our own library: `nflow import`.

Invariants: what is there already is left as it is unless it is to be replaced, so an import may be run again; a dry run
writes nothing; a playbook none of whose flows can be served, or with a script that the analysis blocks, is reported and
not copied. Talks to two libraries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.guards.analysis.inspector import Inspector
from actors.guards.analysis.ledger import ScriptPlace
from actors.library.library import App, Module
from actors.library.own_library import OwnLibrary
from actors.library.sql_library import SqlLibrary
from actors.library.versions import VersionSource
from protocol.errors import Problem
from protocol.flow import Flow
from protocol.formats import read


@dataclass(slots=True)
class Tally:
    """What became of the rows of one kind."""

    kind: str
    copied: int = 0
    kept: int = 0
    """There already, and left as they were."""
    refused: int = 0


@dataclass(slots=True)
class Report:
    """What an import did, or would do."""

    tallies: list[Tally] = field(default_factory=list)
    problems: list[tuple[str, Problem]] = field(default_factory=list)
    """App and what is wrong with it; no app: of modules."""

    @property
    def bad(self) -> bool:
        """Whether any flow was found that cannot be served."""
        return any(problem.fatal for _, problem in self.problems)

    def table(self) -> str:
        """The tallies for people."""
        lines = [f"{'':10} {'copied':>7} {'there already':>14} {'refused':>8}"]
        lines += [f"{each.kind:10} {each.copied:>7} {each.kept:>14} {each.refused:>8}" for each in self.tallies]
        return "\n".join(lines)


class Transfer:
    """One import into `own`; None: into a library that is still empty (a dry run)."""

    def __init__(
        self,
        own: OwnLibrary | None,
        *,
        replace: bool = False,
        dry_run: bool = False,
        inspector: Inspector | None = None,
    ) -> None:
        """`inspector` looks through the scripts; an app or module it blocks is reported and not copied."""
        self._own = own
        self._inspector = inspector
        self._replace = replace
        self._writes = not dry_run and own is not None
        self.report = Report()

    async def playbook(self, app: App, modules: Mapping[str, str]) -> Report:
        """Copy one app."""
        await self._apps([app], modules)
        return self.report

    async def library(self, source: SqlLibrary, modules: Mapping[str, str]) -> Report:
        """Copy everything. `modules`: the built-in ones. Raises Unavailable when either side goes out of reach."""
        own = self._own
        found = await source.modules()
        await self._apps(await source.apps(), {**modules, **{module.name: module.code for module in found}})
        there = {module.name for module in await own.modules()} if own is not None else set()
        sound = [(module.name, module) for module in found if self._sound(module)]
        refused = len(found) - len(sound)
        await self._rows("modules", sound, there, lambda to, row: to.put_module(row), refused)
        there = {template.name for template in await own.templates()} if own is not None else set()
        templates = [(template.name, template) for template in await source.templates()]
        await self._rows("templates", templates, there, lambda to, row: to.put_template(row))
        there = {name for name, _ in await own.query_texts()} if own is not None else set()
        queries = [(row[0], row) for row in await source.query_texts()]
        await self._rows("queries", queries, there, lambda to, row: to.put_query(*row))
        there = {user.username for user in await own.users()} if own is not None else set()
        users = [(user.username, user) for user in await source.users()]
        await self._rows("users", users, there, lambda to, row: to.put_user(row))
        tokens = [((t.name, t.token_type, t.header, t.token), t) for t in await source.all_tokens()]
        kept = await own.all_tokens() if own is not None else ()
        known = {(t.name, t.token_type, t.header, t.token) for t in kept}
        await self._rows("tokens", tokens, known, lambda to, row: to.put_token(row))
        return self.report

    async def _apps(self, apps: Iterable[App], modules: Mapping[str, str]) -> None:
        tally = Tally("apps")
        self.report.tallies.append(tally)
        there = {app.name: app for app in await self._own.apps()} if self._own is not None else {}
        for app in apps:
            reading = read(app.document, app.name, modules)
            issues = self._issues(app, reading.flows)
            self.report.problems += [(app.name, problem) for problem in (*reading.problems, *issues)]
            if any(issue.fatal for issue in issues) or (reading.errors and not reading.flows):
                tally.refused += 1
            elif app.name in there and not self._replace:
                tally.kept += 1
            else:
                tally.copied += 1
                if self._writes and self._own is not None:
                    await self._own.install(app.name, app.document, VersionSource.IMPORT, app.default_js)

    def _issues(self, app: App, flows: tuple[Flow, ...]) -> list[Problem]:
        """What the analysis says of an app's scripts."""
        if self._inspector is None:
            return []
        _, issues = self._inspector.flows(flows, "save")
        if app.default_js:
            place = ScriptPlace(app.name, "", "", "default_js")
            issues += self._inspector.script(app.default_js, place, "save").issues
        return issues

    def _sound(self, module: Module) -> bool:
        """Whether a module may be copied; what is said of it is noted."""
        if self._inspector is None:
            return True
        verdict = self._inspector.script(module.code, ScriptPlace("", "", "", f"modules.{module.name}"), "save")
        self.report.problems += [("", issue) for issue in verdict.issues]
        return verdict.refuse is None

    async def _rows(
        self,
        kind: str,
        rows: list[tuple[Any, Any]],
        there: set[Any],
        put: Callable[[OwnLibrary, Any], Awaitable[None]],
        refused: int = 0,
    ) -> None:
        """`rows`: (what tells it apart, row)."""
        tally = Tally(kind, refused=refused)
        self.report.tallies.append(tally)
        for key, row in dict(rows).items():
            if key in there and not self._replace:
                tally.kept += 1
                continue
            tally.copied += 1
            if self._writes and self._own is not None:
                await put(self._own, row)
