"""Auditing: what the separate, append-only log of security events is told.

An event says who did what from where and how it came out; never a secret: a password, token or key is named, not
shown. Whoever knows of one calls the door it was given (`Audit`), which never waits and never raises. Invariant: what
is written of an event is made of these fields alone, so its line holds nothing nobody chose to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class AuditKind(StrEnum):
    """Kinds of events."""

    BEGIN = "begin"
    """A process of ours began to write here."""
    END = "end"
    """It stopped."""
    LOST = "lost"
    """Events were told faster than they could be written, and are missing."""
    LOGIN = "login"
    LOGOUT = "logout"
    TOKEN = "token"  # noqa: S105 a kind, and none
    """A bearer or debug token was shown and refused, or an operator's was taken."""
    FLOW = "flow"
    """Flows were installed, replaced, removed, set back, imported or read anew."""
    KILL = "kill"
    """A run was ended by somebody."""
    SCRIPT = "script"
    """A script was blocked by the analysis, or let through by an operator."""
    ADDRESS = "address"
    """A script or node was kept from an address."""
    LIMIT = "limit"
    """A client was refused by the rate limit."""
    CONFIGURATION = "configuration"
    """The configuration was read anew."""
    DEBUG = "debug"
    """An operator used an endpoint under /debug that changes or shows what only operators may see."""


class Outcome(StrEnum):
    """How it came out."""

    DONE = "done"
    FAILED = "failed"
    """It was tried, and something else went wrong."""
    REFUSED = "refused"
    """It was not allowed."""


REPEATING: Final = frozenset({AuditKind.TOKEN, AuditKind.ADDRESS, AuditKind.LIMIT, AuditKind.LOGIN})
"""Kinds that one client can cause thousands of times a second: equal refusals within a minute become one line."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something security has to know of."""

    kind: AuditKind
    what: str
    """What was done or tried, and to what: `install app shop`, `kill 0192…`, `GET /debug/info`."""
    outcome: Outcome = Outcome.DONE
    who: str = ""
    """Whoever did it: a username, a token's name, `admin`; empty: nobody knows."""
    where: str = ""
    """The client's address, without a port; empty: not over the network."""
    request: str = ""
    """Id of the request."""
    wid: str = ""
    """Id of the run."""
    details: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """More about it, no secrets."""
    time: float = 0.0
    """Unix seconds; 0: now."""


Audit = Callable[[AuditEvent], None]
"""The door. Never waits, never raises; about a microsecond. To be called on the event loop's thread."""


def unheard(_event: AuditEvent) -> None:
    """A door nobody listens at."""
