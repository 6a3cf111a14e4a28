"""Where plugins come from: files of a folder, entry points of installed packages, objects a program hands in.

A file `greeter.py`, or a folder `greeter/` with an `__init__.py`, is loaded by its path as `nflow_plugins.greeter`; the
folder is never put on `sys.path`, so no plugin's file can stand in for somebody's module. Names that begin with `_` are
not plugins: siblings import them as `nflow_plugins._shared`. Loading runs the author's code: whatever it raises is a
problem with file and line, a `SystemExit` too.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from protocol.errors import Problem

GROUP: Final = "nflow.plugins"
PACKAGE: Final = "nflow_plugins"
DEFAULT_FOLDER: Final = "plugins"
BUILT_IN: Final = frozenset(
    {"goja", "client_http", "http", "db", "mail", "template", "rules", "twilio", "ia", "ianflow", "babel"}
)
"""nFlow's own plugins: what they did is part of the runtime, so their names in a list ask for nothing."""


@dataclass(frozen=True, slots=True)
class Source:
    """Something that can be loaded."""

    name: str
    origin: str
    load: Callable[[], Any]
    """Gives a module, a Plugin, a Plugin's class or a tagged function."""


@dataclass(frozen=True, slots=True)
class Found:
    """A loaded source."""

    name: str
    origin: str
    thing: Any


def sources(folder: Path | None) -> tuple[list[Source], list[Problem]]:
    """Everything there is, in the order of names, the folder's first; and names that are there twice."""
    found: list[Source] = []
    problems: list[Problem] = []
    if folder is not None and folder.is_dir():
        found += [Source(_stem(path), str(path), _file_loader(path, folder)) for path in sorted(_files(folder))]
    elif folder is not None and str(folder) != DEFAULT_FOLDER:
        problems.append(Problem("plugin.folder", f"{folder} is no folder"))
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    found += [Source(point.name, f"entry point {point.name} = {point.value}", point.load) for point in _once(points)]
    seen: dict[str, Source] = {}
    problems += [
        Problem(source.origin, f"{other.origin} is called {source.name} too")
        for source in found
        if (other := seen.setdefault(source.name, source)) is not source
    ]
    return found, problems


def chosen(found: list[Source], names: Iterable[str]) -> tuple[list[Source], list[Problem]]:
    """The sources of these names, in their order; without any names, all of them."""
    wanted = [name for name in names if name]
    if not wanted:
        return found, []
    by_name = {source.name: source for source in found}
    there = ", ".join(sorted(by_name)) or "none"
    problems = [
        Problem("plugin.plugins", f"there is no plugin {name}; found: {there}")
        for name in wanted
        if name not in by_name and name not in BUILT_IN
    ]
    return [by_name[name] for name in dict.fromkeys(wanted) if name in by_name], problems


def load(found: Iterable[Source], folder: Path | None) -> tuple[list[Found], list[Problem]]:
    """Load them all; those that fail are problems."""
    loaded: list[Found] = []
    problems: list[Problem] = []
    _fresh_package(folder)
    for source in found:
        try:
            loaded.append(Found(source.name, source.origin, source.load()))
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            problems.append(failure(error, source.origin))
    return loaded, problems


def failure(error: BaseException, origin: str) -> Problem:
    """What a plugin's code raised, where in its file."""
    whole = str(Path(origin).absolute())
    at = origin
    if isinstance(error, SyntaxError) and error.lineno is not None and error.filename:
        at = f"{_shown(error.filename, whole, origin)}:{error.lineno}"
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename == whole or frame.filename.startswith(f"{whole}/"):
                at = f"{_shown(frame.filename, whole, origin)}:{frame.lineno}"
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return Problem(at, f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _shown(file: str, whole: str, origin: str) -> str:
    """A file as the folder was written, not where it lies on this machine."""
    return origin + file.removeprefix(whole) if file.startswith(whole) else file


def _files(folder: Path) -> Iterable[Path]:
    for path in folder.iterdir():
        if path.name.startswith(("_", ".")):
            continue
        if (path.suffix == ".py" and path.is_file()) or (path / "__init__.py").is_file():
            yield path


def _stem(path: Path) -> str:
    return path.stem if path.suffix == ".py" else path.name


def _once(points: Iterable[EntryPoint]) -> Iterable[EntryPoint]:
    """An editable install may list its entry points twice."""
    return {(point.name, point.value): point for point in points}.values()


def _file_loader(path: Path, folder: Path) -> Callable[[], ModuleType]:
    def load_file() -> ModuleType:
        name = f"{PACKAGE}.{_stem(path)}"
        if name in sys.modules:  # a plugin before it has imported it
            return sys.modules[name]
        is_file = path.suffix == ".py"
        spec = importlib.util.spec_from_file_location(
            name, path if is_file else path / "__init__.py",
            submodule_search_locations=None if is_file else [str(path)],
        )  # fmt: skip
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be loaded")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pydantic look their module up there
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        return module

    return load_file


def _fresh_package(folder: Path | None) -> None:
    """The parent of the plugins' modules. What an earlier runtime of this program loaded stays with that runtime."""
    for name in [each for each in sys.modules if each == PACKAGE or each.startswith(f"{PACKAGE}.")]:
        del sys.modules[name]
    if folder is None or not folder.is_dir():
        return
    spec = ModuleSpec(PACKAGE, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    importlib.invalidate_caches()
