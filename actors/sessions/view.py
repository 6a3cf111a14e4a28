"""The client's session as one run sees it.

Nothing is read until the run asks for something, and nothing is written until `commit`, which hands in all changes at
once: nothing at all when nothing changed. In between the run sees its own writes over one moment of the session.
A client without a session gets one with its first write. Talks to the door `Sessions`; serves one run, on the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from actors.sessions.sessions import Sessions
from actors.sessions.state import KIB, applied, new_text, too_large, value_text
from protocol.sessions import Changes, Maps


class RunSession:
    """A `SessionView`. `session` is the id of a cookie found genuine, or empty."""

    __slots__ = ("_changes", "_door", "_found", "_id", "_lock", "_maps", "_most_bytes", "_renewed", "_room")

    def __init__(self, door: Sessions, session: str) -> None:
        self._door = door
        self._id = session
        self._found = bool(session)
        self._maps: Maps | None = None if session else {}
        """With this run's changes; None: not yet opened."""
        self._changes = Changes()
        self._renewed = False
        self._most_bytes = door.settings.max_kb * KIB
        self._room = 0
        """Bytes that may certainly still be added."""
        self._lock: asyncio.Lock | None = None

    @property
    def id(self) -> str:
        """Empty until the session has begun."""
        return self._id

    @property
    def changed(self) -> bool:
        """Whether `commit` has something to write."""
        return bool(self._changes) or self._renewed

    async def read(self, name: str) -> Mapping[str, Any]:
        """One map; empty when there is none. What it holds is not to be changed. Raises Unavailable, Overloaded."""
        return dict((await self._opened()).get(name, {}))

    async def write(self, name: str, values: Mapping[str, Any]) -> None:
        """Merge values into one map. Raises CallRefused when the session would grow too large or is not JSON."""
        maps = await self._opened()
        held = maps.get(name, {})
        changed = {key: value for key, value in values.items() if key not in held or _differ(held[key], value)}
        if not changed:
            return
        after = applied(maps, Changes({name: changed}))
        self._measure(after, len(new_text(name, changed)))
        self._maps = after
        before = self._changes
        merges = {**before.merges, name: {**before.merges.get(name, {}), **changed}}
        self._changes = Changes(merges, before.removals, before.deletions)

    async def remove(self, name: str, keys: Iterable[str]) -> None:
        """Remove keys of one map; those that are not there do not matter. Raises Unavailable, Overloaded."""
        maps = await self._opened()
        gone = frozenset(keys) & maps.get(name, {}).keys()
        if not gone:
            return
        before = self._changes
        removals = {**before.removals, name: before.removals.get(name, frozenset()) | gone}
        self._changes = Changes(_without(before.merges, name, gone), removals, before.deletions)
        self._maps = applied(maps, Changes(removals={name: gone}))

    async def delete(self, name: str) -> None:
        """Remove one map, if it is there. Raises Unavailable, Overloaded."""
        maps = await self._opened()
        if name not in maps:
            return
        before = self._changes
        merges = {each: values for each, values in before.merges.items() if each != name}
        removals = {each: keys for each, keys in before.removals.items() if each != name}
        self._changes = Changes(merges, removals, before.deletions | {name})
        self._maps = applied(maps, Changes(deletions=frozenset((name,))))

    async def rotate(self) -> None:
        """Give the session a new id with the commit, as a login must: whoever planted the old one holds nothing."""
        await self._opened()
        self._renewed = True

    async def commit(self) -> str:
        """Write what changed. The id of the session whose cookie the client must get; empty: what it has is right.

        Raises SessionEnded, CallRefused (it grew too large with what others wrote), Unavailable, Overloaded.
        """
        if not self.changed:
            return ""
        changes, told = self._changes, ""
        if self._found:
            if self._renewed:
                told = self._id = await self._door.rename(self._id, changes)
            else:
                await self._door.save(self._id, changes)
        elif changes.merges:
            told = self._id = await self._door.begin(changes)
            self._found = True
        self._changes, self._renewed = Changes(), False
        return told

    async def _opened(self) -> Maps:
        if self._maps is None:
            if self._lock is None:
                self._lock = asyncio.Lock()
            async with self._lock:  # concurrent calls of one script must see one moment
                if self._maps is None:
                    opened = await self._door.open(self._id)
                    if not opened.found:
                        self._id, self._found = "", False
                    self._maps = opened.maps
        return self._maps

    def _measure(self, after: Maps, added: int) -> None:
        """See that the session stays within its bound; all of it is written out only now and then."""
        if added <= self._room:
            self._room -= added
            return
        size = len(value_text(after))
        if size > self._most_bytes:
            raise too_large(self._door.settings.max_kb)
        self._room = self._most_bytes - size


def _differ(held: Any, value: Any) -> bool:
    """As JSON texts: for Python, 1 and true are equal."""
    return value_text(held) != value_text(value)


def _without(merges: Maps, name: str, keys: frozenset[str]) -> Maps:
    """The merges without these keys of one map. (Not the other way round: merges come after removals.)"""
    rest = dict(merges)
    held = {key: value for key, value in rest.pop(name, {}).items() if key not in keys}
    return {**rest, name: held} if held else rest
