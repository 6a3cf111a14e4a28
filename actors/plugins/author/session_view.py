"""The client's session as plugin authors see it: named maps of JSON values, written together before the answer leaves.

What the runtime itself keeps there is out of reach; the profile is changed by `log_in` and `log_out` only, which give
the session a new id where they must.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from actors.functions.caller import SessionView
from actors.functions.sessions import PROFILE_MAP, log_in, log_out, profile_of
from actors.sessions import suspended
from protocol.codec import dumps
from protocol.errors import CallRefused


class Session:
    """One client's session."""

    __slots__ = ("_session",)

    def __init__(self, session: SessionView) -> None:
        self._session = session

    @property
    def id(self) -> str:
        """Empty until the session has begun."""
        return self._session.id

    async def read(self, name: str) -> dict[str, Any]:
        """One map; empty when there is none."""
        return dict(await self._session.read(_allowed(name)))

    async def write(self, name: str, values: Mapping[str, Any]) -> None:
        """Merge values into one map; a session begins where there is none. CallRefused: no JSON, or too large."""
        try:
            dumps(dict(values))
        except ValueError as error:
            raise CallRefused(f"a session cannot keep this: {error}", name="TypeError") from None
        await self._session.write(_allowed(name), values)

    async def remove(self, name: str, keys: Iterable[str]) -> None:
        """Remove keys of one map."""
        await self._session.remove(_allowed(name), keys)

    async def delete(self, name: str) -> None:
        """Remove one map."""
        await self._session.delete(_allowed(name))

    async def profile(self) -> dict[str, Any] | None:
        """Who is logged in; None: nobody."""
        return await profile_of(self._session)

    async def log_in(self, profile: Mapping[str, Any]) -> None:
        """Make this the session's profile."""
        await log_in(self._session, profile)

    async def log_out(self) -> None:
        """Nobody is logged in any more."""
        await log_out(self._session)


def _allowed(name: str) -> str:
    if name in (suspended.MAP, PROFILE_MAP):
        raise CallRefused(f"the session map {name} is kept by the runtime", name="RangeError")
    return name
