"""What a route of the API is, and which one a request is for. Values only: the description at `/openapi.json` is made
of the same table, so what is served and what is described cannot differ.

A path is literal but for `{name}` segments, which take exactly one segment, percent-decoded after the path was cut, or,
as `{name...}` at the end, one or two. Literals go before names. A look-up costs one dict access for a path that nobody
has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from gateway.api.call import Call

PREFIXES: Final = ("/api/", "/debug/")
"""Where all paths with names in them lie."""
REST: Final = "..."
_MOST_REST: Final = 2

Handler = Callable[[Call], Awaitable[Any]]
"""Answers with an ApiAnswer, or with a response that is ready. What it raises becomes an error body: `desk.py`."""


class Auth(Enum):
    """Who may call."""

    NOBODY_ASKED = "open"
    EXECUTION = "execution"
    """An active token of `api_tokens`, or the admin's; nothing with `api.open_execution`."""
    ADMIN = "admin"
    """`api.admin_token`."""
    SESSION = "session"
    """The session cookie; the handler looks into it."""
    DEBUG = "debug"
    """`[debug] auth_token` and `allowed_ips`. Errors are told as the Go program's debug endpoints do, `{"error"}`, and
    no answer may be kept."""


class Query(NamedTuple):
    """One query parameter: a whole number."""

    name: str
    default: int
    most: int
    text: str
    least: int = 0


class Link(NamedTuple):
    """From this route's answer to another route: where a value the other one takes is found."""

    to: str
    """The other one's name."""
    values: Mapping[str, str]
    """Its parameter → runtime expression of OpenAPI, such as `$response.body#/version`."""
    body: Any = None
    """Its body, with such expressions in it."""


class Choice(NamedTuple):
    """One query parameter: one of some words, the first of which is meant where none is given."""

    name: str
    words: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    """`/api/admin/workflows/{id}`."""
    name: str
    """Unique: the description's operationId."""
    summary: str
    handler: Handler
    tag: str
    auth: Auth
    answers: Mapping[int, tuple[str, Any]]
    """Status → (what it means, JSON Schema of its body; a text is the name of one in `schemas.py`; None: no JSON)."""
    errors: tuple[int, ...] = ()
    """Statuses of the refusals that are this route's own."""
    body: Any = None
    """JSON Schema of the request's body, or the name of one; None: the route takes none."""
    json_only: bool = False
    """The body must say it is JSON, which a form of another site cannot."""
    query: tuple[Query, ...] = ()
    choices: tuple[Choice, ...] = ()
    workflow: bool = False
    """Counts as a workflow request in the metrics."""
    media: str = "application/json"
    """Of the answer."""
    other_media: tuple[str, ...] = ()
    """What else the answer may be, where the caller chooses."""
    names: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schemas of the names in the path that are no plain texts."""
    links: tuple[Link, ...] = ()
    """Where one can go on from a good answer."""


@dataclass(frozen=True, slots=True)
class Found:
    """The path of a request is in the table."""

    path: str
    """`/api/admin/workflows/{id}`."""
    methods: Mapping[str, Route]
    variables: Mapping[str, str]

    def route(self, method: str) -> Route | None:
        """Who answers this method; HEAD takes the way of GET."""
        return self.methods.get(method) or (self.methods.get("GET") if method == "HEAD" else None)

    @property
    def debug(self) -> bool:
        """Whether this is a debug endpoint: then all its methods are."""
        return next(iter(self.methods.values())).auth is Auth.DEBUG

    @property
    def allowed(self) -> str:
        """The Allow header."""
        methods = {*self.methods, "HEAD"} if "GET" in self.methods else set(self.methods)
        return ", ".join(sorted(methods))


@dataclass(slots=True)
class _Path:
    path: str
    segments: tuple[str, ...]
    methods: dict[str, Route] = field(default_factory=dict)


class Routes:
    """The table. Immutable once built."""

    __slots__ = ("_named", "_plain", "_prefixes", "routes")

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes: Sequence[Route] = tuple(routes)
        self._plain: dict[str, Found] = {}
        self._named: dict[str, list[_Path]] = {}
        paths: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            methods = paths.setdefault(route.path, {})
            if route.method in methods:
                raise ValueError(f"{route.method} {route.path} is in the table twice")
            methods[route.method] = route
        for path, methods in sorted(paths.items(), key=lambda item: item[0].count("{")):
            if "{" not in path:
                self._plain[path] = Found(path, methods, {})
                continue
            segments = tuple(path.split("/"))
            if not path.startswith(PREFIXES) or "{" in segments[2]:
                raise ValueError(f"{path}: names stand below {' or '.join(PREFIXES)} and a family only")
            self._named.setdefault(segments[2], []).append(_Path(path, segments, methods))
        self._prefixes = tuple(prefix for prefix in PREFIXES if any(path.startswith(prefix) for path in paths))

    def find(self, raw_path: str) -> Found | None:
        """What is served at this path, as received; None: it is for the flows, if for anybody."""
        found = self._plain.get(raw_path)
        if found is not None or not raw_path.startswith(self._prefixes):
            return found
        segments = raw_path.split("/")
        for path in self._named.get(segments[2], ()):
            variables = _captured(path.segments, segments)
            if variables is not None:
                return Found(path.path, path.methods, variables)
        return None


def _captured(pattern: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    """The names and what they took; None when this is another path."""
    variables: dict[str, str] = {}
    last = pattern[-1]
    if last.endswith(REST + "}"):
        rest = segments[len(pattern) - 1 :]
        if not 1 <= len(rest) <= _MOST_REST or not all(rest):
            return None
        variables[last[1 : -len(REST) - 1]] = "/".join(map(unquote, rest))
        pattern, segments = pattern[:-1], segments[: len(pattern) - 1]
    elif len(pattern) != len(segments):
        return None
    for literal, segment in zip(pattern, segments, strict=True):
        if literal.startswith("{"):
            if not segment:
                return None
            variables[literal[1:-1]] = unquote(segment)
        elif literal != segment:
            return None
    return variables
