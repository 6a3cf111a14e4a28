"""Where a run begins: at the start's first node, or where a suspended one waits, behind the login its start asks for.

Resuming is allowed only by what the client's own session holds: the run was suspended there, and the node asked for was
offered to it. The login is checked again at every resume. What checks it is the app's `auth()` (a script, given the
profile; its `next` says where to go: the node, another, "login", "break"), or an authenticator plugin in its place.
Pure but for the session's reads; the process actor does what comes of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from actors.catalogue.live import Triggers
from actors.functions.caller import Caller, SessionView
from actors.sessions import suspended
from protocol.codec import dumps
from protocol.errors import NflowError, NoLogin, ScriptError
from protocol.flow import Flow, Node, Script
from protocol.formats.graph import asks_for_login
from protocol.formats.script import Place, Source, build
from protocol.process import Answer, Pairs, StartProcess
from protocol.refs import NOBODY
from protocol.sandbox import ScriptResult

LOGIN_PATH = "/nflow_login"
AUTH_NODE = "auth"
AUTH_SESSION = "auth-session"
"""Map of the session: `redirect_url`, where the client wanted to go."""
LOG_FLOW = "log"
UNAUTHORIZED = b'{"error":"Unauthorized"}\n'


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an authenticator says of a request."""

    allowed: bool
    user: dict[str, Any] | None = None
    """Becomes the profile of the session; None leaves it as it is."""
    redirect: str = ""
    """Where a client that is not allowed is sent; empty: 401."""


Authenticator = Callable[[Caller], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where and with what a run begins."""

    flow: Flow
    first: str
    payload: bytes
    variables: Pairs
    resumed: suspended.Suspended | None = None
    login: bool = False
    """A login must be checked before the first node."""


async def entrance(
    start: StartProcess, session: SessionView, version: Callable[[str, str, str], Flow | None]
) -> Entrance:
    """Find out. Raises NotWaiting, Unavailable."""
    if not start.resume:
        return Entrance(start.flow, start.start.first, start.payload, start.variables, login=start.start.auth)
    kept = suspended.resume(await session.read(suspended.MAP), start.flow.app, start.flow.name, start.resume)
    flow = version(kept.app, kept.flow, kept.hash) or start.flow
    node = flow.nodes.get(start.resume)
    if node is None:
        raise suspended.not_waiting(start.resume)
    payload = suspended.merge(kept.payload, start.payload)
    variables = {**dict(kept.variables), **dict(start.variables)}
    login = kept.login or start.start.auth or asks_for_login(node.data)
    return Entrance(flow, node.id, payload, tuple(variables.items()), kept, login)


def branch_start(start: StartProcess, wid: str, node: str, payload: bytes, budget: int) -> StartProcess:
    """The run of a forked branch: it begins at `node`, behind no login of its own, and answers nobody."""
    first = replace(start.start, first=node, auth=False)
    return StartProcess(
        wid, start.flow, first, start.variables, f"go_rutine_{wid}", start.request, payload, start.durability, NOBODY,
        budget, parent=start.wid,
    )  # fmt: skip


def username(profile: Mapping[str, Any] | None) -> str:
    """What a tracker row says of who is logged in."""
    name = profile.get("username") if profile is not None else None
    return name if isinstance(name, str) else ""


def login_script(triggers: Triggers, app: str, flow: str) -> Script:
    """`auth.js` as a script: its globals come as the payload, and it is called."""
    text = triggers.auth
    if not text:
        raise NoLogin
    source = f"var {{profile, auth_flag, url_access}} = payload; next = payload.next; {text}\n;return auth();"
    script = build(Source(source, "async" if "await" in text else "body"), {}, Place(app, flow, AUTH_NODE, {}))
    return script if triggers.auth_blocked is None else replace(script, blocked=triggers.auth_blocked)


def of_login(error: NflowError) -> NflowError:
    """What went wrong before the first node: a script's error says that the script is `auth()`."""
    return ScriptError(f"auth(): {error}") if isinstance(error, ScriptError) else error


def login_payload(profile: Any, target: str, path: str) -> bytes:
    """What `auth()` sees: the profile (null: nobody), the node it guards, the path that was asked for."""
    return dumps({"profile": profile, "auth_flag": True, "url_access": path, "next": target})


def turned_away(result: ScriptResult) -> Answer | None:
    """What the client gets when `auth()` does not let it in; None when it does. `return false` lets nobody in."""
    answer = result.answer
    headers = (*result.headers, *(answer.headers if answer is not None else ()))
    if result.next == "login":
        return Answer(307, "", b"", (*headers, ("Location", LOGIN_PATH)))
    refused = result.payload == b"false"
    if result.next != "break" and not refused:
        return None
    if answer is None and refused and not result.status:
        return Answer(401, "application/json", UNAUTHORIZED, headers)
    if answer is None:
        return Answer(result.status or 200, "", b"", headers)
    return Answer(answer.status, answer.content_type, answer.body, headers, file=answer.file)


def log_flow(triggers: Triggers, app: str) -> Flow:
    """A flow of one node that calls the app's `log()` with the entry as its payload."""
    text = triggers.log
    source = Source(f"{text}\n;return log(payload);", "async" if "await" in text else "body")
    script = replace(build(source, {}, Place(app, LOG_FLOW, LOG_FLOW, {})), blocked=triggers.log_blocked)
    return Flow(app, LOG_FLOW, {LOG_FLOW: Node(LOG_FLOW, "js", LOG_FLOW, {"type": "js"}, {}, script)}, (), script.key)
