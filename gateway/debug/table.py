"""All debug endpoints: the table, and the analysis' list of what it blocked, which is a page of its own."""

from __future__ import annotations

from collections.abc import Callable

from gateway.api.call import ApiAnswer, Call
from gateway.api.schemas import COUNT, a_list, an_object
from gateway.api.table import Route
from gateway.debug.data import DataPages
from gateway.debug.flows import FlowPages
from gateway.debug.information import Information
from gateway.debug.parts import DebugParts, Ledger, debug_route
from gateway.debug.profiles import Profiles
from gateway.debug.runs import RunPages
from gateway.debug.supervision import Supervision


class Blocked:
    """The family of what was refused."""

    def __init__(self, ledger: Ledger, mask: Callable[[str], str]) -> None:
        self._ledger = ledger
        self._mask = mask

    def routes(self) -> tuple[Route, ...]:
        """Its routes."""
        scripts = an_object({"total": COUNT, "scripts": a_list({"type": "object"})})
        return (
            debug_route(
                "GET", "security/blocked", "listBlockedScripts", "Scripts the analysis blocked, for review", self.list,
                ("The newest first", scripts),
            ),
        )  # fmt: skip

    async def list(self, call: Call) -> ApiAnswer:
        """Rule, line and column of each finding, and the few words around the first, secrets masked."""
        listed = [{**entry, "snippet": self._mask(str(entry["snippet"]))} for entry in self._ledger.listing()]
        return ApiAnswer.of({"total": len(listed), "scripts": listed})


def debug_routes(parts: DebugParts) -> tuple[Route, ...]:
    """Every route below `/debug`."""
    blocked = Blocked(parts.blocked, parts.mask).routes() if parts.blocked is not None else ()
    return (
        *Information(parts).routes(),
        *FlowPages(parts).routes(),
        *RunPages(parts).routes(),
        *DataPages(parts).routes(),
        *Supervision(parts).routes(),
        *Profiles(parts).routes(),
        *blocked,
    )
