"""The nodes of a parsed template. Expressions have a value; the others are what a body is a sequence of.

Invariant: frozen, and free of anything of a run, so one tree serves every render. Variables are numbered places: the
parser has resolved their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`, the value at hand."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text, boolean or nil written in the template."""

    value: Any


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name`, by its place. Place 0 is `$`, what the template was given."""

    place: int


@dataclass(frozen=True, slots=True)
class Chain:
    """Fields of a value, one after the other: `.a.b`, `$x.a`, `(…).a`."""

    of: Expression
    fields: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    function: str
    arguments: tuple[Expression, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands; each after the first is a call, given the value of the one before as its last argument."""

    commands: tuple[Expression, ...]
    line: int


Expression = Dot | Literal | Variable | Chain | Call | Pipeline


@dataclass(frozen=True, slots=True)
class Text:
    """What stands between the actions."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Action:
    """`{{ … }}` whose value is written, through `escapers` in their order."""

    pipeline: Pipeline
    line: int
    escapers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assign:
    """`{{ $x := … }}` or `{{ $x = … }}`."""

    place: int
    pipeline: Pipeline
    line: int


@dataclass(frozen=True, slots=True)
class Branch:
    """`if` or `with`: `with` moves the dot. `place` is of the variable that also gets the value, or -1."""

    word: str
    pipeline: Pipeline
    place: int
    body: Body
    otherwise: Body
    line: int


@dataclass(frozen=True, slots=True)
class Range:
    """A loop. `key` and `value` are places of its variables, or -1."""

    pipeline: Pipeline
    key: int
    value: int
    body: Body
    otherwise: Body
    line: int


@dataclass(frozen=True, slots=True)
class Leave:
    """`break` or `continue`."""

    word: str
    line: int


@dataclass(frozen=True, slots=True)
class Include:
    """`{{template "name" pipeline}}`. `context` is where in the page it stands, once `escaping` has found out."""

    name: str
    pipeline: Pipeline | None
    line: int
    context: Any = None


Node = Text | Action | Assign | Branch | Range | Leave | Include
Body = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A named template, or the main one."""

    name: str
    body: Body
    places: int
    """How many variables it needs room for, `$` included."""


Definitions = dict[str, Definition]
"""By name; the main template's is empty."""
