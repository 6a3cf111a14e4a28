"""The flows as of now: read by plain calls, because a look-up must not wait in a mailbox; written by the keeper only.

Invariant: the table, the flows and the apps are replaced whole, so a reader sees one version or the next, never a
mixture. A flow whose content is unchanged stays the same object over any number of reloads; recent versions of the
others are kept, so that a run that was suspended can go on with the version it began with.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from actors.catalogue.live import LiveApp, Triggers
from protocol.errors import BadDocument, Problem, Unavailable
from protocol.flow import Flow
from protocol.flows import InstallApp, Installed, LookAnew, Rejected, RemoveApp, RollBack
from protocol.refs import AnyRef
from protocol.routing import RouteTable

_RECENT_FLOWS: Final = 1024
"""Flows kept over the ones that are served."""
_ANSWER_SECONDS: Final = 30.0
_NO_TRIGGERS: Final = Triggers()


class Catalogue:
    """The flows and their routes, as of now, and the door to their keeper."""

    __slots__ = ("_recent", "_triggers", "flows", "hidden", "keeper", "live", "problems", "table", "trigger_files")

    def __init__(self) -> None:
        self.flows: tuple[Flow, ...] = ()
        self.table = RouteTable.build(())
        self.problems: tuple[Problem, ...] = ()
        self.live: Mapping[str, LiveApp] = MappingProxyType({})
        """App name → what is served of it, in the order of the routes."""
        self.trigger_files = _NO_TRIGGERS
        self.keeper: AnyRef | None = None
        self.hidden: Callable[[Iterable[Flow]], Iterable[Problem]] = _nothing_hidden
        """Warnings about starts that the server never asks for: it answers their paths itself."""
        self._recent: OrderedDict[tuple[str, str, str], Flow] = OrderedDict()
        self._triggers: dict[str, Triggers] = {}

    # --- looking up ---

    def version(self, app: str, flow: str, digest: str) -> Flow | None:
        """The flow with this hash, served now or not long ago."""
        return self._recent.get((app, flow, digest))

    def triggers(self, app: str) -> Triggers:
        """Sources of the app's `auth()` and `log()`."""
        found = self._triggers.get(app)
        return found if found is not None else self.trigger_files

    # --- changing ---

    async def install(self, app: str, document: bytes, default_js: str | None = None) -> Installed:
        """Check, keep and serve a document.

        Raises BadDocument with every problem, NoSuchApp for a name that cannot be one, Unavailable.
        """
        return _sound(await self._keeper.ask(InstallApp(app, document, default_js), _ANSWER_SECONDS))

    async def remove(self, app: str) -> bool:
        """Take an app out of our library. Whether it is served still, from a file or nFlow's database.

        Raises NoSuchApp, NotOurs, Unavailable.
        """
        return await self._keeper.ask(RemoveApp(app), _ANSWER_SECONDS)

    async def roll_back(self, app: str, version: int) -> Installed:
        """Serve an earlier version again. Raises like `install`."""
        return _sound(await self._keeper.ask(RollBack(app, version), _ANSWER_SECONDS))

    async def look_anew(self) -> None:
        """Have every source read again, now; what was found is live when this returns. Raises AskError, Unavailable."""
        await self._keeper.ask(LookAnew(), _ANSWER_SECONDS)

    # --- for the keeper ---

    def adopt(self, flow: Flow) -> Flow:
        """The flow to serve for this content: the one served before where it is equal."""
        key = (flow.app, flow.name, flow.hash)
        known = self._recent.get(key)
        if known is not None and known.starts == flow.starts:
            self._recent.move_to_end(key)
            return known
        self._recent[key] = flow
        return flow

    def replace(
        self,
        flows: tuple[Flow, ...],
        problems: tuple[Problem, ...],
        live: Mapping[str, LiveApp] | None = None,
        triggers: Mapping[str, Triggers] | None = None,
    ) -> None:
        """Take a new set of flows, whole. `triggers`: those of each app."""
        table = RouteTable.build(flows)
        live = live or {}
        self._triggers = dict(triggers or {})
        self.live = MappingProxyType(dict(live))
        self.table = table
        self.flows = flows
        self.problems = (*problems, *table.conflicts, *self.hidden(flows))
        for flow in flows:
            self._recent.setdefault((flow.app, flow.name, flow.hash), flow)
            self._recent.move_to_end((flow.app, flow.name, flow.hash))
        while len(self._recent) > len(flows) + _RECENT_FLOWS:
            self._recent.popitem(last=False)

    @property
    def _keeper(self) -> AnyRef:
        if self.keeper is None:
            raise Unavailable("the flows' keeper has not been started")
        return self.keeper


def _nothing_hidden(flows: Iterable[Flow]) -> Iterable[Problem]:
    return ()


def _sound(answer: Installed | Rejected) -> Installed:
    if isinstance(answer, Rejected):
        raise BadDocument(answer.problems)
    return answer
