"""Whose account a request belongs to, where every account has a bucket of its own (`rate_limit.per_account`).

Invariant: only what was proven counts, a bearer token the API knows or the profile of a session whose cookie is
genuine; whatever else a client writes into its headers leaves it in the bucket of its address. A proof asks a database,
so it is remembered for some seconds, the lack of one too, and the limiter lets an address ask for only so many.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from actors.functions.caller import SessionView
from actors.functions.sessions import profile_of
from gateway.session_cookie import SessionCookie
from protocol.errors import NflowError

REMEMBERED_SECONDS: Final = 10.0
MOST_REMEMBERED: Final = 10_000
LONGEST_NAME: Final = 64
_NAMES: Final = ("username", "user", "user_name", "login", "id", "uid", "user_id", "userid", "sub", "account", "email")
"""Keys of a profile that say who it is, the first that is there counts."""


class Credential(NamedTuple):
    """What a request shows, not yet proven."""

    mark: str
    """Names it in the memory; no secret."""
    token: str = ""
    """An Authorization header."""
    session: str = ""
    """Id of a session, from a genuine cookie."""


class Accounts:
    """The proven accounts of the last seconds."""

    __slots__ = ("_cookie", "_known", "_now", "_session", "_token_name")

    def __init__(
        self,
        token_name: Callable[[str], Awaitable[str]],
        cookie: SessionCookie,
        session: Callable[[str], SessionView],
        now: Callable[[], float],
    ) -> None:
        """`token_name`: whose token an Authorization header shows; empty: nobody's. `now`: steady seconds."""
        self._token_name = token_name
        self._cookie = cookie
        self._session = session
        self._now = now
        self._known: dict[str, tuple[str, float]] = {}
        """Mark → (account or empty, when it is to be proven again); the oldest first."""

    def shown(self, headers: Mapping[str, str], raw_headers: tuple[tuple[bytes, bytes], ...]) -> Credential | None:
        """What a request shows; None: nothing."""
        token = headers.get("Authorization", "")
        if token[:7].lower() == "bearer ":
            return Credential(hashlib.blake2b(token.encode("utf-8", "replace"), digest_size=16).hexdigest(), token)
        if "Cookie" in headers:
            session = self._cookie.find(raw_headers).session
            if session:
                return Credential(hashlib.blake2b(session.encode(), digest_size=16).hexdigest(), session=session)
        return None

    def known(self, credential: Credential) -> str | None:
        """The account it was proven to be, empty: none; None: not known now."""
        account, until = self._known.get(credential.mark, ("", 0.0))
        return account if until > self._now() else None

    def was_proven(self, credential: Credential) -> bool:
        """Whether it was an account when it was last asked for: to ask again is no guess."""
        return bool(self._known.get(credential.mark, ("", 0.0))[0])

    async def prove(self, credential: Credential) -> str:
        """The account; empty: none, or nobody can say now."""
        try:
            if credential.token:
                name = await self._token_name(credential.token)
                account = f"token {_short(name)}" if name else ""
            else:
                name = _name(await profile_of(self._session(credential.session)))
                account = f"profile {_short(name)}" if name else ""
        except NflowError:  # the database is out of reach: the bucket of the address holds
            account = ""
        self._remember(credential.mark, account)
        return account

    def _remember(self, mark: str, account: str) -> None:
        known = self._known
        known.pop(mark, None)
        if len(known) >= MOST_REMEMBERED:
            for old in list(islice(known, MOST_REMEMBERED // 64)):
                del known[old]
        known[mark] = account, self._now() + REMEMBERED_SECONDS


def _name(profile: Mapping[str, Any] | None) -> str:
    for key in _NAMES:
        value = (profile or {}).get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return ""


def _short(name: str) -> str:
    """Bounded, as it becomes a key."""
    if len(name) <= LONGEST_NAME:
        return name
    return hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=16).hexdigest()
