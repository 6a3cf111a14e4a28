"""Every regular expression of the standard library in our packages, and lines made to hurt each of them."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
BYTES = 10_000
METHODS = frozenset({"search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split"})
ANCHORED = frozenset({"match", "fullmatch"})
_CATEGORIES = {
    op.CATEGORY_SPACE: " \t", op.CATEGORY_WORD: "a0_", op.CATEGORY_DIGIT: "0", op.CATEGORY_NOT_SPACE: "a",
    op.CATEGORY_NOT_WORD: " -", op.CATEGORY_NOT_DIGIT: "a",
}  # fmt: skip


class Known(NamedTuple):
    """A pattern that stands in a module."""

    name: str
    """`actors/guards/redaction.py:_SECRET_NAME`."""
    pattern: re.Pattern[Any]
    anchored: bool
    """It is only tried at one place of a text."""


def module_patterns() -> Iterator[Known]:
    """Those that are compiled when their module is imported."""
    seen: set[int] = set()
    for file in sources():
        name = str(file.relative_to(ROOT))
        module = importlib.import_module(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        uses = _uses(file)
        for variable, value in vars(module).items():
            if variable in assigned(file):
                for pattern in _within(value):
                    if id(pattern) not in seen:
                        seen.add(id(pattern))
                        used = uses[variable]
                        yield Known(f"{name}:{variable}", pattern, bool(used) and used <= ANCHORED)


def made_elsewhere() -> set[str]:
    """Files and functions that use `re` other than by a pattern of their module."""
    found = set()
    for file in sources():
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                name = getattr(node, "name", "lambda")
                for call in ast.walk(node):
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                        owner = call.func.value
                        if isinstance(owner, ast.Name) and owner.id == "re" and call.func.attr != "escape":
                            found.add(f"{file.relative_to(ROOT)}:{name}")
    return found


def sources() -> Iterator[Path]:
    """Our files."""
    for package in ("protocol", "actors", "gateway", "nflow_runtime"):
        yield from (file for file in sorted((ROOT / package).rglob("*.py")) if file.name != "__main__.py")


def assigned(file: Path) -> set[str]:
    """Names a module gives itself."""
    names: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def hostile(pattern: re.Pattern[Any]) -> Iterator[str]:
    """Lines of what the pattern repeats, behind beginnings of what it wants, and never its end."""
    flags = pattern.flags if isinstance(pattern.pattern, str) else pattern.flags & ~re.UNICODE
    tree = parser.parse(pattern.pattern, flags)
    repeated: set[int] = set()
    _repeated(tree, repeated, within=False)
    signs = [chr(sign) for sign in sorted(repeated) if sign < 0x3000][:16] or ["a"]
    wanted: list[str] = []
    _wanted(tree, wanted)
    word = "".join(wanted)[:40]
    beginnings = ["", *dict.fromkeys(word[:length] for length in (1, 2, 3, 5, 8, len(word)) if length <= len(word))]
    bodies = [*signs, *(a + b for a in signs[:5] for b in signs[:5] if a != b), word or "a"]
    for body in bodies:
        for beginning in beginnings:
            yield (beginning + body * (BYTES // len(body) + 1))[:BYTES]
            if beginning:
                yield ((beginning + body * 40) * BYTES)[:BYTES]


def _uses(file: Path) -> dict[str, set[str]]:
    uses: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            owner: ast.expr = node.value
            while isinstance(owner, ast.Subscript):
                owner = owner.value
            if isinstance(owner, ast.Name):
                uses[owner.id].add(node.attr)
    return uses


def _within(value: Any) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _within(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _within(each)


def _repeated(items: Iterable[Any], found: set[int], *, within: bool) -> None:
    """Signs under a repetition without end."""
    for what, given in items:
        if what in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            _repeated(given[2], found, within=within or given[1] > 100)
        elif what is op.SUBPATTERN:
            _repeated(given[3], found, within=within)
        elif what is op.ATOMIC_GROUP:
            _repeated(given, found, within=within)
        elif what is op.BRANCH:
            for branch in given[1]:
                _repeated(branch, found, within=within)
        elif within:
            found |= _signs(what, given)


def _signs(what: Any, given: Any) -> set[int]:
    if what is op.LITERAL:
        return {given}
    if what is op.NOT_LITERAL:
        return {*map(ord, "a 0")} - {given}
    if what is op.ANY:
        return {*map(ord, "a ")}
    if what is not op.IN:
        return set()
    if given[0][0] is op.NEGATE:
        return {*map(ord, "a 0\"'\\{<=:.-@")} - {value for kind, value in given if kind is op.LITERAL}
    found: set[int] = set()
    for kind, value in given:
        if kind is op.LITERAL:
            found.add(value)
        elif kind is op.RANGE:
            found.add(value[0])
        elif kind is op.CATEGORY:
            found |= {*map(ord, _CATEGORIES[value])}
    return found


def _wanted(items: Iterable[Any], found: list[str]) -> None:
    """A text that the pattern begins with, about."""
    for what, given in items:
        if what is op.SUBPATTERN:
            _wanted(given[3], found)
        elif what is op.BRANCH:
            _wanted(given[1][0], found)
        elif what in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            if given[0]:
                _wanted(given[2], found)
        elif signs := sorted(_signs(what, given)):
            found.append(chr(signs[0]))
