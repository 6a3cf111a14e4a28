"""The API's description in OpenAPI 3.1, made of the route table, at `/openapi.json`, and its page at `/docs`.

The page is one document without anything from elsewhere: its policy lets in just its own script and style, by hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from gateway.api.call import JSON, ApiAnswer, Call
from gateway.api.plugins import CALL_PLUGIN
from gateway.api.schemas import SCHEMAS, TEXT, ref
from gateway.api.table import REST, Auth, Link, Route
from gateway.version import VERSION
from protocol.plugins import ActionInfo

PATH: Final = "/openapi.json"
PAGE_PATH: Final = "/docs"
_PAGE: Final = Path(__file__).with_name("docs.html")
_SCRIPT: Final = Path(__file__).with_name("docs.js")
_STYLE: Final = Path(__file__).with_name("docs.css")
_REASONS: Final = {
    400: "The request cannot be used; every problem is told with its path",
    401: "The bearer token is missing or not valid",
    403: "Administration is off",
    404: "There is no such thing",
    408: "The body did not arrive in time, or the run took too much",
    409: "It cannot be done as things stand, or the id could mean several things",
    413: "The body is too large",
    415: "The body must be JSON and say so, in a coding that is taken",
    429: "Too many requests: see Retry-After",
    500: "The workflow failed",
    502: "The plugin failed",
    503: "No room now, or something needed is out of reach: see Retry-After",
}
_DEBUG_REASONS: Final = {
    401: "The debug token is missing or wrong",
    403: "Your address is not let in",
    429: "Too many wrong tokens, or too many requests: see Retry-After",
}
_TAGS: Final = {
    "workflows": "Run workflows. Every workflow can also be asked at its own path.",
    "administration": "Install and manage apps, with the admin's token.",
    "processes": "Runs under way and suspended ones.",
    "plugins": "What plugins offer over HTTP.",
    "monitoring": "For operators and their machines.",
    "debug": "What the runtime looks like from inside. Errors are `{error}`; nothing may be kept.",
    "documentation": "This description.",
}


_SCHEMES: Final = {
    Auth.EXECUTION.value: {
        "type": "http",
        "scheme": "bearer",
        "description": "An active, unexpired token of `api_tokens`, or the admin's.",
    },
    Auth.ADMIN.value: {"type": "http", "scheme": "bearer", "description": "`[api] admin_token`."},
    Auth.SESSION.value: {
        "type": "apiKey",
        "in": "cookie",
        "name": "nflow_session",
        "description": "The session cookie, by its configured name.",
    },
    "debugToken": {"type": "apiKey", "in": "header", "name": "X-Debug-Token", "description": "`[debug] auth_token`."},
    "debugBearer": {"type": "http", "scheme": "bearer", "description": "`[debug] auth_token`."},
    "debugQuery": {"type": "apiKey", "in": "query", "name": "debug_token", "description": "`[debug] auth_token`."},
}
_NAME: Final = {"type": "string", "minLength": 1}
_DEBUG_SCHEMES: Final = ("debugToken", "debugBearer", "debugQuery")
_ANYWHERE: Final = (429, 503)
"""Who asks too often, or when there is no room, is turned away whatever he asks for."""
_WITH_A_BODY: Final = (400, 408, 413, 415)


class Documentation:
    """The family of the description itself."""

    def __init__(self, others: Sequence[Route], base: str, actions: Callable[[], Sequence[ActionInfo]]) -> None:
        """`base`: the path below which all of it is served; empty: the root. `actions`: what plugins offer."""
        self._routes = (*others, *self.routes())
        self._actions = actions
        self._base = base
        self._body = b""
        self._page = b""
        self._policy = ""

    def routes(self) -> tuple[Route, ...]:
        """Its routes."""
        return (
            Route(
                "GET", PATH, "getDescription", "This description", self.description, "documentation",
                Auth.NOBODY_ASKED, {200: ("OpenAPI 3.1", {"type": "object"})},
            ),
            Route(
                "GET", PAGE_PATH, "getDocs", "This description as a page", self.page, "documentation",
                Auth.NOBODY_ASKED, {200: ("The page", None)}, media="text/html",
            ),
        )  # fmt: skip

    async def description(self, call: Call) -> ApiAnswer:
        """Made once."""
        if not self._body:
            self._body = ApiAnswer.of(described(self._routes, self._base, self._actions())).body
        return ApiAnswer(200, self._body)

    async def page(self, call: Call) -> ApiAnswer:
        """Made once; small files, read when first asked for."""
        if not self._page:
            script, style = _SCRIPT.read_text(encoding="utf-8"), _STYLE.read_text(encoding="utf-8")
            page = _PAGE.read_text(encoding="utf-8")
            self._page = page.replace("/*style*/", style).replace("/*script*/", script).encode()
            self._policy = (
                f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; connect-src 'self'; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            )
        headers = (
            ("Content-Security-Policy", self._policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
        )
        return ApiAnswer(200, self._page, headers, "text/html; charset=utf-8")


def described(routes: Sequence[Route], base: str = "", actions: Sequence[ActionInfo] = ()) -> dict[str, Any]:
    """The document for these routes, and for each action of a plugin by itself."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operations = paths.setdefault(route.path.replace(REST, ""), {})
        operations[route.method.lower()] = _operation(route)
    for call in routes:
        if call.name == CALL_PLUGIN:
            for action in actions:
                path = f"/api/plugin/{quote(action.plugin, safe='')}/{quote(action.name, safe='')}"
                paths[path] = {"post": _action(call, action)}
    tags = {route.tag for route in routes}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nflow-runtime",
            "version": VERSION,
            "description": "The API beside the workflows. Errors are `{code, message}`, with `problems` where there "
            "are some; who is turned away before anybody looks is told `{error}`. Every answer has an `X-Request-ID`, "
            "and where rates are limited `X-RateLimit-Limit`, `-Remaining` and `-Reset`.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": base or "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items() if name in tags],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                name: scheme for name, scheme in _SCHEMES.items() if any(name in _schemes(route) for route in routes)
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "responses": {str(status): _answer(route, *told) for status, told in sorted(route.answers.items())},
    }
    for status, answer in operation["responses"].items():
        if route.links and int(status) < 300:
            answer["links"] = {each.to: _link(each) for each in route.links}
    for status in sorted({*route.errors, *_ANYWHERE, *(_WITH_A_BODY if route.body is not None else ())}):
        operation["responses"].setdefault(str(status), _refusal(route, status))
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(route.body)}}}
    operation["security"] = [{scheme: []} for scheme in _schemes(route)]
    return operation


def _link(link: Link) -> dict[str, Any]:
    told: dict[str, Any] = {"operationId": link.to, "parameters": dict(link.values)}
    if link.body is not None:
        told["requestBody"] = link.body
    return told


def _schemes(route: Route) -> Sequence[str]:
    """Any of these lets the caller in."""
    match route.auth:
        case Auth.NOBODY_ASKED:
            return ()
        case Auth.DEBUG:
            return _DEBUG_SCHEMES
        case auth:
            return (auth.value,)


def _refusal(route: Route, status: int) -> dict[str, Any]:
    if route.auth is Auth.DEBUG:
        told = _json(_DEBUG_REASONS.get(status, _REASONS[status]), ref("Refused"))
    else:
        schemas = [ref("Error")] if status != 429 else []
        if route.name == "executeWorkflow" and status != 429:
            schemas.append(ref("ExecutionResult"))
        if status in _ANYWHERE:
            schemas.append(ref("Refused"))
        told = _json(_REASONS[status], {"anyOf": schemas} if len(schemas) > 1 else schemas[0])
    if status in _ANYWHERE:
        told["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
    if status == 405:
        told["headers"] = {"Allow": {"schema": TEXT}}
    return told


def _action(call: Route, action: ActionInfo) -> dict[str, Any]:
    operation = _operation(call)
    del operation["parameters"]
    operation["operationId"] = f"{call.name}.{action.plugin}.{action.name}"
    operation["summary"] = action.summary or f"{action.plugin}: {action.name}"
    if action.description:
        operation["description"] = action.description
    taken, given = _own(action, "input", action.input_schema), _own(action, "output", action.output_schema)
    operation["requestBody"] = {
        "required": action.input_schema is not None,
        "content": {"application/json": {"schema": taken}},
    }
    operation["responses"]["200"] = _json("What the action returned", given)
    return operation


def _own(action: ActionInfo, part: str, schema: dict[str, Any] | None) -> dict[str, Any]:
    """A plugin's schema as a resource of its own, so that its `#/$defs` lead into itself."""
    if schema is None:
        return {}
    return {"$id": f"urn:nflow:plugin:{quote(action.plugin)}:{quote(action.name)}:{part}", **schema}


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": route.names.get(name, _NAME)}
        for segment in route.path.split("/")
        if segment.startswith("{") and (name := segment[1:-1].removesuffix(REST))
    ]
    for query in route.query:
        schema: Any = {"type": "integer", "minimum": query.least, "maximum": query.most, "default": query.default}
        parameters.append({"name": query.name, "in": "query", "description": query.text, "schema": schema})
    for choice in route.choices:
        schema = {"type": "string", "enum": list(choice.words), "default": choice.words[0]}
        parameters.append({"name": choice.name, "in": "query", "description": choice.text, "schema": schema})
    return parameters


def _answer(route: Route, text: str, schema: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": text}
    if schema is not None:
        answer = _json(text, _schema(schema))
    elif route.media != JSON:
        answer["content"] = {route.media: {}}
    for media in route.other_media:
        answer["content"][media] = {}
    return answer


def _json(text: str, schema: Any) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _schema(schema: Any) -> Any:
    return ref(schema) if isinstance(schema, str) else schema


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
