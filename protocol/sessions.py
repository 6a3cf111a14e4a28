"""The conversation with sessions: what a browser's runs keep from one request to the next.

A session is a set of named maps of JSON values under an id nobody can guess. Runs open it, and hand in what they
changed as one `Changes`: changes of several runs are merged key by key in the order they arrive, whole or not at all,
and are in the store before they are answered. Refusals: `SessionEnded`, `CallRefused` for one that grew too large,
`Unavailable` while the store is out of reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from protocol.errors import Refusal
from protocol.refs import Ask

Maps = Mapping[str, Mapping[str, Any]]
"""Name of a map → key → JSON value. Whoever gets one reads it only: it is shared."""


class SessionEnded(Refusal):
    """The session ended while this request was under way; send it again."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What one run changed, applied in this order: maps deleted, keys removed, values merged."""

    merges: Maps = field(default_factory=dict)
    removals: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Name of a map → its keys that go."""
    deletions: frozenset[str] = frozenset()
    """Names of the maps that go whole."""

    def __bool__(self) -> bool:
        return bool(self.merges or self.removals or self.deletions)


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A session as it stands."""

    id: str
    maps: Maps
    found: bool
    """False: there is none of this id (any more); `maps` is empty."""


@dataclass(frozen=True, slots=True)
class OpenSession(Ask[SessionOpened]):
    """Read the session; being read keeps it from expiring."""

    id: str


@dataclass(frozen=True, slots=True)
class SessionSaved:
    """The changes are in the store."""

    id: str
    """The session they are in; another than was asked for when it was renamed."""


@dataclass(frozen=True, slots=True)
class SaveSession(Ask[SessionSaved]):
    """Merge the changes into the session, all or nothing. Refused when it has ended, or would grow too large."""

    id: str
    changes: Changes
    begin: bool = False
    """Begin the session with these changes: nobody has its id yet."""
    rename: str = ""
    """A new id for the session: the old one ends in the same instant. Empty: it keeps its id."""


@dataclass(frozen=True, slots=True)
class EndSession(Ask[None]):
    """Forget the session. Ending one that is not there is no error."""

    id: str
