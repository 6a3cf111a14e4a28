"""The conversation with the keeper of the flows: apps are installed, removed, and set back to an earlier version.

An answer to a document that cannot be served is `Rejected` with everything that is wrong with it; what is refused for
other reasons is a `Refusal`: `NoSuchApp`, or `Unavailable` while there is no place to keep it.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.errors import Problem, Refusal
from protocol.refs import Ask


class NoSuchApp(Refusal):
    """There is no such app or version."""


class NotOurs(Refusal):
    """The app is kept elsewhere, and has to be removed there."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The document is kept and live."""

    app: str
    version: int
    flows: tuple[str, ...]
    """Names of the flows that are served now."""
    problems: tuple[Problem, ...]
    """Warnings."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The document is not served and not kept; what was live is live still."""

    problems: tuple[Problem, ...]
    """Everything that is wrong with it, warnings included."""


@dataclass(frozen=True, slots=True)
class InstallApp(Ask["Installed | Rejected"]):
    """Check a document, keep it in our library and serve it at once in place of what was served of this app."""

    app: str
    document: bytes
    default_js: str | None = None
    """Source that may define `auth()` and `log()`; None: as before."""


@dataclass(frozen=True, slots=True)
class RemoveApp(Ask[bool]):
    """Take an app out of our library; its versions stay. Answered with whether it is served still, from elsewhere."""

    app: str


@dataclass(frozen=True, slots=True)
class LookAnew(Ask[None]):
    """Read every source again, now. Answered when what was found is live."""


@dataclass(frozen=True, slots=True)
class RollBack(Ask["Installed | Rejected"]):
    """Install an earlier version again, as a new version."""

    app: str
    version: int
