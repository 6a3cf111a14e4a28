"""The scripts that were blocked, for people to look at: bounded, the latest first.

An entry is made when a script is refused, at a save or when its flow is loaded, and counts how often the script was
asked to run since. Entries are made on any thread; counting is a plain addition on the loop.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from protocol.formats.findings import Finding, ScriptBlocked

MOST_ENTRIES: Final = 1_000

Occasion = Literal["load", "save"]


class ScriptPlace(NamedTuple):
    """Where a script stands."""

    app: str
    flow: str
    node: str
    path: str
    """Within its document: `drawflow.Home.data.n1.data.code`; or what else it is: `triggers/auth.js`."""

    @property
    def name(self) -> str:
        """For people."""
        return "/".join(part for part in (self.app, self.flow, self.node) if part)


class BlockedScript:
    """One entry."""

    __slots__ = ("asked", "findings", "occasion", "place", "sha256", "when")

    def __init__(
        self, place: ScriptPlace, sha256: str, findings: Sequence[Finding], occasion: Occasion, when: float
    ) -> None:
        self.place = place
        self.sha256 = sha256
        """Of the script's text, in hex."""
        self.findings = tuple(findings)
        """Those of high severity."""
        self.occasion: Occasion = occasion
        self.when = when
        """Unix time of its latest refusal."""
        self.asked = 0
        """How often it was to run since it is known."""

    def refuse(self) -> ScriptBlocked:
        """What happens instead of a run."""
        self.asked += 1
        return ScriptBlocked(self.findings)

    def row(self) -> dict[str, Any]:
        """The entry as JSON can have it. `rule`, `line`, `column` and `snippet` are of the first finding."""
        first = self.findings[0]
        return {
            "app": self.place.app,
            "flow": self.place.flow,
            "node": self.place.node,
            "path": self.place.path,
            "rule": first.type,
            "severity": first.severity,
            "description": first.description,
            "line": first.line,
            "column": first.column,
            "snippet": first.snippet,
            "issues": [finding.issue() for finding in self.findings],
            "on": self.occasion,
            "when": datetime.fromtimestamp(self.when, UTC).isoformat(),
            "hash": self.sha256,
            "asked": self.asked,
        }


class Ledger:
    """The blocked scripts of one runtime."""

    def __init__(self, wall: Callable[[], float], most: int = MOST_ENTRIES) -> None:
        self._wall = wall
        self._most = most
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[ScriptPlace, str], BlockedScript] = OrderedDict()

    def enter(
        self, place: ScriptPlace, sha256: str, findings: Sequence[Finding], occasion: Occasion
    ) -> tuple[BlockedScript, bool]:
        """Note a refusal; whether it is the first of this script at this place."""
        with self._lock:
            key = (place, sha256)
            known = self._entries.get(key)
            if known is None:
                entry = self._entries[key] = BlockedScript(place, sha256, findings, occasion, self._wall())
                while len(self._entries) > self._most:
                    self._entries.popitem(last=False)
                return entry, True
            known.when, known.occasion = self._wall(), occasion
            self._entries.move_to_end(key)
            return known, False

    def listing(self) -> list[dict[str, Any]]:
        """Every entry, the latest first."""
        with self._lock:
            entries = list(reversed(self._entries.values()))
        return [entry.row() for entry in entries]
