"""One table: error → HTTP status and body. The only place that knows both.

Bodies follow the shapes callers of nFlow parse (`{"message","actor"}`, `{"error"}`, `{"code","message"}`), written as
Go writes JSON. Source code of a node is shown in debug mode only.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from typing import Any

from protocol.codec import go_json
from protocol.errors import (
    AskError,
    BadDocument,
    CallRefused,
    Expired,
    LimitExceeded,
    NflowError,
    NodeError,
    NoLogin,
    NotWaiting,
    Overloaded,
    RunCancelled,
    SandboxLost,
    ScriptError,
    Unavailable,
    Undecipherable,
)
from protocol.flow import Node
from protocol.formats.findings import ScriptBlocked, issue_of
from protocol.plugins import PluginFailed
from protocol.process import Pairs
from protocol.sessions import SessionEnded

SOURCE_KEYS = frozenset({"code", "compile", "script"})


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error, ready to be sent."""

    status: int
    body: bytes
    headers: Pairs = ()


NOT_FOUND = ErrorAnswer(404, go_json({"code": 404, "message": "not found"}))


def error_answer(error: NflowError, node: Node | None, *, debug: bool) -> ErrorAnswer:
    """What the caller of a failed run gets."""
    match error:
        case ScriptError() if node is None:  # auth(), which is no node
            return ErrorAnswer(500, go_json({"error": str(error)}))
        case ScriptError():
            prefix = "Script compilation error: " if error.compiling else ""
            return ErrorAnswer(500, go_json({"actor": _actor(node, debug), "message": f"{prefix}{error}"}))
        case LimitExceeded():
            return ErrorAnswer(408, go_json({"actor": _actor(node, debug), "message": str(error)}))
        case SandboxLost(own_fault=True):
            return ErrorAnswer(500, go_json({"actor": _actor(node, debug), "message": str(error)}))
        case ScriptBlocked(findings=findings):
            issues = [finding.issue() for finding in findings]
            at = {"node": node.id} if node is not None else {}
            return ErrorAnswer(500, go_json({"error": str(error), "issues": issues, **at}))
        case NodeError(kind=str(kind)):
            return ErrorAnswer(500, go_json({"error": str(error), "type": kind}))
        case NodeError():
            return ErrorAnswer(500, go_json({"error": str(error)}))
        case Overloaded() | Unavailable():
            return unavailable(str(error), error.retry_after)
        case SandboxLost() | Expired():
            return unavailable(str(error), 1.0)
        case PluginFailed():
            return ErrorAnswer(500, go_json({"message": str(error)}))
        case CallRefused():
            return ErrorAnswer(500, go_json({"error": str(error)}))
        case NotWaiting():
            return plain(409, str(error))
        case NoLogin():
            return ErrorAnswer(500, go_json({"error": str(error)}))
        case SessionEnded():
            return unavailable(str(error), 1.0)
        case Undecipherable():
            return plain(500, str(error))
        case RunCancelled():
            return ErrorAnswer(200, b"")
        case BadDocument():
            return bad_input(error)
        case AskError():
            return ErrorAnswer(500, go_json({"message": "Internal Server Error"}))
        case _:
            return ErrorAnswer(500, go_json({"message": "Internal Server Error"}))


def unavailable(why: str, retry_after: float) -> ErrorAnswer:
    """503 with an honest Retry-After, in whole seconds."""
    return ErrorAnswer(503, go_json({"error": why}), (("Retry-After", str(max(1, math.ceil(retry_after)))),))


def bad_input(error: BadDocument) -> ErrorAnswer:
    """400 with every problem and its path."""
    problems = [{"path": each.path, "message": each.message, **issue_of(each)} for each in error.problems]
    return ErrorAnswer(400, go_json({"code": 400, "message": str(error), "problems": problems}))


def plain(status: int, message: str) -> ErrorAnswer:
    """An error of the request itself, before any run."""
    return ErrorAnswer(status, go_json({"code": status, "message": message}))


def _actor(node: Node | None, debug: bool) -> dict[str, Any]:
    """The failed node as Go shows it; its source only in debug mode."""
    if node is None:
        return {}
    data = {key: value for key, value in node.data.items() if debug or key not in SOURCE_KEYS}
    data.setdefault("storage_id", str(uuid.uuid4()))
    outputs = {
        name: {"connections": [{"node": target, "output": "input_1"}] if target is not None else []}
        for name, target in node.outputs.items()
    }
    return {"data": data, "outputs": outputs}
