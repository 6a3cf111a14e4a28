"""The environment over the files: `NFLOW_SECTION_KEY`, its `_FILE` variant, and the names the manuals use literally.

The longest section name that fits is the section, the rest is the key, so `NFLOW_RATE_LIMIT_BACKEND` is `[rate_limit]
backend`. `NFLOW_SECTION_KEY_FILE` names a file that holds the value, as containers are given their secrets. Tables are
written as JSON or as TOML's inline tables. `DB_HOST` and `REDIS_HOST` go before a file and after `NFLOW_…`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from protocol.configuration.gathered import Gathered, Known
from protocol.configuration.names import DEAD, DEAD_KEYS, DEAD_SECTIONS, key_meant, matching, unknown_key
from protocol.configuration.table import OPEN_SECTIONS
from protocol.configuration.written import table_written

PREFIX: Final = "NFLOW_"
IN_FILE: Final = "_FILE"

VARIABLE_ALIASES: Final[Mapping[str, tuple[str, str]]] = {
    "DATABASE_DSN": ("database_nflow", "dsn"),
    "PROFILE": ("server", "profile"),
}
"""Documented variables that do not follow the rule."""

OTHER_VARIABLES: Final = frozenset({"TEMPLATE_PATH"})
"""Variables with our prefix that are no settings."""

# Kubernetes puts such variables into every container for each service it knows; one called `nflow` is likely.
_ORCHESTRATOR: Final = re.compile(r"_SERVICE_HOST\Z|_SERVICE_PORT(_\w+)?\Z|_PORT_\d+_(TCP|UDP)(_\w+)?\Z")
_ORCHESTRATOR_VALUE: Final = re.compile(r"(tcp|udp)://")
_HOST_IN_URL: Final = re.compile(r"(?s)(\w+://(?:[^/?#]*@)?)(\[[^\]]*\]|[^:/?#]*)(.*)")
_HOST_IN_PAIRS: Final = re.compile(r"(?<![\w'])host\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']*)")
_HOST_IN_GO: Final = re.compile(r"(@tcp\()([^:)]*)")
_HOST: Final = re.compile(r"[\w.:\[\]-]{1,255}")

Read = Callable[[str], str]
"""The text of a file. Raises OSError, ValueError."""


def take_variables(found: Gathered, env: Mapping[str, str], known: Known, read: Read) -> None:
    """Put the environment over what was gathered."""
    _take_literal(found, env)
    for variable in sorted(env):
        if variable.startswith(PREFIX):
            _take_variable(found, variable, env, known, read)


def _take_literal(found: Gathered, env: Mapping[str, str]) -> None:
    if host := env.get("REDIS_HOST", ""):
        found.put("redis", "host", host, "REDIS_HOST")
    host = env.get("DB_HOST", "")
    if not host or f"{PREFIX}DATABASE_DSN" in env or f"{PREFIX}DATABASE_NFLOW_DSN" in env:
        return
    dsn = found.tree.get("database_nflow", {}).get("dsn")
    other = _with_host(dsn, host) if isinstance(dsn, str) and _HOST.fullmatch(host) else None
    if other is None:
        found.complain("DB_HOST", "database_nflow.dsn has no host that it could replace; ignored", fatal=False)
    else:
        found.put("database_nflow", "dsn", other, f"{found.origins['database_nflow.dsn']} and DB_HOST")


def _with_host(dsn: str, host: str) -> str | None:
    """A DSN of a server with another host."""
    text = dsn.strip()
    if url := _HOST_IN_URL.fullmatch(text):
        return f"{url[1]}{host}{url[3]}" if not text.startswith(("sqlite", "file")) else None
    for pattern, group in ((_HOST_IN_PAIRS, 1), (_HOST_IN_GO, 2)):
        if place := pattern.search(text):
            return text[: place.start(group)] + host + text[place.end(group) :]
    return None


def _take_variable(found: Gathered, variable: str, env: Mapping[str, str], known: Known, read: Read) -> None:
    rest, value = variable.removeprefix(PREFIX), env[variable]
    if rest in OTHER_VARIABLES or _ORCHESTRATOR.search(rest) or _ORCHESTRATOR_VALUE.match(value):
        return
    if target := _target(found, rest, known):
        _put(found, target, value, variable)
    elif rest.endswith(IN_FILE) and (target := _target(found, rest.removesuffix(IN_FILE), known)):
        _take_file(found, variable, target, env, read)
    elif table := _new_table(rest, value):
        found.put(*table, variable)
    else:
        _complain(found, variable, rest.lower(), known)


def _take_file(found: Gathered, variable: str, target: tuple[str, ...], env: Mapping[str, str], read: Read) -> None:
    plain = variable.removesuffix(IN_FILE)
    if plain in env:
        found.complain(".".join(target), f"is set by {plain} too: one of them must go", variable)
        return
    try:
        value = read(env[variable])
    except OSError as error:
        found.complain(".".join(target), f"its file cannot be read: {error.strerror}", variable)
    except ValueError as error:
        found.complain(".".join(target), f"its file cannot be read: {error}", variable)
    else:
        _put(found, target, value.removesuffix("\n").removesuffix("\r"), variable)


def _target(found: Gathered, rest: str, known: Known) -> tuple[str, ...] | None:
    """Section and key that a variable's name means; of a plugin's table also the key in it."""
    if rest in VARIABLE_ALIASES:
        return VARIABLE_ALIASES[rest]
    section = _section(rest, known)
    if section is None:
        return None
    written, keys, there = rest[len(section) + 1 :], known[section], found.tree.get(section, {})
    if keys is None:  # free names: the one the file has, whatever its case, else as it is written here
        return section, matching(written, there) or written
    if key := key_meant(section, written, keys):
        return section, key
    return _in_tables(section, written, there) if section in OPEN_SECTIONS else None


def _in_tables(section: str, written: str, there: Mapping[str, Any]) -> tuple[str, ...] | None:
    tables = {name: table for name, table in there.items() if isinstance(table, dict)}
    if name := matching(written, tables):
        return section, name
    fitting = [name for name in tables if written.casefold().startswith(f"{name.casefold()}_")]
    name = max(fitting, key=len, default=None)
    if name is None:
        return None
    inner = written[len(name) + 1 :]
    if key := matching(inner, tables[name]):
        return section, name, key
    return None if inner.endswith(IN_FILE) or not inner else (section, name, inner.lower())


def _put(found: Gathered, target: tuple[str, ...], value: str, variable: str) -> None:
    section, key, *inner = target
    there = found.tree.get(section, {}).get(key)
    if inner:
        found.put(section, key, {**there, inner[0]: value} if isinstance(there, dict) else there, variable)
    elif section not in OPEN_SECTIONS or not isinstance(there, dict):
        found.put(section, key, value, variable)
    elif (table := table_written(value)) is not None:
        found.put(section, key, table, variable)
    else:
        found.complain(f"{section}.{key}", "must be a table, as JSON or as TOML's {key = value}", variable)


def _new_table(rest: str, value: str) -> tuple[str, str, dict[str, Any]] | None:
    """A plugin's table that no file has."""
    for section in OPEN_SECTIONS:
        if rest.lower().startswith(f"{section}_") and (table := table_written(value)) is not None:
            return section, rest[len(section) + 1 :].lower(), table
    return None


def _section(rest: str, known: Known) -> str | None:
    fitting = [section for section in known if rest.lower().startswith(f"{section}_")]
    return max(fitting, key=len, default=None)


def _complain(found: Gathered, variable: str, rest: str, known: Known) -> None:
    section = _section(rest, known)
    if section is None:
        dead = any(rest.startswith(f"{name}_") for name in DEAD_SECTIONS)
        found.complain(
            variable, DEAD if dead else "no section of the configuration begins like this; ignored", fatal=False
        )
        return
    written = rest[len(section) + 1 :]
    path = f"{section}.{written}"
    if DEAD_KEYS.fullmatch(path):
        found.complain(path, DEAD, variable, fatal=False)
    else:
        found.complain(path, unknown_key(section, written, known), variable)
