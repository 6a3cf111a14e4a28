"""One function of a plugin's author: how it is called.

A parameter called `context` gets the context, wherever it stands; the others are given in order. What does not fit a
function's parameters is told before it is called, so a `TypeError` out of it is its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from actors.plugins.author.context import Context
from actors.plugins.schema import Shape, annotation_of
from protocol.errors import CallRefused

CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Entry:
    """A function, looked at once."""

    name: str
    """As its callers know it: `greeter.hello`."""
    function: Callable[..., Any]
    signature: inspect.Signature | None
    """Of the parameters callers fill; None: nothing is known of them."""
    place: int | None
    """Where the context stands among the positional parameters; -1: by name only. None: it takes none."""
    threaded: bool
    """A plain function: called on a thread."""
    seconds: float | None = None
    input: Shape | None = None
    output: Shape | None = None

    def fits(self, count: int) -> bool:
        """Whether it can be called with so many arguments."""
        if self.signature is None:
            return True
        try:
            self.signature.bind(*(None,) * count)
        except TypeError:
            return False
        return True

    def check(self, arguments: Sequence[Any]) -> None:
        """Raises CallRefused when it cannot be called with these."""
        if self.signature is None:
            return
        try:
            self.signature.bind(*arguments)
        except TypeError as error:
            raise CallRefused(f"{self.name}{self.signature}: {error}", name="TypeError") from None

    def call(self, arguments: Sequence[Any], context: Context) -> Any:
        """Call it; an async function's value is to be awaited."""
        match self.place:
            case None:
                return self.function(*arguments)
            case place if 0 <= place <= len(arguments):
                return self.function(*arguments[:place], context, *arguments[place:])
            case _:
                return self.function(*arguments, context=context)

    @property
    def where(self) -> str:
        """`file:line` of its definition, for messages."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code is not None else "somewhere"

    def typed(self) -> Entry:
        """With the types of its body and its answer, where it names them. Raises ValueError for what is no type."""
        whole = inspect.signature(self.function)
        body = next((each for each in whole.parameters.values() if each.name != CONTEXT), None)
        return replace(
            self,
            input=_shape(self.function, body.annotation if body is not None else inspect.Parameter.empty),
            output=_shape(self.function, whole.return_annotation, "serialization"),
        )


def entry(name: str, function: Callable[..., Any], seconds: float | None = None) -> Entry:
    """Look at a function. Raises ValueError for one that cannot be called at all."""
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise ValueError("is a generator; it must return its value")
    if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
        raise ValueError(f"seconds must be a number above 0, not {seconds!r}")
    threaded = not is_async(function)
    try:
        whole = inspect.signature(function)
    except (TypeError, ValueError):  # built in
        return Entry(name, function, None, None, threaded, seconds)
    parameters = list(whole.parameters.values())
    place = None
    for position, parameter in enumerate(parameters):
        if parameter.name == CONTEXT and parameter.kind is not parameter.VAR_POSITIONAL:
            place = -1 if parameter.kind is parameter.KEYWORD_ONLY else position
    rest = [
        parameter.replace(annotation=parameter.empty)
        for parameter in parameters
        if parameter.name != CONTEXT and parameter.kind is not parameter.VAR_KEYWORD
    ]
    needed = [each.name for each in rest if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
    if needed:
        raise ValueError(f"nobody can give {', '.join(needed)}: arguments come in order")
    try:
        signature = inspect.Signature(rest)
    except ValueError:  # `context` stood between a default and what has none
        raise ValueError("parameters without a default must come first") from None
    return Entry(name, function, signature, place, threaded, seconds)


def is_async(function: Any) -> bool:
    """Whether calling it gives something to await."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _shape(function: Callable[..., Any], annotation: Any, mode: str = "validation") -> Shape | None:
    if annotation is inspect.Parameter.empty:
        return None
    read = annotation_of(function, annotation)
    return None if read in (Any, None, object) else Shape(read, mode=mode)
