"""nFlow's tables in a SQL database, read where they are: SQLite, PostgreSQL, MySQL and MariaDB.

What nFlow itself reads goes through its named queries (`queries.py`), so a database of another layout is served too;
lists of everything, which nFlow had no runtime query for, are our own SQL on nFlow's tables, and a table that is not
there is an empty list. The named queries are read once, at the first call that reaches the database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog

from actors.databases.database import Database
from actors.library import cells
from actors.library.library import App, Module, Snapshot, Template, Token, User
from actors.library.queries import NamedQueries
from protocol.errors import CallRefused, Refusal

T = TypeVar("T")

LOAD_QUERIES: Final = "SELECT name,query FROM queries"
_SCRIPT_NAMES: Final = re.compile(r'"script"\s*:\s*"([A-Za-z_][^"\\]{0,80})"')
"""Names of modules in a playbook's text; source texts are longer or hold quotes and backslashes."""
_MOST_NAMES: Final = 500
_MARKS: Final = {
    "postgres": ("md5(CAST(json AS text)), md5(CAST(default_js AS text))", "md5(CAST(code AS text))"),
    "mysql": ("md5(json), md5(default_js)", "md5(code)"),
}


class SqlLibrary:
    """A `Library` in a database of nFlow's."""

    def __init__(
        self, database: Database, texts: Mapping[str, str] | None = None, load_queries: str = LOAD_QUERIES
    ) -> None:
        """`texts`: configured queries by nFlow's names (`QueryGetApp` …). `load_queries`: empty: ask for none."""
        self.database = database
        self._configured = texts or {}
        self._load_queries = load_queries
        self._queries: NamedQueries | None = None
        self._marks = _MARKS.get(database.driver)
        self._log = structlog.get_logger("library")

    async def open(self) -> None:
        """Make ready and read the named queries; see `Library.open`."""
        await self.database.open()
        with suppress(Refusal):
            await self.queries()

    async def close(self) -> None:
        """Let go of the database."""
        await self.database.close()

    async def queries(self) -> NamedQueries:
        """The named queries. Raises Unavailable before the database was ever in reach."""
        if self._queries is None:
            rows: list[tuple[Any, ...]] = []
            if self._load_queries:
                try:
                    rows = (await self.database.query(self._load_queries)).rows
                except CallRefused as error:
                    self._log.warning("no named queries: the built-in ones are used", reason=str(error))
            self._queries = NamedQueries(self._configured, rows)
        return self._queries

    # --- one row ---

    async def app(self, name: str) -> App | None:
        """The app; of several rows the last counts (Go: repository)."""
        rows = await self._named("QueryGetApp", name)
        if not rows:
            return None
        row = rows[-1]
        return App(name, cells.source(row[0]), cells.source(row[1]) if len(row) > 1 else "")

    async def module(self, name: str) -> Module | None:
        """The module of this name."""
        rows = await self._named("QueryGetModuleByName", name)
        if not rows:
            return None
        form, mod, code = _wide(rows[-1], 3)
        return Module(name, cells.source(form), cells.source(mod), cells.source(code))

    async def template(self, name: str) -> Template | None:
        """The page of this name."""
        rows = await self._named("QueryGetTemplate", name)
        return Template(name, cells.source(_wide(rows[-1], 3)[2])) if rows else None

    async def user(self, username: str) -> User | None:
        """The user of this name, active or not."""
        rows = await self._named("QueryGetUser", username)
        if not rows:
            return None
        number, name, password, rol, active = _wide(rows[-1], 5)
        return User(number, cells.text(name), cells.text(password).strip(), cells.text(rol), cells.flag(active))

    async def tokens(self, name: str) -> tuple[Token, ...]:
        """The tokens of this name, whatever their state."""
        return tuple(map(_token, await self._named("QueryGetToken", name)))

    # --- everything ---

    async def apps(self) -> tuple[App, ...]:
        """Every app."""
        rows = await self._list(
            "SELECT name, json, default_js FROM nflow ORDER BY id", "SELECT name, json, default_js FROM nflow",
            "SELECT name, json FROM nflow",
        )  # fmt: skip
        return _once(App(cells.text(name), cells.source(json), cells.source(js)) for name, json, js in _all(rows, 3))

    async def modules(self) -> tuple[Module, ...]:
        """Every module."""
        columns = "modules.name, modules.form, modules.mod, modules.code"
        rows = await self._list(
            f"SELECT {columns} FROM modules ORDER BY id",  # noqa: S608  # the columns above, nothing from outside
            "SELECT name, '', '', code FROM modules",
        )
        return _once(
            Module(cells.text(name), cells.source(form), cells.source(mod), cells.source(code))
            for name, form, mod, code in _all(rows, 4)
        )

    async def templates(self) -> tuple[Template, ...]:
        """Every template."""
        rows = await self._list(
            "SELECT name, content FROM template ORDER BY id", "SELECT name, content FROM template"
        )  # fmt: skip
        return _once(Template(cells.text(name), cells.source(content)) for name, content in _all(rows, 2))

    async def users(self) -> tuple[User, ...]:
        """Every user."""
        rows = await self._list("SELECT id, username, password, rol, active FROM users ORDER BY id")
        return tuple(
            User(number, cells.text(name), cells.text(password).strip(), cells.text(rol), cells.flag(active))
            for number, name, password, rol, active in _all(rows, 5)
        )

    async def all_tokens(self) -> tuple[Token, ...]:
        """Every API token."""
        columns = "id, name, token, start, expired, active, header, token_type"
        rows = await self._list(
            f"SELECT {columns} FROM api_tokens ORDER BY id"  # noqa: S608  # the columns above
        )
        return tuple(map(_token, rows))

    async def query_texts(self) -> tuple[tuple[str, str], ...]:
        """Every row of `queries`, the designer's too."""
        rows = await self._list("SELECT name, query FROM queries ORDER BY id", "SELECT name, query FROM queries")
        return tuple((cells.text(name), cells.source(query)) for name, query in _all(rows, 2))

    # --- what flows are made of ---

    async def look(self, names: Sequence[str] | None, known: Snapshot | None) -> Snapshot:
        """The apps and modules as they are now; see `Library.look`."""
        mark = await self._mark(names)
        if known is not None and mark and mark == known.mark:
            return known
        if names is None:
            apps = {app.name: app for app in await self.apps()}
        else:
            found = [await self.app(name) for name in names]
            apps = {app.name: app for app in found if app is not None}
        return Snapshot(mark, apps, await self._codes(apps))

    async def _codes(self, apps: Mapping[str, App]) -> dict[str, str]:
        """Sources of modules. Where modules are asked for by a query of the database's own, those the apps name."""
        if (await self.queries()).is_default("QueryGetModuleByName"):
            return {module.name: module.code for module in await self.modules()}
        names = {name for app in apps.values() for name in _SCRIPT_NAMES.findall(app.document)}
        found = [await self.module(name) for name in sorted(names)[:_MOST_NAMES]]
        return {module.name: module.code for module in found if module is not None}

    async def _mark(self, names: Sequence[str] | None) -> tuple[Any, ...]:
        """Sums of the contents, made by the server, so that a look at unchanged rows carries no documents."""
        queries = await self.queries()
        if self._marks is None or not (
            queries.is_default("QueryGetApp") and queries.is_default("QueryGetModuleByName")
        ):
            return ()
        of_app, of_module = self._marks
        places = ", ".join(f"${place}" for place in range(1, len(names) + 1)) if names is not None else ""
        where = f" WHERE name IN ({places})" if places else ""
        try:
            apps = await self.database.query(
                f"SELECT name, {of_app} FROM nflow{where}",  # noqa: S608  # constants of this file, and $n
                tuple(names or ()),
            )
            modules = await self.database.query(
                f"SELECT name, {of_module} FROM modules"  # noqa: S608  # constants of this file
            )
        except CallRefused:  # an older layout, or a server without md5: contents are compared instead
            self._marks = None
            return ()
        return (tuple(sorted(apps.rows, key=repr)), tuple(sorted(modules.rows, key=repr)))

    async def _named(self, name: str, parameter: str) -> list[tuple[Any, ...]]:
        queries = await self.queries()
        if not _is_text(parameter):
            return []
        return (await self.database.query(queries[name], (parameter,))).rows

    async def _list(self, *statements: str) -> list[tuple[Any, ...]]:
        """The rows of the first statement the database takes; none when it takes none: the table is not there."""
        for statement in statements:
            with suppress(CallRefused):
                return (await self.database.query(statement, most=100_000)).rows
        return []


def _is_text(name: str) -> bool:
    """Whether a database can have a row of this name: no U+0000, no half of a surrogate pair."""
    return "\0" not in name and (name.isascii() or name == name.encode("utf-8", "replace").decode())


def _token(row: tuple[Any, ...]) -> Token:
    number, name, token, start, expired, active, header, kind = _wide(row, 8)
    return Token(
        id=number,
        name=cells.text(name),
        token=cells.text(token),
        start=start,
        expired=expired,
        active=cells.flag(active),
        header=cells.text(header) or "Authorization",
        token_type=cells.text(kind) if kind is not None else "Bearer",
    )


def _wide(row: tuple[Any, ...], columns: int) -> tuple[Any, ...]:
    """The row with this many columns: a query of one's own may give fewer or more."""
    return (*row[:columns], *([None] * (columns - len(row))))


def _all(rows: Iterable[tuple[Any, ...]], columns: int) -> list[tuple[Any, ...]]:
    return [_wide(row, columns) for row in rows]


_Named = TypeVar("_Named", App, Module, Template)


def _once(rows: Iterable[_Named]) -> tuple[_Named, ...]:
    """Each name once: the last row counts."""
    name: Callable[[_Named], str] = lambda row: row.name  # noqa: E731
    return tuple({name(row): row for row in rows}.values())
