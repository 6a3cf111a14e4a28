"""`http.request` and nFlow's `http_*`: requests of scripts to web servers.

An answer is a result whatever its status; what brings no answer (no such host, a refused address, the deadline, too
large) is thrown into the script. Only the shapes are here: the rules of reaching out are `actors/reach/http_client`.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from actors.functions.arguments import Arguments
from actors.functions.caller import Caller, Functions
from actors.reach.http_client import HttpClient
from actors.reach.http_message import HttpRequest, HttpResponse, header_pairs, joined
from protocol.codec import dumps
from protocol.errors import CallRefused
from protocol.process import Pairs

_GO: Final = {
    "http_get": "http_get(url)",
    "http_delete": "http_delete(url)",
    "http_post": "http_post(url, body)",
    "http_put": "http_put(url, body)",
    "http_patch": "http_patch(url, body)",
    "http_get_with_header": "http_get_with_header(url, headers)",
    "http_delete_with_header": "http_delete_with_header(url, headers)",
    "http_post_with_header": "http_post_with_header(url, body, headers)",
    "http_put_with_header": "http_put_with_header(url, body, headers)",
    "http_patch_with_header": "http_patch_with_header(url, body, headers)",
}
"""Name → use (Go: plugin client_http)."""
_USAGE: Final = "http.request(method, url, options)"


class HttpFunctions:
    """The HTTP functions over one client."""

    __slots__ = ("_client",)

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def functions(self) -> Functions:
        """`http.request` and the ten of nFlow."""
        functions = {name: self._go(name, usage) for name, usage in _GO.items()}
        return {"http.request": self._request, **functions}

    async def _request(self, caller: Caller, values: list[Any]) -> Any:
        """`{status, statusText, url, redirected, headers: {lower-case name: "a, b"}, body | bodyBase64}`."""
        arguments = Arguments(_USAGE, values)
        options = arguments.object(2, {})
        seconds = _positive(options, "timeoutMs")
        kilobytes = _positive(options, "maxKb")
        request = HttpRequest(
            arguments.text(0),
            arguments.text(1),
            header_pairs(_headers(options), _USAGE),
            _body(options),
            min(seconds / 1000, patience(caller)) if seconds else patience(caller),
            options.get("redirect") or "follow",
            int(kilobytes * 1024) if kilobytes else None,
        )
        response = await self._client.fetch(request, tenant=caller.tenant, traceparent=caller.traceparent)
        text = response.text()
        body = {"body": text} if text is not None else {"bodyBase64": b64encode(response.body).decode()}
        return {
            "status": response.status,
            "statusText": response.reason,
            "url": response.url,
            "redirected": response.redirected,
            "headers": joined(response.headers),
            **body,
        }

    def _go(self, name: str, usage: str) -> Any:
        method = name.split("_")[1].upper()
        has_body = "body" in usage
        with_header = "headers" in usage

        async def call(caller: Caller, values: list[Any]) -> Any:
            arguments = Arguments(usage, values)
            body = text_body(arguments.value(1)) if has_body else None
            headers: Pairs = ()
            if with_header:
                headers = header_pairs(arguments.object(1 + has_body, {}), usage)
            request = HttpRequest(method, arguments.text(0), headers, body, patience(caller))
            return go_response(await self._client.fetch(request, tenant=caller.tenant, traceparent=caller.traceparent))

        return call


def go_response(response: HttpResponse) -> dict[str, Any]:
    """nFlow's result: `{body, err, status: "200 OK", header: {Canonical-Name: [values]}, status_code}`."""
    header: dict[str, list[str]] = {}
    for name, value in response.headers:
        header.setdefault("-".join(part.capitalize() for part in name.split("-")), []).append(value)
    text = response.text()
    return {
        "body": text if text is not None else response.body.decode("utf-8", "replace"),
        "err": None,
        "status": f"{response.status} {response.reason or phrase(response.status)}".strip(),
        "header": header,
        "status_code": response.status,
    }


def patience(caller: Caller) -> float:
    """Seconds to wait for a peer: a little less than the call may last, so that its silence is told from ours."""
    return caller.seconds - min(0.1, caller.seconds * 0.1)


def phrase(status: int) -> str:
    """The standard's words for a status; empty for one it does not know."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def text_body(value: Any) -> bytes | None:
    """A body as scripts give it: a text as it is, null as none, anything else as JSON."""
    if value is None:
        return None
    return value.encode("utf-8", "replace") if isinstance(value, str) else dumps(value)


def _headers(options: Mapping[str, Any]) -> Mapping[str, Any]:
    headers = options.get("headers")
    if headers is None:
        return {}
    if not isinstance(headers, dict):
        raise _wrong("headers must be an object")
    return headers


def _body(options: Mapping[str, Any]) -> bytes | None:
    packed = options.get("bodyBase64")
    if packed is None:
        return text_body(options.get("body"))
    try:
        return b64decode(packed, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise _wrong("bodyBase64 is not base64") from None


def _positive(options: Mapping[str, Any], name: str) -> float | None:
    value = options.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise _wrong(f"{name} must be a number above 0")
    return value


def _wrong(message: str) -> CallRefused:
    return CallRefused(f"{_USAGE}: {message}", name="TypeError")
