"""Reads the tokens of a template as far as they are pipelines: commands, their operands, and variables.

Invariant: what comes out needs no further check of names: functions exist, variables are places. It is the lower half
of `parser`, and talks to `lexer` and `literals`.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, NamedTuple

from actors.templates.failure import TemplateError
from actors.templates.lexer import Token, tokens
from actors.templates.literals import number, unquote
from actors.templates.tree import Call, Chain, Dot, Expression, Literal, Pipeline, Variable

MAX_NESTING: Final = 60
"""Blocks and parentheses within each other."""
KEYWORDS: Final = frozenset({"if", "else", "end", "range", "with", "define", "template", "block", "break", "continue"})
_CONSTANTS: Final = {"true": True, "false": False, "nil": None}


class Piece(NamedTuple):
    """A token, and whether it stands right behind the one before."""

    kind: str
    text: str
    line: int
    glued: bool


@dataclass(slots=True)
class Scope:
    """Variables of the definition being read: the names in force, by place, and the most there were."""

    names: list[str]
    most: int = 1

    def declare(self, name: str) -> int:
        self.names.append(name)
        self.most = max(self.most, len(self.names))
        return len(self.names) - 1


class Declared(NamedTuple):
    """What stands before a pipeline: names, and whether they are new (`:=`)."""

    names: tuple[str, ...]
    new: bool


class Pipelines:
    """A reader of the tokens of one source, from its first to its last."""

    def __init__(self, source: str, functions: AbstractSet[str]) -> None:
        self.pieces = list(_pieces(source))
        self.at = 0
        self.functions = functions
        self.scope = Scope(["$"])
        self.nested = 0

    # --- tokens

    def peek(self, ahead: int = 0) -> Piece:
        return self.pieces[min(self.at + ahead, len(self.pieces) - 1)]

    def take(self) -> Piece:
        piece = self.peek()
        self.at += 1
        return piece

    def expect(self, kind: str, where: str) -> Piece:
        piece = self.take()
        if piece.kind != kind:
            raise self.unexpected(piece, where)
        return piece

    def unexpected(self, piece: Piece, where: str) -> TemplateError:
        if piece.kind == "end":
            return TemplateError(piece.line, f"unexpected end of the template in {where}")
        return TemplateError(piece.line, f"unexpected {piece.text or piece.kind!r} in {where}")

    def deeper(self, line: int) -> None:
        self.nested += 1
        if self.nested > MAX_NESTING:
            raise TemplateError(line, f"nested deeper than {MAX_NESTING} levels")

    # --- pipelines

    def declared(self, most: int) -> Declared | None:
        """Variables before `:=` or `=`, if the pipeline begins so."""
        if self.peek().kind != "variable":
            return None
        if self.peek(1).text in (":=", "="):
            name = self.take()
            return Declared((name.text,), self.take().text == ":=")
        if self.peek(1).text != ",":
            return None
        first, _, second, sign = self.take(), self.take(), self.take(), self.take()
        if second.kind != "variable" or sign.text not in (":=", "="):
            raise self.unexpected(second if second.kind != "variable" else sign, "a declaration of variables")
        if most < 2:
            raise TemplateError(first.line, "too many declarations: only {{range}} sets two variables")
        return Declared((first.text, second.text), sign.text == ":=")

    def place(self, name: str, new: bool, line: int) -> int:
        if new:
            return self.scope.declare(name)
        return self.variable(name, line)

    def variable(self, name: str, line: int) -> int:
        for place in range(len(self.scope.names) - 1, -1, -1):
            if self.scope.names[place] == name:
                return place
        raise TemplateError(line, f'undefined variable "{name}"')

    def pipeline(self, where: str, closes: str) -> Pipeline:
        """Commands up to the token that closes them: `close`, or `)`."""
        line = self.peek().line
        commands: list[Expression] = []
        while True:
            commands.append(self.command(where, first=not commands))
            piece = self.take()
            if piece.kind == closes or piece.text == closes:
                return Pipeline(tuple(commands), line)
            if piece.text != "|":
                raise self.unexpected(piece, where)

    def command(self, where: str, *, first: bool) -> Expression:
        piece = self.peek()
        operands: list[Expression] = []
        while not (self.peek().kind in ("close", "end") or self.peek().text in ("|", ")")):
            if operands and self.peek().glued:
                raise self.unexpected(self.peek(), "operand")
            operands.append(self.operand())
        if not operands:
            raise TemplateError(piece.line, f"missing value for {where}")
        head, *rest = operands
        if isinstance(head, Call):
            return Call(head.function, tuple(rest), head.line)
        if rest or not first:
            raise self.no_function(head, piece, first)
        if head == Literal(None) and piece.text == "nil":
            raise TemplateError(piece.line, "nil is not a command")
        return head

    def no_function(self, head: Expression, piece: Piece, first: bool) -> TemplateError:
        if isinstance(head, Literal) and not first:
            return TemplateError(piece.line, "non executable command in a later stage of a pipeline")
        if isinstance(head, Chain):
            return TemplateError(piece.line, f"{head.fields[-1]} is not a method but has arguments")
        return TemplateError(piece.line, f"can't give argument to non-function {piece.text}")

    def operand(self) -> Expression:
        """A term and the fields right behind it. A function's name comes back as a call without arguments."""
        piece = self.peek()
        term = self.term()
        fields = []
        while self.peek().kind == "field" and self.peek().glued:
            fields.append(self.take().text[1:])
        if not fields:
            return term
        if isinstance(term, Literal):
            raise TemplateError(piece.line, f"unexpected . after term {piece.text}")
        if isinstance(term, Chain):
            return Chain(term.of, (*term.fields, *fields), term.line)
        return Chain(term, tuple(fields), piece.line)

    def term(self) -> Expression:
        piece = self.take()
        match piece.kind:
            case "dot":
                return Dot()
            case "field":
                return Chain(Dot(), (piece.text[1:],), piece.line)
            case "variable":
                return Variable(self.variable(piece.text, piece.line))
            case "string" | "raw" | "char" | "number":
                return Literal(self.constant(piece))
            case "word" if piece.text in _CONSTANTS:
                return Literal(_CONSTANTS[piece.text])
            case "word" if piece.text not in KEYWORDS:
                if piece.text not in self.functions:
                    raise TemplateError(piece.line, f'function "{piece.text}" not defined')
                return Call(piece.text, (), piece.line)
            case "sign" if piece.text == "(":
                self.deeper(piece.line)
                inner = self.pipeline("parenthesized pipeline", ")")
                self.nested -= 1
                return inner
            case _:
                raise self.unexpected(piece, "command")

    def constant(self, piece: Piece) -> int | float | str:
        if piece.kind == "number":
            try:
                return number(piece.text)
            except ValueError:
                raise TemplateError(piece.line, f"bad number syntax: {piece.text!r}") from None
        text = self.unquoted(piece)
        if piece.kind != "char":
            return text
        if len(text) != 1:
            raise TemplateError(piece.line, f"malformed character constant: {piece.text}")
        return ord(text)

    def unquoted(self, piece: Piece) -> str:
        try:
            return unquote(piece.text)
        except ValueError as error:
            raise TemplateError(piece.line, f"invalid syntax in a string: {error}") from None


def _pieces(source: str) -> list[Piece]:
    """The tokens without the white space between them."""
    pieces: list[Piece] = []
    before = Token("space", "", 1)
    for token in tokens(source):
        if token.kind != "space":
            pieces.append(Piece(*token, before.kind not in ("space", "open", "sign") or before.text == ")"))
        before = token
    return pieces
