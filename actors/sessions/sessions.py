"""The keeper of all live sessions, and the door through which runs reach them.

A session is found by its id alone, which comes from a signed cookie and is 32 random characters: never by an address.
There is one actor for each session in use, made when it is first asked for and gone when it is idle, so `Sessions` may
hold few of many. The door is a plain object, as a look-up must not wait in a mailbox. A store that cannot be reached
is Unavailable (503) to whoever needs it, and is logged once when that begins and once when it ends.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TypeVar

import structlog

from actors.kernel import Actor, ChildSpec, Mailbox, Restart
from actors.sessions.session import Rest, Session, SessionSettings
from actors.sessions.state import is_id
from actors.sessions.stores.store import SessionStore
from protocol.errors import Expired, Gone, Overloaded, Refusal, Unavailable
from protocol.refs import AnyRef, Ask
from protocol.sessions import Changes, EndSession, OpenSession, SaveSession, SessionOpened
from protocol.storage import StoreState

R = TypeVar("R")

_CROWDED = 0.75
"""From this share of `most_live` on, each new one sends the two longest unused to rest."""


def _crash_costs_nobody_else(cause: BaseException | None) -> bool:
    """A session that crashes has dropped the message at fault; its keeper and its neighbours need not go with it."""
    return False


class Sessions:
    """Where runs open and save sessions."""

    __slots__ = ("_live", "_log", "_made", "_spawn", "begun", "ended", "refused", "saved", "settings", "state", "store")

    def __init__(self, store: SessionStore, settings: SessionSettings) -> None:
        self.store = store
        self.settings = settings
        self.state = StoreState(True)
        """Whether the store was in reach when it was last spoken to."""
        self.begun = 0
        self.saved = 0
        self.ended = 0
        self.refused = 0
        """Times there was no room for one more live session."""
        self._live: dict[str, AnyRef] = {}
        """Id → actor, the longest unused first."""
        self._made = 0
        self._spawn: Callable[[ChildSpec], AnyRef] | None = None
        self._log = structlog.get_logger("sessions")

    @property
    def live(self) -> int:
        """Sessions in memory now."""
        return len(self._live)

    async def open(self, session: str) -> SessionOpened:
        """The session as it stands; not found for an id that cannot be one. Raises Unavailable, Overloaded."""
        if not is_id(session):
            return SessionOpened(session, {}, found=False)
        return await self._ask(session, OpenSession(session))

    async def begin(self, changes: Changes) -> str:
        """A new session with these changes; its id. Raises CallRefused (too large), Unavailable, Overloaded."""
        session = secrets.token_urlsafe(24)
        await self._ask(session, SaveSession(session, changes, begin=True))
        self.begun += 1
        return session

    async def save(self, session: str, changes: Changes) -> None:
        """Merge changes into a session. Raises SessionEnded, CallRefused (too large), Unavailable, Overloaded."""
        await self._ask(session, SaveSession(session, changes))
        self.saved += 1

    async def rename(self, session: str, changes: Changes) -> str:
        """Merge changes and give the session a new id; the old one ends. The new id. Raises as `save` does."""
        saved = await self._ask(session, SaveSession(session, changes, rename=secrets.token_urlsafe(24)))
        self.saved += 1
        return saved.id

    async def end(self, session: str) -> None:
        """Forget a session. Raises Unavailable, Overloaded."""
        if is_id(session):
            await self._ask(session, EndSession(session))
            self.ended += 1

    async def clear(self) -> int:
        """End every session there is; how many there were. Raises Unavailable.

        Live actors need not be told: none answers from what it remembers unless the store says that it still stands.
        """
        return await self._stored(self.store.clear())

    async def count(self) -> int | None:
        """How many there are; None: the store does not know. Raises Unavailable."""
        return await self._stored(self.store.count())

    def attach(self, spawn: Callable[[ChildSpec], AnyRef]) -> None:
        """The keeper is ready."""
        self._live.clear()
        self._spawn = spawn

    def detach(self) -> None:
        """The keeper leaves: nothing is opened any more."""
        self._spawn = None

    def heard(self, refusal: Refusal | None) -> None:
        """How the last word with the store went; None: well."""
        if isinstance(refusal, Unavailable):
            if self.state.available:
                self._log.error("session store", reachable=False, reason=refusal.whole)
            self.state = StoreState(False, refusal.whole)
        elif refusal is None and not self.state.available:
            self._log.info("session store", reachable=True)
            self.state = StoreState(True)

    async def _ask(self, session: str, message: Ask[R]) -> R:
        try:
            reply = await self._actor(session).ask(message, self.settings.call_seconds)
        except (Expired, Gone) as error:
            late = Unavailable(f"the session could not be reached: {error}")
            self.heard(late)
            raise late from None
        except Refusal as refusal:
            self.heard(refusal)
            raise
        self.heard(None)
        return reply

    async def _stored(self, asked: Awaitable[R]) -> R:
        try:
            async with asyncio.timeout(self.settings.call_seconds):
                found = await asked
        except TimeoutError:
            late = Unavailable("the session store did not answer in time")
            self.heard(late)
            raise late from None
        except Unavailable as refusal:
            self.heard(refusal)
            raise
        self.heard(None)
        return found

    def _actor(self, session: str) -> AnyRef:
        ref = self._live.pop(session, None)
        if ref is None or not ref.alive:
            ref = self._new(session)
        self._live[session] = ref
        return ref

    def _new(self, session: str) -> AnyRef:
        if self._spawn is None:
            raise Unavailable("sessions are starting or stopping", retry_after=2.0)
        most = self.settings.most_live
        if len(self._live) >= most:
            self.refused += 1
            raise Overloaded(f"{most} sessions are in use")
        if len(self._live) >= most * _CROWDED:
            for ref in islice(self._live.values(), 2):
                ref.tell(Rest())
        self._made += 1
        # Named by a number: the id is a secret of the browser, and names are seen in logs.
        return self._spawn(
            ChildSpec(
                f"session-{self._made}",
                lambda: Session(session, self.store, self.settings, lambda: self._left(session)),
                restart=Restart.TRANSIENT,
                mailbox=Mailbox(self.settings.most_waiting, drain=True),
                counts=_crash_costs_nobody_else,
            )
        )

    def _left(self, session: str) -> None:
        ref = self._live.get(session)
        if ref is not None and not ref.alive:
            del self._live[session]


class _Sweep:
    """Throw away what has expired."""


class SessionKeeper(Actor[_Sweep]):
    """Owns the live sessions and the store."""

    __slots__ = ("_door",)

    def __init__(self, door: Sessions) -> None:
        self._door = door

    async def started(self) -> None:
        """Open the store, then the door."""
        await self._door.store.open()
        self._door.attach(self.context.spawn)
        self.context.after(self._door.settings.sweep_seconds, _Sweep())

    async def receive(self, message: _Sweep) -> None:
        """One bite at a time, so that an outage or a long list holds nobody up."""
        pause = self._door.settings.sweep_seconds
        try:
            if await self._door.store.sweep():
                pause = min(pause, 0.1)
            self._door.heard(None)
        except Refusal as refusal:
            self._door.heard(refusal)
        except (Expired, Gone) as error:
            self._door.heard(Unavailable(f"the session store did not answer: {error}"))
        self.context.after(pause, message)

    async def stopping(self) -> None:
        """Let the sessions finish what was asked of them, then close the store behind them."""
        self._door.detach()
        for ref in self.context.children:
            self.context.stop_child(ref)
        await self.context.drained()
        await self._door.store.close()

    def released(self) -> None:
        """Nobody opens a session without the keeper."""
        self._door.detach()
