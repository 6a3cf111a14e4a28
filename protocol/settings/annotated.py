"""The configuration as a file people can read: every key at its default with its meaning, or as it is in force.

`config.toml` of the repository is `default_document()`. Secrets are `***` where they are set, and so
are passwords within addresses, and all texts of `[env]` and of plugins' tables, since what they hold is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, Final

from protocol.codec import dumps
from protocol.settings.key import Section
from protocol.settings.model import Sections
from protocol.settings.profiles import profile_defaults

HIDDEN: Final = "***"
_PASSWORD: Final = re.compile(r"(://[^/?#@:\s]*:)[^/?#\s]*@")
"""Of an address that is no secret by itself."""
_HEAD: Final = """\
# nflow-runtime: every key, at its default. A line: key = default  # meaning, unit.
# Any key can be set from the environment as NFLOW_<SECTION>_<KEY>: NFLOW_VM_POOL_MAX_SIZE=32, or from a file by
# NFLOW_<SECTION>_<KEY>_FILE. `nflow config default` prints this.
"""

Comment = Callable[[str, str, str, str], str]
"""Section, key as written, meaning, value as written → what stands behind the `#`."""


def default_document(profile: str = "") -> str:
    """Every key at its default, with its meaning. `profile`: at that profile's defaults."""
    tree: dict[str, dict[str, Any]] = {"server": {"profile": profile}} if profile else {}
    for section, key, value in profile_defaults(profile, {}):
        tree.setdefault(section, {})[key] = value
    lines = _lines(
        Sections.model_validate(tree), lambda section, key, meaning, value: f"{meaning}; default {_default(value)}"
    )
    return _HEAD + "\n".join(lines) + "\n"


def effective_document(settings: Sections, origins: Mapping[str, str]) -> str:
    """The configuration in force: each key with where its value comes from. It is TOML, without the secrets."""

    def origin(section: str, key: str, _meaning: str, _value: str) -> str:
        return origins.get(f"{section}.{key}", "default")

    return "\n".join(_lines(settings, origin)).lstrip("\n") + "\n"


def _default(value: str) -> str:
    return "empty" if value == '""' else value


def _lines(settings: Sections, comment: Comment) -> Iterator[str]:
    for name, field in Sections.model_fields.items():
        section = getattr(settings, name)
        yield ""
        if isinstance(section, Section):
            yield f"[{name}]  # {section.__doc__}"
            yield from _keys(name, section, comment)
        else:
            yield from _free(name, section, field.description or "", comment)


def _free(name: str, table: Mapping[str, str], meaning: str, comment: Comment) -> Iterator[str]:
    yield f"[{name}]"
    if table:
        yield from (f"{_name(key)} = {_hidden(value)}  # {comment(name, key, '', '')}" for key, value in table.items())
    else:
        yield from (f"# {meaning}; default: none", '# api_base = "https://api.example.com"')


def _keys(name: str, section: Section, comment: Comment) -> Iterator[str]:
    rows, tables = [], []
    for inner, field in type(section).model_fields.items():
        written, value = field.alias or inner, getattr(section, inner)
        meaning = field.description or ""
        if isinstance(value, dict):
            tables.append((written, meaning, value))
        else:
            literal = _hidden(value) if hasattr(value, "get_secret_value") else _literal(value)
            rows.append((f"{written} = {literal}", comment(name, written, meaning, literal)))
    width = max((len(row) for row, _ in rows), default=0)
    yield from (f"{row:<{width}}  # {told}" for row, told in rows)
    for written, meaning, table in tables:
        yield from ("", f"[{name}.{written}]  # {meaning}")
        yield from (f"{_name(key)} = {_literal(value)}" for key, value in table.items())
    for free, table in (section.model_extra or {}).items():
        yield from ("", f"[{name}.{_name(free)}]  # {comment(name, free, '', '')}")
        if isinstance(table, dict):
            yield from (f"{_name(key)} = {_hidden(value)}" for key, value in table.items())


def _hidden(value: Any) -> str:
    """A value that may be a secret."""
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, (bool, int, float)):
        return _literal(value)
    return _literal(HIDDEN if value else "")


def _literal(value: Any) -> str:
    """A value as TOML has it."""
    match value:
        case Enum():
            return _literal(value.value)
        case bool():
            return str(value).lower()
        case int() | float():
            number = int(value) if value == int(value) else value
            return f"{number:_}" if isinstance(number, int) and number >= 10_000 else str(number)
        case tuple() | list():
            return f"[{', '.join(map(_literal, value))}]"
        case _:
            return _text(_PASSWORD.sub(rf"\g<1>{HIDDEN}@", str(value)))


def _text(text: str) -> str:
    return dumps(text).decode().replace("\x7f", "\\u007f")


def _name(key: str) -> str:
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else _text(key)
