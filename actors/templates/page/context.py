"""Where in a page a piece of a template stands (Go: html/template).

A Context is followed through the text of a template from `<` to `"`; what an action writes is escaped for the context
it stands in. Two branches must end in contexts that can be told to be one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from actors.templates.page.attributes import START_OF_VALUE


class BadPage(Exception):
    """The text is no HTML whose contexts can be told; says why."""


class Context(NamedTuple):
    """A place in a page. States:

    text tag attr-name after-name before-value html-comment rcdata attr url srcset srcdoc meta meta-url;
    js js-dq js-sq js-template js-regexp js-block-comment js-line-comment;
    css css-dq css-sq css-dq-url css-sq-url css-url css-block-comment css-line-comment;
    dead: after a break or continue.
    """

    state: str = "text"
    delimiter: str = ""
    """What ends the attribute value: `"`, `'`, ` ` for white space or `>`; empty outside one."""
    url: str = ""
    """The part of a URL: empty at its beginning, then path, query; unknown after branches that differ."""
    slash: str = "regexp"
    """What a slash in JavaScript begins: regexp, division, or unknown."""
    braces: tuple[int, ...] = ()
    """Braces open in each `${` of JavaScript's template literals."""
    attribute: str = ""
    """Kind of the attribute: script, script-type, style, url, srcset, srcdoc, meta-content; empty for others."""
    element: str = ""
    """The element whose body is no HTML text: script, style, textarea, title; or meta. Empty for others."""

    def __str__(self) -> str:
        told = [self.state, self.delimiter and f"in {self.delimiter!r}", self.url, self.element]
        return "{" + " ".join(filter(None, told)) + "}"


TEXT: Final = Context()
DEAD: Final = Context("dead")
COMMENTS: Final = frozenset(
    {"html-comment", "js-block-comment", "js-line-comment", "css-block-comment", "css-line-comment"}
)
SCRIPT_LITERALS: Final = frozenset({"js-dq", "js-sq", "js-template", "js-regexp"})


def nudge(context: Context) -> Context:
    """The context once something other than white space follows."""
    match context.state:
        case "tag":
            return context._replace(state="attr-name")
        case "before-value":
            return context._replace(state=START_OF_VALUE[context.attribute], delimiter=" ", attribute="")
        case "after-name":
            return context._replace(state="attr-name", attribute="")
        case _:
            return context


def join(one: Context, other: Context, word: str) -> Context:
    """The context after two branches of a `word`. Raises BadPage when they end in places that differ."""
    if one == other or other.state == "dead":
        return one
    if one.state == "dead":
        return other
    if one._replace(url="") == other._replace(url=""):
        return one._replace(url="unknown")
    if one._replace(slash="") == other._replace(slash=""):
        return one._replace(slash="unknown")
    nudged = nudge(one), nudge(other)
    if nudged != (one, other):
        try:
            return join(*nudged, word)
        except BadPage:
            pass
    raise BadPage(f"{{{{{word}}}}} branches end in different contexts: {one}, {other}")
