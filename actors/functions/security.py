"""`security.encrypt(text)`, `security.decrypt(text)` and `security.isEncrypted(text)` (nFlow manual).

They work with the operator's keys, which no script ever sees, and refuse without one. `decrypt` takes what `encrypt`
made, what nFlow's own program made, and texts whose values were encrypted in place (`[ENCRYPTED_email:…]`). Its errors
have Go's words and can be caught.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from actors.functions.arguments import Arguments
from actors.functions.caller import Caller, Functions
from actors.guards.encryption import Keyring
from actors.guards.interception import TOKEN, decrypted_tokens
from protocol.errors import CallRefused, Undecipherable

_MISSING: Final = "there is no key: set [security] encryption_key (`nflow keygen` makes one)"


class SecurityFunctions:
    """The functions of `security`."""

    __slots__ = ("_encrypted", "_keys")

    def __init__(self, keys: Keyring, encrypted: Callable[[], None] = lambda: None) -> None:
        """`encrypted` is told of each text that was."""
        self._keys = keys
        self._encrypted = encrypted

    def functions(self) -> Functions:
        """By name."""
        return {
            "security.encrypt": self.encrypt,
            "security.decrypt": self.decrypt,
            "security.isEncrypted": self.is_encrypted,
        }

    async def encrypt(self, _caller: Caller, values: list[Any]) -> str:
        """The ciphertext of a text; the empty text stays empty, as in Go."""
        text = Arguments("security.encrypt(text)", values).text(0)
        if not self._keys.encrypts:
            raise CallRefused(_MISSING)
        self._encrypted()
        return self._keys.encrypt(text)

    async def decrypt(self, _caller: Caller, values: list[Any]) -> str:
        """The text of a ciphertext, or a text with all its values that were encrypted in place."""
        text = Arguments("security.decrypt(text)", values).text(0)
        if not self._keys.decrypts:
            raise CallRefused(_MISSING)
        try:
            return decrypted_tokens(self._keys, text) if TOKEN.search(text) else self._keys.decrypt(text)
        except Undecipherable as error:
            raise CallRefused(str(error)) from None

    async def is_encrypted(self, _caller: Caller, values: list[Any]) -> bool:
        """Whether `decrypt` can read it."""
        text = Arguments("security.isEncrypted(text)", values).text(0)
        if not self._keys.decrypts:
            raise CallRefused(_MISSING)
        token = TOKEN.fullmatch(text)
        return self._keys.reads(token[2] if token else text)
