"""All plugins of a runtime, found, loaded, looked at and configured; or every reason why the server must not start.

A plugin that cannot be loaded, a name two of them claim, a configuration with a fault: better no start than a server
that lacks what its flows call. Pure but for the loading, which runs the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from actors.plugins.description import Description, describe
from actors.plugins.discovery import Found, chosen, load, sources
from actors.plugins.schema import configuration, secrets
from actors.sandbox.child.names import OF_THE_RUN, ROOMS
from protocol.errors import BadDocument, Problem
from protocol.formats.graph import KNOWN_KINDS

_LANGUAGE: Final = """
    main Array ArrayBuffer Atomics BigInt Boolean DataView Date Error Function Infinity Intl Iterator JSON Map Math NaN
    Number Object Promise Proxy Reflect RegExp Set SharedArrayBuffer String Symbol WeakMap WeakRef WeakSet globalThis
    undefined eval isNaN isFinite parseInt parseFloat encodeURI encodeURIComponent decodeURI decodeURIComponent escape
    unescape arguments async await break case catch class const continue debugger default delete do else enum export
    extends false finally for function if implements import in instanceof interface let new null package private
    protected public return static super switch this throw true try typeof var void while with yield
"""
RESERVED: Final = frozenset({*OF_THE_RUN, *(name for names in ROOMS.values() for name in names), *_LANGUAGE.split()})
"""Names a script knows already."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be loaded."""

    names: tuple[str, ...] = ()
    """Files and entry points, in the order in which they start; empty: all that are found."""
    folder: Path | None = None
    tables: Mapping[str, Any] = field(default_factory=dict)
    """`[plugin.NAME]` by name."""
    given: Sequence[Any] = ()
    """Plugins a program hands in: objects, classes, modules, tagged functions."""


@dataclass(frozen=True, slots=True)
class Member:
    """One plugin with its configuration."""

    description: Description
    config: Any = None
    secrets: tuple[str, ...] = ()
    """Texts of the configuration that no log line may hold."""


@dataclass(frozen=True, slots=True)
class Roster:
    """The plugins, in the order in which they start."""

    members: tuple[Member, ...] = ()
    problems: tuple[Problem, ...] = ()
    described: tuple[Description, ...] = field(default=())
    """All that could be loaded, faulty ones too: for showing."""

    def whole(self) -> Roster:
        """Itself. Raises BadDocument with every problem."""
        if fatal := [problem for problem in self.problems if problem.fatal]:
            raise BadDocument(fatal)
        return self


def roster(order: Order) -> Roster:
    """Find, load, look at and configure."""
    found, problems = sources(order.folder)
    picked, more = chosen(found, order.names)
    loaded, failed = load(picked, order.folder)
    loaded += [_handed_in(thing) for thing in order.given]
    described = [each for source in loaded for each in describe(source)]
    problems += more + failed + [problem for each in described for problem in each.problems]
    problems += _clashes(described)
    members = []
    for each in described:
        try:
            config = _configured(each, order.tables)
            members.append(Member(each, config, secrets(order.tables.get(each.name), config)))
        except BadDocument as error:
            problems += error.problems
    names = {each.name for each in described}
    for name in order.tables:
        if name not in names:
            there = ", ".join(sorted(names)) or "none"
            # What was left out by [plugin] plugins may keep its table; so may what failed to load.
            fatal = not order.names and not failed
            problems.append(Problem(f"plugin.{name}", f"there is no plugin of this name; loaded: {there}", fatal=fatal))
    return Roster(tuple(members), tuple(problems), tuple(described))


def _handed_in(thing: Any) -> Found:
    name = getattr(thing, "name", "") or getattr(thing, "__name__", type(thing).__name__).rpartition(".")[2].lower()
    return Found(name, f"{name} (handed in)", thing)


def _configured(described: Description, tables: Mapping[str, Any]) -> Any:
    table, at = tables.get(described.name, {}), f"plugin.{described.name}"
    if not isinstance(table, Mapping):
        raise BadDocument([Problem(at, f"must be a table: [{at}]")])
    return configuration(getattr(described.plugin, "Config", None), table, at)


def _clashes(described: Sequence[Description]) -> list[Problem]:
    """Names that two claim, or that are taken."""
    problems: list[Problem] = []
    names: dict[str, Description] = {}
    globals_: dict[str, Description] = {}
    kinds: dict[str, tuple[Description, str]] = {}
    for each in described:
        if (other := names.setdefault(each.name, each)) is not each:
            problems.append(Problem(each.origin, f"the plugin {each.name} is also in {other.origin}"))
        for first in dict.fromkeys(wire.partition(".")[0] for wire in each.functions):
            if first in RESERVED:
                problems.append(Problem(each.origin, f"scripts know another {first} already; choose another name"))
            elif (other := globals_.setdefault(first, each)) is not each:
                problems.append(Problem(each.origin, f"{first} is given to scripts by {other.origin} too"))
        plain = {wire for wire in each.functions if "." not in wire}
        if plain & {wire.partition(".")[0] for wire in each.functions if "." in wire}:
            problems.append(Problem(each.origin, f"{each.name} cannot be a function and an object of scripts"))
        for kind, looked in each.nodes.items():
            if kind in KNOWN_KINDS:
                problems.append(Problem(each.origin, f"nodes of type {kind} are the runtime's own ({looked.where})"))
            elif kind in kinds:
                owner, where = kinds[kind]
                message = f"nodes of type {kind} ({looked.where}) are also done by {owner.origin} ({where})"
                problems.append(Problem(each.origin, message))
            else:
                kinds[kind] = each, looked.where
    logins = [each for each in described if each.authenticate is not None]
    for each in logins[1:]:
        message = f"authenticates, as {logins[0].name} ({logins[0].origin}) does; one plugin may: see [plugin] plugins"
        problems.append(Problem(each.origin, message))
    return problems
