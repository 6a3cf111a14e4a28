"""What a script is given of its request: one JSON object with just the globals its text can reach.

What is needed was decided when the flow was compiled (`Script.needs`), so a script that reads nothing costs nothing.
Pure: from the request to bytes.
"""

from __future__ import annotations

import base64
import contextlib
from typing import Any

from protocol.codec import dumps, loads
from protocol.errors import BadDocument
from protocol.process import Pairs, Request, StartProcess, Upload

EMPTY = b"{}"
_BODILESS = frozenset({"GET", "DELETE", "HEAD"})


def script_request(start: StartProcess, needs: frozenset[str], env: Any, url_base: str) -> bytes:
    """The request globals named in `needs`, as a JSON object."""
    if not needs:
        return EMPTY
    request = start.request
    told: dict[str, Any] = {}
    for need in needs:
        match need:
            case "vars":
                told["vars"] = dict(start.variables)
            case "query":
                told["query"] = request.query
                told["query_string"] = request.query_string
            case "fields":
                told["fields"] = request.form
            case "files":
                told["files"] = [_file(upload) for upload in request.files]
            case "body":
                if request.body:
                    told["body"] = _body(request)
            case "headers":
                told["headers"] = _headers(request)
            case "post_data":
                told["post_data"] = _post_data(request)
            case "meta":
                told["meta"] = {
                    "method": request.method,
                    "path": request.path,
                    "host": request.header(b"host"),
                    "scheme": request.scheme,
                    "client": request.address,
                }
            case "env":
                told["env"] = env
            case "url_base":
                told["url_base"] = url_base
            case "wid":
                told["wid"] = start.wid
            case "endpoint":
                told["endpoint"] = start.endpoint
            case _:
                pass
    return dumps(told)


def first_payload(query: Pairs, form: Pairs) -> bytes:
    """Form and query values as the payload of a fresh run: one value a string, several an array (Go)."""
    if not query and not form:
        return EMPTY
    values: dict[str, Any] = {}
    for name, value in (*query, *form):
        if name == "nflow_next_node_run":
            continue
        held = values.get(name)
        if held is None:
            values[name] = value
        elif isinstance(held, list):
            held.append(value)
        else:
            values[name] = [held, value]
    return dumps(values)


def _headers(request: Request) -> dict[str, list[str]]:
    """Canonical names (`X-Request-Id`) to their values in order, as Go gives them."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        canonical = "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))
        headers.setdefault(canonical, []).append(value.decode("utf-8", "replace"))
    return headers


def _post_data(request: Request) -> dict[str, Any]:
    """Path under `*`, query of bodiless methods, and the fields of a JSON object or of a form (Go's binding)."""
    bound: dict[str, Any] = {"*": request.path.lstrip("/")}
    if request.method in _BODILESS:
        for name, value in request.query:
            bound.setdefault(name, value)
    if request.form:
        for name, value in (*request.form, *request.query):
            bound.setdefault(name, value)
    elif request.body and not request.files:
        try:
            body = loads(request.body)
        except BadDocument:
            return bound
        if isinstance(body, dict):
            bound.update(body)
    return bound


def _body(request: Request) -> dict[str, Any]:
    """The body as `c.request.body` gives it: `{"json"}`, `{"form"}` (pairs), `{"text"}` or `{"base64"}`.

    JSON by its content type, or without one; what is not JSON after all is text.
    """
    if request.form or request.files:
        return {"form": request.form}
    media = request.header(b"content-type").partition(";")[0].strip().lower()
    if not media or media == "application/json" or media.endswith("+json"):
        with contextlib.suppress(BadDocument):
            return {"json": loads(request.body)}
    return _content(request.body)


def _file(upload: Upload) -> dict[str, Any]:
    return {
        "field": upload.field,
        "name": upload.name,
        "type": upload.content_type,
        "size": len(upload.data),
        "content": _content(upload.data),
    }


def _content(data: bytes) -> dict[str, str]:
    """Text as it is, which costs a script less than bytes; anything else as base64."""
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}
