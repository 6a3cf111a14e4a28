"""From a TOML tree and the environment to one tree of known keys, each with where it was written.

Names are matched as nFlow does: exactly, else without regard to case; documented second names lead to the first. What
is not known is an error that names the nearest known key, so a slip of the pen never becomes a silent default.
`NFLOW_SECTION_KEY` overrides `[section] key`: the longest section name that fits is the section, the rest is the key,
so `NFLOW_RATE_LIMIT_BACKEND` is `[rate_limit] backend`. Pure: knows neither files nor pydantic.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from protocol.errors import Problem

Known = Mapping[str, tuple[str, ...] | None]
"""Section → its keys, or None when its names are free."""

PREFIX: Final = "NFLOW_"

ALIASES: Final[Mapping[str, str]] = {
    "rate_limit.burst_size": "ip_burst_size",
    "mail.smtp_host": "smtp",
    "mail.smtp_port": "port",
    "mail.smtp_user": "username",
    "mail.smtp_password": "password",
    "mail.smtp_from": "from",
}
"""Second names from the manuals → the key meant."""

VARIABLE_ALIASES: Final[Mapping[str, tuple[str, str]]] = {"DATABASE_DSN": ("database_nflow", "dsn")}
"""Documented variables that do not follow the rule."""

OTHER_VARIABLES: Final = frozenset({"TEMPLATE_PATH"})
"""Variables with our prefix that are no settings."""

OPEN_SECTIONS: Final = frozenset({"plugin"})
"""Sections that hold tables of free names beside their keys."""

DEAD: Final = re.compile(
    r"(mongo|https_engine|https_designer)\."
    r"|redis\.maxconnectionpool\Z"
    r"|database_nflow\.Query(GetModules|CountModulesByName|Update\w+|InsertModule|DeleteModule|GetTemplateCount"
    r"|GetTemplates|InsertTemplate|DeleteTemplate)\Z"
)
"""Keys the nFlow runtime parses and never uses (the named queries are its designer's)."""

# Kubernetes puts such variables into every container for each service it knows; one called `nflow` is likely.
_ORCHESTRATOR: Final = re.compile(r"_SERVICE_HOST\Z|_SERVICE_PORT(_\w+)?\Z|_PORT_\d+_(TCP|UDP)(_\w+)?\Z")
_ORCHESTRATOR_VALUE: Final = re.compile(r"(tcp|udp)://")


@dataclass(slots=True)
class Gathered:
    """What was written, by section and key."""

    tree: dict[str, dict[str, Any]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    """`section.key` → the file or variable it was last written in."""
    problems: list[Problem] = field(default_factory=list)

    def put(self, section: str, key: str, value: Any, origin: str) -> None:
        """Set a key; a later source wins."""
        self.tree.setdefault(section, {})[key] = value
        self.origins[f"{section}.{key}"] = origin


def gather(tree: Mapping[str, Any], origin: str, env: Mapping[str, str], known: Known) -> Gathered:
    """One tree of known keys from a file's tree, with the environment over it. Problems found are in the result."""
    found = Gathered()
    for name, table in tree.items():
        section = _match(name, known)
        if section is None:
            found.problems.append(Problem(name, _unknown_section(name, table, known) + f" (from {origin})"))
        elif not isinstance(table, dict):
            found.problems.append(Problem(section, f"must be a table: [{section}] (from {origin})"))
        else:
            _take_table(found, section, table, origin, known)
    for variable, value in sorted(env.items()):
        if variable.startswith(PREFIX):
            _take_variable(found, variable, value, known)
    return found


def idle_keys(found: Gathered, defaults: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Problem]:
    """A warning for each key that is set to something else than its default and does nothing, here as in nFlow."""
    for path, origin in found.origins.items():
        section, _, key = path.partition(".")
        if DEAD.match(path) and defaults[section][key] != values[section][key]:
            yield Problem(path, f"does nothing, here as in nFlow (from {origin})", fatal=False)


def _take_table(found: Gathered, section: str, table: Mapping[str, Any], origin: str, known: Known) -> None:
    keys = known[section]
    first: dict[str, str] = {}
    for written, value in _unnested(section, table, keys):
        free = keys is None or (section in OPEN_SECTIONS and isinstance(value, dict))
        key = written if free else _key(section, written, keys or ())
        path = f"{section}.{written}"
        if key is None:
            found.problems.append(Problem(path, _unknown_key(section, written, known) + f" (from {origin})"))
        elif key in first:
            found.problems.append(Problem(path, f"the same key as {section}.{first[key]} (from {origin})"))
        else:
            first[key] = written
            found.put(section, key, value, origin)


def _unnested(section: str, table: Mapping[str, Any], keys: tuple[str, ...] | None) -> Iterator[tuple[str, Any]]:
    """The keys of a table, with the ones that slipped under a pattern table brought back.

    nFlow's own config.toml writes `enable_log_sanitization` and others after `[security.custom_patterns]`, so TOML has
    them in that table.
    """
    for written, value in table.items():
        if section == "security" and written.endswith("custom_patterns") and isinstance(value, dict) and keys:
            yield from ((key, item) for key, item in value.items() if key in keys)
            yield written, {key: item for key, item in value.items() if key not in keys}
        else:
            yield written, value


def _take_variable(found: Gathered, variable: str, value: str, known: Known) -> None:
    rest = variable.removeprefix(PREFIX)
    if rest in OTHER_VARIABLES or _ORCHESTRATOR.search(rest) or _ORCHESTRATOR_VALUE.match(value):
        return
    if rest in VARIABLE_ALIASES:
        found.put(*VARIABLE_ALIASES[rest], value, variable)
        return
    fitting = [section for section in known if rest.lower().startswith(f"{section}_")]
    section = max(fitting, key=len, default=None)
    if section is None:
        message = "no section of the configuration begins like this; ignored"
        found.problems.append(Problem(variable, message, fatal=False))
        return
    written, keys = rest[len(section) + 1 :], known[section]
    if keys is None:  # free names: the one the file has, whatever its case, else as it is written here
        found.put(section, _match(written, found.tree.get(section, {})) or written, value, variable)
    elif (key := _key(section, written, keys)) is not None:
        found.put(section, key, value, variable)
    else:
        message = _unknown_key(section, written.lower(), known)
        found.problems.append(Problem(f"{section}.{written.lower()}", f"{message} (from {variable})"))


def _match(name: str, names: Mapping[str, Any] | tuple[str, ...]) -> str | None:
    """The one of `names` that is meant: exactly, else whatever its case."""
    if name in names:
        return name
    folded = name.casefold()
    return next((candidate for candidate in names if candidate.casefold() == folded), None)


def _key(section: str, written: str, keys: tuple[str, ...]) -> str | None:
    return _match(written, keys) or ALIASES.get(f"{section}.{written.casefold()}")


def _unknown_section(name: str, table: Any, known: Known) -> str:
    if not isinstance(table, dict):
        homes = [section for section, keys in known.items() if keys and _key(section, name, keys)]
        if homes:
            return f"a key outside its section; did you mean [{homes[0]}] {name}?"
    near = difflib.get_close_matches(name, known, 1, 0.0)
    return f"unknown section; the nearest known one is [{near[0]}]"


def _unknown_key(section: str, written: str, known: Known) -> str:
    keys = known[section] or ()
    near = difflib.get_close_matches(written, keys, 1, 0.6)
    if not near:
        elsewhere = {f"{home}.{key}": key for home, names in known.items() for key in names or ()}
        same = [path for path, key in elsewhere.items() if key == written]
        near = same[:1] or [f"{section}.{key}" for key in difflib.get_close_matches(written, keys, 1, 0.0)]
        return f"unknown key; the nearest known one is {near[0]}"
    return f"unknown key; the nearest known one is {section}.{near[0]}"
