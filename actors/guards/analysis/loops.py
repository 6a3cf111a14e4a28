"""Which loops never end: those whose condition is always true and that nothing inside leaves.

Told of every node in the order of the text, it keeps a stack of what can be left (functions, loops, switches, labels,
`try` with a `catch`) and, for each, how far out a jump inside it reaches; so one pass suffices, however deeply loops
nest. `break`, `return` and `throw` count where they can be reached: not behind another jump, under `if (false)`, or
within another function. `await` and `yield` count as leaving: others come to their turn, and limits end the rest.
"""

from __future__ import annotations

from typing import Final

from actors.guards.analysis.folding import Folding
from actors.guards.analysis.syntax import Node, name_of

FUNCTIONS: Final = frozenset(
    {
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "arrow_function",
        "method_definition",
        "class_static_block",
    }
)
_ENDLESS: Final = frozenset({"while_statement", "do_statement", "for_statement"})
_LOOPS: Final = _ENDLESS | {"for_in_statement"}
_JUMPS: Final = frozenset({"break_statement", "continue_statement", "return_statement", "throw_statement"})
_LISTS: Final = frozenset({"statement_block", "program", "switch_case", "switch_default"})
"""Hold statements one after the other: none is reached behind a jump."""
_WATCHED: Final = (
    FUNCTIONS
    | _LOOPS
    | _JUMPS
    | _LISTS
    | {
        "switch_statement",
        "labeled_statement",
        "try_statement",
        "if_statement",
        "await_expression",
        "yield_expression",
    }
)
_NOWHERE: Final = 1 << 60


class _Frame:
    """Something that is open around the present place."""

    __slots__ = ("catch", "dead", "depth", "function", "kind", "label", "label_before", "node", "quiet", "reach", "way")

    def __init__(self, kind: str, depth: int, outer: _Frame | None) -> None:
        self.kind = kind
        self.depth = depth
        self.node: Node | None = None
        """The loop, when its condition is always true."""
        self.reach = _NOWHERE
        """Index of the outermost frame that a jump inside leaves."""
        self.way: int = outer.way if outer is not None else -1
        """Index of the frame that `break` leaves."""
        self.function: int = outer.function if outer is not None else 0
        self.catch: int = outer.catch if outer is not None else 0
        """Index of the frame that `throw` leaves all within."""
        self.dead = False
        """A statement list of which the rest is not reached."""
        self.quiet: bool = outer.quiet if outer is not None else False
        """Nothing in here is ever reached."""
        self.label = ""
        self.label_before = -1


class Loops:
    """The open frames of one script. `depth` is that of the node in the tree."""

    def __init__(self, folding: Folding) -> None:
        self._folding = folding
        self._frames: list[_Frame] = [_Frame("program", -1, None)]
        self._labels: dict[str, int] = {}
        self._marked: dict[int, str] = {}
        """Nodes that open a frame when they are entered: id → kind."""

    def enter(self, node: Node, kind: str, depth: int) -> None:
        """A node begins."""
        if self._marked and (mark := self._marked.pop(node.id, "")):
            self._open(mark, depth)
        if kind not in _WATCHED:
            return
        if kind in _JUMPS:
            self._jump(node, kind)
        elif kind in ("await_expression", "yield_expression"):
            self._leave(self._frames[-1].function + 1)
        elif kind == "if_statement":
            self._branch(node)
        elif kind == "try_statement":
            body = node.child_by_field_name("body")
            if body is not None and node.child_by_field_name("handler") is not None:
                self._marked[body.id] = "try"
        else:
            self._begin(node, kind, depth)

    def end(self, depth: int, kind: str) -> Node | None:
        """A node of this depth and kind is over: the loop it was, if that never ends."""
        endless = None
        while self._frames[-1].depth == depth:
            endless = self._close(self._frames.pop()) or endless
        if kind in _JUMPS or endless is not None:
            top = self._frames[-1]
            if top.kind in _LISTS and top.depth == depth - 1:
                top.dead = True
        return endless

    def _open(self, kind: str, depth: int) -> _Frame:
        outer = self._frames[-1]
        frame = _Frame(kind, depth, outer)
        frame.quiet = frame.quiet or outer.dead
        index = len(self._frames)
        if kind == "function":
            frame.function = frame.catch = index
            frame.way, frame.quiet = -1, False
        elif kind == "try":
            frame.catch = index
        elif kind == "unreached":
            frame.quiet = True
        elif kind in _LOOPS or kind == "switch_statement":
            frame.way = index
        self._frames.append(frame)
        return frame

    def _begin(self, node: Node, kind: str, depth: int) -> None:
        frame = self._open("function" if kind in FUNCTIONS else kind, depth)
        if kind == "labeled_statement":
            label = node.child_by_field_name("label")
            frame.label = name_of(label) if label is not None else ""
            frame.label_before = self._labels.get(frame.label, -1)
            self._labels[frame.label] = len(self._frames) - 1
        elif kind == "for_in_statement":
            if any(child.type == "await" for child in node.children[:3]):
                self._leave(frame.function + 1)
        elif kind in _ENDLESS:
            truth = self._condition(node, kind)
            body = node.child_by_field_name("body")
            if truth:
                frame.node = node
            elif truth is False and kind != "do_statement" and body is not None:
                self._marked[body.id] = "unreached"

    def _condition(self, node: Node, kind: str) -> bool | None:
        condition = node.child_by_field_name("condition")
        if kind == "for_statement" and (condition is None or condition.type == "empty_statement"):
            return True
        return self._folding.truth(condition)

    def _branch(self, node: Node) -> None:
        truth = self._folding.truth(node.child_by_field_name("condition"))
        if truth is not None:
            unreached = node.child_by_field_name("alternative" if truth else "consequence")
            if unreached is not None:
                self._marked[unreached.id] = "unreached"

    def _jump(self, node: Node, kind: str) -> None:
        top = self._frames[-1]
        label = node.child_by_field_name("label")
        if kind == "return_statement":
            self._leave(top.function + 1)
        elif kind == "throw_statement":
            self._leave(top.catch + 1)
        elif label is not None:
            target = self._labels.get(name_of(label), -1)
            if target > top.function:  # `continue` goes on in the loop behind the label
                self._leave(target if kind == "break_statement" else target + 2)
        elif kind == "break_statement" and top.way > top.function:
            self._leave(top.way)

    def _leave(self, target: int) -> None:
        """A jump leaves every open frame from `target` on."""
        top = self._frames[-1]
        if not top.quiet and not top.dead:
            top.reach = min(top.reach, target)

    def _close(self, frame: _Frame) -> Node | None:
        index, outer = len(self._frames), self._frames[-1]
        if frame.kind == "labeled_statement":
            self._labels[frame.label] = frame.label_before
        if frame.kind != "function":
            outer.reach = min(outer.reach, frame.reach)
        return frame.node if frame.reach > index else None
