"""Users and API tokens, for scripts: `validate_user`, `get_user`, `validate_token`, `get_token` (as in Go).

Secrets are compared in constant time, and an unknown user costs what a known one does. Nothing is cached: a user who
was just made inactive is refused by the next call. Unlike Go's, `get_user` does not give out the password's hash.
Asks the `Library`; an outage of its database is thrown into the script.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any, Final

from actors.functions.arguments import Arguments
from actors.functions.caller import Caller, Functions
from actors.library import cells
from actors.library.library import Library, Token
from protocol.observation.auditing import Audit, AuditEvent, AuditKind, Outcome, unheard

_NOBODY: Final = "0" * 64


class Users:
    """The functions over one library."""

    def __init__(self, library: Library, wall: Callable[[], float] = time.time, audit: Audit = unheard) -> None:
        """`wall` gives Unix seconds. `audit` is told of wrong passwords and tokens."""
        self._library = library
        self._audit = audit
        self._wall = wall

    def functions(self) -> Functions:
        """By the names scripts call them."""
        return {
            "validate_user": self.validate_user,
            "get_user": self.get_user,
            "validate_token": self.validate_token,
            "get_token": self.get_token,
        }

    async def validate_user(self, caller: Caller, values: list[Any]) -> bool:
        """`validate_user(user, password)`: whether the user is active and this is the password."""
        arguments = Arguments("validate_user(user, password)", values)
        name, password = arguments.text(0, ""), arguments.text(1, "")
        user = await self._library.user(name)
        digest = hashlib.new("sha512_256", password.encode("utf-8", "replace")).hexdigest()
        kept = user.password.lower() if user is not None else _NOBODY
        right = hmac.compare_digest(digest.encode(), kept.encode("utf-8", "replace"))
        good = right and user is not None and user.active
        if not good:
            self._refused(AuditKind.LOGIN, "validate_user", name, caller)
        return good

    async def get_user(self, caller: Caller, values: list[Any]) -> dict[str, Any] | None:
        """`get_user(user)`: `{id, username, rol, active}`, or null."""
        user = await self._library.user(Arguments("get_user(user)", values).text(0, ""))
        if user is None:
            return None
        return {"id": user.id, "username": user.username, "rol": user.rol, "active": user.active}

    async def validate_token(self, caller: Caller, values: list[Any]) -> bool:
        """`validate_token(name)`: whether the request carries a valid token of this name.

        Valid: active, `expired` in the future, and the request header named by the row holds its type and token. A row
        without a time of expiry is expired.
        """
        name = Arguments("validate_token(name)", values).text(0, "")
        found = False
        for token in await self._library.tokens(name):
            found |= self._is_carried(token, caller) and token.active and self._is_fresh(token)
        if not found:
            self._refused(AuditKind.TOKEN, f"validate_token {name}", "", caller)
        return found

    async def get_token(self, caller: Caller, values: list[Any]) -> list[dict[str, Any]]:
        """`get_token(name)`: an array of `{id, name, token, start, expired, active, header, tokenType}`."""
        return [
            {
                "id": token.id, "name": token.name, "token": token.token, "start": token.start,
                "expired": token.expired, "active": token.active, "header": token.header,
                "tokenType": token.token_type,
            }
            for token in await self._library.tokens(Arguments("get_token(name)", values).text(0, ""))
        ]  # fmt: skip

    def _refused(self, kind: AuditKind, what: str, who: str, caller: Caller) -> None:
        self._audit(AuditEvent(kind, what, Outcome.REFUSED, who, caller.request.address, wid=caller.wid))

    def _is_carried(self, token: Token, caller: Caller) -> bool:
        wanted = f"{token.token_type} {token.token}".encode("utf-8", "replace")
        header = token.header.lower().encode("utf-8", "replace")
        carried = caller.request.header(header).encode("utf-8", "replace")
        # Without a token in the row, "Bearer " would be a valid header.
        return hmac.compare_digest(wanted, carried) and bool(token.token)

    def _is_fresh(self, token: Token) -> bool:
        expired = cells.number(token.expired)
        return expired is not None and expired > self._wall()
