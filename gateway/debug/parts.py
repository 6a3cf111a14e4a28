"""What the debug endpoints look at: the doors and numbers of one runtime, and how one of their routes is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from actors.catalogue import Catalogue
from actors.databases.pooled import PooledDatabase
from actors.databases.slow import SlowStatements
from actors.functions.templates import Templates
from actors.guards.redaction import mask
from actors.kernel import System
from actors.runs.processes import Admission
from actors.runs.result_cache import ResultCache
from actors.sandbox.forker import ForkerFigures
from actors.sandbox.pool import PoolFigures
from actors.sessions.sessions import Sessions
from actors.tracker import Tracker, Trackers
from gateway.api.call import Call
from gateway.api.table import Auth, Handler, Route
from protocol.codec import loads_from_script
from protocol.observation.auditing import Audit, AuditEvent, AuditKind, unheard
from protocol.settings import Settings
from protocol.storage import StoreState

TAG: Final = "debug"
TEXT_PLAIN: Final = "text/plain"
_ACCESS: Final = (401, 403, 429)


class Events(Protocol):
    """What the kernel's events add up to, by supervisor."""

    crashes: Counter[str]
    restarts: Counter[str]
    escalations: Counter[str]
    overflows: int


class Ledger(Protocol):
    """The scripts that the analysis blocked."""

    def listing(self) -> Sequence[Mapping[str, Any]]:
        """Each as JSON values, the newest first."""


@dataclass(frozen=True, slots=True)
class DebugParts:
    """Everything that is looked at."""

    settings: Callable[[], Settings]
    """Those in force: some change while the server runs."""
    system: System
    events: Events
    catalogue: Catalogue
    admission: Admission
    sessions: Sessions
    pool: PoolFigures
    forker: ForkerFigures
    tracker: Tracker | Trackers | None
    databases: Mapping[str, PooledDatabase]
    """By their sections of the configuration; the one that holds the flows first."""
    store: Callable[[], StoreState]
    slow: SlowStatements | None
    """None: `debug.slow_query_ms` is 0."""
    results: ResultCache
    templates: Templates
    started_at: float
    """Unix seconds."""
    wall: Callable[[], float]
    version: str
    audit: Audit = unheard
    mask: Callable[[str], str] = str
    """Takes the secrets out of a text that is shown."""
    blocked: Ledger | None = None
    """None: scripts are not analysed."""

    def masked(self, json: bytes) -> Any:
        """The value of a JSON text as it may be shown: what stands under the name of a secret is masked whole, and
        what looks like one wherever it stands."""
        return self._texts(loads_from_script(mask(json)))

    def _texts(self, value: Any) -> Any:
        match value:
            case str():
                return self.mask(value)
            case list():
                return [self._texts(each) for each in value]
            case dict():
                return {self.mask(name): self._texts(each) for name, each in value.items()}
            case _:
                return value


def debug_route(
    method: str,
    path: str,
    name: str,
    summary: str,
    handler: Handler,
    answer: tuple[str, Any],
    errors: tuple[int, ...] = (),
    **more: Any,
) -> Route:
    """One endpoint below `/debug`. `answer`: what its 200 means, and the JSON Schema of the body; None: no JSON."""
    refused = (*_ACCESS, *errors, *((400,) if "query" in more or "choices" in more else ()))
    return Route(method, f"/debug/{path}", name, summary, handler, TAG, Auth.DEBUG, {200: answer}, refused, **more)


def operated(parts: DebugParts, call: Call, what: str, kind: AuditKind = AuditKind.DEBUG, wid: str = "") -> None:
    """Tell the audit what an operator did."""
    parts.audit(AuditEvent(kind, what, who="debug", where=call.remote.rpartition(":")[0].strip("[]"), wid=wid))
