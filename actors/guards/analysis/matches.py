"""The built-in rules over one syntax tree: every place where one of them matches.

Told of every node in the order of the text. What a name means is judged where it stands: a property, a declaration or
`typeof eval` is no use of `eval`. Names that a script may declare itself are judged at the end. Which rules are in
force is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from actors.guards.analysis.expressions import harmful_pattern, is_text, makes_functions, module_rule
from actors.guards.analysis.folding import Folding, bare
from actors.guards.analysis.loops import Loops
from actors.guards.analysis.names import BORROWS, GLOBAL_OBJECTS, Names
from actors.guards.analysis.syntax import Node, name_of, written
from actors.guards.analysis.usage import Use, use_of

MOST_OF_A_RULE: Final = 100
"""Matches kept of one rule in one script."""
_HEAD_BYTES: Final = 1_000
"""Longer arguments are not looked at as text."""
_TIMERS: Final = frozenset({"setTimeout", "setInterval", "setImmediate", "execScript"})
_SPAWNS: Final = frozenset({"spawn", "spawnSync", "execSync", "execFile", "execFileSync"})
_STARTS: Final = _SPAWNS | {"exec"}
_ASSIGNED: Final = frozenset({"global", "window", "process", "globalThis"})
_SHARED: Final = _STARTS | _ASSIGNED
_TOLD: Final = frozenset(name.encode() for name in _SHARED | {"eval", "Function"})
"""Identifiers that are looked at more closely."""


class Match(NamedTuple):
    """A place, in bytes."""

    rule: str
    start: int
    end: int
    detail: str = ""
    """Said in place of the rule's description."""


class Matches:
    """What is found in one script."""

    def __init__(self) -> None:
        self._folding = Folding()
        self._names = Names(self._folding)
        self._loops = Loops(self._folding)
        self._found: dict[tuple[str, int], Match] = {}
        self._counts: dict[str, int] = {}
        self._pending: list[tuple[str, Match]] = []
        """Matches that count unless the script declares this name."""

    def all(self) -> list[Match]:
        """Everything found."""
        for name, match in self._pending:
            if name not in self._names.declared:
                self._keep(match)
        self._pending.clear()
        return list(self._found.values())

    def enter(self, node: Node, kind: str, around: Sequence[Node]) -> None:
        """A node begins. `around`: the nodes it is in."""
        self._loops.enter(node, kind, len(around))
        look = _LOOKS.get(kind)
        if look is not None:
            look(self, node, around)

    def end(self, depth: int, kind: str) -> None:
        """A node is over."""
        loop = self._loops.end(depth, kind)
        if loop is not None:
            body = loop.child_by_field_name("body")
            head = loop
            if loop.type == "do_statement":
                head = next((child for child in reversed(loop.children) if child.type == "while"), loop)
                self._add("infinite_loop", head, loop.end_byte)
            else:
                self._add("infinite_loop", head, body.start_byte if body is not None else loop.end_byte)

    def _add(self, rule: str, node: Node, end: int = 0, detail: str = "") -> None:
        self._keep(Match(rule, node.start_byte, end or node.end_byte, detail))

    def _keep(self, match: Match) -> None:
        count = self._counts.get(match.rule, 0)
        place = (match.rule, match.start)
        if count < MOST_OF_A_RULE and place not in self._found:
            self._counts[match.rule] = count + 1
            self._found[place] = match

    def _later(self, name: str, match: Match) -> None:
        if len(self._pending) < 4 * MOST_OF_A_RULE:
            self._pending.append((name, match))

    # --- names and properties ---

    def identifier(self, node: Node, around: Sequence[Node]) -> None:
        """`eval`, `Function`, `spawn`."""
        text = node.text or b""
        if text not in _TOLD and b"\\" not in text:
            return
        name = name_of(node)
        use = use_of(node, around)
        if use.kind is Use.DECLARED:
            self._names.declared.add(name)
        elif name == "eval" and use.kind is not Use.COMPARED:
            self._add("eval_usage", node)
        elif name == "Function" and use.kind in (Use.CALLED, Use.MADE, Use.NAMED):
            self._keep(Match("function_constructor", use.start, node.end_byte))
        elif (name in _SPAWNS and use.kind is not Use.COMPARED) or (name == "exec" and use.kind is Use.CALLED):
            self._later(name, Match("child_process", node.start_byte, node.end_byte))

    def property(self, node: Node, around: Sequence[Node]) -> None:
        """`globalThis.eval`, `globalThis['Function']`, `[].constructor.constructor`."""
        name = self._folding.property(node)
        if name == "constructor":
            if makes_functions(node.child_by_field_name("object"), self._folding, self._names):
                self._keep(Match("function_constructor", use_of(node, around).start, node.end_byte))
        elif name in ("eval", "Function") and self._names.meant(node.child_by_field_name("object")) in GLOBAL_OBJECTS:
            use = use_of(node, around)
            if use.kind is Use.COMPARED:
                return
            if name == "eval":
                self._add("eval_usage", _named_by(node))
            else:
                self._keep(Match("function_constructor", use.start, node.end_byte))

    # --- calls ---

    def call(self, node: Node, around: Sequence[Node]) -> None:
        """What is called, and with what."""
        callee, arguments = bare(node.child_by_field_name("function")), node.child_by_field_name("arguments")
        if callee is None or arguments is None:
            return
        name, method = self._names.meant(callee), ""
        if callee.type in ("member_expression", "subscript_expression"):
            method = self._folding.property(callee) or ""
            if method in BORROWS:
                name = self._names.meant(callee.child_by_field_name("object"))
        if method == "eval":
            self._add("eval_usage", _named_by(callee))
        elif method in _SPAWNS:
            self._add("child_process", _named_by(callee))
        borrowed = method in BORROWS
        if name in ("require", "import") or method == "require":
            self._module(node, _argument(arguments, 1 if method in ("call", "apply") else 0), unpacked=not borrowed)
        elif name in _TIMERS:
            self._timer(node, _argument(arguments, 1 if method in ("call", "apply") else 0), name)
        elif name == "RegExp":
            self._expression(node, arguments)
        elif name == "Buffer" and not borrowed:
            self._add("buffer_constructor", node)

    def new(self, node: Node, around: Sequence[Node]) -> None:
        """What is made."""
        name = self._names.meant(node.child_by_field_name("constructor"))
        arguments = node.child_by_field_name("arguments")
        if name == "Buffer" and arguments is not None:
            self._add("buffer_constructor", node)
        elif name == "RegExp" and arguments is not None:
            self._expression(node, arguments)

    def source(self, node: Node, around: Sequence[Node]) -> None:
        """`import … from 'fs'`, `export … from 'fs'`."""
        source = node.child_by_field_name("source")
        if source is not None:
            self._module(node, source)

    def _module(self, node: Node, asked: Node | None, *, unpacked: bool = True) -> None:
        name = self._folding.text(asked)
        if name is None and asked is not None and asked.type == "array":  # of apply()
            value = self._folding.value(asked)
            name = value[0] if value and isinstance(value[0], str) else None
        if name is None:
            if unpacked:
                self._add("dynamic_require", node)
        elif rule := module_rule(name):
            self._add(rule, node)

    def _timer(self, node: Node, given: Node | None, name: str) -> None:
        if given is not None and (is_text(given) or isinstance(self._folding.value(given), str)):
            self._add("eval_usage", node, detail=f"A text given to {name}() is run as code")

    def _expression(self, node: Node, arguments: Node) -> None:
        """`new RegExp(…)`."""
        text = (arguments.text or b"") if arguments.end_byte - arguments.start_byte <= _HEAD_BYTES else b""
        pattern = self._folding.text(_argument(arguments, 0))
        plus = text.find(b"+")
        if (plus >= 0 and b"*" in text[plus:]) or (pattern is not None and harmful_pattern(pattern) is not None):
            self._add("dangerous_regex", node)

    # --- the rest ---

    def regex(self, node: Node, around: Sequence[Node]) -> None:
        """`/(?!a)/`."""
        pattern = node.child_by_field_name("pattern")
        if pattern is not None and (at := harmful_pattern(written(pattern))) is not None:
            before = len(written(pattern)[:at].encode())
            self._keep(Match("dangerous_regex", pattern.start_byte + before, node.end_byte))

    def assignment(self, node: Node, around: Sequence[Node]) -> None:
        """`window.x = 1`, `process.env.X += 1`, `delete global.x`, `globalThis['x']++`."""
        if node.type == "unary_expression":
            operator = node.child_by_field_name("operator")
            if operator is None or operator.type != "delete":
                return
        target = node.child_by_field_name("left") or node.child_by_field_name("argument")
        root = bare(target)
        if root is None or root.type not in ("member_expression", "subscript_expression"):
            return
        while root is not None and root.type in ("member_expression", "subscript_expression"):
            root = bare(root.child_by_field_name("object"))
        if root is not None and root.type == "identifier" and (name := name_of(root)) in _ASSIGNED:
            self._later(name, Match("global_assignment", node.start_byte, node.end_byte))

    def declarator(self, node: Node, around: Sequence[Node]) -> None:
        """`const f = eval`: what a constant stands for."""
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is None or value is None or name.type != "identifier" or not around:
            return
        kind = around[-1].child_by_field_name("kind")
        if kind is not None and kind.type == "const":
            self._names.bind(name_of(name), value)
            self._folding.bind(name_of(name), value)


def _named_by(node: Node) -> Node:
    """Where the property's name stands."""
    return node.child_by_field_name("property") or node.child_by_field_name("index") or node


def _argument(arguments: Node, place: int) -> Node | None:
    """The argument at this place; of a tag, its template."""
    if arguments.type == "template_string":
        return arguments if place == 0 else None
    if arguments.named_child_count > 64:
        return arguments.named_child(place)
    given = [each for each in arguments.named_children if each.type != "comment"]
    return given[place] if place < len(given) else None


_LOOKS: Final[dict[str, Callable[[Matches, Node, Sequence[Node]], None]]] = {
    "identifier": Matches.identifier,
    "shorthand_property_identifier": Matches.identifier,
    "shorthand_property_identifier_pattern": Matches.identifier,
    "member_expression": Matches.property,
    "subscript_expression": Matches.property,
    "call_expression": Matches.call,
    "new_expression": Matches.new,
    "import_statement": Matches.source,
    "export_statement": Matches.source,
    "regex": Matches.regex,
    "assignment_expression": Matches.assignment,
    "augmented_assignment_expression": Matches.assignment,
    "update_expression": Matches.assignment,
    "unary_expression": Matches.assignment,
    "variable_declarator": Matches.declarator,
}
