"""Who may call the API: bearer tokens, compared in constant time.

A caller's token is valid when it is an active, unexpired row of nFlow's `api_tokens` whose header is `Authorization`
and whose type is `Bearer`, or the admin's token. Nothing is cached: a token that was just made inactive is refused by
the next call. An outage of the table's database is `Unavailable`, never a yes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from actors.library import cells
from actors.library.library import Token
from gateway.api.call import ApiError, Shown
from gateway.api.table import Auth

_SCHEME: Final = "bearer"
_MOST_CHARACTERS: Final = 4_096
_CHALLENGE: Final = (("WWW-Authenticate", 'Bearer realm="nflow"'),)
_INVALID: Final = (("WWW-Authenticate", 'Bearer realm="nflow", error="invalid_token"'),)
ADMIN_OFF: Final = "administration is off: set [api] admin_token"
_HOW: Final = (
    "send 'Authorization: Bearer TOKEN' with an active, unexpired token of the table api_tokens, or with [api] "
    "admin_token; or set [api] open_execution = true"
)


class Tokens(Protocol):
    """Where the callers' tokens are."""

    async def all_tokens(self) -> Sequence[Token]:
        """Every row of `api_tokens`. Raises Unavailable."""


class Bearers:
    """The tokens that open the API."""

    __slots__ = ("_admin", "_open", "_tokens", "_wall")

    def __init__(self, admin: str, *, open_execution: bool, tokens: Tokens | None, wall: Callable[[], float]) -> None:
        """`admin` empty: administration is off. `tokens` None: there is no such table. `wall`: Unix seconds."""
        self._admin = admin
        self._open = open_execution
        self._tokens = tokens
        self._wall = wall

    def obey(self, admin: str, *, open_execution: bool) -> None:
        """Another token of administration, from the next call on."""
        self._admin = admin
        self._open = open_execution

    async def check(self, auth: Auth, header: str) -> Shown:
        """Let the caller in, or raise ApiError, Unavailable. `header`: the Authorization header, or empty."""
        if auth is Auth.ADMIN and not self._admin:
            raise ApiError(403, ADMIN_OFF)
        shown = _bearer(header)
        if shown and self._admin and _same(shown, self._admin):
            return Shown(admin=True, name="admin")
        if auth in (Auth.NOBODY_ASKED, Auth.SESSION):
            return Shown()
        if auth is Auth.ADMIN:
            raise ApiError(401, "send 'Authorization: Bearer TOKEN' with [api] admin_token", _refused(shown))
        if self._open:
            return Shown()
        name = await self._known(shown) if shown else None
        if name is None:
            raise ApiError(401, f"{'this token is not valid: ' if shown else ''}{_HOW}", _refused(shown))
        return Shown(name=name)

    async def name(self, header: str) -> str:
        """Whose token an Authorization header shows; empty: nobody's. Raises Unavailable."""
        shown = _bearer(header)
        if not shown:
            return ""
        return "admin" if self._admin and _same(shown, self._admin) else await self._known(shown) or ""

    async def _known(self, shown: str) -> str | None:
        """The name of the row that holds this token."""
        if self._tokens is None:
            return None
        now, found = self._wall(), None
        for token in await self._tokens.all_tokens():  # all of them, so the time does not tell which one it was
            if _same(shown, token.token) & bool(token.token) & _is_bearer(token) & _is_live(token, now):
                found = token.name
        return found


def _bearer(header: str) -> str:
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == _SCHEME and len(header) <= _MOST_CHARACTERS else ""


def _same(shown: str, kept: str) -> bool:
    """Digests are of one length: the time does not tell the token's."""
    return hmac.compare_digest(_digest(shown), _digest(kept))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _is_bearer(token: Token) -> bool:
    return token.token_type.strip().lower() == _SCHEME and token.header.strip().lower() == "authorization"


def _is_live(token: Token, now: float) -> bool:
    expired = cells.number(token.expired)
    return token.active and expired is not None and expired > now


def _refused(shown: str) -> tuple[tuple[str, str], ...]:
    return _INVALID if shown else _CHALLENGE
