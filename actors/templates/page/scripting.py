"""Follows a context through JavaScript (Go: html/template).

Invariant: strings, template literals, regular expressions and comments are told apart as a browser does; where a slash
may begin a regular expression or be a division, the text before it decides.
"""

from __future__ import annotations

import re
from typing import Final

from actors.templates.page.context import BadPage, Context

_SPECIAL: Final = re.compile(r"[\"'`/{}<\-#]")
_LAST_WORD: Final = re.compile(r"[A-Za-z0-9_$]*\Z")
_WORDS_BEFORE_REGEXP: Final = "break case continue delete do else finally in instanceof return throw try typeof void"
_BEFORE_REGEXP: Final = frozenset(_WORDS_BEFORE_REGEXP.split())
_SPACE: Final = "\t\n\f\r \u2028\u2029"
_ENDS_OF_TEMPLATE: Final = re.compile(r"\\.?|\$\{|`", re.DOTALL)
_ENDS: Final = {
    "js-dq": re.compile(r'\\.?|"', re.DOTALL),
    "js-sq": re.compile(r"\\.?|'", re.DOTALL),
    "js-regexp": re.compile(r"\\.?|</script|[/\[\]]", re.DOTALL | re.IGNORECASE),
}
_LINE_END: Final = re.compile("[\n\r\u2028\u2029]")


def after_slash_context(text: str, before: str) -> str:
    """What a slash begins behind this text: regexp or division. `before`: what it began before it."""
    text = text.rstrip(_SPACE)
    if not text:
        return before
    last = text[-1]
    if last in "+-":
        # `x++ /` divides, `x + /` does not; so it is the number of them that counts.
        return "regexp" if (len(text) - len(text.rstrip(last))) % 2 else "division"
    if last == ".":
        return "division" if len(text) > 1 and text[-2] in "0123456789" else "regexp"
    if last in ",<>=*%&|^?!~([:;{}":
        return "regexp"
    word = _LAST_WORD.search(text)
    return "regexp" if word and word.group() in _BEFORE_REGEXP else "division"


def in_script(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    """Up to the next string, comment, regular expression or brace that counts."""
    found = _SPECIAL.search(text, at, end)
    if found is None:
        return context._replace(slash=after_slash_context(text[at:end], context.slash)), end
    start = found.start()
    context = context._replace(slash=after_slash_context(text[at:start], context.slash))
    match found.group():
        case '"':
            return context._replace(state="js-dq", slash="regexp"), start + 1
        case "'":
            return context._replace(state="js-sq", slash="regexp"), start + 1
        case "`":
            return context._replace(state="js-template", slash="regexp"), start + 1
        case "/":
            return _slash(context, text, start, end)
        case "<" if text.startswith("<!--", start, end):
            return context._replace(state="js-line-comment"), start + 4
        case "-" if text.startswith("-->", start, end):
            return context._replace(state="js-line-comment"), start + 3
        case "#" if text.startswith("#!", start, end):
            return context._replace(state="js-line-comment"), start + 2
        case "{" | "}" as brace:
            return _brace(context, brace, start)
        case _:
            return context, start + 1


def _slash(context: Context, text: str, start: int, end: int) -> tuple[Context, int]:
    if text.startswith("//", start, end):
        return context._replace(state="js-line-comment"), start + 2
    if text.startswith("/*", start, end):
        return context._replace(state="js-block-comment"), start + 2
    if context.slash == "regexp":
        return context._replace(state="js-regexp"), start + 1
    if context.slash == "division":
        return context._replace(slash="regexp"), start + 1
    raise BadPage(f"'/' could start a division or regexp: {text[start : min(end, start + 32)]!r}")


def _brace(context: Context, brace: str, start: int) -> tuple[Context, int]:
    """Braces are counted inside `${ }` only, to find the one that ends it."""
    after = context._replace(slash="regexp")
    if not context.braces:
        return after, start + 1
    *outer, open_here = context.braces
    open_here += 1 if brace == "{" else -1
    if open_here >= 0:
        return after._replace(braces=(*outer, open_here)), start + 1
    return context._replace(state="js-template", braces=tuple(outer)), start + 1


def in_template_literal(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    """Up to the end of a back-quoted string, or into its next `${`."""
    for found in _ENDS_OF_TEMPLATE.finditer(text, at, end):
        if found.group() == "\\":
            raise BadPage("unfinished escape sequence in JS string")
        if found.group() == "${":
            return context._replace(state="js", braces=(*context.braces, 0)), found.end()
        if found.group() == "`":
            return context._replace(state="js"), found.end()
    return context, end


def in_literal(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    """Up to the end of a string or regular expression."""
    in_set = False
    for found in _ENDS[context.state].finditer(text, at, end):
        what = found.group()
        if what == "\\":
            raise BadPage("unfinished escape sequence in JS string")
        if what[0] == "\\" or what[0] == "<":
            continue
        if what in "[]":
            in_set = what == "["
        elif not in_set:
            return context._replace(state="js", slash="division"), found.end()
    if in_set:
        raise BadPage("unfinished JS regexp charset")
    return context, end


def in_block_comment(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    """Up to the end of a comment of JavaScript or CSS."""
    close = text.find("*/", at, end)
    if close < 0:
        return context, end
    return context._replace(state=context.state.partition("-")[0]), close + 2


def in_line_comment(context: Context, text: str, at: int, end: int) -> tuple[Context, int]:
    """Up to the end of the line, which is no part of the comment."""
    close = _LINE_END.search(text, at, end)
    return (context._replace(state="js"), close.start()) if close else (context, end)
