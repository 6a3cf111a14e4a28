"""The settings in force, and who is told when some of them change.

A room follows the keys it can change while it runs; keys nobody follows need a restart. Invariant: a reload is all or
nothing. Every follower first prepares from the new settings, and may refuse with BadDocument; only when nobody refused
do all of them take it over, which cannot fail. Keys are told by name, never by value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from protocol.errors import BadDocument, Problem
from protocol.settings import Settings

Commit = Callable[[], None]
Prepare = Callable[[Settings], Commit]


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of a reload."""

    applied: tuple[str, ...]
    """Keys whose new values are in force."""
    restart: tuple[str, ...]
    """Keys whose new values need a restart."""


@dataclass(frozen=True, slots=True)
class _Follower:
    keys: frozenset[str]
    prepare: Prepare
    always: bool


class Live:
    """The settings in force."""

    __slots__ = ("_followers", "settings")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._followers: list[_Follower] = []

    @property
    def followed(self) -> frozenset[str]:
        """Keys that may change while the server runs."""
        return frozenset(key for follower in self._followers for key in follower.keys)

    def follow(self, keys: Iterable[str], prepare: Prepare, *, always: bool = False) -> None:
        """Hear of changes of these keys (`section.key`, or `section.*` for all of a section).

        `prepare` gets the settings as they will be, may raise BadDocument or ValueError, and answers with what takes
        them over. `always`: at each reload, whether or not a key has changed (a file it names may have).
        """
        found: set[str] = set()
        for key in keys:
            section, _, name = key.partition(".")
            there = values(self.settings)
            found.update(each for each in there if each == key or (name == "*" and each.startswith(f"{section}.")))
        self._followers.append(_Follower(frozenset(found), prepare, always))

    def reload(self, new: Settings) -> Reloaded:
        """Take over what can be. Raises BadDocument when somebody refuses; then nothing has changed."""
        old, coming, followed = values(self.settings), values(new), self.followed
        changed = [key for key in old.keys() | coming.keys() if old.get(key) != coming.get(key)]
        applied = sorted(key for key in changed if key in followed)
        target = _merged(self.settings, new, applied)
        commits: list[Commit] = []
        problems: list[Problem] = []
        for follower in self._followers:
            if follower.always or follower.keys.intersection(applied):
                try:
                    commits.append(follower.prepare(target))
                except BadDocument as error:
                    problems += error.problems
                except ValueError:  # its text may repeat a value
                    problems.append(Problem(", ".join(sorted(follower.keys)), "cannot be"))
        if problems:
            raise BadDocument(problems)
        for commit in commits:
            commit()
        self.settings = target
        return Reloaded(tuple(applied), tuple(sorted(set(changed) - set(applied))))


def values(settings: Settings) -> Mapping[str, Any]:
    """`section.key` → value; tables of free names by one key each."""
    found: dict[str, Any] = {}
    for name in type(settings).model_fields:
        section = getattr(settings, name)
        if isinstance(section, dict):
            found[name] = section
        else:
            for inner, field in type(section).model_fields.items():
                found[f"{name}.{field.alias or inner}"] = getattr(section, inner)
            found.update({f"{name}.{extra}": value for extra, value in (section.model_extra or {}).items()})
    return found


def _merged(old: Settings, new: Settings, keys: Iterable[str]) -> Settings:
    """The old settings with these keys of the new ones."""
    update: dict[str, dict[str, Any]] = {}
    for key in keys:
        section, _, name = key.partition(".")
        fields = type(getattr(new, section)).model_fields
        inner = next(inner for inner, field in fields.items() if (field.alias or inner) == name)
        update.setdefault(section, {})[inner] = getattr(getattr(new, section), inner)
    sections = {name: getattr(old, name).model_copy(update=changes) for name, changes in update.items()}
    return old.model_copy(update=sections)
