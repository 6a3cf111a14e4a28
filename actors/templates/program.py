"""Runs escaped templates: each node is a closure, made once and called with the run, its variables and the dot.

Invariant: a run ends. Every body, call and text is paid for in steps, written text in room, includes in depth; what
cannot be paid is a TemplateError. It talks to `functions` and to the escapers of `page`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from actors.templates.failure import TemplateError, TemplateLimit
from actors.templates.functions import FUNCTIONS, truth
from actors.templates.page.context import TEXT
from actors.templates.page.escapers import ESCAPERS
from actors.templates.page.escaping import Escaped, Place
from actors.templates.printing import shown, type_name
from actors.templates.tree import (
    Action,
    Assign,
    Body,
    Branch,
    Call,
    Chain,
    Dot,
    Expression,
    Include,
    Leave,
    Literal,
    Node,
    Pipeline,
    Range,
    Text,
    Variable,
)

MAX_STEPS: Final = 1_000_000
MAX_DEPTH: Final = 50
"""Includes within each other."""
_CHARS_A_STEP: Final = 6
"""Text is paid for by its length, shifted right by this."""


@dataclass(slots=True)
class Run:
    """One rendering: what it has written and what it may still use."""

    room: int
    """Characters it may still write."""
    steps: int = MAX_STEPS
    depth: int = 0
    written: list[str] = field(default_factory=list)

    def spend(self, steps: int, line: int) -> None:
        """Pay for work."""
        self.steps -= steps
        if self.steps < 0:
            raise TemplateLimit(line, f"the template takes more than {MAX_STEPS} steps")

    def write(self, text: str, line: int) -> None:
        """Add to the output."""
        self.room -= len(text)
        if self.room < 0:
            raise TemplateLimit(line, "the output is larger than its limit")
        self.written.append(text)


Places = list[Any]
Value = Callable[[Run, Places, Any], Any]
Statement = Callable[[Run, Places, Any], str | None]
"""Returns `break` or `continue` to leave the loop around it, else None."""


class Program:
    """A template ready to be rendered, any number of times."""

    __slots__ = ("_bodies", "_rooms")

    def __init__(self, escaped: Escaped) -> None:
        self._bodies: dict[Place, Statement] = {}
        self._rooms = {place: definition.places for place, definition in escaped.items()}
        for place, definition in escaped.items():
            self._bodies[place] = _body(definition.body, self)

    def render(self, data: Any, limit_chars: int) -> str:
        """The page. Raises TemplateError."""
        run = Run(limit_chars)
        try:
            self.include(("", TEXT), run, data, 1)
        except RecursionError:
            raise TemplateLimit(1, "nested too deeply") from None
        return "".join(run.written)

    def include(self, place: Place, run: Run, data: Any, line: int) -> None:
        """Run one of its templates."""
        if run.depth >= MAX_DEPTH:
            raise TemplateLimit(line, f"templates include each other deeper than {MAX_DEPTH} levels")
        run.depth += 1
        self._bodies[place](run, [data] + [None] * (self._rooms[place] - 1), data)
        run.depth -= 1


# --- statements


def _body(nodes: Body, program: Program) -> Statement:
    parts = tuple(_statement(node, program) for node in nodes)
    cost = 1 + len(parts)
    line = nodes[0].line if nodes else 1

    def run_body(run: Run, places: Places, dot: Any) -> str | None:
        run.spend(cost, line)
        for part in parts:
            if (left := part(run, places, dot)) is not None:
                return left
        return None

    return run_body


def _statement(node: Node, program: Program) -> Statement:
    match node:
        case Text():
            return _text(node)
        case Action():
            return _action(node)
        case Assign():
            return _assign(node)
        case Branch():
            return _branch(node, program)
        case Range():
            return _range(node, program)
        case Leave():
            word = node.word
            return lambda run, places, dot: word
        case Include():
            return _include(node, program)


def _text(node: Text) -> Statement:
    text, line = node.text, node.line

    def write(run: Run, places: Places, dot: Any) -> None:
        run.write(text, line)

    return write


def _action(node: Action) -> Statement:
    value = _pipeline(node.pipeline)
    line = node.line
    escapers = tuple(_escaper(name) for name in node.escapers)
    as_json = "js-value" in node.escapers

    def write(run: Run, places: Places, dot: Any) -> None:
        given = value(run, places, dot)
        if not as_json and isinstance(given, dict | list):
            given = shown(given)
        if isinstance(given, str):
            run.spend(len(given) >> _CHARS_A_STEP, line)
        for escaper in escapers:
            given = escaper(given)
        run.write(given, line)

    return write


def _escaper(name: str) -> Callable[[Any], str]:
    """An escaper by its name, or a function that stands in for one."""
    if name.startswith("function "):
        function = FUNCTIONS[name.removeprefix("function ")]
        return lambda value: function([value])
    return ESCAPERS[name]


def _assign(node: Assign) -> Statement:
    value, place = _pipeline(node.pipeline), node.place

    def assign(run: Run, places: Places, dot: Any) -> None:
        places[place] = value(run, places, dot)

    return assign


def _branch(node: Branch, program: Program) -> Statement:
    value, place = _pipeline(node.pipeline), node.place
    body, otherwise = _body(node.body, program), _body(node.otherwise, program)
    moves = node.word == "with"

    def choose(run: Run, places: Places, dot: Any) -> str | None:
        given = value(run, places, dot)
        if place >= 0:
            places[place] = given
        if truth(given):
            return body(run, places, given if moves else dot)
        return otherwise(run, places, dot)

    return choose


def _range(node: Range, program: Program) -> Statement:
    value, key_place, value_place = _pipeline(node.pipeline), node.key, node.value
    body, otherwise, line = _body(node.body, program), _body(node.otherwise, program), node.line

    def loop(run: Run, places: Places, dot: Any) -> str | None:
        given = value(run, places, dot)
        if not truth(given) and not isinstance(given, str | bool | float):
            return otherwise(run, places, dot)
        for key, item in _items(given, line, run, numbered=key_place >= 0):
            if key_place >= 0:
                places[key_place] = key
            if value_place >= 0:
                places[value_place] = item
            if body(run, places, item) == "break":
                break
        return None

    return loop


def _items(given: Any, line: int, run: Run, *, numbered: bool) -> Iterable[tuple[Any, Any]]:
    match given:
        case list():
            return enumerate(given)
        case dict():
            run.spend(len(given), line)
            return [(key, given[key]) for key in sorted(given)]
        case bool():
            pass
        case int() if numbered:
            raise TemplateError(line, f"can't use {given} to iterate over more than one variable")
        case int():
            return ((at, at) for at in range(given))
    raise TemplateError(line, f"range can't iterate over {shown(given)[:64]}")


def _include(node: Include, program: Program) -> Statement:
    data = _pipeline(node.pipeline) if node.pipeline else None
    place, line = (node.name, node.context), node.line

    def include(run: Run, places: Places, dot: Any) -> None:
        program.include(place, run, data(run, places, dot) if data else None, line)

    return include


# --- values


def _pipeline(node: Pipeline) -> Value:
    first, *rest = node.commands
    value = _expression(first)
    for command in rest:
        assert isinstance(command, Call)  # noqa: S101 - the parser lets nothing else follow a pipe
        value = _call(command, piped=value)
    return value


def _expression(node: Expression) -> Value:
    match node:
        case Dot():
            return lambda run, places, dot: dot
        case Literal():
            constant = node.value
            return lambda run, places, dot: constant
        case Variable():
            place = node.place
            return lambda run, places, dot: places[place]
        case Chain():
            return _chain(node)
        case Call():
            return _call(node)
        case Pipeline():
            return _pipeline(node)


def _chain(node: Chain) -> Value:
    of, fields, line = _expression(node.of), node.fields, node.line

    def follow(run: Run, places: Places, dot: Any) -> Any:
        value = of(run, places, dot)
        for at, name in enumerate(fields):
            if isinstance(value, dict):
                if name not in value:
                    return None
                value = value[name]
            elif value is None and at == 0:
                return None
            else:
                _no_field(value, name, line)
        return value

    return follow


def _no_field(value: Any, name: str, line: int) -> NoReturn:
    if value is None:
        raise TemplateError(line, f"nil value evaluating .{name}")
    raise TemplateError(line, f"can't evaluate field {name} in type {type_name(value)}")


def _call(node: Call, piped: Value | None = None) -> Value:
    arguments = tuple(_expression(argument) for argument in node.arguments)
    if piped is not None:
        arguments = (*arguments, piped)
    name, line = node.function, node.line
    if name in ("and", "or"):
        return _first(arguments, name, line)
    function = FUNCTIONS[name]

    def call(run: Run, places: Places, dot: Any) -> Any:
        given = [argument(run, places, dot) for argument in arguments]
        cost = 1
        for value in given:
            if isinstance(value, str):
                cost += len(value) >> _CHARS_A_STEP
        run.spend(cost, line)
        try:
            result = function(given)
        except ValueError as refused:
            raise TemplateError(line, f"error calling {name}: {refused}") from None
        if isinstance(result, str):
            run.spend(len(result) >> _CHARS_A_STEP, line)
            if len(result) > run.room:
                raise TemplateLimit(line, f"error calling {name}: the result is larger than the output may be")
        return result

    return call


def _first(arguments: tuple[Value, ...], name: str, line: int) -> Value:
    """`and`, `or`: the first argument that decides, or the last; what follows it is not looked at."""
    if not arguments:
        raise TemplateError(line, f"wrong number of args for {name}: want at least 1 got 0")
    decides = name == "or"

    def choose(run: Run, places: Places, dot: Any) -> Any:
        value = None
        for argument in arguments:
            value = argument(run, places, dot)
            if truth(value) == decides:
                break
        return value

    return choose
