"""What the attributes of HTML hold: plain text, a URL, a script, a style (Go: html/template, HTML 5 index)."""

from __future__ import annotations

from typing import Final

_PLAIN_WORDS: Final = (
    "accept alt autocomplete autofocus autoplay border checked class cols colspan contenteditable "
    "contextmenu controls coords datetime default dir dirname disabled draggable dropzone for formtarget "
    "headers height hidden high hreflang id ismap kind label lang list loop low max maxlength media "
    "mediagroup min multiple name open optimum placeholder preload pubdate radiogroup readonly required "
    "reversed rows rowspan scope scoped seamless selected shape size sizes span spellcheck srclang start "
    "step tabindex target title width wrap "
)
_PLAIN: Final = frozenset(_PLAIN_WORDS.split())
_UNSAFE_WORDS: Final = (
    "accept-charset async challenge charset content crossorigin defer enctype form formenctype formmethod "
    "formnovalidate http-equiv keytype language method novalidate pattern rel sandbox type value "
)
_UNSAFE: Final = frozenset(_UNSAFE_WORDS.split())
"""They change how content or messages are read, so a template may not name them by a value."""
_URLS_WORDS: Final = (
    "action archive background cite classid codebase data formaction href icon longdesc manifest poster "
    "profile src usemap xmlns "
)
_URLS: Final = frozenset(_URLS_WORDS.split())
_OTHERS: Final = {"srcset": "srcset", "style": "style", "srcdoc": "html"}

START_OF_VALUE: Final = {
    "": "attr",
    "script": "js",
    "script-type": "attr",
    "style": "css",
    "url": "url",
    "srcset": "srcset",
    "meta-content": "meta",
    "srcdoc": "srcdoc",
}
"""Kind of an attribute → the state its value begins in."""


def attribute_holds(name: str) -> str:
    """plain, unsafe, url, script, style, srcset or html, for a name in lower case; the more careful where in doubt."""
    if name.startswith("data-"):
        name = name[5:]
    elif ":" in name:
        prefix, _, name = name.partition(":")
        if prefix == "xmlns":
            return "url"
    if name in _PLAIN:
        return "plain"
    if name in _UNSAFE:
        return "unsafe"
    if name in _URLS:
        return "url"
    if name in _OTHERS:
        return _OTHERS[name]
    if name.startswith("on"):
        return "script"
    if "src" in name or "uri" in name or "url" in name:
        return "url"
    return "plain"


def attribute_kind(element: str, name: str) -> str:
    """The kind of an attribute as a Context keeps it. `name` in lower case."""
    if element == "script" and name == "type":
        return "script-type"
    if element == "meta" and name == "content":
        return "meta-content"
    if name == "srcdoc":
        return "srcdoc"
    held = attribute_holds(name)
    return held if held in ("url", "script", "style", "srcset") else ""


def is_script_type(text: str) -> bool:
    """Whether a script element of this `type` is JavaScript or JSON."""
    return text.partition(";")[0].strip().lower() in _SCRIPT_TYPES


_SCRIPT_TYPES: Final = frozenset(
    {
        "",
        "application/json",
        "application/ld+json",
        "module",
        "text/livescript",
        "text/jscript",
        *(f"{top}/{kind}" for top in ("application", "text") for kind in ("ecmascript", "javascript")),
        *(f"{top}/x-{kind}" for top in ("application", "text") for kind in ("ecmascript", "javascript")),
        *(f"text/javascript1.{minor}" for minor in range(6)),
    }
)
