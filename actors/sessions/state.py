"""What changes do to a session, how it is written, and how large it may be. Pure.

Invariant: maps are never changed in place, only replaced, so whoever holds a session's maps holds one moment of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from protocol.codec import MAX_DEPTH, dumps, loads_from_script
from protocol.errors import BadDocument, CallRefused
from protocol.sessions import Changes, Maps, SessionEnded

KIB: Final = 1_024
_ID: Final = re.compile(r"[A-Za-z0-9_-]{32,64}")


def is_id(text: str) -> bool:
    """Whether the text has the form of a session's id."""
    return _ID.fullmatch(text) is not None


def applied(maps: Maps, changes: Changes) -> Maps:
    """The maps after the changes. A map left without keys is no map."""
    after: dict[str, Mapping[str, Any]] = {name: each for name, each in maps.items() if name not in changes.deletions}
    for name, keys in changes.removals.items():
        if name in after:
            after[name] = {key: value for key, value in after[name].items() if key not in keys}
    for name, values in changes.merges.items():
        after[name] = {**after.get(name, {}), **values}
    return {name: each for name, each in after.items() if each}


def written(maps: Maps, max_kb: int) -> bytes:
    """The maps as JSON text. Raises CallRefused for more than `max_kb` KiB, and for values JSON cannot say."""
    text = value_text(maps)
    if len(text) > max_kb * KIB:
        raise too_large(max_kb)
    return text


def new_text(name: str, values: Mapping[str, Any]) -> bytes:
    """Values about to be merged into a map, as JSON text. Raises CallRefused for what could not be read back."""
    text = value_text({name: values})
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH // 2:  # else it cannot be nested too deeply
        try:
            loads_from_script(text)
        except BadDocument as error:
            raise CallRefused(f"a session cannot keep this: {error.problems[0].message}", name="RangeError") from None
    return text


def value_text(value: Any) -> bytes:
    """One value as JSON text. Raises CallRefused for what JSON cannot say."""
    try:
        return dumps(value)
    except ValueError as error:
        raise CallRefused(f"a session cannot keep this: {error}", name="TypeError") from None


def read(text: str | bytes) -> Maps:
    """The maps of a text that `written` made. Raises SessionEnded for any other: nobody can go on with it."""
    try:
        maps = loads_from_script(text if isinstance(text, bytes) else text.encode(), "session")
    except BadDocument:
        raise SessionEnded from None
    if not isinstance(maps, dict) or not all(isinstance(each, dict) for each in maps.values()):
        raise SessionEnded
    return maps


def too_large(max_kb: int) -> CallRefused:
    """The refusal to keep more."""
    return CallRefused(f"the session would be larger than {max_kb} KiB (session.max_kb = {max_kb})", name="RangeError")
