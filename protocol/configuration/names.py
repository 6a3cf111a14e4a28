"""The names of sections and keys: which known one is meant, which do nothing, and what to say of one nobody knows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from protocol.configuration.gathered import Known, printable

ALIASES: Final[Mapping[str, str]] = {
    "rate_limit.burst_size": "ip_burst_size",
    "mail.smtp_host": "smtp",
    "mail.smtp_port": "port",
    "mail.smtp_user": "username",
    "mail.smtp_password": "password",
    "mail.smtp_from": "from",
}
"""Second names from the manuals → the key meant."""

DEAD_SECTIONS: Final = ("mongo", "https_engine", "https_designer")
"""Sections that nFlow parses and never uses."""

DEAD_KEYS: Final = re.compile(
    r"redis\.maxconnectionpool"
    r"|database_nflow\.Query(GetModules|CountModulesByName|Update(Mod|Form|Code)ModuleByName|UpdateApp|InsertModule"
    r"|DeleteModule|GetTemplateCount|GetTemplates|UpdateTemplate|InsertTemplate|DeleteTemplate)",
    re.IGNORECASE,
)
"""Keys that nFlow parses and never uses (the named queries are its designer's)."""

DEAD: Final = "does nothing, here as in nFlow"


def matching(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is meant: exactly, else whatever its case."""
    folded, found = name.casefold(), None
    for candidate in names:
        if candidate == name:
            return name
        if found is None and candidate.casefold() == folded:
            found = candidate
    return found


def key_meant(section: str, written: str, keys: Iterable[str]) -> str | None:
    """The known key of a section."""
    return matching(written, keys) or ALIASES.get(f"{section}.{written.casefold()}")


def unknown_section(name: str, table: Any, known: Known) -> str:
    """What to say of a section nobody knows."""
    if not isinstance(table, dict):
        homes = [section for section, keys in known.items() if keys and key_meant(section, name, keys)]
        if homes:
            return f"a key outside its section; did you mean [{homes[0]}] {printable(name)}?"
    near = difflib.get_close_matches(printable(name), known, 1, 0.0)
    return f"unknown section; the nearest known one is [{near[0]}]"


def unknown_key(section: str, written: str, known: Known) -> str:
    """What to say of a key nobody knows."""
    keys, written = known[section] or (), printable(written)
    near = difflib.get_close_matches(written, keys, 1, 0.6)
    if near:
        return f"unknown key; the nearest known one is {section}.{near[0]}"
    same = [f"{home}.{written}" for home, names in known.items() if written in (names or ())]
    return f"unknown key; the nearest known one is {(same or _nearest(section, written, keys))[0]}"


def _nearest(section: str, written: str, keys: tuple[str, ...]) -> list[str]:
    return [f"{section}.{key}" for key in difflib.get_close_matches(written, keys, 1, 0.0)]
