"""What is done to a value before it is written, by the place it stands in (Go: html/template).

An escaper takes any value and returns text that cannot leave its place: no quote, bracket, scheme or tag of it means
what it would. A value that has no safe form becomes `ZgotmplZ`, which can be searched for. Only the word of the author
(`Html`) lets HTML through, and only into HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from actors.templates.page import script_values
from actors.templates.page.attributes import attribute_holds
from actors.templates.page.stripping import strip_tags
from actors.templates.page.styling import decoded
from actors.templates.printing import Html, shown

Escaper = Callable[[Any], str]
FAILSAFE: Final = "ZgotmplZ"

_SAFE_SCHEMES: Final = frozenset({"http", "https", "mailto"})
_HTML: Final = {"\0": "\ufffd", '"': "&#34;", "&": "&amp;", "'": "&#39;", "+": "&#43;", "<": "&lt;", ">": "&gt;"}
_UNQUOTED: Final = {
    **_HTML,
    "\0": "&#xfffd;",
    **{letter: f"&#{ord(letter)};" for letter in "\t\n\v\f\r =`"},
    **{chr(code): f"&#x{code:x};" for code in (*range(0xFDD0, 0xFDF0), *range(0xFFF0, 0x10000))},
}
_HTML_TABLE: Final = str.maketrans(_HTML)
_HTML_AGAIN_TABLE: Final = str.maketrans({key: text for key, text in _HTML.items() if key != "&"})
_UNQUOTED_TABLE: Final = str.maketrans(_UNQUOTED)
_UNQUOTED_AGAIN_TABLE: Final = str.maketrans({key: text for key, text in _UNQUOTED.items() if key != "&"})
_HTML_SPECIAL: Final = re.compile("[\0\"&'+<>]")
_NOT_IN_QUERY: Final = re.compile(r"[^A-Za-z0-9\-._~]")
_NOT_IN_URL: Final = re.compile(r"%(?![0-9a-fA-F]{2})|[^A-Za-z0-9\-._~!#$&*+,/:;=?@\[\]%]")
_NAME: Final = re.compile(r"[0-9a-z]+\Z")
_CSS_SPECIAL: Final = re.compile("[\0\t\n\f\r\"&'()+/:;<>\\\\{}]")
_CSS_CONTINUES: Final = frozenset("0123456789abcdefABCDEF\t\n\f\r ")
_CSS_UNSAFE: Final = re.compile("[\0\"'()/;@\\[\\\\\\]`{}<>]|--")
_CSS_NOT_NAME: Final = re.compile(r"[^A-Za-z0-9\-_]+")
_SRCSET_ITEM: Final = re.compile(r"([\t\n\f\r ]*)([^\t\n\f\r ]*)([\t\n\f\r A-Za-z0-9]*)\Z")


def text_of(value: Any) -> str:
    """The text a value is escaped as; nothing at all for nil."""
    return "" if value is None else shown(value)


def html_text(value: Any) -> str:
    """For HTML text."""
    if isinstance(value, Html):
        return str(value)
    return _html(text_of(value))


def _html(text: str) -> str:
    return text if _HTML_SPECIAL.search(text) is None else text.translate(_HTML_TABLE)


def quoted_attribute(value: Any) -> str:
    """For an attribute value in quotes. HTML is reduced to its text."""
    if isinstance(value, Html):
        return strip_tags(value).translate(_HTML_AGAIN_TABLE)
    return _html(text_of(value))


def unquoted_attribute(value: Any) -> str:
    """For an attribute value without quotes, which may not be empty."""
    text = text_of(value)
    if not text:
        return FAILSAFE
    if isinstance(value, Html):
        return strip_tags(text).translate(_UNQUOTED_AGAIN_TABLE)
    return text.translate(_UNQUOTED_TABLE)


def rcdata(value: Any) -> str:
    """For the body of a `textarea` or `title`."""
    if isinstance(value, Html):
        return value.translate(_HTML_AGAIN_TABLE)
    return _html(text_of(value))


def comment(_value: Any) -> str:
    """For a comment: nothing is written there."""
    return ""


def name(value: Any) -> str:
    """For the name of an attribute: of plain ones only."""
    text = text_of(value).lower()
    return text if _NAME.match(text) and attribute_holds(text) == "plain" else FAILSAFE


def is_safe_url(text: str) -> bool:
    """Whether a URL has no scheme, or one that runs nothing."""
    scheme, colon, _ = text.partition(":")
    return not colon or "/" in scheme or scheme.lower() in _SAFE_SCHEMES


def url_filter(value: Any) -> str:
    """For the beginning of a URL."""
    text = text_of(value)
    return text if is_safe_url(text) else f"#{FAILSAFE}"


def url_part(value: Any) -> str:
    """For a piece of a URL before its query: what is no part of one is percent-encoded."""
    return _percent(text_of(value), _NOT_IN_URL)


def url_query(value: Any) -> str:
    """For a piece of a URL's query or fragment."""
    return _percent(text_of(value), _NOT_IN_QUERY)


def _percent(text: str, unsafe: re.Pattern[str]) -> str:
    octets = text.encode("utf-8", "replace").decode("latin-1")
    return unsafe.sub(lambda found: f"%{ord(found.group()):02x}", octets)


def srcset(value: Any) -> str:
    """For a list of images: each URL is filtered."""
    return ",".join(map(_srcset_item, text_of(value).split(",")))


def _srcset_item(item: str) -> str:
    found = _SRCSET_ITEM.match(item)
    if found is None or not is_safe_url(found.group(2)):
        return f"#{FAILSAFE}"
    before, url, after = found.groups()
    return before + _percent(url, _NOT_IN_URL) + after


def css_text(value: Any) -> str:
    """For a string of CSS."""
    text = text_of(value)

    def escaped(found: re.Match[str]) -> str:
        letter = found.group()
        if letter == "\\":
            return "\\\\"
        after = text[found.end() : found.end() + 1]
        return f"\\{ord(letter):x}{' ' if not after or after in _CSS_CONTINUES else ''}"

    return _CSS_SPECIAL.sub(escaped, text)


def css_value(value: Any) -> str:
    """For CSS outside of strings: quantities, colours and names."""
    text = decoded(text_of(value))
    names = _CSS_NOT_NAME.sub("", text).lower()
    unsafe = _CSS_UNSAFE.search(text) or "expression" in names or "mozbinding" in names
    return FAILSAFE if unsafe else text


ESCAPERS: Final[Mapping[str, Escaper]] = MappingProxyType(
    {
        "attribute": quoted_attribute,
        "comment": comment,
        "css-text": css_text,
        "css-value": css_value,
        "html-text": html_text,
        "js-regexp": script_values.regexp,
        "js-string": script_values.string,
        "js-template": script_values.template_literal,
        "js-value": script_values.value,
        "name": name,
        "rcdata": rcdata,
        "srcset": srcset,
        "unquoted": unquoted_attribute,
        "url-filter": url_filter,
        "url-part": url_part,
        "url-query": url_query,
    }
)
"""By the names `escaping` knows them by."""
