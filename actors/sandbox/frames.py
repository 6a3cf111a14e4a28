"""The frames between a sandbox process and its parent on a Unix stream socket: layout, and the parent's end. Pure.

A frame is a 4-byte little-endian length of the rest, one kind byte, and a body: segments of JSON text joined by
newlines (JSON text never holds a raw newline, so the payload travels as it is, unparsed); runs and endings have numbers
before their head, so that the head is the same text in run after run. Invariant: what comes from a sandbox is hostile.
Its length is checked before anything is kept, its fields before they are believed, and all that is not a frame of this
protocol raises BadFrame; the parent then kills the process. The child's end is `child/orders.py`.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Final, NamedTuple

from actors.sandbox.fields import (
    Pairs,
    check_header,
    read_int,
    read_json,
    read_object,
    read_pairs,
    read_seconds,
    read_str,
)
from protocol.codec import dumps
from protocol.errors import BadFrame
from protocol.headers import is_header_value
from protocol.sandbox import HostReply, Limits, RunScript, ScriptAnswer, ScriptResult

TO_CHILD_CAP: Final = 64 << 20
"""Most bytes of one frame from parent to child."""
TO_PARENT_CAP: Final = 4 << 20
"""Most bytes of one frame from child to parent."""

HEAVY: Final = 100
"""What a host call weighs against `host_calls`, which allows so many times its number."""
LIGHT: Final = frozenset(("response.write", "response.end"))
"""Host calls that weigh 1, as each waits until the client has taken a chunk: an answer may have many."""
CALLS_AT_ONCE: Final = 64
"""Most calls of a run that are sent and not answered, beside one that it waits for: this bounds their memory."""

CONFIGURE: Final = ord("C")
RUN: Final = ord("R")
HOST_REPLY: Final = ord("H")
FORGET: Final = ord("F")
READY: Final = ord("Y")
DONE: Final = ord("D")
FAILED: Final = ord("E")
HOST_CALL: Final = ord("K")

FAILURES: Final = frozenset(
    ("exception", "compile", "time", "operations", "memory", "output", "host_calls", "cancelled", "stack", "odd")
)
"""Every value of `Failed.kind`."""

RUN_NUMBER: Final = struct.Struct("<Q")
"""Before the head of a run."""
ENDING: Final = struct.Struct("<QQdB")
"""Before the head of an ending: run, operations, CPU seconds of the process's life, 1 if it should run no other."""

_LENGTH = struct.Struct("<I")
_REMEMBERED_BYTES = 512
_TO_PARENT = frozenset((READY, DONE, FAILED, HOST_CALL))
_TO_CHILD = frozenset((CONFIGURE, RUN, HOST_REPLY, FORGET))


class FrameReader:
    """Cuts a byte stream into frames.

    One per connection. A length over `cap`, or of an unknown kind, raises BadFrame as soon as its five bytes are there,
    so a hostile peer makes us keep at most one chunk of the socket.
    """

    __slots__ = ("_cap", "_kinds", "_rest")

    def __init__(self, cap: int, kinds: frozenset[int]) -> None:
        self._cap = cap
        self._kinds = kinds
        self._rest = bytearray()

    @classmethod
    def of_parent(cls) -> FrameReader:
        """Reads what a sandbox sends."""
        return cls(TO_PARENT_CAP, _TO_PARENT)

    @classmethod
    def of_child(cls) -> FrameReader:
        """Reads what the parent sends."""
        return cls(TO_CHILD_CAP, _TO_CHILD)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames completed by `data`, in order, each as (kind, body). Raises BadFrame."""
        if not self._rest and len(data) >= 5 and _LENGTH.unpack_from(data)[0] + 4 == len(data):
            self._check(len(data) - 4, data[4])  # almost always: exactly one frame
            return [(data[4], data[5:])]
        rest = self._rest
        rest += data
        frames = []
        start = 0
        while len(rest) - start >= 5:
            length = _LENGTH.unpack_from(rest, start)[0]
            kind = rest[start + 4]
            self._check(length, kind)
            end = start + 4 + length
            if len(rest) < end:
                break
            frames.append((kind, bytes(rest[start + 5 : end])))
            start = end
        del rest[:start]
        return frames

    def _check(self, length: int, kind: int) -> None:
        if not 1 <= length <= self._cap:
            raise BadFrame(f"a frame of {length} bytes, allowed are 1 to {self._cap}")
        if kind not in self._kinds:
            raise BadFrame(f"unknown kind of frame {kind:#x}")


def weight(name: str) -> int:
    """What this host call weighs."""
    return 1 if name in LIGHT else HEAVY


def pack(kind: int, body: bytes) -> bytes:
    """One frame, ready for the socket."""
    return _LENGTH.pack(len(body) + 1) + bytes((kind,)) + body


# --- parent to child: written by the parent -------------------------------------------------------------------------


def write_configure(limits: Limits) -> bytes:
    """The first frame of a sandbox's life."""
    told = asdict(limits)
    told["seconds"] = told.pop("execution_seconds")
    return pack(CONFIGURE, dumps(told))


def write_run(order: RunScript, *, remembered: bool) -> bytes:
    """The order to run a script. `remembered`: the child already holds this script's key.

    Raises BadFrame when it is too large to send.
    """
    script, payload = order.script, order.payload
    if b"\n" in payload:  # a client's own JSON, in lines; within JSON a bare line end is nothing but a blank
        payload = payload.replace(b"\n", b" ")
    run = RUN_NUMBER.pack(order.run)
    if remembered:
        head = _run_head(script.key, order.flow, script.realm.value, order.previous, "")
        body = b"%b%b\n%b\n%b" % (run, head, order.request, payload)
    else:
        head = _run_head(script.key, order.flow, script.realm.value, order.previous, script.entry)
        body = run + b"\n".join((head, order.request, payload, script.statics, dumps(script.source)))
    if len(body) >= TO_CHILD_CAP:
        raise BadFrame(f"script and input are {len(body)} bytes, allowed are {TO_CHILD_CAP}")
    return pack(RUN, body)


@lru_cache(1024)
def _run_head(key: str, flow: str, realm: str, previous: str, entry: str) -> bytes:
    return dumps({"key": key, "flow": flow, "realm": realm, "prev": previous, "entry": entry})


def write_reply(reply: HostReply) -> bytes:
    """The answer to a host call. Raises BadFrame when it is too large to send."""
    if len(reply.value) > TO_CHILD_CAP - 128:
        raise BadFrame(f"the value of a host call is {len(reply.value)} bytes, allowed are {TO_CHILD_CAP}")
    head = b'{"run":%d,"call":%d,"ok":%b}' % (reply.run, reply.call, b"true" if reply.ok else b"false")
    return pack(HOST_REPLY, b"%b\n%b" % (head, reply.value))


def write_forget(keys: Iterable[str]) -> bytes:
    """The order to forget scripts: the parent decides what a child remembers."""
    return pack(FORGET, dumps(list(keys)))


# --- child to parent: read by the parent ----------------------------------------------------------------------------


class Ready(NamedTuple):
    """The sandbox is confined, its engine tested, and it waits for `configure`."""

    engine: str
    confined: dict[str, Any]
    """What is in force: see `confine.confine`."""
    hook: bool
    """False: the engine hook did not pass its test; only the parent's deadline holds."""


class Done(NamedTuple):
    """The script ended well."""

    result: ScriptResult
    cpu: float
    """CPU seconds the process has used in its life."""
    discard: bool
    """True: the result stands, but this process should not run another script."""


class Failed(NamedTuple):
    """The script did not end well."""

    run: int
    kind: str
    """One of FAILURES."""
    name: str
    """The thrown error's name, or empty."""
    message: str
    """What callers see: `Error: boom at main (workflow:1:25)`."""
    stack: str
    logs: Pairs
    cpu: float
    discard: bool
    """True: kill this process."""


class Call(NamedTuple):
    """The script waits for the runtime to do this."""

    run: int
    call: int
    name: str
    arguments: bytes
    """JSON array, unparsed: it may be anything."""


def read(kind: int, body: bytes) -> Ready | Done | Failed | Call:
    """Read one frame from a sandbox. Raises BadFrame."""
    if kind == DONE:
        return _read_done(body)
    if kind == HOST_CALL:
        return _read_call(body)
    if kind == FAILED:
        return _read_failed(body)
    if kind == READY:
        return _read_ready(body)
    raise BadFrame(f"unknown kind of frame {kind:#x}")


class _Head(NamedTuple):
    """The part of an ending that is the same in run after run of a node."""

    next: str
    headers: Pairs
    logs: Pairs
    form: str
    """Of the answer's body: raw, json, base64, file, or empty where there is no answer."""
    status: int
    """Of the answer; without one, what the script wants it to be, or 0."""
    content_type: str
    variables: bytes | None


def _read_done(body: bytes) -> Done:
    try:
        run, operations, cpu, flags = ENDING.unpack_from(body)
    except struct.error:
        raise BadFrame("done is cut short") from None
    if not 0 <= cpu < 1e9:
        raise BadFrame("cpu is not a number of seconds")
    head_text, _, rest = body[ENDING.size :].partition(b"\n")
    head = _remembered_head(head_text) if len(head_text) <= _REMEMBERED_BYTES else _read_head(head_text)
    if not head.form:
        if not rest or b"\n" in rest:
            raise BadFrame("done without a payload, or with a body it does not name")
        result = ScriptResult(
            run, head.next, rest, None, head.headers, head.logs, operations, head.status, head.variables
        )
        return Done(result, cpu, flags == 1)
    payload, newline, text = rest.partition(b"\n")
    if not payload or not newline:
        raise BadFrame("done without a payload, or without the body it names")
    if head.form == "file":
        answer = ScriptAnswer(head.status, head.content_type, b"", head.headers, _decoded("json", text).decode())
    else:
        content = text + b"\n" if head.form == "raw" else _decoded(head.form, text)
        answer = ScriptAnswer(head.status, head.content_type, content, head.headers)
    result = ScriptResult(run, head.next, payload, answer, (), head.logs, operations, 0, head.variables)
    return Done(result, cpu, flags == 1)


def _read_head(text: bytes) -> _Head:
    head = read_object(text)
    headers = read_pairs(head.get("headers"), check_header)
    logs = read_pairs(head.get("logs"))
    following = read_str(head, "next")
    variables = _variables(head)
    status = head.get("status", 0)
    if type(status) is not int or (status != 0 and not 100 <= status <= 599):
        raise BadFrame(f"an answer with status {status!r}")
    if "body" not in head:
        return _Head(following, headers, logs, "", status, "", variables)
    form, content_type = head["body"], read_str(head, "type")
    if form not in ("raw", "json", "base64", "file"):
        raise BadFrame("a body in a form of its own")
    if status == 0:
        raise BadFrame("an answer without a status")
    if not is_header_value(content_type):
        raise BadFrame("a content type with control characters")
    return _Head(following, headers, logs, form, status, content_type, variables)


def _variables(head: dict[str, Any]) -> bytes | None:
    """Field `vars`, a JSON object as text."""
    if "vars" not in head:
        return None
    text = read_str(head, "vars").encode()
    read_object(text)
    return text


_remembered_head = lru_cache(256)(_read_head)
"""A node's head is the same text each time, and reading it costs more than all the rest of its frame."""


def _decoded(form: str, text: bytes) -> bytes:
    value = read_json(text)
    if not isinstance(value, str):
        raise BadFrame("a body that is not a string")
    if form == "json":
        return value.encode()
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BadFrame("a body that is not base64") from None


def _read_failed(body: bytes) -> Failed:
    head = read_object(body)
    kind = read_str(head, "kind")
    if kind not in FAILURES:
        raise BadFrame(f"unknown kind of failure {kind[:40]!r}")
    return Failed(
        read_int(head, "run"),
        kind,
        read_str(head, "name"),
        read_str(head, "message"),
        read_str(head, "stack"),
        read_pairs(head.get("logs")),
        read_seconds(head),
        head.get("discard") is not False,
    )


def _read_call(body: bytes) -> Call:
    head_text, newline, arguments = body.partition(b"\n")
    if not newline or not arguments:
        raise BadFrame("a host call without arguments")
    head = read_object(head_text)
    return Call(read_int(head, "run"), read_int(head, "call"), read_str(head, "name"), arguments)


def _read_ready(body: bytes) -> Ready:
    head = read_object(body)
    confined = head.get("confined")
    if not isinstance(confined, dict):
        raise BadFrame("ready does not say what confines it")
    return Ready(read_str(head, "engine"), confined, head.get("hook") is True)
