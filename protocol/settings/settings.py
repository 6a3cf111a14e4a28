"""The whole configuration. Read here, and only here.

`Settings.load` reads one file (TOML, or Flowrunner's `config.json`) and the environment over it and answers with
frozen settings and warnings, or with a BadDocument that lists every error, each with its key and where it was written.
From the weakest: defaults, the profile, the file, the names of the documents (`DB_HOST`, `FLOWRUNNER_…`),
`NFLOW_SECTION_KEY`. Keys nFlow knows and never uses are told once each. No message repeats a value.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from protocol.codec import loads
from protocol.configuration import (
    Gathered,
    Known,
    flowrunner_tree,
    places,
    printable,
    take_flowrunner_variables,
    take_tree,
    take_variables,
)
from protocol.errors import BadDocument, Problem
from protocol.settings.checks import contradictions
from protocol.settings.key import Section
from protocol.settings.model import Sections
from protocol.settings.profiles import profile_defaults

MOST_BYTES: Final = 1 << 20
"""Largest file that is read."""


class Settings(Sections):
    """The whole configuration."""

    @classmethod
    def load(cls, path: Path | None, env: Mapping[str, str]) -> tuple[Settings, tuple[Problem, ...]]:
        """Settings from the file at `path` (None: no file) with the environment over it, and warnings.

        Raises BadDocument with every error: its key, the reason, and the file or variable it comes from.
        """
        return cls.read(path, env).valid()

    @classmethod
    def parse(cls, text: str, origin: str, env: Mapping[str, str]) -> tuple[Settings, tuple[Problem, ...]]:
        """Like `load`, from the text of a file called `origin`."""
        return cls.examine(text, origin, env).valid()

    @classmethod
    def read(cls, path: Path | None, env: Mapping[str, str]) -> Loaded:
        """Like `load`, with everything there is to say of it. Raises BadDocument only for a file that is none."""
        if path is None:
            return cls.examine("", "config.toml", env)
        try:
            text = _text(path)
        except OSError as error:
            raise BadDocument([Problem(printable(str(path), 4_096), f"cannot be read: {error.strerror}")]) from None
        except ValueError as error:
            raise BadDocument([Problem(printable(str(path), 4_096), str(error))]) from None
        return cls.examine(text, path.name, env)

    @classmethod
    def examine(cls, text: str, origin: str, env: Mapping[str, str]) -> Loaded:
        """Like `parse`, with everything there is to say of it. Raises BadDocument for a text that is none."""
        found = Gathered()
        if origin.endswith(".json"):
            flowrunner_tree(found, _json(text, origin), origin)
        else:
            take_tree(found, _toml(text, origin), _Places(text, origin), known_keys())
        take_flowrunner_variables(found, env)
        take_variables(found, env, known_keys(), lambda path: _text(Path(path)))
        profile = found.tree.get("server", {}).get("profile", "")
        for section, key, value in profile_defaults(profile if isinstance(profile, str) else "", found.tree):
            if key not in found.tree.get(section, {}):
                found.put(section, key, value, f"profile {profile}")
        try:
            settings = cls.model_validate(found.tree)
        except ValidationError as error:
            _note(found, error)
            return Loaded(None, tuple(found.problems), found.origins)
        return Loaded(settings, tuple(found.problems), found.origins).with_problems(contradictions(settings))


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a configuration turned out to be."""

    settings: Settings | None
    """None: a key has a value it cannot have."""
    problems: tuple[Problem, ...]
    """Errors and warnings."""
    origins: Mapping[str, str]
    """`section.key` → where it was written: `config.toml:7`, a variable, `profile production`. Others: the default."""

    def valid(self) -> tuple[Settings, tuple[Problem, ...]]:
        """The settings with the warnings. Raises BadDocument with every error."""
        errors = [problem for problem in self.problems if problem.fatal]
        if errors or self.settings is None:
            raise BadDocument(errors)
        return self.settings, self.problems

    def with_problems(self, problems: Any) -> Loaded:
        """With further problems (an iterable of Problem), each told where its key was written."""
        return replace(self, problems=(*self.problems, *map(self._located, problems)))

    def _located(self, problem: Problem) -> Problem:
        origin = self.origins.get(".".join(problem.path.split(".")[:2]), "the default")
        return replace(problem, message=f"{problem.message} (from {origin})")


def known_keys() -> Known:
    """Section → its keys as they are written, or None for a table of free names."""
    return {
        name: tuple(field.alias or inner for inner, field in section.model_fields.items())
        if (section := _section(name)) is not None
        else None
        for name in Settings.model_fields
    }


def _section(name: str) -> type[Section] | None:
    kind = Settings.model_fields[name].annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


class _Places:
    """Where a name of the file is written: the file and, as far as it can be found, the line."""

    def __init__(self, text: str, origin: str) -> None:
        self._text = text
        self._origin = origin
        self._lines: dict[tuple[str, ...], int] | None = None

    def __call__(self, *names: str) -> str:
        if self._lines is None:
            self._lines = places(self._text)
        line = self._lines.get(names)
        return self._origin if line is None else f"{self._origin}:{line}"


def _text(path: Path) -> str:
    """Raises OSError, ValueError."""
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError("larger than 1 MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None


def _toml(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadDocument([Problem(origin, f"not TOML: {error}")]) from None
    except ValueError:  # of Python's own, for a number of thousands of digits
        raise BadDocument([Problem(origin, "not TOML: a number is too large")]) from None
    except RecursionError:
        raise BadDocument([Problem(origin, "not readable: nested too deep")]) from None


def _json(text: str, origin: str) -> dict[str, Any]:
    tree = loads(text, origin)
    if not isinstance(tree, dict):
        raise BadDocument([Problem(origin, "must be an object, as Flowrunner's config.json is")])
    return tree


def _note(found: Gathered, error: ValidationError) -> None:
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        steps = [printable(str(step)) for step in fault["loc"]]
        origin = found.origins.get(".".join(map(str, fault["loc"][:2])), "")
        found.complain(".".join(steps), fault["msg"].removeprefix("Value error, "), origin)
