"""All that is known of documents and modules, from every source, as of the last look at each.

A library that has never been read is different from an empty one: what is served from it already stays. Hashes are made
once for each snapshot, because documents may be large. Values only; the keeper puts in what was found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from actors.catalogue.choice import by_app, documents_of
from actors.catalogue.files import FilesFound
from actors.catalogue.live import AppDocument, Triggers
from actors.library.library import Snapshot
from actors.library.versions import VersionSource
from protocol import codec
from protocol.errors import Problem


class Found(NamedTuple):
    """The documents of one app."""

    outside: AppDocument | None
    """From a file or nFlow's database."""
    ours: AppDocument | None


class KnownDocuments:
    """What was found where."""

    def __init__(self, built_in: Mapping[str, str]) -> None:
        """`built_in`: modules that any library may override."""
        self.files = FilesFound((), Triggers(), ())
        self.out: dict[bool, str] = {}
        """Libraries out of reach (outside or not) → why."""
        self.modules: dict[str, str] = {}
        self.modules_hash = ""
        self._built_in = built_in
        self._snapshots: dict[bool, Snapshot | None] = {True: None, False: None}
        self._documents: dict[bool, Mapping[str, AppDocument]] = {True: {}, False: {}}
        self._gather_modules()

    def snapshot(self, *, outside: bool) -> Snapshot | None:
        """The last look at a library; None: it was never in reach."""
        return self._snapshots[outside]

    def take(self, snapshot: Snapshot, *, outside: bool) -> None:
        """A library was looked at."""
        self._snapshots[outside] = snapshot
        self._documents[outside] = documents_of(snapshot, VersionSource.DATABASE if outside else VersionSource.API)
        self._gather_modules()

    def apps(self, served: Iterable[AppDocument]) -> dict[str, Found]:
        """The documents of each app, in the order of the routes: files, nFlow's database, our library."""
        served = tuple(served)
        database, ours = self._documents[True], self._documents[False]
        if self._snapshots[True] is None:
            database = {each.app: each for each in served if each.source is VersionSource.DATABASE}
        if self._snapshots[False] is None:
            ours = {each.app: each for each in served if not each.source.outside}
        outside = by_app(self.files.documents, database.values())
        names = (*outside, *(name for name in ours if name not in outside))
        return {name: Found(outside.get(name), ours.get(name)) for name in names}

    def problems(self, wanted: Iterable[str] | None) -> list[Problem]:
        """What is wrong beside the documents. `wanted`: apps that must be there."""
        problems = list(self.files.problems)
        for outside, reason in self.out.items():
            problems.append(Problem(called(outside=outside), reason, fatal=False))
        if self._snapshots[True] is not None:
            gone = [app for app in wanted or () if app not in self._documents[True]]
            message = "is not in nFlow's database; `nflow serve -a APP` serves another app of it"
            problems += [Problem(f"app {app}", message) for app in gone]
        return problems

    def _gather_modules(self) -> None:
        modules = dict(self._built_in)
        for outside in (False, True):
            snapshot = self._snapshots[outside]
            modules.update(snapshot.modules if snapshot is not None else {})
        if modules != self.modules or not self.modules_hash:
            self.modules = modules
            self.modules_hash = hashlib.sha256(codec.canonical(modules)).hexdigest()


def called(*, outside: bool) -> str:
    """How a library is called in logs and problems: by its section of the configuration."""
    return "database_nflow" if outside else "store"
