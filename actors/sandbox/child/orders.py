"""The child's end of the frames: what a sandbox reads of its parent and writes to it. Layout: `frames.py`.

The parent is trusted, yet a frame that does not fit raises BadFrame: the child then ends itself, which the parent sees.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from actors.sandbox.fields import read_json, read_object
from actors.sandbox.frames import FAILED, HOST_CALL, READY, RUN_NUMBER, pack
from protocol.codec import dumps
from protocol.errors import BadFrame
from protocol.sandbox import Limits


class Order(NamedTuple):
    """One script run, as the child gets it. JSON segments stay text bytes."""

    run: int
    key: str
    flow: str
    realm: str
    previous: str
    entry: str
    """Empty, and the last two None: the child holds this key."""
    request: bytes
    payload: bytes
    statics: bytes | None
    source: bytes | None


class Reply(NamedTuple):
    """The end of a host call."""

    run: int
    call: int
    ok: bool
    value: bytes


def read_configure(body: bytes) -> Limits:
    """The limits of this sandbox. Raises BadFrame."""
    told = read_object(body)
    try:
        told["execution_seconds"] = told.pop("seconds")
        told["functions"] = tuple(told["functions"])
        return Limits(**told)
    except (KeyError, TypeError):
        raise BadFrame("configure lacks a limit, or names an unknown one") from None


def read_run(body: bytes) -> Order:
    """One run. Raises BadFrame."""
    parts = body[RUN_NUMBER.size :].split(b"\n")
    statics = source = None
    if len(parts) == 5:
        statics, source = parts.pop(3), parts.pop()
    if len(parts) != 3:
        raise BadFrame("a run of neither three nor five segments")
    head, request, payload = parts
    (run,) = RUN_NUMBER.unpack_from(body)
    key, flow, realm, previous, entry = _run_head(head)
    return Order(run, key, flow, realm, previous, entry, request, payload, statics, source)


@lru_cache(512)
def _run_head(text: bytes) -> tuple[str, str, str, str, str]:
    """The same text in run after run of a node."""
    head = read_object(text)
    try:
        return head["key"], head["flow"], head["realm"], head["prev"], head["entry"]
    except KeyError as error:
        raise BadFrame(f"a run without {error}") from None


def read_reply(body: bytes) -> Reply:
    """The answer to a host call. Raises BadFrame."""
    head, _, value = body.partition(b"\n")
    told = read_object(head)
    try:
        return Reply(told["run"], told["call"], told["ok"], value)
    except KeyError as error:
        raise BadFrame(f"a host reply without {error}") from None


def read_forget(body: bytes) -> list[str]:
    """The keys to forget. Raises BadFrame."""
    keys = read_json(body)
    if not isinstance(keys, list):
        raise BadFrame("forget is not a list")
    return keys


def write_ready(engine: str, confined: dict[str, Any], hook: bool) -> bytes:
    """The first frame of a sandbox."""
    return pack(READY, dumps({"engine": engine, "confined": confined, "hook": hook}))


def write_failed(head: dict[str, Any]) -> bytes:
    """A failed run; `head` has the fields of Failed."""
    return pack(FAILED, dumps(head))


def write_call(run: int, call: int, name: str, arguments: bytes) -> bytes:
    """A host call."""
    return pack(HOST_CALL, b"%b\n%b" % (dumps({"run": run, "call": call, "name": name}), arguments))
