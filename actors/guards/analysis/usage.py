"""What is done with a name where it stands, found by going up from it: declared, called, made with `new`, named anew.

It is handed the nodes around, since tree-sitter searches for a node's parent from the root; bounded in steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from itertools import islice
from typing import Final, NamedTuple

from actors.guards.analysis.names import BORROWS
from actors.guards.analysis.syntax import Node, name_of, written

_MOST_STEPS: Final = 24
_COMPARISONS: Final = frozenset({"==", "===", "!=", "!==", "instanceof", "in", "<", ">", "<=", ">="})
_CHOICES: Final = frozenset({"&&", "||", "??"})
_AROUND: Final = frozenset(
    {"parenthesized_expression", "await_expression", "ternary_expression", "sequence_expression"}
)
"""Expressions that may be what is in them."""
_PATTERNS: Final = frozenset({"array_pattern", "object_pattern", "rest_pattern", "pair_pattern", "assignment_pattern"})
_DECLARES: Final = frozenset({
    "formal_parameters", "catch_clause", "import_specifier", "import_clause", "namespace_import",
    "function_declaration", "generator_function_declaration", "function_expression", "generator_function",
    "class_declaration", "class",
})  # fmt: skip
_GIVEN_TO: Final = frozenset({"Reflect.construct", "Reflect.apply", "Proxy"})


class Use(Enum):
    """What is done with it."""

    DECLARED = auto()
    """It is declared here, or assigned to."""
    COMPARED = auto()
    """Its value goes nowhere: `typeof eval`, `x === eval`."""
    CALLED = auto()
    MADE = auto()
    """With `new`."""
    NAMED = auto()
    """Given another name: `const f = Function`, `Reflect.construct(Function, …)`, `Function.bind(…)`."""
    OTHER = auto()


class Usage(NamedTuple):
    """A use, and where the expression begins that makes it."""

    kind: Use
    start: int


def use_of(node: Node, around: Sequence[Node]) -> Usage:
    """What is done with this expression. `around`: the nodes it is in, the innermost last."""
    start, child, element = node.start_byte, node, False
    for parent in islice(reversed(around), _MOST_STEPS):
        kind = parent.type
        if kind in _PATTERNS:
            if kind == "assignment_pattern" and _is(parent, "right", child):
                return Usage(Use.NAMED, start)
        elif kind in _AROUND:
            if kind == "ternary_expression" and _is(parent, "condition", child):
                return Usage(Use.COMPARED, start)
        elif kind == "array" or (kind == "subscript_expression" and element and _is(parent, "object", child)):
            element = kind == "array"
        elif kind == "binary_expression" and _sign(parent) in _CHOICES:
            pass
        elif kind == "arguments":
            return Usage(Use.NAMED if len(around) > 1 and _given_on(around, parent) else Use.OTHER, start)
        else:
            return _use(parent, kind, child, start)
        child = parent
    return Usage(Use.OTHER, start)


def _use(parent: Node, kind: str, child: Node, start: int) -> Usage:
    match kind:
        case "call_expression" if _is(parent, "function", child):
            return Usage(Use.CALLED, start)
        case "new_expression" if _is(parent, "constructor", child):
            return Usage(Use.MADE, parent.start_byte)
        case "variable_declarator":
            return Usage(Use.DECLARED if _is(parent, "name", child) else Use.NAMED, start)
        case "assignment_expression" | "augmented_assignment_expression":
            return Usage(Use.DECLARED if _is(parent, "left", child) else Use.NAMED, start)
        case "member_expression" if _is(parent, "object", child):
            name = parent.child_by_field_name("property")
            return Usage(Use.NAMED if name is not None and name_of(name) in BORROWS else Use.OTHER, start)
        case "binary_expression" if _sign(parent) in _COMPARISONS:
            return Usage(Use.COMPARED, start)
        case "unary_expression" if _sign(parent) in ("typeof", "!", "void", "delete"):
            return Usage(Use.COMPARED, start)
        case "arrow_function" | "for_in_statement":
            declared = _is(parent, "parameter", child) or _is(parent, "left", child)
            return Usage(Use.DECLARED if declared else Use.OTHER, start)
        case _ if kind in _DECLARES and not _is(parent, "body", child):
            return Usage(Use.DECLARED, start)
        case _:
            return Usage(Use.OTHER, start)


def _is(parent: Node, field: str, child: Node) -> bool:
    """Whether the child stands in this field."""
    found = parent.child_by_field_name(field)
    return found is not None and found.id == child.id


def _given_on(around: Sequence[Node], arguments: Node) -> bool:
    """Whether these are the arguments of what calls the function it is given."""
    at = next((place for place in range(len(around) - 1, 0, -1) if around[place].id == arguments.id), 0)
    call = around[at - 1] if at else arguments
    callee = call.child_by_field_name("function") or call.child_by_field_name("constructor")
    return callee is not None and callee.end_byte - callee.start_byte < 32 and written(callee) in _GIVEN_TO


def _sign(node: Node) -> str:
    operator = node.child_by_field_name("operator")
    return operator.type if operator is not None else ""
