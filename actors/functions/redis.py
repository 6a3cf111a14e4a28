"""nFlow's `redis_*`: hashes of the operator's Redis for scripts.

As in Go an error is not thrown but part of the result: `{"val": …, "err": null or a text}`, which the script's side
makes into the command object with `.val()`, `.err()` and `.result()`. A field that is not there has Go's error
`redis: nil`. The runtime's own keys are not to be reached from here.
"""

from __future__ import annotations

from typing import Any

from actors.functions.arguments import Arguments
from actors.functions.caller import Caller, Functions
from actors.reach.redis_client import RESERVED, RedisDoor, Word
from protocol.codec import dumps
from protocol.errors import Refusal

NIL = "redis: nil"


class RedisFunctions:
    """The Redis functions over one door."""

    __slots__ = ("_door", "_enabled")

    def __init__(self, door: RedisDoor, enabled: bool = True) -> None:
        """`enabled`: vm_pool.enable_network."""
        self._door = door
        self._enabled = enabled

    def functions(self) -> Functions:
        """The four of nFlow."""
        return {
            "redis_hset": self._hset,
            "redis_hget": self._hget,
            "redis_hdel": self._hdel,
            "redis_expire": self._expire,
        }

    async def _hset(self, caller: Caller, values: list[Any]) -> Any:
        """The number of new fields."""
        arguments = Arguments("redis_hset(key, field, value)", values)
        key, field, value = arguments.text(0), arguments.text(1), arguments.value(2)
        if isinstance(value, dict | list) or value is None:
            return _result(0, "redis_hset: the value must be a text, a number or a boolean; use JSON.stringify")
        return await self._command(0, key, "HSET", key, field, _written(value))

    async def _hget(self, caller: Caller, values: list[Any]) -> Any:
        """The field's text."""
        arguments = Arguments("redis_hget(key, field)", values)
        key = arguments.text(0)
        result = await self._command("", key, "HGET", key, arguments.text(1))
        if result["err"] is None and result["val"] is None:
            return _result("", NIL)
        return result

    async def _hdel(self, caller: Caller, values: list[Any]) -> Any:
        """The number of fields removed."""
        arguments = Arguments("redis_hdel(key, field)", values)
        key = arguments.text(0)
        return await self._command(0, key, "HDEL", key, arguments.text(1))

    async def _expire(self, caller: Caller, values: list[Any]) -> Any:
        """Whether the key was there."""
        arguments = Arguments("redis_expire(key, seconds)", values)
        key, seconds = arguments.text(0), arguments.number(1)
        if not -(2**53) < seconds < 2**53:
            return _result(False, "redis_expire: seconds must be a number of seconds")
        result = await self._command(0, key, "EXPIRE", key, int(seconds))
        return _result(result["val"] == 1, result["err"])

    async def _command(self, zero: Any, key: str, *command: Word) -> dict[str, Any]:
        if not self._enabled:
            return _result(zero, "the network is off: vm_pool.enable_network = false")
        if key.startswith(RESERVED):
            return _result(zero, f"redis: keys that begin with {RESERVED} are the runtime's own")
        try:
            reply = await self._door.call(*command)
        except Refusal as error:
            return _result(zero, str(error))
        return _result(reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply, None)


def _result(value: Any, error: str | None) -> dict[str, Any]:
    return {"val": value, "err": error}


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))  # as go-redis writes one
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else dumps(value).decode()
