"""The door of this room: pages from template texts, each parsed once.

    templates = Templates(limit_chars=1_000_000)
    templates.go("<p>{{.name}}</p>", {"name": "<Ana>"})        # <p>&lt;Ana&gt;</p>
    templates.mustache("<p>{{name}}</p>", {"name": "<Ana>"})   # <p>&lt;Ana&gt;</p>

Invariant: what is kept depends on the texts alone and is bounded, so a rendering never shows what came before it. A
Templates is one owner's: it is not for two threads.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from actors.templates.failure import TemplateError, TemplateLimit
from actors.templates.functions import NAMES
from actors.templates.mustache import Compiled, render_mustache
from actors.templates.page.escaping import escape
from actors.templates.parser import parse
from actors.templates.program import Program

LIMIT_CHARS: Final = 1_000_000
"""Most characters of one page, unless its owner says otherwise."""
MAX_SOURCE: Final = 512_000
"""Most characters of a template's text."""
MAX_KEPT: Final = 32
MAX_KEPT_SOURCE: Final = 32_000
"""Longer texts are parsed each time: a parsed one takes up to a hundred times its size."""


class Templates:
    """Renders templates, and keeps the last ones parsed."""

    __slots__ = ("_compiled", "_limit", "_programs")

    def __init__(self, limit_chars: int = LIMIT_CHARS) -> None:
        self._limit = limit_chars
        self._programs: OrderedDict[str, Program] = OrderedDict()
        self._compiled = Compiled()

    def go(self, source: str, data: Any) -> str:
        """A page from a template in the language of Go's html/template.

        `data` is a JSON value; the template's values are escaped for where they stand. Raises TemplateError, with the
        line, for a template that is malformed, asks for what is not supported, or fails on its values; TemplateLimit
        for one that does not end within its bounds.
        """
        return self._program(source).render(data, self._limit)

    def mustache(self, source: str, data: Any) -> str:
        """A text from a mustache template; empty when it is malformed (Go). Raises TemplateLimit."""
        _check_size(source)
        cache = self._compiled if len(source) <= MAX_KEPT_SOURCE else None
        try:
            return render_mustache(source, data, self._limit, compiled=cache)
        except TemplateLimit:
            raise
        except TemplateError:
            return ""

    def _program(self, source: str) -> Program:
        program = self._programs.get(source)
        if program is not None:
            self._programs.move_to_end(source)
            return program
        program = compiled(source)
        if len(source) <= MAX_KEPT_SOURCE:
            self._programs[source] = program
            if len(self._programs) > MAX_KEPT:
                self._programs.popitem(last=False)
        return program


def compiled(source: str) -> Program:
    """A template ready to be rendered. Raises TemplateError."""
    _check_size(source)
    try:
        return Program(escape(parse(source, NAMES)))
    except RecursionError:
        raise TemplateLimit(1, "nested too deeply") from None


def render_template(source: str, data: Any, limit_chars: int) -> str:
    """A page from a template in the language of Go's html/template, once. Raises TemplateError."""
    return compiled(source).render(data, limit_chars)


def _check_size(source: str) -> None:
    if len(source) > MAX_SOURCE:
        raise TemplateLimit(1, f"the template is longer than {MAX_SOURCE} characters")
