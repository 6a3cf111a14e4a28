"""The keeper of the flows: reads documents from files, nFlow's database and our own library, and keeps them current.

Invariants: the catalogue is replaced whole; a document that has become bad leaves the last good one served, its
problems in the log; an outage of a library leaves what was known; what went live is noted as a version. Files are
looked at by a thread, libraries by watchers, and all of it is put together here, one message at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, assert_never

import structlog

from actors.catalogue.catalogue import Catalogue
from actors.catalogue.choice import PLACES, in_order_of_preference
from actors.catalogue.files import PlaybookFiles
from actors.catalogue.known import KnownDocuments, called
from actors.catalogue.live import AppDocument, LiveApp
from actors.catalogue.reader import Compile, JudgeScript, LookAtFiles, Reader, compile_document, judge
from actors.catalogue.triggers import DEFAULT_JS, JudgedTriggers
from actors.catalogue.watcher import LOOK_SECONDS, LibraryOut, LibraryWatcher, SnapshotTaken
from actors.guards.analysis.inspector import Inspector, Verdict, warning_line
from actors.guards.analysis.ledger import Occasion, ScriptPlace
from actors.kernel import Actor, Backoff, ChildSpec, Intensity
from actors.library.library import Library
from actors.library.own_library import OwnLibrary
from actors.library.versions import Version, VersionSource, content_hash
from protocol.errors import AskError, Problem, Refusal, Unavailable
from protocol.flow import Realm
from protocol.flows import InstallApp, Installed, LookAnew, NoSuchApp, NotOurs, Rejected, RemoveApp, RollBack
from protocol.formats import NO_MODULES
from protocol.formats.findings import SecurityIssue
from protocol.observation.auditing import Audit, AuditEvent, AuditKind, Outcome, unheard
from protocol.refs import AnyRef

_READ_SECONDS = 60.0
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class FlowsSettings:
    """What is watched, and how often."""

    reload_seconds: float = 0.0
    """Time between looks; 0: documents are read at start only."""
    apps: tuple[str, ...] | None = None
    """Apps of nFlow's database to serve; None: all. Our own library is served whole."""
    triggers: Path | None = None
    """Folder of `auth.js` and `log.js`."""


class _Call(Enum):
    LOOK_AT_FILES = auto()


FlowsMessage = _Call | SnapshotTaken | LibraryOut | InstallApp | RemoveApp | RollBack | LookAnew


class Flows(Actor[FlowsMessage]):
    """Keeper of the catalogue."""

    intensity = Intensity(5, 10.0)

    def __init__(
        self,
        catalogue: Catalogue,
        documents: Mapping[str, Path],
        realm: Realm = Realm.WARM,
        *,
        settings: FlowsSettings | None = None,
        modules: Mapping[str, str] = NO_MODULES,
        library: Library | None = None,
        own: OwnLibrary | None = None,
        inspector: Inspector | None = None,
        audit: Audit = unheard,
    ) -> None:
        """`documents`: app name → file, or a folder of them. `modules`: the built-in ones, name → source.
        `library`: nFlow's database, where one is configured; `own`: ours, where there is a store. `inspector` looks
        through the scripts; None: nobody does."""
        self._catalogue = catalogue
        self._settings = settings or FlowsSettings()
        self._realm = realm
        self._library = library
        self._own = own
        self._files = PlaybookFiles(documents, self._settings.triggers)
        self._known = KnownDocuments(modules)
        self._inspector = inspector
        self._triggers = JudgedTriggers(self._judge)
        self._audit = audit
        self._bad: dict[str, LiveApp] = {}
        """App → the document that was refused in favour of the one served."""
        self._to_note: dict[str, AppDocument] = {}
        """App → what went live and is not yet among the versions."""
        self._reader: AnyRef | None = None
        self._begun = False
        """What was there at the start is in place; what comes now is news."""
        self._log = structlog.get_logger("flows")

    async def started(self) -> None:
        """Read everything. Files are small and this happens before the door opens, so it may block; a database that is
        out of reach is waited for some seconds, and served from when it comes."""
        self._catalogue.keeper = self.context.ref
        self._known.files = self._files.look()
        await asyncio.gather(
            self._first_look(self._library, self._settings.apps, outside=True),
            self._first_look(self._own, None, outside=False),
        )
        await self._assemble()
        self._begun = True
        watched = self._settings.reload_seconds > 0
        if watched or self._own is not None:
            self._reader = self.context.spawn(ChildSpec("reader", lambda: Reader(self._files), backoff=Backoff()))
        if watched:
            self.context.after(self._settings.reload_seconds, _Call.LOOK_AT_FILES)
            self._watch(self._library, self._settings.apps, outside=True)
            self._watch(self._own, None, outside=False)

    def receive(self, message: FlowsMessage) -> Awaitable[Any] | None:
        """Something may have changed, or is to be changed."""
        match message:
            case _Call.LOOK_AT_FILES:
                return self._look_at_files()
            case SnapshotTaken():
                return self._take(message)
            case LibraryOut(outside, reason):
                self._known.out[outside] = reason
                self._log.error(
                    "library out of reach: what is known stays live", library=called(outside=outside), why=reason
                )
            case InstallApp(app, document, default_js):
                return self._install(app, document, VersionSource.API, default_js)
            case RemoveApp(app):
                return self._remove(app)
            case RollBack(app, version):
                return self._roll_back(app, version)
            case LookAnew():
                return self._look_anew()
            case _:
                assert_never(message)
        return None

    # --- looking ---

    async def _first_look(self, library: Library | None, names: tuple[str, ...] | None, *, outside: bool) -> None:
        if library is None:
            return
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                self._known.take(await library.look(names, None), outside=outside)
        except (Refusal, TimeoutError) as error:
            self._known.out[outside] = str(error) or "it does not answer"

    def _watch(self, library: Library | None, names: tuple[str, ...] | None, *, outside: bool) -> None:
        if library is None:
            return
        known = self._known.snapshot(outside=outside)
        seconds, keeper = self._settings.reload_seconds, self.context.ref

        def watcher() -> LibraryWatcher:
            return LibraryWatcher(library, names, seconds, keeper, outside=outside, known=known)

        self.context.spawn(ChildSpec("nflow-database" if outside else "library", watcher, backoff=Backoff()))

    async def _look_at_files(self) -> None:
        try:
            if self._reader is not None:
                found = await self._reader.ask(LookAtFiles(), _READ_SECONDS)
                if found != self._known.files:
                    self._known.files = found
                    await self._assemble()
            await self._note()
        except AskError as error:
            self._log.error("the files could not be looked at", reason=str(error))
        finally:
            self.context.after(self._settings.reload_seconds, _Call.LOOK_AT_FILES)

    async def _take(self, taken: SnapshotTaken) -> None:
        known = self._known.snapshot(outside=taken.outside)
        if taken.outside or known is None or taken.snapshot.mark >= known.mark:  # not from before our own last change
            self._known.take(taken.snapshot, outside=taken.outside)
        if self._known.out.pop(taken.outside, None) is not None:
            self._log.info("library in reach again", library=called(outside=taken.outside))
        await self._assemble()

    async def _look_anew(self) -> None:
        """Everything, whether it is watched or not; an outage leaves what is known."""
        self._known.files = (
            self._files.look() if self._reader is None else await self._reader.ask(LookAtFiles(), _READ_SECONDS)
        )
        for library, names, outside in (self._library, self._settings.apps, True), (self._own, None, False):
            with suppress(Refusal, TimeoutError):
                if library is not None:
                    async with asyncio.timeout(LOOK_SECONDS):
                        self._known.take(await library.look(names, None), outside=outside)
        await self._assemble()

    # --- putting together ---

    async def _assemble(self) -> None:
        """Serve what there is now."""
        live = {}
        for app, found in self._known.apps(app.document for app in self._catalogue.live.values()).items():
            history = await self._history(app) if found.outside is not None and found.ours is not None else ()
            live[app] = await self._made(app, in_order_of_preference(*found, history))
        problems = self._known.problems(self._settings.apps)
        for app, served in live.items():
            shown = self._bad.get(app, served)
            problems += [replace(each, path=f"{_label(shown.document)}: {each.path}") for each in shown.problems]
        before, known = self._catalogue.live, set(self._catalogue.problems)
        flows = tuple(self._catalogue.adopt(flow) for served in live.values() for flow in served.flows)
        defaults = {app: served.document.default_js for app, served in live.items()}
        self._catalogue.trigger_files, triggers, issues = await self._triggers.of(self._known.files.triggers, defaults)
        self._catalogue.replace(flows, (*problems, *issues), live, triggers)
        self._tell(problem for problem in self._catalogue.problems if problem not in known)
        for app, served in live.items():
            was = before.get(app)
            if was is None or was.document.hash != served.document.hash:
                if was is not None:
                    self._log.info("app changed", app=app, place=served.document.place, flows=len(served.flows))
                    told = {"hash": served.document.hash, "source": served.document.source.value}
                    self._audit(AuditEvent(AuditKind.FLOW, f"app {app} changed", details=told))
                elif self._begun:
                    self._log.info("app new", app=app, place=served.document.place, flows=len(served.flows))
                    self._audit(AuditEvent(AuditKind.FLOW, f"app {app} new", details={"hash": served.document.hash}))
                if served.document.source.outside and served.flows:
                    self._to_note[app] = served.document
        for app in set(before) - set(live):
            self._bad.pop(app, None)
            self._log.info("app gone", app=app)
            self._audit(AuditEvent(AuditKind.FLOW, f"app {app} gone"))
        await self._note()

    async def _history(self, app: str) -> tuple[Version, ...]:
        await self._note()
        with suppress(Refusal):
            return await self._own.list(app) if self._own is not None else ()
        return ()

    async def _made(self, app: str, documents: tuple[AppDocument, ...]) -> LiveApp:
        """What is to be served of this app."""
        served = self._catalogue.live.get(app)
        document = documents[0]
        if served is not None and self._is_current(served, document):
            self._bad.pop(app, None)
            return replace(served, document=document)
        bad = self._bad.get(app)
        if served is not None and bad is not None and self._is_current(bad, document):
            return served
        made = await self._compile(document)
        if served is None and not made.whole and len(documents) > 1:
            other = await self._compile(documents[1])
            if other.whole:
                self._bad[app] = made
                return other
        if made.whole or served is None or not served.whole:
            self._bad.pop(app, None)
            return made
        self._bad[app] = made
        self._log.error("app became bad: the last good version stays live", app=app, place=document.place)
        return served

    def _is_current(self, made: LiveApp, document: AppDocument) -> bool:
        return made.document.hash == document.hash and made.modules == self._known.modules_hash

    def _tell(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            if isinstance(problem, SecurityIssue) and (found := problem.finding) is not None:
                told: dict[str, str | int | float | bool]
                told = {"rule": found.type, "severity": found.severity, "line": found.line, "column": found.column}
                if problem.blocks:
                    what = f"block script {problem.script}"
                    self._audit(AuditEvent(AuditKind.SCRIPT, what, Outcome.REFUSED, details=told))
                if self._inspector is not None and self._inspector.settings.log:
                    self._log.warning(warning_line(problem, found), script=problem.script, path=problem.path, **told)
            else:
                log = self._log.error if problem.fatal else self._log.warning
                log(problem.message, path=problem.path)

    async def _judge(self, text: str, place: ScriptPlace, occasion: Occasion = "load") -> Verdict:
        """What is said of a script that is in no flow. One that could not be judged is not run."""
        if self._inspector is None:
            return Verdict((), None)
        order = JudgeScript(text, place, self._inspector, occasion)
        return judge(order) if self._reader is None else await self._reader.ask(order, _READ_SECONDS)

    async def _compile(self, document: AppDocument, occasion: Occasion = "load") -> LiveApp:
        modules = self._known.modules
        order = Compile(document, modules, self._known.modules_hash, self._realm, self._inspector, occasion)
        if self._reader is None:
            return compile_document(order)
        try:
            return await self._reader.ask(order, _READ_SECONDS)
        except AskError as error:
            return LiveApp(
                document, self._known.modules_hash, (), (Problem("document", f"cannot be compiled: {error}"),)
            )

    async def _note(self) -> None:
        """Keep versions of what went live; during an outage of the store, later."""
        if self._own is None:
            self._to_note.clear()
        with suppress(Refusal):
            for app, document in list(self._to_note.items()):
                if self._own is not None:
                    await self._own.put(app, document.text, document.source)
                self._to_note.pop(app, None)

    # --- changing ---

    async def _install(
        self, app: str, text: bytes, source: VersionSource, default_js: str | None
    ) -> Installed | Rejected:
        own = self._writable()
        if not app or len(app) > _LONGEST_NAME or not app.isprintable() or "/" in app:
            raise NoSuchApp(f"an app's name has up to {_LONGEST_NAME} printable characters and no /")
        document = AppDocument(app, text, content_hash(text), VersionSource.API, PLACES[VersionSource.API])
        made = await self._compile(document, "save")
        problems = made.problems
        if default_js:
            place = ScriptPlace(app, "", "", f"{app}.{DEFAULT_JS}")
            problems += (await self._judge(default_js, place, "save")).issues
        if any(problem.fatal for problem in problems):
            self._tell(problem for problem in problems if isinstance(problem, SecurityIssue))
            return Rejected(problems)
        await self._note()
        conflicts = self._catalogue.table.conflicts
        version = await own.install(app, text.decode("utf-8"), source, default_js)
        await self._look_at_ours()
        new = tuple(each for each in self._catalogue.table.conflicts if each not in conflicts)
        return Installed(app, version, tuple(flow.name for flow in made.flows), problems + new)

    async def _roll_back(self, app: str, version: int) -> Installed | Rejected:
        text = await self._writable().get(app, version)
        if text is None:
            raise NoSuchApp(f"app {app!r} has no version {version}")
        return await self._install(app, text, VersionSource.ROLLBACK, None)

    async def _remove(self, app: str) -> bool:
        if not await self._writable().remove(app):
            served = self._catalogue.live.get(app)
            if served is None:
                raise NoSuchApp(f"there is no app {app!r}")
            raise NotOurs(f"app {app!r} comes from {served.document.place}: remove it there")
        await self._look_at_ours()
        return app in self._catalogue.live

    async def _look_at_ours(self) -> None:
        """What we have just written is live when this returns."""
        own = self._writable()
        with suppress(Refusal):  # then the watcher will see it
            self._known.take(await own.look(None, None), outside=False)
        await self._assemble()

    def _writable(self) -> OwnLibrary:
        if self._own is None:
            raise Unavailable("there is no store to keep apps in")
        return self._own


def _label(document: AppDocument) -> str:
    """How a document is called in front of a problem's path."""
    return Path(document.place).name if document.source is VersionSource.FILE else f"app {document.app}"
