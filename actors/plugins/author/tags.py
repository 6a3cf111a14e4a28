"""The decorators of plugin authors: `@node`, `@function`, `@action`.

They tag and do nothing else: the function stays what it was, nothing is registered anywhere, and importing a plugin
twice changes nothing. What is tagged is found when the loaded modules are looked through (`description.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, overload

TAGS: Final = "__nflow_tags__"
Role = Literal["node", "function", "action"]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Tag:
    """What a function is to be."""

    role: Role
    name: str
    plain: bool = False
    """A script's function: called by its name alone, not as `plugin.name`."""
    seconds: float | None = None
    """Deadline of one call; None: the runtime's own."""


def node(kind: str, *, seconds: float | None = None) -> Callable[[F], F]:
    """This function does nodes of the type `kind`.

    It takes the payload and, if it has a parameter of that name, the `context`; it returns the payload that goes on at
    `output_1`, a tuple `(payload, "output_2")`, a `NodeResult`, or None: the payload as the function left it.
    """
    if not isinstance(kind, str):
        raise TypeError('@node needs the type of the node: @node("my-step")')
    return _tagging(Tag("node", kind, seconds=seconds))


@overload
def function(name: F) -> F:
    """`@function`, bare."""


@overload
def function(name: str = "", *, plain: bool = False, seconds: float | None = None) -> Callable[[F], F]:
    """`@function("name")`."""


def function(name: Any = "", *, plain: bool = False, seconds: float | None = None) -> Any:
    """Scripts may call this: `await plugin.name(...)`, or with `plain` just `await name(...)`. Default: its own name.

    It takes the script's arguments, JSON values, and returns one. An `async def` is a promise there; a plain `def`,
    called on a thread, gives the script its value: `const x = plugin.name(...)`, as the nFlow manual shows it.
    """
    if callable(name):
        return _tagging(Tag("function", ""))(name)
    return _tagging(Tag("function", name, plain, seconds))


@overload
def action(name: F) -> F:
    """`@action`, bare."""


@overload
def action(name: str = "", *, seconds: float | None = None) -> Callable[[F], F]:
    """`@action("name")`."""


def action(name: Any = "", *, seconds: float | None = None) -> Any:
    """Clients may call this: `POST /api/plugin/{plugin}/{name}`. It takes the body and returns the answer.

    Where its body is annotated (a pydantic model, a dataclass, any type), what does not fit is answered with 400 before
    it is called.
    """
    if callable(name):
        return _tagging(Tag("action", ""))(name)
    return _tagging(Tag("action", name, seconds=seconds))


def tags_of(candidate: Any) -> tuple[Tag, ...]:
    """The tags of a function; empty for anything else."""
    return tuple(getattr(candidate, TAGS, ())) if callable(candidate) else ()


def _tagging(tag: Tag) -> Callable[[F], F]:
    def put(tagged: F) -> F:
        target: Any = tagged.__func__ if isinstance(tagged, staticmethod | classmethod) else tagged
        named = tag if tag.name or tag.role == "node" else Tag(tag.role, target.__name__, tag.plain, tag.seconds)
        setattr(target, TAGS, (*getattr(target, TAGS, ()), named))
        return tagged

    return put
