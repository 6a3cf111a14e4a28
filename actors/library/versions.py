"""Versions of an app's document: what was ever live, numbered from 1, the newest N kept.

Law: the list is a history. Putting the content that is the newest already adds nothing; content that comes back later,
as by a rollback, is a new version, so a number never changes its content and the newest number is the last change.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class VersionSource(Enum):
    """Where a version came from."""

    FILE = "file"
    DATABASE = "database"
    API = "api"
    IMPORT = "import"
    ROLLBACK = "rollback"

    @property
    def outside(self) -> bool:
        """Whether somebody else keeps the document: a file or nFlow's database."""
        return self in (VersionSource.FILE, VersionSource.DATABASE)


@dataclass(frozen=True, slots=True)
class Version:
    """One version, without its document."""

    app: str
    number: int
    hash: str
    """Hex SHA-256 of the document's text."""
    created: float
    """Unix seconds at which it went live."""
    source: VersionSource
    size: int
    """Bytes of the document."""


class Versions(Protocol):
    """Where versions are kept. Every method raises `Unavailable` while that is out of reach."""

    async def list(self, app: str) -> tuple[Version, ...]:
        """The app's versions, the newest first."""

    async def get(self, app: str, version: int) -> bytes | None:
        """The document of one version."""

    async def put(self, app: str, document: bytes, source: VersionSource) -> int:
        """Note that this document went live. Returns its number."""


def content_hash(document: bytes) -> str:
    """What tells documents apart: hex SHA-256 of the text as it came."""
    return hashlib.sha256(document).hexdigest()
