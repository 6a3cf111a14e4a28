"""What an expression surely is, seen from its text: `'ev' + 'al'` is "eval", `!0` is true, `['fs'].join()` is "fs".

Within reason: literals, concatenation, templates, a few methods of strings and arrays, and constants that are bound to
such a value once. Invariant: a budget for the whole script and a bound on depth and sizes, so that folding stays linear
in the text whatever it holds. Values are Python's: str, float, bool, None for null, a list; UNKNOWN for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from actors.guards.analysis.syntax import Node, name_of, unescape, written
from actors.guards.analysis.values import (
    LONGEST_TEXT,
    MOST_ELEMENTS,
    UNDEFINED,
    UNKNOWN,
    atob,
    characters,
    method_of_list,
    method_of_text,
    same,
    text_of,
    truth_of,
)

_DEEPEST: Final = 48
_BUDGET: Final = 100_000
"""Nodes looked at for one script."""
_TRUTHY: Final = frozenset({"object", "array", "function_expression", "arrow_function", "class", "regex"})
"""Whatever is in them."""


class Folding:
    """The constants of one script."""

    def __init__(self) -> None:
        self._budget = _BUDGET
        self._constants: dict[str, Any] = {}

    def bind(self, name: str, value: Node) -> None:
        """`const name = value`. A name that is bound twice stands for nothing."""
        self._constants[name] = UNKNOWN if name in self._constants else self.value(value)

    def value(self, node: Node | None, depth: int = 0) -> Any:
        """What it is, or UNKNOWN."""
        self._budget -= 1
        if node is None or depth > _DEEPEST or self._budget < 0:
            return UNKNOWN
        fold = _FOLDS.get(node.type)
        value = fold(self, node, depth + 1) if fold is not None else UNKNOWN
        return UNKNOWN if isinstance(value, str) and len(value) > LONGEST_TEXT else value

    def text(self, node: Node | None) -> str | None:
        """What it is as a property's name or a module's; None when that is not known."""
        return text_of(self.value(node))

    def truth(self, node: Node | None, depth: int = 0) -> bool | None:
        """Whether it is true in a condition; None when that is not known."""
        node = bare(node)
        if node is not None and node.type in _TRUTHY:
            return True
        return truth_of(self.value(node, depth))

    # --- kinds of expressions ---

    def literal(self, node: Node, depth: int) -> Any:
        """A string."""
        return unescape(written(node)[1:-1]) if node.end_byte - node.start_byte <= LONGEST_TEXT else UNKNOWN

    def template(self, node: Node, depth: int) -> Any:
        """A template without a tag."""
        if node.named_child_count > MOST_ELEMENTS or node.end_byte - node.start_byte > LONGEST_TEXT:
            return UNKNOWN
        pieces: list[str] = []
        for part in node.named_children:
            if part.type == "template_substitution":
                text = text_of(self.value(first_of(part), depth))
                if text is None:
                    return UNKNOWN
                pieces.append(text)
            else:
                pieces.append(unescape(written(part)))
        return "".join(pieces)

    def number(self, node: Node, depth: int) -> Any:
        """A number of any base."""
        text = written(node).replace("_", "").removesuffix("n").lower()
        try:
            return float(int(text, 0)) if text[:2] in ("0x", "0o", "0b") else float(text)
        except (ValueError, OverflowError):
            return UNKNOWN

    def identifier(self, node: Node, depth: int) -> Any:
        """A constant of the script, or a global that is one."""
        name = name_of(node)
        if name in _GLOBALS:
            return _GLOBALS[name]
        return self._constants.get(name, UNKNOWN)

    def inner(self, node: Node, depth: int) -> Any:
        """Parentheses."""
        return self.value(first_of(node), depth)

    def last(self, node: Node, depth: int) -> Any:
        """`a, b`."""
        return self.value(node.child_by_field_name("right") or last_of(node), depth)

    def array(self, node: Node, depth: int) -> Any:
        """A list without holes and spreads."""
        if node.named_child_count > MOST_ELEMENTS:
            return UNKNOWN
        return [self.value(element, depth) for element in node.named_children if element.type != "comment"]

    def unary(self, node: Node, depth: int) -> Any:
        """`!`, `-`, `+`, `void`."""
        operator, argument = _operator(node), node.child_by_field_name("argument")
        if operator == "void":
            return UNDEFINED
        if operator == "!":
            truth = self.truth(argument, depth)
            return UNKNOWN if truth is None else not truth
        value = self.value(argument, depth)
        if isinstance(value, bool):
            value = float(value)
        return (-value if operator == "-" else value) if isinstance(value, float) and operator in "+-" else UNKNOWN

    def binary(self, node: Node, depth: int) -> Any:
        """Concatenation, `&&`, `||`, `??`, and comparison for sameness."""
        if _operator(node) == "+":
            return self._sum(node, depth)
        left, operator = self.value(node.child_by_field_name("left"), depth), _operator(node)
        if operator in ("&&", "||", "??"):
            truth = None if left is UNKNOWN else (left not in (None, UNDEFINED) if operator == "??" else truth_of(left))
            if truth is None:
                return UNKNOWN
            return self.value(node.child_by_field_name("right"), depth) if truth is (operator == "&&") else left
        right = self.value(node.child_by_field_name("right"), depth)
        alike = same(left, right)
        if alike is None or operator not in ("==", "===", "!=", "!=="):
            return UNKNOWN
        return alike if operator[0] == "=" else not alike

    def _sum(self, node: Node, depth: int) -> Any:
        """`a + b + c`, which nests to the left as deep as it is long."""
        terms: list[Node | None] = []
        top: Node | None = node
        while top is not None and top.type == "binary_expression" and _operator(top) == "+":
            terms.append(top.child_by_field_name("right"))
            top = top.child_by_field_name("left")
            if len(terms) > MOST_ELEMENTS:
                return UNKNOWN
        total = self.value(top, depth)
        for term in reversed(terms):
            value = self.value(term, depth)
            if isinstance(total, float) and isinstance(value, float):
                total += value
                continue
            texts = text_of(total), text_of(value)
            if texts[0] is None or texts[1] is None:
                return UNKNOWN
            total = (texts[0] + texts[1])[: LONGEST_TEXT + 1]
        return total

    def choice(self, node: Node, depth: int) -> Any:
        """`a ? b : c`."""
        truth = self.truth(node.child_by_field_name("condition"), depth)
        if truth is None:
            return UNKNOWN
        return self.value(node.child_by_field_name("consequence" if truth else "alternative"), depth)

    def element(self, node: Node, depth: int) -> Any:
        """`[a, b][0]`, `'abc'[1]`."""
        index = self.value(node.child_by_field_name("index"), depth)
        if not isinstance(index, float) or not index.is_integer():
            return UNKNOWN
        among = self.value(node.child_by_field_name("object"), depth)
        return among[int(index)] if isinstance(among, list | str) and 0 <= index < len(among) else UNKNOWN

    def call(self, node: Node, depth: int) -> Any:
        """A method of a string or array that is known here, `String.fromCharCode`, `atob`."""
        callee, arguments = bare(node.child_by_field_name("function")), node.child_by_field_name("arguments")
        if callee is None or arguments is None or arguments.named_child_count > MOST_ELEMENTS:
            return UNKNOWN
        given = [self.value(each, depth) for each in arguments.named_children if each.type != "comment"]
        if callee.type == "identifier":
            return atob(given) if name_of(callee) == "atob" else UNKNOWN
        owner, method = callee.child_by_field_name("object"), self.property(callee)
        if owner is None or method is None:
            return UNKNOWN
        if owner.type == "identifier" and name_of(owner) == "String" and method in ("fromCharCode", "fromCodePoint"):
            return characters(given)
        value = self.value(owner, depth)
        if isinstance(value, list):
            return method_of_list(value, method, given)
        return method_of_text(value, method, given) if isinstance(value, str) else UNKNOWN

    def property(self, node: Node) -> str | None:
        """Name of the property that a member or subscript expression reads; None when it is not known."""
        if node.type == "member_expression":
            name = node.child_by_field_name("property")
            return name_of(name) if name is not None else None
        return self.text(node.child_by_field_name("index")) if node.type == "subscript_expression" else None


def bare(node: Node | None) -> Node | None:
    """The expression without parentheses around it; beyond all reason of them, with some."""
    for _ in range(_DEEPEST):
        if node is None or node.type != "parenthesized_expression":
            break
        node = first_of(node)
    return node


def first_of(node: Node) -> Node | None:
    """The first child that is no comment or sign."""
    for index in range(min(node.named_child_count, 8)):
        child = node.named_child(index)
        if child is not None and child.type != "comment":
            return child
    return None


def last_of(node: Node) -> Node | None:
    """The last child that is no sign."""
    return node.named_child(node.named_child_count - 1) if node.named_child_count else None


_FOLDS: Final[dict[str, Callable[[Folding, Node, int], Any]]] = {
    "string": Folding.literal,
    "template_string": Folding.template,
    "number": Folding.number,
    "true": lambda *_: True,
    "false": lambda *_: False,
    "null": lambda *_: None,
    "undefined": lambda *_: UNDEFINED,
    "identifier": Folding.identifier,
    "parenthesized_expression": Folding.inner,
    "sequence_expression": Folding.last,
    "array": Folding.array,
    "unary_expression": Folding.unary,
    "binary_expression": Folding.binary,
    "ternary_expression": Folding.choice,
    "subscript_expression": Folding.element,
    "call_expression": Folding.call,
}
_GLOBALS: Final[dict[str, Any]] = {"undefined": UNDEFINED, "NaN": 0.0, "Infinity": float("inf")}


def _operator(node: Node) -> str:
    operator = node.child_by_field_name("operator")
    return operator.type if operator is not None else ""
