"""The line of each request: what is put together on the request path is one tuple, a fraction of a microsecond.

Everything else (masking, formatting, writing) is done by the writer's thread. The visit is kept as it is: nobody
changes it any more once its request is answered. Bytes are those of the body before compression; of a stream, what was
written.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import structlog

from gateway.logs.said import Ear
from gateway.visit import Visit

Answered = tuple[float, Visit, str, int, float]
"""Unix seconds, the visit, its query, bytes of the answer's body, seconds it took."""
Access = Callable[[Visit, str, Any, float], None]
"""Told of a request that is done: its visit, its query, its response (None: it got none), seconds."""


class AccessLog:
    """Hands requests to the writer."""

    __slots__ = ("_ear",)

    def __init__(self, ear: Ear) -> None:
        self._ear = ear

    def __call__(self, visit: Visit, query: str, response: Any, seconds: float) -> None:
        """See `Access`."""
        ear = self._ear
        if ear.level > logging.INFO:
            return
        writer = ear.writer
        queue = writer.queue
        if len(queue) >= writer.most:
            writer.dropped += 1
            return
        queue.append((time.time(), visit, query, body_bytes(response), seconds))
        if writer.idle:
            writer.wake()


def embedded(visit: Visit, query: str, response: Any, seconds: float) -> None:
    """The same for a program whose log is not ours: an event of its structlog. The query stays out of it."""
    structlog.get_logger("gateway").info(
        "request", method=visit.method, path=visit.path, status=visit.status, duration_ms=round(seconds * 1000, 3),
        client=visit.client, bytes=body_bytes(response), request_id=visit.id, wid=visit.wid, route=visit.route,
    )  # fmt: skip


def body_bytes(response: Any) -> int:
    """Bytes of a response's body, as far as they are known."""
    body = getattr(response, "_body", None)
    if type(body) is bytes:
        return len(body)
    return getattr(response, "body_length", 0) or 0
