"""A file's tree into what was gathered: sections, keys, and the ones that slipped under another table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from protocol.configuration.gathered import Gathered, Known
from protocol.configuration.names import (
    DEAD,
    DEAD_KEYS,
    DEAD_SECTIONS,
    key_meant,
    matching,
    unknown_key,
    unknown_section,
)

Origin = Callable[..., str]
"""The names that lead to a place of the file, as they are written there → `config.toml:7`."""

OPEN_SECTIONS: Final = frozenset({"plugin"})
"""Sections that hold tables of free names beside their keys."""
MOST_LEVELS: Final = 40
"""Deepest nesting of a table."""


def take_tree(found: Gathered, tree: Mapping[str, Any], origin: Origin, known: Known) -> None:
    """Put a file's tree into `found`, with the problems of its names."""
    for name, table in tree.items():
        section, dead = matching(name, known), matching(name, DEAD_SECTIONS)
        if found.full:
            return
        if section is None and dead is None:
            found.complain(name, unknown_section(name, table, known), origin(name))
        elif not isinstance(table, dict):
            found.complain(section or name, f"must be a table: [{section or dead}]", origin(name))
        elif section is None:
            for key in table:
                found.complain(f"{dead}.{key}", DEAD, origin(name, key), fatal=False)
        else:
            _take_table(found, name, section, table, origin, known)


def _take_table(
    found: Gathered, name: str, section: str, table: Mapping[str, Any], origin: Origin, known: Known
) -> None:
    keys = known[section]
    first: dict[str, str] = {}
    for inner, written, value in _unnested(section, table, keys):
        free = keys is None or (section in OPEN_SECTIONS and isinstance(value, dict))
        key = written if free else key_meant(section, written, keys or ())
        path, place = f"{section}.{written}", origin(name, *inner, written)
        if found.full:
            return
        if key is None and DEAD_KEYS.fullmatch(path):
            found.complain(path, DEAD, place, fatal=False)
        elif key is None:
            found.complain(path, unknown_key(section, written, known), place)
        elif key in first:
            found.complain(path, f"the same key as {section}.{first[key]}", place)
        elif _too_deep(value):
            found.complain(path, f"nested deeper than {MOST_LEVELS} levels", place)
        else:
            first[key] = written
            found.put(section, key, value, place)


def _unnested(
    section: str, table: Mapping[str, Any], keys: tuple[str, ...] | None
) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """The keys of a table, each after the tables it stands in, with those that slipped under a pattern table.

    nFlow's own config.toml writes `enable_log_sanitization` and others after `[security.custom_patterns]`, so TOML has
    them in that table.
    """
    for written, value in table.items():
        if section == "security" and written.endswith("custom_patterns") and isinstance(value, dict) and keys:
            yield from (((written,), key, item) for key, item in value.items() if key in keys)
            yield (), written, {key: item for key, item in value.items() if key not in keys}
        else:
            yield (), written, value


def _too_deep(value: Any) -> bool:
    layer, levels = [value], 0
    while layer:
        levels += 1
        if levels > MOST_LEVELS:
            return True
        layer = [
            item
            for each in layer
            if isinstance(each, (dict, list))
            for item in (each.values() if isinstance(each, dict) else each)
        ]
    return False
