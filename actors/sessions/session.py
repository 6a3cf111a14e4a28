"""One live session: the actor through which all runs of one browser read and change it.

Invariant: changes are merged in the order they arrive, and are in the store before they are answered; so nothing that
was acknowledged is lost when this actor, or the whole program, ends. It remembers the maps only while the store says
that they still stand, and that they are small: large sessions are the store's to keep, which bounds their memory. It
leaves when it is idle. Talks to its store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from actors.kernel import Actor
from actors.sessions.state import applied, value_text
from actors.sessions.stores.store import SessionStore
from protocol.errors import Expired, Gone, Unavailable
from protocol.sessions import EndSession, Maps, OpenSession, SaveSession, SessionEnded, SessionOpened, SessionSaved

T = TypeVar("T")

_REMEMBERED_BYTES = 16 * 1_024
"""Largest session that is remembered beside the store, as JSON text."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How live sessions behave."""

    max_kb: int = 1_024
    """Largest session, KiB."""
    call_seconds: float = 5.0
    """Deadline of one call of the store."""
    idle_seconds: float = 60.0
    """A live session nobody uses for this long leaves memory; the store keeps it."""
    most_live: int = 10_000
    """Sessions in use at once; more are refused."""
    most_waiting: int = 256
    """Messages that may wait for one session."""
    sweep_seconds: float = 60.0
    """Between two rounds of throwing away what has expired."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Leave, if no mail waits."""


@dataclass(frozen=True, slots=True)
class _Look:
    """See whether the session is idle."""


Message = OpenSession | SaveSession | EndSession | Rest | _Look


class Session(Actor[Message]):
    """The session of one id."""

    __slots__ = ("_id", "_leave", "_looking", "_maps", "_settings", "_store", "_used")

    def __init__(self, session: str, store: SessionStore, settings: SessionSettings, leave: Callable[[], None]) -> None:
        """`leave` is called when this incarnation is over."""
        self._id = session
        self._store = store
        self._settings = settings
        self._leave = leave
        self._maps: Maps | None = None
        """As last read or saved; None: not known, or too large to be remembered."""
        self._used = 0.0
        self._looking = False

    def receive(self, message: Message) -> SessionOpened | Awaitable[SessionOpened | SessionSaved | None] | None:
        """One word of a run, or of the keeper."""
        match message:
            case OpenSession():
                self._use()
                if self._maps is not None and self._store.touch(self._id):
                    return SessionOpened(self._id, self._maps, found=True)
                return self._read()
            case SaveSession():
                self._use()
                return self._save(message)
            case EndSession():
                return self._end()
            case Rest():
                self.context.passivate()
            case _Look():
                self._look()
        return None

    def released(self) -> None:
        """The keeper may forget this incarnation."""
        self._leave()

    async def _read(self) -> SessionOpened:
        try:
            maps = await self._reached(self._store.load(self._id))
        except SessionEnded:
            maps = None
        self._remember(maps)
        if maps is None:
            self.context.passivate()
            return SessionOpened(self._id, {}, found=False)
        return SessionOpened(self._id, maps, found=True)

    async def _save(self, message: SaveSession) -> SessionSaved:
        known, self._maps = self._maps, None  # not known again until the store has the changes
        if known is not None and not self._store.touch(self._id):
            known = None
        changes, rename = message.changes, message.rename
        await self._reached(self._store.save(self._id, changes, begin=message.begin, rename=rename))
        if rename:
            self.context.passivate()
        elif message.begin:
            self._remember(applied({}, changes))
        elif known is not None:
            self._remember(applied(known, changes))
        return SessionSaved(rename or self._id)

    def _remember(self, maps: Maps | None) -> None:
        self._maps = maps if maps is not None and len(value_text(maps)) <= _REMEMBERED_BYTES else None

    async def _end(self) -> None:
        self._maps = None
        await self._reached(self._store.end(self._id))
        self.context.passivate()

    async def _reached(self, asked: Awaitable[T]) -> T:
        seconds = self._settings.call_seconds
        try:
            async with asyncio.timeout(seconds):
                return await asked
        except (TimeoutError, Expired, Gone):
            raise Unavailable(f"the session store did not answer within {seconds:g} s") from None

    def _use(self) -> None:
        self._used = self.context.now()
        if not self._looking:
            self._looking = True
            self.context.after(self._settings.idle_seconds, _Look())

    def _look(self) -> None:
        left = self._used + self._settings.idle_seconds - self.context.now()
        if left <= 0:
            self._looking = False
            self.context.passivate()
        else:
            self.context.after(left, _Look())
