"""`security.encrypt(text)` and `security.decrypt(text)` (nFlow manual).

Encryption is not in this release, and never happens without a key: both say what is missing, which a script can catch.
"""

from __future__ import annotations

from typing import Any, Final

from actors.functions.caller import Caller, Functions
from protocol.errors import CallRefused

_MISSING: Final = "set [security] encryption_key: encryption comes with it"


class SecurityFunctions:
    """The functions of `security`."""

    def functions(self) -> Functions:
        """By name."""
        return {"security.encrypt": self._refused, "security.decrypt": self._refused}

    async def _refused(self, _caller: Caller, _arguments: list[Any]) -> Any:
        raise CallRefused(_MISSING)
