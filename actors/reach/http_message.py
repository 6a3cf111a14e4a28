"""What is asked of a web server and what it answers, with the rules a request must keep before it may leave.

Pure. Headers that say how a message is carried are the client's own business: a caller's are dropped, as by a browser's
`fetch` and by Go's client. Everything that could end a line early is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, get_args

from protocol.errors import CallRefused
from protocol.process import Pairs

Redirect = Literal["follow", "manual", "error"]
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
MAX_URL: Final = 16 * 1024
MAX_HEADERS: Final = 64 * 1024

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}\Z")
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OWN: Final = frozenset(
    "connection content-length expect host keep-alive proxy-connection te trailer transfer-encoding upgrade".split()  # noqa: SIM905
)
_OF_A_BODY: Final = frozenset({"content-type", "content-encoding", "content-language", "content-location"})
_SECRET: Final = re.compile(r"auth|cookie|token|secret|api-?key|signature|session|password", re.IGNORECASE)
_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)
_CHARSETS: Final = re.compile(
    r"(?:utf-?(?:8|16|16le|16be)|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?1|windows-125\d|cp125\d|koi8-[ru]|"
    r"shift[_-]jis|euc-(?:jp|kr)|iso-2022-jp|gb2312|gbk|gb18030|big5)\Z",
    re.IGNORECASE,
)
"""Charsets of the web. The interpreter knows others too, some of which are slow on purpose-made texts."""


class HttpRequest(NamedTuple):
    """One request."""

    method: str
    url: str
    headers: Pairs = ()
    body: bytes | None = None
    seconds: float | None = None
    """Deadline of the whole exchange, redirects and body included. None: the configured one, which is also the most."""
    redirect: Redirect = "follow"
    max_bytes: int | None = None
    """Largest decompressed body. None: the configured one, which is also the most."""


class HttpResponse(NamedTuple):
    """Its answer."""

    status: int
    reason: str
    url: str
    """Where it came from in the end."""
    headers: Pairs
    """In order, names as received."""
    body: bytes
    """Decompressed."""
    redirected: bool = False
    """Whether it took a redirect to get there."""

    def header(self, name: str) -> str:
        """The first header of this lower-case name; empty when there is none."""
        return next((value for each, value in self.headers if each.lower() == name), "")

    def text(self) -> str | None:
        """The body by its declared charset; without one as UTF-8, None when it is not. A byte order mark goes."""
        declared = _CHARSET.search(self.header("content-type"))
        charset = declared.group(1) if declared else ""
        if charset and _CHARSETS.match(charset):
            try:
                return self.body.decode(charset, "replace").removeprefix("\ufeff")
            except LookupError:
                pass
        try:
            return self.body.decode("utf-8-sig")
        except UnicodeDecodeError:
            return None


def checked(request: HttpRequest) -> HttpRequest:
    """The request with only headers a caller may set. Raises CallRefused (TypeError) for what cannot be sent safely."""
    method = request.method.upper()
    if not _TOKEN.match(method) or method in {"CONNECT", "TRACE"}:
        raise _wrong(f"the method {request.method[:20]!r} cannot be sent")
    if len(request.url) > MAX_URL:
        raise _wrong(f"the URL is longer than {MAX_URL} characters")
    if request.redirect not in get_args(Redirect):
        raise _wrong("redirect must be follow, manual or error")
    kept = []
    size = 0
    for name, value in request.headers:
        if not _TOKEN.match(name):
            raise _wrong(f"{name[:40]!r} cannot be the name of a header")
        if _UNSAFE.search(value):
            raise _wrong(f"the header {name} holds a line break or another control character")
        size += len(name) + len(value) + 4
        if name.lower() not in _OWN:
            kept.append((name, value))
    if size > MAX_HEADERS:
        raise _wrong(f"the headers are larger than {MAX_HEADERS} bytes")
    return request._replace(method=method, headers=tuple(kept))


def redirected(request: HttpRequest, status: int, url: str, same_origin: bool) -> HttpRequest:
    """The request that follows a redirect: a browser's rules for the method, and no secrets for another origin."""
    method, body, headers = request.method, request.body, request.headers
    if (status == 303 and method != "HEAD") or (status in {301, 302} and method == "POST"):
        method, body = "GET", None
        headers = tuple(pair for pair in headers if pair[0].lower() not in _OF_A_BODY)
    if not same_origin:
        headers = tuple(pair for pair in headers if not _SECRET.search(pair[0]))
    return request._replace(method=method, url=url, body=body, headers=headers)


def header_pairs(headers: Mapping[str, Any], usage: str) -> Pairs:
    """Headers as scripts write them: a text, a number or a list of these for each name. Null values are left out."""
    pairs = []
    for name, value in headers.items():
        for each in value if isinstance(value, list) else (value,):
            if each is None:
                continue
            if isinstance(each, dict | list):
                raise _wrong(f"{usage}: the header {name[:40]} must be a text or a list of texts")
            pairs.append((name, _written(each)))
    return tuple(pairs)


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Lower-case names to their values in order, put together by commas (cookies by line breaks: they hold commas)."""
    together: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        if name in together:
            together[name] += ("\n" if name == "set-cookie" else ", ") + value
        else:
            together[name] = value
    return together


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _wrong(message: str) -> CallRefused:
    return CallRefused(message, name="TypeError")
