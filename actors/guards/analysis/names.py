"""Which global an expression stands for: `(0, eval)`, `globalThis['ev' + 'al']`, `[Function][0]`, `const f = eval; f`.

Also what a script declares itself, since `spawn` of its own is nobody's child process. Bounded in depth.
"""

from __future__ import annotations

from typing import Final

from actors.guards.analysis.folding import Folding, first_of, last_of
from actors.guards.analysis.syntax import Node, name_of

GLOBAL_OBJECTS: Final = frozenset({"globalThis", "window", "global", "self", "frames", "this"})
BORROWS: Final = frozenset({"call", "apply", "bind"})
_DEEPEST: Final = 24
_TRANSPARENT: Final = frozenset({"parenthesized_expression", "await_expression", "spread_element"})
_CHOICES: Final = frozenset({"&&", "||", "??"})


class Names:
    """The names of one script."""

    def __init__(self, folding: Folding) -> None:
        self._folding = folding
        self._aliases: dict[str, str] = {}
        self.declared: set[str] = set()
        """Whatever is declared anywhere in it."""

    def bind(self, name: str, value: Node) -> None:
        """`const name = value`: from here on it may stand for a global."""
        meant = self.meant(value)
        if meant and meant != name:
            self._aliases[name] = meant

    def meant(self, node: Node | None, depth: int = 0) -> str:
        """Name of the global that this expression is; empty when it is none, or that is not known."""
        if node is None or depth > _DEEPEST:
            return ""
        match node.type:
            case "identifier" | "shorthand_property_identifier":
                name = name_of(node)
                return self._aliases.get(name, name)
            case "this" | "import":
                return node.type
            case "member_expression" | "subscript_expression":
                return self._of_property(node, depth)
            case "sequence_expression":
                return self.meant(node.child_by_field_name("right") or last_of(node), depth + 1)
            case "assignment_expression":
                return self.meant(node.child_by_field_name("right"), depth + 1)
            case "ternary_expression":
                truth = self._folding.truth(node.child_by_field_name("condition"))
                return self.meant(
                    node.child_by_field_name("alternative" if truth is False else "consequence"), depth + 1
                )
            case "binary_expression":
                operator = node.child_by_field_name("operator")
                if operator is None or operator.type not in _CHOICES:
                    return ""
                side = "right" if operator.type == "&&" else "left"
                return self.meant(node.child_by_field_name(side), depth + 1)
            case kind if kind in _TRANSPARENT:
                return self.meant(first_of(node), depth + 1)
            case _:
                return ""

    def _of_property(self, node: Node, depth: int) -> str:
        owner = node.child_by_field_name("object")
        if owner is not None and owner.type == "array" and node.type == "subscript_expression":
            index = self._folding.value(node.child_by_field_name("index"))
            if isinstance(index, float) and index.is_integer() and 0 <= index < owner.named_child_count < 256:
                return self.meant(owner.named_child(int(index)), depth + 1)
            return ""
        if self.meant(owner, depth + 1) not in GLOBAL_OBJECTS:
            return ""
        return self._folding.property(node) or ""
