"""Our own library: nFlow's tables in the embedded store's file, which may also be written to, and the versions.

Invariant: an app and its new version are committed together. Named queries that were imported are kept as data and not
asked: they were written for another server, and our tables have nFlow's layout. The tables are made by the store
(`actors/stores/library.sql`); where they are not there yet, the library is out of reach and not broken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from actors.databases.database import Database, Statements
from actors.library import cells
from actors.library.library import Module, Snapshot, Template, Token, User
from actors.library.sql_library import SqlLibrary
from actors.library.versions import Version, VersionSource, content_hash
from actors.stores.statements import read_statements
from protocol.errors import CallRefused, Unavailable

_SQL: Final = Path(__file__).with_name("own.sql")


class OwnLibrary(SqlLibrary):
    """A `Library` we may write to, and `Versions`."""

    def __init__(self, database: Database, keep: int = 50, wall: Callable[[], float] = time.time) -> None:
        """`keep`: versions kept of each app. `wall` gives Unix seconds."""
        super().__init__(database, load_queries="")
        self._statements = read_statements(_SQL)
        self._keep = keep
        self._wall = wall

    # --- apps ---

    async def install(self, app: str, document: str, source: VersionSource, default_js: str | None = None) -> int:
        """Insert or replace an app and note its version. Returns the version's number.

        `default_js` None: the triggers stay as they are. Raises Unavailable; then nothing is written.
        """
        async with self.database.transaction() as statements:
            if default_js is None:
                rows = (await statements.query(self._statements["find_app"], (app,))).rows
                default_js = cells.text(rows[0][0]) if rows else ""
            await statements.execute(self._statements["put_app"], (app, document, default_js, source.value))
            return await self._note(statements, app, document, source)

    async def remove(self, app: str) -> bool:
        """Take an app away; its versions stay. Whether it was there."""
        return (await self.database.execute(self._statements["remove_app"], (app,))).rows_affected > 0

    async def look(self, names: Sequence[str] | None, known: Snapshot | None) -> Snapshot:
        """The apps and modules as they are now; a look at what has not changed costs one number."""
        try:
            mark = await self.database.query(self._statements["look"])
        except CallRefused as error:
            raise Unavailable("the library's tables are not there", detail=str(error)) from error
        if known is not None and known.mark == (mark.rows[0][0],):
            return known
        return (await super().look(names, None))._replace(mark=(mark.rows[0][0],))

    # --- versions ---

    async def list(self, app: str) -> tuple[Version, ...]:
        """The app's versions, the newest first."""
        found = []
        for number, digest, created, source, size in await self._rows("list_versions", app):
            with suppress(ValueError):  # a source of a newer release
                found.append(Version(app, number, digest, float(created), VersionSource(source), size))
        return tuple(found)

    async def versioned(self) -> tuple[str, ...]:
        """The apps that have versions."""
        return tuple(row[0] for row in await self._rows("list_versioned"))

    async def get(self, app: str, version: int) -> bytes | None:
        """The document of one version."""
        rows = await self._rows("get_version", app, version)
        return cells.text(rows[0][0]).encode() if rows else None

    async def put(self, app: str, document: bytes, source: VersionSource) -> int:
        """Note that this document went live; see `Versions.put`."""
        async with self.database.transaction() as statements:
            return await self._note(statements, app, document.decode("utf-8", "replace"), source)

    async def _note(self, statements: Statements, app: str, document: str, source: VersionSource) -> int:
        digest = content_hash(document.encode())
        newest = (await statements.query(self._statements["newest_version"], (app,))).rows
        number = int(newest[0][0]) if newest else 0
        if newest and newest[0][1] == digest:
            return number
        number += 1
        created = self._wall()
        values = (app, number, digest, created, source.value, document)
        await statements.execute(self._statements["put_version"], values)
        await statements.execute(self._statements["forget_versions"], (app, number - self._keep))
        return number

    # --- the rest ---

    async def put_module(self, module: Module) -> None:
        """Insert or replace a module."""
        await self.database.execute(self._statements["put_module"], module)

    async def put_template(self, template: Template) -> None:
        """Insert or replace a page."""
        await self.database.execute(self._statements["put_template"], template)

    async def put_query(self, name: str, text: str) -> None:
        """Keep a named query, as data."""
        await self.database.execute(self._statements["put_query"], (name, text))

    async def put_user(self, user: User) -> None:
        """Insert or replace a user by name."""
        values = (user.username, user.password, user.rol, int(user.active))
        await self.database.execute(self._statements["put_user"], values)

    async def put_token(self, token: Token) -> None:
        """Insert a token, or replace its times and state."""
        times = _whole(token.start), _whole(token.expired)
        values = (token.name, token.token, *times, int(token.active), token.header, token.token_type)
        await self.database.execute(self._statements["put_token"], values)

    async def _rows(self, name: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
        return (await self.database.query(self._statements[name], parameters)).rows


def _whole(value: Any) -> Any:
    """A time in whole seconds; what is no number stays as it was."""
    number = cells.number(value)
    return int(number) if number is not None else value
