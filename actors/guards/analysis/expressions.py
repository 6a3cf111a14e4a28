"""What single expressions are suspected of: modules by their names, regular expressions that may take for ever,
objects whose `constructor` makes functions out of text."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from actors.guards.analysis.folding import Folding, bare, first_of
from actors.guards.analysis.names import Names
from actors.guards.analysis.syntax import Node, written

_NETWORK: Final = "network_access"
_MODULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fs": "file_system_access",
        "fs/promises": "file_system_access",
        "child_process": "child_process",
        **dict.fromkeys(("http", "https", "net", "dgram", "http2", "tls", "dns", "dns/promises"), _NETWORK),
    }
)
"""nFlow's four, and those that do the same under another name."""
_FUNCTIONS: Final = frozenset({"function_expression", "generator_function", "arrow_function", "class"})
_LITERALS: Final = frozenset({"array", "string", "template_string", "regex", "number", "object"})
_TEXTS: Final = frozenset({"string", "template_string"})
_CONSTRUCTORS: Final = frozenset({
    "Object", "Array", "String", "Number", "Boolean", "Symbol", "BigInt", "Function", "Date", "RegExp", "Error",
    "Promise", "Map", "Set", "WeakMap", "WeakSet", "Proxy", "eval",
})  # fmt: skip
_PROTOTYPES: Final = frozenset({"Object.getPrototypeOf", "Reflect.getPrototypeOf"})
_LONGEST_NAME: Final = 32
_MOST_TERMS: Final = 64
_GREEDY: Final = 10
"""`{0,10}` and more is as bad as `*`."""


def module_rule(name: str) -> str:
    """The rule that a module of this name breaks; empty: none."""
    return _MODULES.get(name.removeprefix("node:"), "")


def is_text(node: Node | None) -> bool:
    """Whether this is surely a string: a template, or something added to one."""
    node = bare(node)
    for _ in range(_MOST_TERMS):
        if node is None or node.type != "binary_expression":
            break
        operator, right = node.child_by_field_name("operator"), bare(node.child_by_field_name("right"))
        if operator is None or operator.type != "+":
            return False
        if right is not None and right.type in _TEXTS:
            return True
        node = bare(node.child_by_field_name("left"))
    return node is not None and node.type in _TEXTS


def _is_function(node: Node | None) -> bool:
    """Whether this is surely a function."""
    node = bare(node)
    return node is not None and node.type in _FUNCTIONS


def makes_functions(owner: Node | None, folding: Folding, names: Names) -> bool:
    """Whether `owner.constructor` is surely one of the function constructors."""
    owner = bare(owner)
    if owner is None:
        return False
    if owner.type in _FUNCTIONS or names.meant(owner) in _CONSTRUCTORS:
        return True
    if owner.type in ("member_expression", "subscript_expression"):
        of, name = bare(owner.child_by_field_name("object")), folding.property(owner)
        if name == "__proto__":
            return _is_function(of)
        return name == "constructor" or (of is not None and of.type in _LITERALS and name not in (None, "length"))
    if owner.type != "call_expression":
        return False
    callee, arguments = owner.child_by_field_name("function"), owner.child_by_field_name("arguments")
    if callee is None or arguments is None or callee.end_byte - callee.start_byte > _LONGEST_NAME:
        return False
    if written(callee) not in _PROTOTYPES:
        return False
    return _is_function(first_of(arguments))


def harmful_pattern(pattern: str) -> int | None:
    """Where a regular expression has a negative look-around (nFlow), or a repetition of what repeats; None: nowhere."""
    groups: list[tuple[int, bool]] = []
    """Open groups: where each begins, and whether what is before it in the group around it repeats."""
    repeats = in_class = False
    at, closed = 0, None
    while at < len(pattern):
        sign = pattern[at]
        width = _repetition(pattern, at) if not in_class else 0
        if width:
            if closed is not None:
                return closed
            repeats = True
            at += width
            continue
        closed = None
        if sign == "\\":
            at += 1
        elif in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
        elif sign == "(":
            if pattern.startswith(("(?!", "(?<!"), at):
                return at
            groups.append((at, repeats))
            repeats = False
        elif sign == ")" and groups:
            start, outer = groups.pop()
            closed = start if repeats else None
            repeats = repeats or outer
        at += 1
    return None


def _repetition(pattern: str, at: int) -> int:
    """Signs of an unbounded repetition that begins here; 0: none."""
    if pattern[at] in "*+":
        return 2 if pattern[at + 1 : at + 2] == "?" else 1
    end = pattern.find("}", at, at + 16) if pattern[at] == "{" else -1
    if end < 0:
        return 0
    least, comma, most = pattern[at + 1 : end].partition(",")
    if not comma or not least.isdecimal() or (most and not most.isdecimal()):
        return 0
    return end + 1 - at if not most or int(most) >= _GREEDY else 0
