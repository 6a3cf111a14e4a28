"""Follows a context through CSS and URLs (Go: html/template)."""

from __future__ import annotations

import re
from typing import Final

from actors.templates.page.context import BadPage, Context

SPACE: Final = "\t\n\f\r "
_SPECIAL: Final = re.compile(r"\(|\"|'|//|/\*")
_URL: Final = re.compile(r"(?<![^\x00-,./:-@\[-^`{-\x7f])[uU][rR][lL][\t\n\f\r ]*\Z")
"""The word at the end of a text, and no end of a longer one: letters beyond ASCII count as parts of a name."""
_MAX_URL_WORD: Final = 64
_ENDS: Final = {
    '"': re.compile(r'\\.?|"', re.DOTALL),
    "'": re.compile(r"\\.?|'", re.DOTALL),
    ")": re.compile(r"\\.?|[\t\n\f\r )]", re.DOTALL),
}
_END_OF: Final = {"css-dq": '"', "css-dq-url": '"', "css-sq": "'", "css-sq-url": "'", "css-url": ")"}
_ESCAPE: Final = re.compile(r"\\(?:([0-9a-fA-F]{1,6})(?:\r\n|[\t\n\f\r ])?|(.))", re.DOTALL)
_LINE_END: Final = re.compile(r"[\n\f\r]")


def in_style(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    """Up to the next string, comment or `url(`."""
    for found in _SPECIAL.finditer(text, at, end):
        match found.group():
            case '"':
                return context._replace(state="css-dq"), found.end()
            case "'":
                return context._replace(state="css-sq"), found.end()
            case "//":
                return context._replace(state="css-line-comment"), found.end()
            case "/*":
                return context._replace(state="css-block-comment"), found.end()
            case _ if _URL.search(text[max(at, found.start() - _MAX_URL_WORD) : found.start()]):
                return _in_url(context, text, found.end(), end)
            case _:
                pass
    return context, end


def _in_url(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    while at < end and text[at] in SPACE:
        at += 1
    quote = text[at : at + 1] if at < end else ""
    if quote == '"':
        return context._replace(state="css-dq-url"), at + 1
    if quote == "'":
        return context._replace(state="css-sq-url"), at + 1
    return context._replace(state="css-url"), at


def in_style_string(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    """Up to the end of a string or `url(…)`. Every string counts as a URL: it may be one."""
    for found in _ENDS[_END_OF[context.state]].finditer(text, at, end):
        if found.group() == "\\":
            raise BadPage("unfinished escape sequence in CSS string")
        if found.group()[0] != "\\":
            # A string that ends takes what was known of its URL with it: the next one begins anew.
            return context._replace(state="css", url=""), found.end()
    return after_url(context, decoded(text[at:end])), end


def after_url(context: Context, text: str) -> Context:
    """The context after this piece of a URL."""
    if "#" in text or "?" in text:
        return context._replace(url="query")
    if context.url == "" and text.strip(SPACE):
        return context._replace(url="path")
    return context


def in_url(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    """A piece of a URL, or of a list of them."""
    return after_url(context, text[at:end]), end


def in_line_comment(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    """Up to the end of the line: browsers know such comments, though no standard does."""
    close = _LINE_END.search(text, at, end)
    return (context._replace(state="css"), close.start()) if close else (context, end)


def decoded(text: str) -> str:
    """CSS text without its escapes."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(match: re.Match[str]) -> str:
    digits, letter = match.groups()
    if digits is None:
        return str(letter)
    code = int(digits, 16)
    if code > 0x10FFFF:
        return decoded(f"\\{digits[:-1]} ") + digits[-1] + match.group()[len(digits) + 1 :]
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)
