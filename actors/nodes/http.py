"""Node kind `http`: one request to a web server, its answer put into the payload.

    {"type": "http", "url": "https://api.example.com/users/{{user.id}}", "method": "POST",
     "headers": {"Authorization": "Bearer {{token}}"}, "query": {"page": "{{page}}"},
     "body": {"name": "{{user.name}}"}, "timeout": 10, "field": "response"}

`{{path}}` is taken from the payload everywhere (see `substitution`); inside the URL it is percent-encoded, unless the
URL begins with it. A body that is an object or a list goes as JSON, a text as it is; without a body and a method it is
a GET, with one a POST. Methods that change something carry an `Idempotency-Key` of the visit, so a retry can be told.
Headers and query may also be JSON texts, as the designer's forms write them. `timeout` is in seconds. The payload
becomes `{...payload, response: {status, ok, headers, body}}`, under `field` instead of `response` when that is given;
a JSON body is a value, another one a text, bytes are `bodyBase64`.

Every status goes on at `output_1`, unless an output `error` (or `output_2`) is connected: a status from 400 on goes
there. So does a request without an answer, with `response: {error: {name, message}}`; not connected, it fails the node.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote, urlencode

from actors.nodes.registry import NodeContext, Outcome
from actors.nodes.substitution import Substitution, written
from actors.reach.http_client import HttpClient
from actors.reach.http_message import HttpRequest, HttpResponse, header_pairs, joined
from protocol.codec import dumps, loads, loads_from_script
from protocol.errors import BadDocument, CallRefused, NodeError, Overloaded, Unavailable
from protocol.flow import Node
from protocol.process import Pairs

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ERROR_EDGES: Final = ("error", "output_2")
_HOST: Final = re.compile(r"([A-Za-z]+://(?:\{\{[^{}]*\}\}|[^/?#{])*)(.*)\Z", re.DOTALL)
"""Scheme and host of a template, in which `{{?path}}` may stand, and the rest."""


class HttpNode:
    """The kind over one HTTP client."""

    __slots__ = ("_client",)

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def run(self, node: Node, context: NodeContext) -> Outcome:
        """Send the request the node describes. Raises NodeError for one that cannot be made, and what `fetch` does."""
        payload = loads_from_script(context.payload)
        error_edge = next((edge for edge in _ERROR_EDGES if node.outputs.get(edge) is not None), None)
        request = _request(node.data, Substitution(payload), context.key)
        try:
            trace = context.caller.traceparent if context.caller is not None else ""
            response = await self._client.fetch(request, tenant=context.tenant, traceparent=trace)
        except (CallRefused, Unavailable, Overloaded) as error:
            if error_edge is None:
                raise
            name = error.name if isinstance(error, CallRefused) else type(error).__name__
            result: dict[str, Any] = {"error": {"name": name, "message": str(error)}}
            return Outcome(with_result(payload, node, result), error_edge)
        edge = error_edge if response.status >= 400 and error_edge is not None else "output_1"
        return Outcome(with_result(payload, node, _answer(response)), edge)


def with_result(payload: Any, node: Node, result: dict[str, Any], default: str = "response") -> bytes:
    """The payload with what a node brought. One that is no object is kept as `input` beside it."""
    base = payload if isinstance(payload, dict) else {"input": payload}
    return dumps({**base, str(node.data.get("field") or default): result})


def _request(data: Mapping[str, Any], values: Substitution, key: str) -> HttpRequest:
    body, is_json = _body(data, values)
    method = values.text(_text(data, "method")).strip() or ("GET" if body is None else "POST")
    headers = header_pairs(values.value(_object(data, "headers")), "headers")
    if is_json and not any(name.lower() == "content-type" for name, _ in headers):
        headers = (*headers, ("Content-Type", "application/json"))
    if method.upper() not in _SAFE and not any(name.lower() == "idempotency-key" for name, _ in headers):
        headers = (*headers, ("Idempotency-Key", sha256(key.encode()).hexdigest()[:32]))
    return HttpRequest(method, _url(data, values), headers, body, _seconds(data))


def _url(data: Mapping[str, Any], values: Substitution) -> str:
    template = _text(data, "url").strip()
    if not template:
        raise NodeError("an http node needs a url")
    if template.startswith("{{"):  # the address itself comes from the payload: it is an address, not a part of one
        address, ended, rest = template.partition("}}")
        url = values.text(address + ended) + values.escaped(_encoded).text(rest)
    else:
        parts = _HOST.match(template)
        host, rest = parts.groups() if parts else ("", template)
        url = values.escaped(_host).text(host) + values.escaped(_encoded).text(rest)
    query = urlencode(_query(values.value(_object(data, "query"))), quote_via=quote)
    if not query:
        return url
    base, marked, fragment = url.partition("#")
    return f"{base}{'&' if '?' in base else '?'}{query}{marked}{fragment}"


def _query(query: Mapping[str, Any]) -> Pairs:
    return tuple(
        (name, written(each))
        for name, value in query.items()
        for each in (value if isinstance(value, list) else (value,))
        if each is not None
    )


def _encoded(text: str) -> str:
    if text in {".", ".."}:  # the one value that would walk up the path however it is written
        raise NodeError("a value in a url may not be . or ..")
    return quote(text, safe="")


def _host(text: str) -> str:
    return quote(text, safe=":[]")


def _body(data: Mapping[str, Any], values: Substitution) -> tuple[bytes | None, bool]:
    """The body, and whether it is JSON."""
    body = values.value(data.get("body"))
    if body is None or body == "":
        return None, False
    if isinstance(body, str):
        text = body.encode("utf-8", "replace")
        return text, body.lstrip()[:1] in {"{", "["} and _is_json(text)
    return dumps(body), True


def _is_json(text: bytes) -> bool:
    try:
        loads(text)
    except BadDocument:
        return False
    return True


def _seconds(data: Mapping[str, Any]) -> float | None:
    value = data.get("timeout")
    if value is None or value == "":
        return None
    try:
        seconds = float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise NodeError("timeout must be a number of seconds above 0")
    # A little before the run's own watch over this node, so that it ends as the request's failure, at its error edge.
    return seconds - min(0.05, seconds * 0.1)


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NodeError(f"{name} must be a text")
    return value


def _object(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    if isinstance(value, str) and value.strip():
        try:
            value = loads(value, name)
        except BadDocument as error:
            raise NodeError(f"{name} must be an object, or the JSON text of one: {error}") from None
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise NodeError(f"{name} must be an object")
    return value


def _answer(response: HttpResponse) -> dict[str, Any]:
    result: dict[str, Any] = {
        "status": response.status,
        "ok": 200 <= response.status < 300,
        "headers": joined(response.headers),
    }
    text = response.text()
    if text is None:
        return {**result, "bodyBase64": b64encode(response.body).decode()}
    if "json" in response.header("content-type").lower():
        try:
            return {**result, "body": loads(response.body, "body")}
        except BadDocument:  # a text after all: the author sees what came
            pass
    return {**result, "body": text}
