"""What a loaded plugin offers: its tagged functions, looked at once, every fault of them found.

A module is looked through for instances of `Plugin`, for its own classes derived from it, which are made, and for
tagged functions, which belong to its one plugin, else to a plugin without an object that is named as the file is.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from actors.plugins.author.plugin import Plugin
from actors.plugins.author.tags import TAGS, Tag, tags_of
from actors.plugins.discovery import Found, failure
from actors.plugins.entry import Entry, entry
from protocol.errors import Problem

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z", re.ASCII)
_SCRIPT_NAME: Final = re.compile(r"[A-Za-z$][A-Za-z0-9_$]{0,63}\Z", re.ASCII)
_THENABLE: Final = frozenset({"then", "constructor", "prototype", "toJSON", "toString", "valueOf", "hasOwnProperty"})
"""Members that would make a plugin's object something else to JavaScript."""
_KEYS: Final = frozenset({"plugins", "folder", "start_seconds", "close_seconds", "threads"})
"""A table `[plugin.NAME]` of such a plugin could not be written."""
_ARGUMENTS: Final = {"node": (1,), "action": (1, 0)}


@dataclass(slots=True)
class Description:
    """One plugin and what it offers."""

    name: str
    origin: str
    plugin: Plugin | None = None
    functions: dict[str, Entry] = field(default_factory=dict)
    """By the names scripts' calls carry."""
    nodes: dict[str, Entry] = field(default_factory=dict)
    actions: dict[str, Entry] = field(default_factory=dict)
    run: Entry | None = None
    callbacks: Entry | None = None
    authenticate: Entry | None = None
    problems: list[Problem] = field(default_factory=list)


def describe(found: Found) -> list[Description]:
    """The plugins of a loaded source; at least one."""
    thing = found.thing
    if not isinstance(thing, ModuleType):
        return [_alone(found, thing)]
    described = [_object(found, candidate) for candidate in _plugins(thing)]
    loose = [member for member in vars(thing).values() if tags_of(member) and not inspect.isclass(member)]
    own = [member for member in loose if _is_own(member, thing)]
    if own or not described:
        if not described:
            described = [Description(found.name, found.origin)]
        target = next((each for each in described if each.name == found.name), described[0])
        for member in own:
            _add(target, member)
        if len(described) == 1 and not own and target.plugin is None:
            target.problems.append(
                Problem(found.origin, "holds no Plugin and nothing tagged @node, @function, @action")
            )
    for each in described:
        _check_names(each)
    return described


def _alone(found: Found, thing: Any) -> Description:
    is_plugin = isinstance(thing, Plugin) or (inspect.isclass(thing) and issubclass(thing, Plugin))
    if is_plugin:
        described = _object(found, thing)
    else:
        described = Description(found.name, found.origin)
        if tags_of(thing):
            _add(described, thing)
        else:
            message = f"is a {type(thing).__name__}, not a Plugin, a module or a tagged function"
            described.problems.append(Problem(found.origin, message))
    _check_names(described)
    return described


def _plugins(module: ModuleType) -> list[Any]:
    """Instances, and classes of the module's own that have none."""
    instances = {id(member): member for member in vars(module).values() if isinstance(member, Plugin)}
    made = {type(instance) for instance in instances.values()}
    classes = {
        id(member): member
        for name, member in vars(module).items()
        if inspect.isclass(member)
        and issubclass(member, Plugin)
        and _is_own(member, module)
        and member not in made
        and not name.startswith("_")
        and not inspect.isabstract(member)
    }
    return [*instances.values(), *classes.values()]


def _is_own(member: Any, module: ModuleType) -> bool:
    """Whether it is the module's, or its package's, and not just imported there."""
    home = str(getattr(member, "__module__", None) or module.__name__)
    return home == module.__name__ or home.startswith(f"{module.__name__}.")


def _object(found: Found, candidate: Any) -> Description:
    described = Description(getattr(candidate, "name", "") or found.name, found.origin)
    try:
        made: Any = candidate
        if inspect.isclass(candidate):
            made = candidate()
        described.plugin = plugin = made
        for member in _tagged(plugin):
            _add(described, member)
        for name, function in dict(plugin.functions()).items():
            _add_one(described, Tag("function", name), function)
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        described.problems.append(failure(error, found.origin))
        return described
    described.run = _hook(described, "run", (1,))
    described.callbacks = _hook(described, "callbacks", (1,))
    described.authenticate = _hook(described, "authenticate", (1,))
    return described


def _tagged(plugin: Plugin) -> Iterator[Any]:
    """Bound methods with tags, in the order of their definition; those a subclass replaced are not there."""
    names = dict.fromkeys(name for kind in reversed(type(plugin).__mro__) for name in vars(kind))
    for name in names:
        held = inspect.getattr_static(plugin, name)
        if getattr(getattr(held, "__func__", held), TAGS, ()):  # never touches a property
            yield getattr(plugin, name)


def _add(described: Description, member: Any) -> None:
    for tag in tags_of(member):
        _add_one(described, tag, member)


def _add_one(described: Description, tag: Tag, function: Callable[..., Any]) -> None:
    called = tag.name if tag.plain or tag.role == "node" else f"{described.name}.{tag.name}"
    kept = {"node": described.nodes, "function": described.functions, "action": described.actions}[tag.role]
    name = tag.name if tag.role == "action" else called
    try:
        looked = entry(called, function, tag.seconds)
        if tag.role == "action":
            looked = looked.typed()
        _check_arguments(looked, _ARGUMENTS.get(tag.role, ()))
    except ValueError as error:
        described.problems.append(Problem(described.origin, f"@{tag.role} {tag.name}: {error}"))
        return
    if name in kept:
        message = f"@{tag.role} {tag.name} is there twice: {kept[name].where} and {looked.where}"
        described.problems.append(Problem(described.origin, message))
    kept[name] = looked


def _hook(described: Description, name: str, counts: tuple[int, ...]) -> Entry | None:
    function = getattr(described.plugin, name, None)
    if function is None:
        return None
    try:
        if name == "callbacks" and inspect.isasyncgenfunction(function):
            looked = entry(f"{described.name}.{name}", _unwrapped(function))
        else:
            looked = entry(f"{described.name}.{name}", function)
        _check_arguments(looked, counts)
    except ValueError as error:
        described.problems.append(Problem(described.origin, f"{name}: {error}"))
        return None
    return looked


def _unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """An async generator function as a plain one that returns the generator."""

    def begin(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    begin.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return begin


def _check_arguments(looked: Entry, counts: tuple[int, ...]) -> None:
    if counts and not any(looked.fits(count) for count in counts):
        many = " or ".join(map(str, sorted(counts)))
        raise ValueError(f"must take {many} argument{'s' if counts != (1,) else ''} beside `context`")


def _check_names(described: Description) -> None:
    say = described.problems.append
    name, origin = described.name, described.origin
    if not isinstance(name, str) or not _NAME.match(name):
        say(Problem(origin, f"{name!r} is no name for a plugin: letters, digits, - and _ are"))
        return
    if name in _KEYS:
        say(Problem(origin, f"{name} is a key of [plugin]; choose another name for the plugin"))
    for wire in described.functions:
        for part in wire.split("."):
            if not _SCRIPT_NAME.match(part) or part in _THENABLE or wire.count(".") > 1:
                say(Problem(origin, f"a script cannot call {wire!r}: {part!r} is no name for it"))
                break
    for kind in described.nodes:
        if not kind or not kind.isprintable() or len(kind) > 100:
            say(Problem(origin, f"{kind!r} is no type of nodes"))
    for action in described.actions:
        if not _NAME.match(action):
            say(Problem(origin, f"{action!r} is no name for an action: letters, digits, - and _ are"))
