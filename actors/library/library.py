"""What nFlow keeps in its database besides the tracker, as rows of values, and who gives them out (Go: init.sql).

Laws: a row that is not there is None or an empty tuple, never an error; a database out of reach is `Unavailable`;
a query the database refuses is a `CallRefused` with its words. Nothing here is cached: who asks decides how old an
answer may be. Talks to a `Database` in `sql_library.py`; asked by the flows' keeper, by host functions and by `import`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class App(NamedTuple):
    """A row of `nflow`: one playbook."""

    name: str
    document: str
    """JSON text of the playbook."""
    default_js: str = ""
    """Source that may define `auth()` and `log()`."""


class Module(NamedTuple):
    """A row of `modules`: what users call a node type."""

    name: str
    form: str
    mod: str
    """JSON manifest."""
    code: str


class Template(NamedTuple):
    """A row of `template`: a page."""

    name: str
    content: str


class User(NamedTuple):
    """A row of `users`."""

    id: Any
    username: str
    password: str
    """Hex SHA-512/256 of the password, unsalted."""
    rol: str
    active: bool


class Token(NamedTuple):
    """A row of `api_tokens`. Times are Unix seconds, None where the row has none."""

    id: Any
    name: str
    token: str
    start: Any
    expired: Any
    active: bool
    header: str
    """The request header that carries it."""
    token_type: str
    """What stands before the token in that header: `Bearer`."""


class Snapshot(NamedTuple):
    """What flows are made of, as one look found it."""

    mark: tuple[Any, ...]
    """Equal marks: nothing has changed. Empty: the library has no cheap way to tell."""
    apps: Mapping[str, App]
    modules: Mapping[str, str]
    """Name → source."""

    def same_content(self, other: Snapshot | None) -> bool:
        """Whether flows made of either are the same."""
        return other is not None and self.apps == other.apps and self.modules == other.modules


class Library(Protocol):
    """One place where nFlow's tables are."""

    async def open(self) -> None:
        """Make ready. An outage is no error here. Raises BadDocument for a database that cannot be one."""

    async def close(self) -> None:
        """Let go of the database. Idempotent."""

    async def app(self, name: str) -> App | None:
        """The app; of several rows of this name the last counts."""

    async def apps(self) -> tuple[App, ...]:
        """Every app, each name once; empty where there is no such table."""

    async def modules(self) -> tuple[Module, ...]:
        """Every module, each name once; empty where there is no such table."""

    async def templates(self) -> tuple[Template, ...]:
        """Every template, each name once; empty where there is no such table."""

    async def template(self, name: str) -> Template | None:
        """The page of this name."""

    async def user(self, username: str) -> User | None:
        """The user of this name, active or not."""

    async def tokens(self, name: str) -> tuple[Token, ...]:
        """The tokens of this name, whatever their state."""

    async def look(self, names: Sequence[str] | None, known: Snapshot | None) -> Snapshot:
        """The apps of these names (None: all) and the modules, as they are now; `known` itself when its mark still
        stands."""
