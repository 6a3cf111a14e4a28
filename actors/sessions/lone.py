"""A session nobody keeps: what a fork's scripts read and write, gone with the run (Go: a branch has no session)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class LoneSession:
    """Maps of one run, in memory only."""

    __slots__ = ("_maps",)

    def __init__(self) -> None:
        self._maps: dict[str, dict[str, Any]] = {}

    @property
    def id(self) -> str:
        """It has none."""
        return ""

    @property
    def changed(self) -> bool:
        """Never anything to write."""
        return False

    async def read(self, name: str) -> Mapping[str, Any]:
        """One map; empty when there is none."""
        return self._maps.get(name, {})

    async def write(self, name: str, values: Mapping[str, Any]) -> None:
        """Merge values into one map."""
        self._maps.setdefault(name, {}).update(values)

    async def remove(self, name: str, keys: Iterable[str]) -> None:
        """Remove keys of one map."""
        for key in keys:
            self._maps.get(name, {}).pop(key, None)

    async def delete(self, name: str) -> None:
        """Remove one map."""
        self._maps.pop(name, None)

    async def rotate(self) -> None:
        """It has no id to change."""

    async def commit(self) -> str:
        """Nothing is written."""
        return ""
