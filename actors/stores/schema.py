"""The tables of the embedded store as a row of migrations, and whose file it is.

Invariant: nothing is written to a file that belongs to another program or to a newer version of this one. Pure but for
the connection it is given; `sqlite.py` owns that and the transaction around a migration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from protocol.errors import UnusableStore

_APPLICATION_ID: Final = 0x6E466C77
"""`nFlw` in the file's header: tells our files from other programs'."""


class Executes(Protocol):
    """A connection, as far as statements are concerned."""

    def execute(self, statement: str, parameters: Any = ..., /) -> Any:
        """Run one statement. Returns a cursor."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What the tables look like: the n-th migration leads from version n - 1 to n."""

    migrations: tuple[str, ...]

    @property
    def version(self) -> int:
        """The version this program writes (`user_version` in the file's header)."""
        return len(self.migrations)

    @staticmethod
    def of(statements: Mapping[str, str]) -> Schema:
        """The statements named `schema_1`, `schema_2`, …, in order."""
        return Schema(tuple(text for name, text in statements.items() if name.startswith("schema_")))

    def missing(self, connection: Executes) -> int:
        """How many migrations the file lacks; all of them: it is new.

        Raises UnusableStore for a file of another program or of a newer version of this one.
        """
        version = _number(connection, "pragma user_version")
        owner = _number(connection, "pragma application_id")
        tables = _number(connection, "select count(*) from sqlite_master")
        if owner not in (0, _APPLICATION_ID) or (owner == 0 and (tables or version)):
            raise UnusableStore("the store's file holds the tables of another program: choose another [store] path")
        if version > self.version:
            raise UnusableStore(
                "the store's file was written by a newer version of this program: "
                f"it has schema {version}, this version knows up to {self.version}"
            )
        return self.version - version

    def migrate(self, connection: Executes) -> None:
        """Bring the file to this version. Within a transaction that holds the write lock; several programs may try."""
        missing = self.missing(connection)
        for migration in self.migrations[self.version - missing :]:
            for statement in _split(migration):
                connection.execute(statement)
        connection.execute(f"pragma application_id = {_APPLICATION_ID}")
        connection.execute(f"pragma user_version = {self.version}")


def _number(connection: Executes, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _split(script: str) -> list[str]:
    """The statements of a script: each ends with a line that ends with `;`."""
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    return [part for part in (text.strip() for text in "\n".join([*lines, ""]).split(";\n")) if part]
