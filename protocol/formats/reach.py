"""What of a request a script can reach, seen from its text alone: a conservative scan of its tokens.

Sending every header and field to every script costs more than running most of them, so only what the text can name is
sent. The scan reads strings and comments too and never guesses: a script that could reach a global without writing its
name (`globalThis`, `this`, `with`, an escaped identifier, `c` handed on or indexed) gets everything. Erring costs time,
never a value.
"""

from __future__ import annotations

import re
from typing import Final

EVERYTHING: Final = frozenset(
    {
        "vars",
        "query",
        "query_string",
        "fields",
        "files",
        "body",
        "headers",
        "post_data",
        "meta",
        "env",
        "url_base",
        "wid",
        "endpoint",
    }
)
"""Every part of a request a sandbox can be given: the keys of the request object it is sent."""

_QUERY: Final = frozenset({"query", "query_string"})
_FORM: Final = _QUERY | {"fields"}
_HEADERS: Final = frozenset({"headers"})
_PATH: Final = frozenset({"vars", "meta"})
_ORIGIN: Final = frozenset({"meta", "headers"})
_NOTHING: Final[frozenset[str]] = frozenset()

_GLOBALS: Final = {
    "vars": frozenset({"vars"}),
    "path_vars": frozenset({"vars"}),
    "post_data": frozenset({"post_data"}),
    "form": _FORM,
    "header": _HEADERS,
    "env": frozenset({"env"}),
    "get_env": frozenset({"env"}),
    "set_env": frozenset({"env"}),
    "url_base": frozenset({"url_base"}),
    "nflow_endpoint": frozenset({"endpoint"}),
    "wid": frozenset({"wid"}),
}
_CONTEXTS: Final = frozenset({"c", "echo_context"})
_METHODS: Final = {
    **dict.fromkeys(("JSON", "JSONPretty", "JSONP", "JSONBlob", "String", "HTML", "HTMLBlob"), _NOTHING),
    **dict.fromkeys(("XML", "XMLPretty", "XMLBlob", "Blob", "Stream", "NoContent", "Redirect", "Error"), _NOTHING),
    **dict.fromkeys(("File", "Attachment", "Inline", "Render", "Validate", "Logger", "Echo"), _NOTHING),
    **dict.fromkeys(("SetHeader", "SetCookie", "Response", "response", "Set", "Get"), _NOTHING),
    **dict.fromkeys(("SetPath", "SetParamNames", "SetParamValues", "SetHandler", "Handler"), _NOTHING),
    **dict.fromkeys(("QueryParam", "QueryParams", "QueryString"), _QUERY),
    **dict.fromkeys(("FormValue", "FormParams"), _FORM),
    **dict.fromkeys(("FormFile",), frozenset({"files"})),
    **dict.fromkeys(("MultipartForm",), frozenset({"files", "fields", "headers"})),
    **dict.fromkeys(("Bind",), frozenset({"post_data"})),
    **dict.fromkeys(("GetHeader", "Cookie", "Cookies"), _HEADERS),
    **dict.fromkeys(("Param", "ParamNames", "ParamValues"), _PATH),
    **dict.fromkeys(("RealIP", "Scheme", "IsTLS", "IsWebSocket", "Path"), _ORIGIN),
}
"""Methods of `c` and what they read. Others (Request, …) may read anything."""
_REQUEST: Final = {
    "body": frozenset({"body"}),
    "headers": _HEADERS,
    "get": _HEADERS,
    "cookies": _HEADERS,
    "query": frozenset({"query"}),
    "params": frozenset({"vars"}),
    "files": frozenset({"files"}),
    "url": frozenset({"meta", "query_string"}),
    **dict.fromkeys(("method", "path", "host", "protocol", "ip"), frozenset({"meta"})),
}
"""Properties of `c.request` and what they read (the manuals' dialect). Without one it is handed on: anything."""

_ANYTHING: Final = frozenset({"globalThis", "this", "with", "eval", "Function"})
_OWN_DATA: Final = frozenset({"nflow_data", "dromedary_data"})

_TOKEN: Final = re.compile(r"[\w$]+", re.ASCII)  # ASCII borders: a name next to a letter like é counts, to be safe
_METHOD: Final = re.compile(r"\s*(?:\?\.|\.)\s*([A-Za-z]+)", re.ASCII)
_GOES_ON: Final = re.compile(r"[\w$\u200c\u200d]")

_BUILT_INS: Final = (
    "Object|Array|String|Number|Boolean|Symbol|BigInt|Function|Date|RegExp|Error|TypeError|RangeError|SyntaxError|"
    "ReferenceError|EvalError|URIError|AggregateError|Promise|Map|Set|WeakMap|WeakSet|WeakRef|Math|JSON|Reflect|Proxy|"
    "Intl|Atomics|Iterator|ArrayBuffer|SharedArrayBuffer|DataView|(?:Big)?(?:Ui|I)nt(?:8|16|32|64)(?:Clamped)?Array|"
    "Uint8ClampedArray|Float(?:16|32|64)Array|console|globalThis"
)
_HARMLESS_PROTOTYPE: Final = re.compile(r"\.\s*prototype\s*\.\s*[\w$]+\s*\.\s*(?:call|apply|bind)\s*\(", re.ASCII)
_CHANGES_BUILT_INS: Final = re.compile(
    r"(?<![\w$])(?:prototype|__proto__|__defineGetter__|__defineSetter__)(?![\w$])"
    r"|(?:assign|definePropert(?:y|ies)|setPrototypeOf|set)\s*\(\s*(?:" + _BUILT_INS + r")(?![\w$])"
    r"|(?<![\w$.])(?:" + _BUILT_INS + r")(?:\s*\.\s*[\w$]+|\s*\[[^\]\n]{0,80}\])\s*=(?![=>])",
    re.ASCII,
)


def needs_of(source: str) -> frozenset[str]:
    """Parts of the request this text can reach, a subset of EVERYTHING."""
    if "\\u" in source:
        return EVERYTHING
    needs: set[str] = set()
    for token in _TOKEN.finditer(source):
        name = token.group()
        if name in _ANYTHING:
            return EVERYTHING
        if (name not in _GLOBALS and name not in _CONTEXTS) or _is_no_global(source, token.start()):
            continue
        if name in _GLOBALS:
            needs |= _GLOBALS[name]
        else:
            read = _read_by_context(source, token.end())
            if read is None:
                return EVERYTHING
            needs |= read
    return frozenset(needs)


def _read_by_context(source: str, end: int) -> frozenset[str] | None:
    """What is read by the member of `c` that is named at `end`; None when that cannot be told."""
    member, end = _member(source, end)
    if member == "request":
        property_, _ = _member(source, end)
        return _REQUEST.get(property_)
    return _METHODS.get(member)


def _member(source: str, end: int) -> tuple[str, int]:
    """The name after a dot at `end`, and where it ends. Empty: none, or one that goes on with other signs."""
    found = _METHOD.match(source, end)
    if not found or _GOES_ON.match(source, found.end()):
        return "", end
    return found.group(1), found.end()


def reads_own_data(source: str) -> bool:
    """Whether the text can reach `nflow_data`, the parameters of its own node."""
    if "\\u" in source:
        return True
    names = set(_TOKEN.findall(source))
    return not names.isdisjoint(_OWN_DATA) or not names.isdisjoint(_ANYTHING)


def awaits(source: str) -> bool:
    """Whether the text may `await` at its top level."""
    return "await" in source


def changes_built_ins(source: str) -> bool:
    """Whether the text seems to extend or replace built-ins, which a warm realm holds frozen.

    Only the choice of a realm hangs on it: a script this misses is refused its change, nothing leaks. Borrowing a
    method (`Array.prototype.slice.call(…)`) does not count.
    """
    return _CHANGES_BUILT_INS.search(_HARMLESS_PROTOTYPE.sub(".borrowed(", source)) is not None


def _is_no_global(source: str, start: int) -> bool:
    """True for a name that is surely a property (`x.name`; not `...name`, nor after a number's dot) or begins a text.

    No identifier can follow a quote at once: a string is never followed by a name without something between them.
    """
    before = source[start - 1] if start else ""
    if before in ("'", '"', "`"):
        return True
    return before == "." and start >= 2 and (source[start - 2] in ")]?$_" or source[start - 2].isalpha())
