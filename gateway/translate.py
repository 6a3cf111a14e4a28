"""Between HTTP and the system's words, both ways. Pure: no I/O, no actors, no aiohttp.

A request path is routed as it came; what a script sees of it is decoded here once. Every refusal names what is wrong.
"""

from __future__ import annotations

from email.message import Message
from urllib.parse import parse_qsl

from actors.nodes.script_request import EMPTY, first_payload
from gateway.bodies.multipart import MULTIPART, parse_multipart
from protocol.codec import loads
from protocol.errors import BadDocument, Problem
from protocol.flow import Durability, Schema
from protocol.process import Pairs, Reply, Request, StartProcess, Upload
from protocol.refs import Recipient
from protocol.routing import Match

MAX_FIELDS = 1_000
NEXT_NODE = "nflow_next_node_run"
FORM = "application/x-www-form-urlencoded"
FRAMING = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Response headers, in small letters, that say how the message is cut out of its connection. They are the server's: one
set by a script could make its answer look like two to the next reader."""


def parse_query(query_string: str) -> Pairs:
    """Decoded pairs in order. Raises BadDocument when there are too many."""
    if not query_string:
        return ()
    return _pairs(query_string, "query")


def is_form(content_type: str) -> bool:
    """Whether `parse_body` has something to do."""
    return _media_type(content_type) in (FORM, MULTIPART)


def parse_body(content_type: str, body: bytes) -> tuple[Pairs, tuple[Upload, ...]]:
    """Fields of an urlencoded or multipart body, and the files of a multipart one; nothing for other bodies.

    Raises BadDocument when there are too many, or the multipart body is malformed.
    """
    if not body or not content_type:
        return (), ()
    media = _media_type(content_type)
    if media == FORM:
        return _pairs(body.decode("utf-8", "replace"), "body"), ()
    return parse_multipart(content_type, body) if media == MULTIPART else ((), ())


def start_process(
    wid: str,
    match: Match,
    request: Request,
    content_type: str,
    default: Durability,
    reply_to: Recipient[Reply],
    session: str = "",
) -> StartProcess:
    """The message that begins a run. Raises BadDocument for a body the flow must have as JSON and that is none."""
    start = match.start
    payload, resume = EMPTY, match.resume_node or ""
    if request.query or request.form:
        payload = first_payload(request.query, request.form)
        resume = resume or _next_node(request.form) or _next_node(request.query)
    if start.body_as_payload and request.body and not request.form:
        payload = _body_payload(request, content_type, payload)
    if start.schema is not None and not resume:
        _check(start.schema, request, content_type, payload)
    return StartProcess(
        wid, match.flow, start, match.variables, match.endpoint, request, payload,
        start.durability if start.durability is not None else default, reply_to, None, session, resume,
    )  # fmt: skip


def _check(schema: Schema, request: Request, content_type: str, payload: bytes) -> None:
    """Raise BadDocument unless the input fits: a JSON body, else the form and query values."""
    media = _media_type(content_type)
    as_json = bool(request.body) and not request.form and (not media or media.endswith(("/json", "+json")))
    problems = schema.problems(loads(request.body, "body") if as_json else loads(payload))
    if problems:
        raise BadDocument(problems)


def _next_node(pairs: Pairs) -> str:
    """Where a form asks to go on (nFlow)."""
    for name, value in pairs:
        if name == NEXT_NODE:
            return value
    return ""


def _body_payload(request: Request, content_type: str, otherwise: bytes) -> bytes:
    media = _media_type(content_type)
    if media and media != "application/json" and not media.endswith("+json"):
        return otherwise
    loads(request.body, "body")
    return request.body


def _pairs(text: str, where: str) -> Pairs:
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise BadDocument([Problem(where, f"more than {MAX_FIELDS} fields")]) from None


def _media_type(content_type: str) -> str:
    if ";" not in content_type:
        return content_type.strip().lower()
    header = Message()
    header["content-type"] = content_type
    return header.get_content_type()
