"""Results of nodes that may be used again: `nflow_options.cache`. A door, read and written by plain calls on the loop.

Kept by what the result hangs on (flow version, node, and the values the author names, else the whole payload), as a
digest. Invariant: neither more entries nor more bytes than allowed; the longest unused goes first.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from actors.nodes.substitution import Substitution
from actors.runs.walk import NodeDone
from protocol.codec import canonical, loads_from_script
from protocol.flow import Node


class _Kept(NamedTuple):
    done: NodeDone
    until: float
    size: int


class ResultCache:
    """The results of one runtime."""

    __slots__ = ("_bytes", "_entries", "_max_bytes", "_max_entries", "_now", "hits", "misses")

    def __init__(self, now: Callable[[], float], max_bytes: int = 64 << 20, max_entries: int = 10_000) -> None:
        """`now`: seconds of a clock that never goes back."""
        self._now = now
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._entries: OrderedDict[bytes, _Kept] = OrderedDict()
        self._bytes = 0
        self.hits = 0
        self.misses = 0

    @staticmethod
    def key(flow: str, node: Node, payload: bytes) -> bytes:
        """What a result of this node for this payload is kept under. Raises NodeError for a path that leads nowhere."""
        wanted = node.options.cache.key if node.options is not None and node.options.cache is not None else None
        value = loads_from_script(payload)
        if wanted is not None:
            value = Substitution(value).value(wanted)
        return hashlib.sha256(canonical([flow, node.id, value])).digest()

    def get(self, key: bytes) -> NodeDone | None:
        """The result, if there is one that still stands."""
        kept = self._entries.get(key)
        if kept is None or kept.until <= self._now():
            self.misses += 1
            if kept is not None:
                self._drop(key)
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return kept.done

    def put(self, key: bytes, done: NodeDone, seconds: float) -> None:
        """Keep a result for so long, unless it sets a cookie."""
        lines = (*done.headers, *(done.answer.headers if done.answer is not None else ()))
        if any(name == "Set-Cookie" for name, _ in lines):  # meant for one client
            return
        size = len(done.payload) + (len(done.answer.body) if done.answer is not None else 0) + 500
        self._drop(key)
        if size > self._max_bytes:
            return
        self._entries[key] = _Kept(done, self._now() + seconds, size)
        self._bytes += size
        while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return self._bytes

    def _drop(self, key: bytes) -> None:
        kept = self._entries.pop(key, None)
        if kept is not None:
            self._bytes -= kept.size
