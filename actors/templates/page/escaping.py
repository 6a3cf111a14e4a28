"""Makes the templates of a source safe for the page they make (Go: html/template).

It follows the context through every branch and include, gives each action its escapers and takes comments out of the
text. Invariant: what it returns holds, for each pair of template and context that can be reached, a body of its own
whose actions are escaped for where they stand; what cannot be told is refused with its line. The work is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from actors.templates.failure import TemplateError, TemplateLimit
from actors.templates.page.context import COMMENTS, DEAD, SCRIPT_LITERALS, TEXT, BadPage, Context, join, nudge
from actors.templates.page.markup import Step, steps
from actors.templates.tree import (
    Action,
    Assign,
    Body,
    Branch,
    Call,
    Definition,
    Definitions,
    Include,
    Leave,
    Node,
    Pipeline,
    Range,
    Text,
)

MAX_WORK: Final = 50_000
"""Nodes looked at for one source; more means branches within includes within loops, without end in sight."""

Place = tuple[str, Context]
"""A template by its name and the context it is included in."""
Escaped = dict[Place, Definition]

_SCRIPT_TAG: Final = re.compile(r"<(script|/script|!--)", re.IGNORECASE)
_BARE: Final = re.compile(r"<(?!!doctype)", re.IGNORECASE)
_LINE_BREAK: Final = re.compile("[\n\r\u2028\u2029]")

_ESCAPERS: Final = {
    "js": "js-value",
    "js-dq": "js-string",
    "js-sq": "js-string",
    "js-template": "js-template",
    "js-regexp": "js-regexp",
    "css": "css-value",
    "text": "html-text",
    "rcdata": "rcdata",
    "attr-name": "name",
    "srcset": "srcset",
    "srcdoc": "html-text",  # and once more for the attribute: the page in it is read a second time (Go: once only)
    "meta-url": "url-filter",
    **dict.fromkeys(COMMENTS, "comment"),
}
_URL_STATES: Final = frozenset({"url", "css-dq", "css-sq", "css-dq-url", "css-sq-url", "css-url"})
_SAME: Final = {
    "attribute": "html",
    "html-text": "html",
    "rcdata": "html",
    "url-query": "urlquery",
    "url-part": "urlquery",
}
"""An escaper → the function that does its work where the author calls it himself."""
_REDUNDANT: Final = frozenset(
    {
        ("comment", "attribute"),
        ("css-text", "attribute"),
        ("js-regexp", "attribute"),
        ("js-string", "attribute"),
        ("js-template", "attribute"),
    }
)
"""Pairs whose second changes nothing the first has left."""


def escape(definitions: Definitions) -> Escaped:
    """Every template that can be reached, by name and context; the main one is at ("", TEXT). Raises TemplateError."""
    return _Escaper(definitions).escape()


@dataclass(slots=True)
class _Loop:
    """The contexts at the `break`s and `continue`s of a range."""

    leaves: list[tuple[Context, int]] = field(default_factory=list)


class _Escaper:
    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.escaped: Escaped = {}
        self.outputs: dict[Place, Context] = {}
        self.called: set[Place] = set()
        self.work = 0

    def escape(self) -> Escaped:
        after = self.template("", TEXT, 1)
        if after.state != "text":
            raise TemplateError(1, f"ends in a non-text context: {after}")
        return self.escaped

    def template(self, name: str, context: Context, line: int) -> Context:
        """Escape a template for where it is included; the context behind it."""
        place = (name, context)
        self.called.add(place)
        if place in self.outputs:
            return self.outputs[place]
        definition = self.definitions.get(name)
        if definition is None:
            raise TemplateError(line, f'no such template "{name}"')
        # A template that includes itself is taken to end where it begins; else to end as the first try did.
        guess = context
        for _ in range(2):
            self.outputs[place] = guess
            self.called.discard(place)
            known = dict(self.outputs), dict(self.escaped)
            body, after = self.body(definition.body, context, None)
            if place not in self.called or after == guess:
                self.outputs[place] = after
                self.escaped[place] = replace(definition, body=body)
                return after
            self.outputs, self.escaped = known  # what was found out by a wrong guess
            guess = after
        raise TemplateError(line, f'cannot compute output context for template "{name}"')

    def body(self, nodes: Body, context: Context, loop: _Loop | None) -> tuple[Body, Context]:
        """The nodes made safe, and the context behind them."""
        made: list[Node] = []
        for node in nodes:
            self.work += 1
            if self.work > MAX_WORK:
                raise TemplateLimit(node.line, "the template is too complex to be made safe")
            safe, context = self.node(node, context, loop)
            made.append(safe)
            if context.state == "dead":
                break  # what follows is never reached
        return tuple(made), context

    def node(self, node: Node, context: Context, loop: _Loop | None) -> tuple[Node, Context]:
        try:
            match node:
                case Text():
                    text, context = _text(node.text, context)
                    return replace(node, text=text), context
                case Action():
                    return _action(node, context)
                case Assign():
                    return node, context
                case Include():
                    return replace(node, context=context), self.template(node.name, context, node.line)
                case Leave():
                    if loop is not None:
                        loop.leaves.append((context, node.line))
                    return node, DEAD
                case Branch():
                    body, one = self.body(node.body, context, loop)
                    otherwise, other = self.body(node.otherwise, context, loop)
                    return replace(node, body=body, otherwise=otherwise), join(one, other, node.word)
                case Range():
                    return self.range(node, context, loop)
        except BadPage as bad:
            raise TemplateError(node.line, str(bad)) from None

    def range(self, node: Range, context: Context, outer: _Loop | None) -> tuple[Node, Context]:
        body, after = self.rounds(node, context, "")
        if after != context:
            # A second round begins where the first ended.
            _, again = self.rounds(node, after, "on range loop re-entry: ")
            after = join(after, again, "range")
        otherwise, other = self.body(node.otherwise, context, outer)
        return replace(node, body=body, otherwise=otherwise), join(after, other, "range")

    def rounds(self, node: Range, context: Context, when: str) -> tuple[Body, Context]:
        """One round of a loop, and the context at its end, at every `break` and `continue`."""
        loop = _Loop()
        body, after = self.body(node.body, context, loop)
        for left, line in loop.leaves:
            try:
                after = join(after, left, "range")
            except BadPage as bad:
                raise TemplateError(line, f"{when}at break or continue: {bad}") from None
        return body, after


# --- actions


def _action(node: Action, context: Context) -> tuple[Node, Context]:
    context = nudge(context)
    escapers = _escapers(context)
    if context.state == "js":
        context = context._replace(slash="division")
    pipeline, escapers = _without_own_escaper(node.pipeline, escapers, context)
    needed = [name for at, name in enumerate(escapers) if not at or (escapers[at - 1], name) not in _REDUNDANT]
    return Action(pipeline, node.line, tuple(needed)), context


def _escapers(context: Context) -> tuple[str, ...]:
    state = context.state
    names: list[str] = []
    if state in _URL_STATES:
        if context.url == "unknown":
            raise BadPage("an action appears in an ambiguous context within a URL")
        if context.url == "":
            names.append("url-filter")
        if context.url == "query":
            names.append("url-query")
        else:
            names.append("css-text" if state in ("css-dq", "css-sq") else "url-part")
    elif state in _ESCAPERS:
        names.append(_ESCAPERS[state])
    if context.delimiter:
        names.append("unquoted" if context.delimiter == " " else "attribute")
    return tuple(names)


def _without_own_escaper(
    pipeline: Pipeline, escapers: tuple[str, ...], context: Context
) -> tuple[Pipeline, tuple[str, ...]]:
    """`html` and `urlquery` at the end of a pipeline take the place of the escapers that do the same."""
    for at, command in enumerate(pipeline.commands):
        if not isinstance(command, Call) or command.function not in ("html", "urlquery"):
            continue
        own = command.function
        last = at == len(pipeline.commands) - 1
        if not last or (own == "html" and context.state == "attr" and context.delimiter == " "):
            raise BadPage(f'predefined escaper "{own}" disallowed in template')
        if all(_SAME.get(name) != own for name in escapers):
            continue
        merged = tuple(f"function {own}" if _SAME.get(name) == own else name for name in escapers)
        before = pipeline.commands[:-1] or (Call("print", command.arguments, command.line),)
        return replace(pipeline, commands=before), merged
    return pipeline, escapers


# --- text


def _text(text: str, context: Context) -> tuple[str, Context]:
    """The text without comments, with stray `<` escaped, and the context behind it."""
    parts: list[str] = []
    for step in steps(context, text):
        parts.append(_shown(step, text))
        context = step.after
    return "".join(parts), context


def _shown(step: Step, text: str) -> str:
    context, after = step.context, step.after
    piece = text[step.begin : step.end]
    if context.state in COMMENTS and not context.delimiter:
        return _instead_of_comment(context, piece)
    if after.state in COMMENTS and after.state != context.state and not after.delimiter:
        # Its mark goes with the comment.
        return _bare(context, after, piece[: -_mark(piece)])
    if context.state in SCRIPT_LITERALS:
        return _SCRIPT_TAG.sub(r"\\x3C\1", piece)
    return _bare(context, after, piece)


def _mark(piece: str) -> int:
    return 4 if piece.endswith("<!--") else 3 if piece.endswith("-->") else 2


def _instead_of_comment(context: Context, piece: str) -> str:
    if context.state == "js-block-comment":
        return "\n" if _LINE_BREAK.search(piece) else " "
    return " " if context.state == "css-block-comment" else ""


def _bare(context: Context, after: Context, piece: str) -> str:
    """Text with every `<` that begins nothing escaped."""
    if context.state not in ("text", "rcdata") or "<" not in piece:
        return piece
    end = piece.rfind("<") if after.state == "tag" else len(piece)
    return _BARE.sub("&lt;", piece[:end]) + piece[end:]
