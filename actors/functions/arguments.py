"""The arguments of a host call, taken one by one, each with a clear error when it is not what the function takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from protocol.codec import dumps
from protocol.errors import CallRefused

_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth")
_MISSING: Final = object()


class Arguments:
    """The values of one call of a function whose use is `usage`, such as `http_get(url)`."""

    __slots__ = ("_usage", "_values")

    def __init__(self, usage: str, values: Sequence[Any]) -> None:
        self._usage = usage
        self._values = values

    def text(self, place: int, default: str | None = None) -> str:
        """A string. Numbers and booleans are written out, as Go's engine does; null and nothing are the default."""
        value = self._at(place)
        if value is None or value is _MISSING:
            if default is None:
                raise self._wrong(place, "a string")
            return default
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return value
        if isinstance(value, int | float):
            return dumps(value).decode()
        raise self._wrong(place, "a string")

    def number(self, place: int, default: float | None = None) -> float:
        """A number; a text that is one counts."""
        value = self._at(place)
        if (value is None or value is _MISSING) and default is not None:
            return default
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                pass
        raise self._wrong(place, "a number")

    def object(self, place: int, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """An object."""
        value = self._at(place)
        if isinstance(value, dict):
            return value
        if (value is None or value is _MISSING) and default is not None:
            return default
        raise self._wrong(place, "an object")

    def array(self, place: int, default: list[Any] | None = None) -> list[Any]:
        """An array."""
        value = self._at(place)
        if isinstance(value, list):
            return value
        if (value is None or value is _MISSING) and default is not None:
            return default
        raise self._wrong(place, "an array")

    def value(self, place: int, default: Any = None) -> Any:
        """Whatever is there."""
        value = self._at(place)
        return default if value is _MISSING else value

    def rest(self, place: int) -> list[Any]:
        """All values from this place on."""
        return list(self._values[place:])

    def _at(self, place: int) -> Any:
        return self._values[place] if place < len(self._values) else _MISSING

    def _wrong(self, place: int, wanted: str) -> CallRefused:
        ordinal = _ORDINALS[place] if place < len(_ORDINALS) else f"{place + 1}th"
        return CallRefused(f"{self._usage}: the {ordinal} argument must be {wanted}", name="TypeError")
