"""Reads a template into its definitions (Go: text/template/parse).

Invariant: every block is closed, `break` stands in a loop, and nesting is bounded, so nothing later runs out of stack
on a tree. Its lower half is `pipelines`.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from actors.templates.failure import TemplateError
from actors.templates.pipelines import KEYWORDS, Piece, Pipelines, Scope
from actors.templates.tree import (
    Action,
    Assign,
    Body,
    Branch,
    Definition,
    Definitions,
    Include,
    Leave,
    Node,
    Range,
    Text,
)


def parse(source: str, functions: AbstractSet[str]) -> Definitions:
    """The templates of a source by name, the main one under the empty name. Raises TemplateError."""
    return _Parser(source, functions).parse()


class _Parser(Pipelines):
    def __init__(self, source: str, functions: AbstractSet[str]) -> None:
        super().__init__(source, functions)
        self.definitions: Definitions = {}
        self.loops = 0

    def parse(self) -> Definitions:
        nodes: list[Node] = []
        while self.peek().kind != "end":
            if self.peek().kind == "open" and self.peek(1).text == "define":
                self.define()
            else:
                self.node(nodes)
        self.add(Definition("", tuple(nodes), self.scope.most), 1)
        return self.definitions

    def node(self, nodes: list[Node]) -> None:
        """One text or action, added to `nodes`."""
        piece = self.take()
        if piece.kind == "text":
            nodes.append(Text(piece.text, piece.line))
            return
        word = self.peek()
        if word.kind != "word" or word.text not in KEYWORDS:
            nodes.append(self.action(piece.line))
            return
        self.take()
        match word.text:
            case "if" | "with":
                nodes.append(self.branch(word))
            case "range":
                nodes.append(self.range(word))
            case "template":
                nodes.append(self.include(word))
            case "block":
                nodes.append(self.block(word))
            case "break" | "continue":
                self.expect("close", f"{{{{{word.text}}}}}")
                if not self.loops:
                    raise TemplateError(word.line, f"{{{{{word.text}}}}} outside {{{{range}}}}")
                nodes.append(Leave(word.text, word.line))
            case "define":
                raise TemplateError(word.line, "{{define}} must stand at the top level of a template")
            case _:
                raise TemplateError(word.line, f"unexpected {{{{{word.text}}}}}")

    def action(self, line: int) -> Node:
        declared = self.declared(1)
        pipeline = self.pipeline("command", "close")
        if declared is None:
            return Action(pipeline, line)
        return Assign(self.place(declared.names[0], declared.new, line), pipeline, line)

    def branch(self, word: Piece) -> Branch:
        self.deeper(word.line)
        mark = len(self.scope.names)
        declared = self.declared(1)
        pipeline = self.pipeline(word.text, "close")
        place = -1 if declared is None else self.place(declared.names[0], declared.new, word.line)
        body = self.body(word)
        otherwise = self.otherwise(word)
        del self.scope.names[mark:]
        self.nested -= 1
        return Branch(word.text, pipeline, place, body, otherwise, word.line)

    def range(self, word: Piece) -> Range:
        self.deeper(word.line)
        mark = len(self.scope.names)
        declared = self.declared(2)
        pipeline = self.pipeline("range", "close")
        places = [] if declared is None else [self.place(name, declared.new, word.line) for name in declared.names]
        self.loops += 1
        body = self.body(word)
        self.loops -= 1
        otherwise = self.otherwise(word)
        del self.scope.names[mark:]
        self.nested -= 1
        key, value = (-1, *places)[-2:] if places else (-1, -1)
        return Range(pipeline, key, value, body, otherwise, word.line)

    def body(self, opener: Piece) -> Body:
        """Nodes up to `{{end}}` or `{{else`, which is left standing without its `{{`."""
        mark = len(self.scope.names)
        nodes: list[Node] = []
        while True:
            piece = self.peek()
            if piece.kind == "end":
                raise TemplateError(opener.line, f"{{{{{opener.text}}}}} has no {{{{end}}}}")
            if piece.kind == "open" and self.peek(1).text in ("end", "else") and self.peek(1).kind == "word":
                self.take()
                del self.scope.names[mark:]
                return tuple(nodes)
            self.node(nodes)

    def otherwise(self, opener: Piece) -> Body:
        """What follows a body: `{{end}}`, or `{{else}}` and another body."""
        word = self.take()
        if word.text == "end":
            self.expect("close", "{{end}}")
            return ()
        follows = self.peek()
        if follows.text in ("if", "with") and follows.text == opener.text:
            # `{{else if}}` is an if in the else; the one {{end}} is of both.
            return (self.branch(self.take()),)
        self.expect("close", "{{else}}")
        nodes = self.body(opener)
        end = self.take()
        if end.text != "end":
            raise TemplateError(end.line, f"expected {{{{end}}}}, found {{{{{end.text}}}}}")
        self.expect("close", "{{end}}")
        return nodes

    def include(self, word: Piece) -> Include:
        name = self.name("template")
        pipeline = None if self.peek().kind == "close" else self.pipeline("template", "close")
        if pipeline is None:
            self.take()
        return Include(name, pipeline, word.line)

    def block(self, word: Piece) -> Include:
        name = self.name("block")
        include = Include(name, self.pipeline("block", "close"), word.line)
        self.definition(name, word)
        return include

    def define(self) -> None:
        self.take()
        word = self.take()
        name = self.name("define")
        self.expect("close", "{{define}}")
        self.definition(name, word)

    def definition(self, name: str, word: Piece) -> None:
        """The body of a named template, which knows no variables of where it stands."""
        self.deeper(word.line)
        scope, self.scope = self.scope, Scope(["$"])
        loops, self.loops = self.loops, 0
        body = self.body(word)
        end = self.take()
        if end.text != "end":
            raise TemplateError(end.line, f"unexpected {{{{{end.text}}}}} in {{{{{word.text}}}}}")
        self.expect("close", "{{end}}")
        self.add(Definition(name, body, self.scope.most), word.line)
        self.scope, self.loops = scope, loops
        self.nested -= 1

    def add(self, definition: Definition, line: int) -> None:
        known = self.definitions.get(definition.name)
        if known is None or _is_blank(known.body):
            self.definitions[definition.name] = definition
        elif not _is_blank(definition.body):
            raise TemplateError(line, f'multiple definition of template "{definition.name}"')

    def name(self, word: str) -> str:
        piece = self.take()
        if piece.kind not in ("string", "raw"):
            raise self.unexpected(piece, f"{{{{{word}}}}}, which needs a name in quotes")
        return self.unquoted(piece)


def _is_blank(body: Body) -> bool:
    return all(isinstance(node, Text) and not node.text.strip() for node in body)
