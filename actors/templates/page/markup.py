"""Follows a context through the text of a page (Go: html/template).

`Walk` goes from the beginning of a piece of text to its end in steps; each step is one context. Invariant: every step
but the last moves on or changes the context, and the time for a page grows with its length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from html import unescape
from types import MappingProxyType
from typing import Final, NamedTuple

from actors.templates.page import scripting, styling
from actors.templates.page.attributes import START_OF_VALUE, attribute_kind, is_script_type
from actors.templates.page.context import COMMENTS, SCRIPT_LITERALS, TEXT, BadPage, Context

_SPACE: Final = " \t\n\f\r"
_TAG: Final = re.compile(r"<(?:(!--)|(/?)([A-Za-z][A-Za-z0-9]*(?:[:\-][A-Za-z0-9]+)*))")
_NOT_SPACE: Final = re.compile(r"[^ \t\n\f\r]")
_NAME_END: Final = re.compile(r"[ \t\n\f\r=>]|(['\"<])")
_VALUE_END: Final = {'"': re.compile('"'), "'": re.compile("'"), " ": re.compile(r"[ \t\n\f\r>]")}
_UNQUOTED_BAD: Final = re.compile("[\"'<=`]")
_SPECIAL_ELEMENTS: Final = frozenset({"script", "style", "textarea", "title", "meta"})
_BODY: Final = {"script": "js", "style": "css", "textarea": "rcdata", "title": "rcdata"}
END_TAGS: Final = {
    name: re.compile(rf"</{name}(?=[> \t\n\f/])", re.IGNORECASE) for name in ("script", "style", "textarea", "title")
}
_META_URL: Final = re.compile(r"url[ \t\n\f\r]*=", re.IGNORECASE)

TAG_STATES: Final = frozenset({"tag", "attr-name", "after-name", "before-value"})

Advance = Callable[[Context, str, int, int], tuple[Context, int]]


class Step(NamedTuple):
    """A stretch of the text that stands in one context."""

    context: Context
    """Where it stands."""
    begin: int
    end: int
    after: Context
    """The context behind it."""


def steps(context: Context, text: str) -> Iterator[Step]:
    """The text of a page cut into its contexts. Raises BadPage."""
    at = 0
    element_end = -1
    while at < len(text):
        end = len(text)
        if context.delimiter:
            after, reached = _in_value(context, text, at)
        else:
            if context.element in END_TAGS and _ends_with_element(context):
                if element_end < at:
                    found = END_TAGS[context.element].search(text, at)
                    element_end = found.start() if found else len(text)
                end = element_end
            if end == at:
                after, reached = TEXT, at
            else:
                after, reached = _ADVANCE[context.state](context, text, at, end)
        yield Step(context, at, reached, after)
        context, at = after, reached


def _ends_with_element(context: Context) -> bool:
    """Whether `</script>` ends the element here: inside a script's strings and comments it is made harmless instead."""
    if context.state in TAG_STATES:
        return False
    return context.element != "script" or not (context.state in SCRIPT_LITERALS or context.state in COMMENTS)


def advance(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    """One step outside of attribute values."""
    return _ADVANCE[context.state](context, text, at, end)


def value_end(context: Context, text: str, at: int) -> re.Match[str] | None:
    """What ends the attribute value that is being read."""
    return _VALUE_END[context.delimiter].search(text, at)


def _in_value(context: Context, text: str, at: int) -> tuple[Context, int]:
    """Through an attribute value, whose text is what its entities mean."""
    found = value_end(context, text, at)
    end = found.start() if found else len(text)
    value = text[at:end]
    if context.delimiter == " " and (bad := _UNQUOTED_BAD.search(value)):
        raise BadPage(f"{bad.group()!r} in unquoted attr: {value[:32]!r}")
    if found is None:
        return _through_value(context, unescape(value)), end
    element = context.element
    if element == "script" and context.attribute == "script-type" and not is_script_type(value):
        element = ""
    return Context("tag", element=element), end if context.delimiter == " " else end + 1


def _through_value(context: Context, value: str) -> Context:
    at = 0
    while at < len(value):
        context, at = _ADVANCE[context.state](context, value, at, len(value))
    return context


# --- HTML


def _in_text(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    found = _TAG.search(text, at, end)
    if found is None:
        return context, end
    comment, slash, name = found.groups()
    if comment:
        return Context("html-comment"), found.end()
    element = name.lower() if not slash and name.lower() in _SPECIAL_ELEMENTS else ""
    return Context("tag", element=element), found.end()


def _in_tag(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    found = _NOT_SPACE.search(text, at, end)
    if found is None:
        return context, end
    start = found.start()
    if found.group() == ">":
        if context.element == "meta":
            return TEXT, start + 1
        return Context(_BODY.get(context.element, "text"), element=context.element), start + 1
    stop = _name_end(text, start, end)
    if stop == start:
        raise BadPage(f"expected space, attr name, or end of tag, but got {text[start : start + 32]!r}")
    kind = attribute_kind(context.element, text[start:stop].lower())
    state = "attr-name" if stop == end else "after-name"
    return Context(state, element=context.element, attribute=kind), stop


def _in_name(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    stop = _name_end(text, at, end)
    return (context if stop == end else context._replace(state="after-name")), stop


def _name_end(text: str, at: int, end: int) -> int:
    found = _NAME_END.search(text, at, end)
    if found is None:
        return end
    if found.group(1):
        raise BadPage(f"{found.group()!r} in attribute name: {text[at : at + 32]!r}")
    return found.start()


def _after_name(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    found = _NOT_SPACE.search(text, at, end)
    if found is None:
        return context, end
    if found.group() == "=":
        return context._replace(state="before-value"), found.end()
    return context._replace(state="tag"), found.start()


def _before_value(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    found = _NOT_SPACE.search(text, at, end)
    if found is None:
        return context, end
    state = START_OF_VALUE[context.attribute]
    if found.group() in "\"'":
        return context._replace(state=state, delimiter=found.group()), found.end()
    return context._replace(state=state, delimiter=" "), found.start()


def _in_comment(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    close = text.find("-->", at, end)
    return (TEXT, close + 3) if close >= 0 else (context, end)


def _onward(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    return context, end


def _in_meta(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    found = _META_URL.search(text, at, end)
    return (context._replace(state="meta-url"), found.end()) if found else (context, end)


def _in_meta_url(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    close = text.find(";", at, end)
    return (context._replace(state="meta"), close + 1) if close >= 0 else (context, end)


_ADVANCE: Final[Mapping[str, Advance]] = MappingProxyType(
    {
        "text": _in_text,
        "tag": _in_tag,
        "attr-name": _in_name,
        "after-name": _after_name,
        "before-value": _before_value,
        "html-comment": _in_comment,
        "rcdata": _onward,
        "attr": _onward,
        "srcdoc": _onward,
        "url": styling.in_url,
        "srcset": styling.in_url,
        "meta": _in_meta,
        "meta-url": _in_meta_url,
        "js": scripting.in_script,
        "js-dq": scripting.in_literal,
        "js-sq": scripting.in_literal,
        "js-regexp": scripting.in_literal,
        "js-template": scripting.in_template_literal,
        "js-block-comment": scripting.in_block_comment,
        "js-line-comment": scripting.in_line_comment,
        "css": styling.in_style,
        "css-dq": styling.in_style_string,
        "css-sq": styling.in_style_string,
        "css-dq-url": styling.in_style_string,
        "css-sq-url": styling.in_style_string,
        "css-url": styling.in_style_string,
        "css-block-comment": scripting.in_block_comment,
        "css-line-comment": styling.in_line_comment,
    }
)
