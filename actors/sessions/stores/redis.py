"""Sessions in Redis: shared by all servers, kept over restarts of this program.

Invariant: one save is one script on the server, so it happens whole or not at all, between no other's steps. Redis
expires sessions by itself. Whoever owns the connection opens and closes it; here it is only called.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from actors.guards.encryption import NO_KEYS, Keyring
from actors.reach.redis_client import RedisDoor, RedisScript, Reply, Word
from actors.sessions.state import KIB, too_large, value_text
from actors.sessions.stores.store import prefixed_length
from actors.stores.statements import read_statements
from protocol.codec import loads_from_script
from protocol.errors import BadDocument, CallRefused, Unavailable, Undecipherable
from protocol.sessions import Changes, Maps, SessionEnded

_SCRIPTS: Final = Path(__file__).with_name("redis.lua")
_EMPTY: Final = b"-"
_BITE: Final = 1_000


class RedisSessions:
    """Sessions as hashes."""

    __slots__ = ("_keys", "_load", "_max_kb", "_millis", "_prefix", "_redis", "_save")

    def __init__(
        self,
        redis: RedisDoor,
        lifetime_seconds: float,
        max_kb: int,
        prefix: str = "nflow:session:",
        keys: Keyring = NO_KEYS,
    ) -> None:
        """`keys`: what values are encrypted with; the names of maps and keys are not."""
        scripts = read_statements(_SCRIPTS)
        self._load = RedisScript(scripts["load"])
        self._save = RedisScript(scripts["save"])
        self._redis = redis
        self._keys = keys
        self._millis = max(1, int(lifetime_seconds * 1000))
        self._max_kb = max_kb
        self._prefix = prefix

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    def touch(self, session: str) -> bool:
        """False: another server may have changed it."""
        return False

    async def load(self, session: str) -> Maps | None:
        """See `SessionStore.load`."""
        state = await _reached(self._redis.run(self._load, [self._prefix + session], [self._millis]))
        if not state:
            return None
        try:
            return _maps([_bytes(text) for text in state], self._keys)
        except (BadDocument, ValueError):
            raise SessionEnded from None  # nobody can go on with what others wrote here
        except Undecipherable as error:
            raise Unavailable(f"the session cannot be read: {error}") from None

    async def save(self, session: str, changes: Changes, *, begin: bool = False, rename: str = "") -> None:
        """See `SessionStore.save`."""
        beginnings = [prefixed_length(_bytes(name)) for name in changes.deletions]
        removed = [_field(name, key) for name, keys in changes.removals.items() for key in keys]
        come = list(_fields(changes.merges, self._keys))
        keys = [self._prefix + session, self._prefix + (rename or session)]
        arguments: list[Word] = [
            int(begin), self._millis, self._max_kb * KIB,
            len(beginnings), *beginnings, len(removed), *removed, len(come), *come,
        ]  # fmt: skip
        said = await _reached(self._redis.run(self._save, keys, arguments))
        match _bytes(said):
            case b"saved":
                return
            case b"large":
                raise too_large(self._max_kb)
            case b"ended":
                raise SessionEnded
            case other:
                raise Unavailable("the session store is out of order", detail=other.decode(errors="replace"))

    async def end(self, session: str) -> None:
        """See `SessionStore.end`."""
        await _reached(self._redis.call("DEL", self._prefix + session))

    async def sweep(self) -> int:
        """Nothing to do: Redis does it."""
        return 0

    async def clear(self) -> int:
        """See `SessionStore.clear`. In bites, so that the server serves others meanwhile."""
        ended, cursor = 0, b"0"
        while True:
            found = await _reached(self._redis.call("SCAN", cursor, "MATCH", f"{self._prefix}*", "COUNT", _BITE))
            cursor, keys = _bytes(found[0]), found[1]
            if keys:
                ended += int(await _reached(self._redis.call("UNLINK", *keys)))
            if cursor == b"0":
                return ended

    async def count(self) -> int | None:
        """See `SessionStore.count`: Redis counts no keys of one kind."""
        return None


async def _reached(asked: Awaitable[Reply]) -> Reply:
    """What the server says. What it refuses (no rights, a foreign key of ours) no script could mend."""
    try:
        return await asked
    except CallRefused as refused:
        raise Unavailable("the session store refuses", detail=str(refused)) from None


def _fields(merges: Maps, keys: Keyring) -> Iterator[bytes]:
    for name, values in merges.items():
        for key, value in values.items():
            field = _field(name, key)
            yield field
            yield keys.seal(value_text(value), _place(field))


def _field(name: str, key: str) -> bytes:
    return prefixed_length(_bytes(name)) + _bytes(key)


def _maps(texts: Sequence[bytes], keys: Keyring) -> Maps:
    maps: dict[str, dict[str, Any]] = {}
    for field, value in zip(texts[::2], texts[1::2], strict=True):
        if field != _EMPTY:
            length, _, rest = field.partition(b":")
            name, key = rest[: int(length)], rest[int(length) :]
            opened = keys.unseal(value, _place(field))
            maps.setdefault(name.decode(), {})[key.decode()] = loads_from_script(opened, "session")
    return maps


def _place(field: bytes) -> str:
    """Where a value opens: in this field, of any session, for a session is renamed without being read."""
    return f"session\0{field.decode('utf-8', 'replace')}"


def _bytes(text: Any) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return str(text).encode()
    except UnicodeEncodeError:
        raise CallRefused("a session cannot keep a name with half a character in it", name="TypeError") from None
