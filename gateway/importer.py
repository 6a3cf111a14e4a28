"""What `nflow import` and `nflow versions` do: a source and our store opened, the work, and what to print.

A database that is imported from is only read, a SQLite file is not even locked. Errors are NflowErrors with the words
for the operator; a DSN, which may hold a password, is in none of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from actors.databases.connection import make_database
from actors.library.library import App
from actors.library.own_library import OwnLibrary
from actors.library.sql_library import SqlLibrary
from actors.library.transfer import Report, Transfer
from actors.stores.sqlite import SqliteSettings
from actors.stores.sqlite_store import SqliteStore
from gateway.assembly.analysis import make_inspector
from protocol.errors import BadDocument, Problem, Unavailable
from protocol.settings import Settings

CONFIGURED = "database_nflow"
"""As a source: the database the configuration names."""
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be imported."""

    source: str
    app: str = ""
    driver: str = ""
    replace: bool = False
    dry_run: bool = False


async def import_into_store(settings: Settings, order: Order, modules: Mapping[str, str]) -> Report:
    """Import. `modules`: the built-in ones, name → source. Raises BadDocument, Unavailable, UnusableStore."""
    path = Path(order.source)
    head = _head(path)
    document = head is not None and head != _SQLITE
    async with _own(settings, dry_run=order.dry_run) as own:
        inspector = make_inspector(settings)
        transfer = Transfer(own, replace=order.replace, dry_run=order.dry_run, inspector=inspector)
        if document:
            return await transfer.playbook(_playbook(path, order.app), modules)
        if order.app:
            raise BadDocument([Problem("--app", "names the app of a playbook file; a database's apps have names")])
        async with _source(settings, order, is_file=head is not None) as source:
            report = await transfer.library(source, modules)
    if not any(tally.copied or tally.kept or tally.refused for tally in report.tallies):
        raise BadDocument([Problem("source", "none of nFlow's tables has a row in it")])
    return report


async def version_lines(settings: Settings, app: str) -> list[str]:
    """The versions of an app for people, the newest first. Raises Unavailable, UnusableStore."""
    async with _own(settings, dry_run=True) as own:
        versions = await own.list(app) if own is not None else ()
    return [
        f"{each.number:>6}  {datetime.fromtimestamp(each.created, UTC):%Y-%m-%d %H:%M:%S} UTC  {each.source.value:8}  "
        f"{each.size:>9} bytes  {each.hash[:12]}"
        for each in versions
    ]


async def version_document(settings: Settings, app: str, number: int) -> bytes | None:
    """The document of one version."""
    async with _own(settings, dry_run=True) as own:
        return await own.get(app, number) if own is not None else None


@asynccontextmanager
async def _own(settings: Settings, *, dry_run: bool) -> AsyncIterator[OwnLibrary | None]:
    """Our library; None when nothing may be written and there is no store yet."""
    path = settings.store.path
    if not dry_run:
        store = SqliteStore(SqliteSettings(path, settings.store.synchronous))
        await store.open()
        if not store.state.available:
            raise Unavailable(store.state.reason)
    elif _head(Path(path)) is None:
        yield None
        return
    own = OwnLibrary(make_database("sqlite3", _only_read(path) if dry_run else path), settings.flows.versions)
    await own.open()
    try:
        yield own
    finally:
        await own.close()


@asynccontextmanager
async def _source(settings: Settings, order: Order, *, is_file: bool) -> AsyncIterator[SqlLibrary]:
    driver, dsn = order.driver, order.source
    if is_file:
        driver, dsn = "sqlite3", _only_read(order.source)
    elif order.source == CONFIGURED:
        driver, dsn = settings.database_nflow.driver, settings.database_nflow.dsn.get_secret_value()
        if not driver:
            raise BadDocument([Problem(CONFIGURED, "the configuration names no database: set driver and dsn")])
    elif not driver and "://" in order.source:
        driver = order.source.partition("://")[0].lower()
    elif not driver:
        shown = order.source if "=" not in order.source and "@" not in order.source else "the source"
        message = f"{shown} is no file; for a database give a URL, or --driver postgres or mysql beside its DSN"
        raise BadDocument([Problem("source", message)])
    library = SqlLibrary(make_database(driver, dsn), load_queries="")
    await library.open()
    try:
        await library.database.query("SELECT 1")  # an outage, told before anything is copied
        yield library
    finally:
        await library.close()


def _head(path: Path) -> bytes | None:
    """The first bytes of a file; None when the source is none."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(len(_SQLITE))
    except (OSError, ValueError):  # too long for a path, or holding U+0000
        return None


def _playbook(path: Path, app: str) -> App:
    return App(app or path.stem, path.read_text("utf-8", "replace"))


def _only_read(path: str) -> str:
    return f"file:{quote(path)}?mode=ro"
