"""The frame codec: what goes in comes out, and whatever comes from a sandbox is read, or refused as BadFrame."""

from __future__ import annotations

import contextlib
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sandbox import frames
from actors.sandbox.child import orders
from protocol.codec import dumps
from protocol.errors import BadFrame
from protocol.flow import Realm, Script
from protocol.sandbox import HostReply, Limits, RunScript, ScriptAnswer

SCRIPT = Script("key", "function main(){\n'ñ'}", "main", frozenset({"vars"}), b'{"current_box":"b"}', Realm.FRESH)
ORDER = RunScript(7, "t", "flow", SCRIPT, b'{"vars":{}}', b"[1]", "prev", None)  # type: ignore[arg-type]
HEAD = {"next": "output_1"}
ENDING = frames.ENDING.pack(1, 20_000, 0.5, 0)
ANSWER = {**HEAD, "status": 200, "type": "text/plain"}
FAILED = {"run": 1, "kind": "time", "name": "", "message": "m", "stack": "", "cpu": 1, "discard": True}


def one(frame: bytes, reader: frames.FrameReader | None = None) -> tuple[int, bytes]:
    (read,) = (reader or frames.FrameReader.of_child()).feed(frame)
    return read


def done(head: Any, *segments: bytes) -> frames.Done:
    text = b"\n".join((head if isinstance(head, bytes) else dumps(head), *segments))
    frame = frames.read(frames.DONE, ENDING + text)
    assert isinstance(frame, frames.Done)
    return frame


def test_a_run_crosses_with_its_script() -> None:
    kind, body = one(frames.write_run(ORDER, remembered=False))
    assert kind == frames.RUN
    assert orders.read_run(body) == orders.Order(
        7, "key", "flow", "fresh", "prev", "main", b'{"vars":{}}', b"[1]", SCRIPT.statics, dumps(SCRIPT.source)
    )


def test_a_remembered_run_crosses_without_its_script() -> None:
    order = orders.read_run(one(frames.write_run(ORDER, remembered=True))[1])
    assert (order.run, order.key, order.payload, order.source) == (7, "key", b"[1]", None)


@pytest.mark.parametrize("remembered", [False, True])
def test_a_payload_that_is_written_in_lines_crosses_as_one(remembered: bool) -> None:
    in_lines = ORDER._replace(payload=b'{\r\n  "a": "x\\ny",\n  "b": [\n1]\n}\n')
    order = orders.read_run(one(frames.write_run(in_lines, remembered=remembered))[1])
    assert json.loads(order.payload) == {"a": "x\ny", "b": [1]}
    assert order.request == ORDER.request


def test_limits_cross() -> None:
    limits = Limits(memory_mb=3, execution_seconds=0.5, operations=9)
    assert orders.read_configure(one(frames.write_configure(limits))[1]) == limits


def test_host_replies_and_forgets_cross() -> None:
    reply = orders.read_reply(one(frames.write_reply(HostReply(1, 2, False, b'{"name":"E"}')))[1])
    assert reply == orders.Reply(1, 2, False, b'{"name":"E"}')
    assert orders.read_forget(one(frames.write_forget(["a", "b"]))[1]) == ["a", "b"]


def test_host_calls_and_readiness_cross() -> None:
    reader = frames.FrameReader.of_parent()
    assert frames.read(*one(orders.write_call(1, 2, "sleep", b"[5]"), reader)) == frames.Call(1, 2, "sleep", b"[5]")
    ready = frames.read(*one(orders.write_ready("0.17.0", {"landlock": 7}, True), reader))
    assert ready == frames.Ready("0.17.0", {"landlock": 7}, True)


def test_an_answer_is_read_in_each_of_its_forms() -> None:
    assert done({**ANSWER, "body": "raw"}, b"{}", b'{"a":1}').result.answer == ScriptAnswer(
        200, "text/plain", b'{"a":1}\n'
    )
    assert done({**ANSWER, "body": "json"}, b"{}", dumps("ñ\n")).result.answer == ScriptAnswer(
        200, "text/plain", "ñ\n".encode()
    )
    assert done({**ANSWER, "body": "base64"}, b"{}", b'"AP8="').result.answer == ScriptAnswer(
        200, "text/plain", b"\x00\xff"
    )


def test_headers_belong_to_the_answer_when_there_is_one() -> None:
    headers = [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]]
    with_answer = done({**ANSWER, "body": "raw", "headers": headers}, b"{}", b"1").result
    assert with_answer.answer is not None
    assert with_answer.answer.headers == (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
    assert with_answer.headers == ()
    assert done({**HEAD, "headers": headers}, b"{}").result.headers == with_answer.answer.headers


def test_the_payload_stays_the_bytes_it_was() -> None:
    assert done(HEAD, b'{"b" : 1,"a":"\xc3\xb1"}').result.payload == b'{"b" : 1,"a":"\xc3\xb1"}'


@pytest.mark.parametrize(
    ("head", "segments"),
    [
        (b"", (b"{}",)),
        (b"[]", (b"{}",)),
        (b"nonsense", (b"{}",)),
        (b"[" * 100_000, (b"{}",)),
        (HEAD, ()),
        (HEAD, (b"",)),
        (HEAD, (b"{}", b"body nobody named")),
        ({**HEAD, "next": 5}, (b"{}",)),
        ({**HEAD, "next": None}, (b"{}",)),
        ({**HEAD, "logs": {}}, (b"{}",)),
        ({**HEAD, "logs": [["a"]]}, (b"{}",)),
        ({**HEAD, "logs": [["a", 1]]}, (b"{}",)),
        ({**HEAD, "headers": [["a", "b\r\nc: d"]]}, (b"{}",)),
        ({**HEAD, "headers": [["a b", "c"]]}, (b"{}",)),
        ({**HEAD, "headers": [["a\n", "c"]]}, (b"{}",)),
        ({**HEAD, "headers": [["", "c"]]}, (b"{}",)),
        ({**HEAD, "body": "raw"}, (b"{}", b"1")),
        ({**ANSWER, "body": "raw"}, (b"{}",)),
        ({**ANSWER, "body": "raw", "status": 99}, (b"{}", b"1")),
        ({**ANSWER, "body": "raw", "status": 600}, (b"{}", b"1")),
        ({**ANSWER, "body": "raw", "status": 200.0}, (b"{}", b"1")),
        ({**ANSWER, "body": "raw", "type": "a\r\nb"}, (b"{}", b"1")),
        ({**ANSWER, "body": "raw", "type": None}, (b"{}", b"1")),
        ({**ANSWER, "body": "pickle"}, (b"{}", b"1")),
        ({**ANSWER, "body": "json"}, (b"{}", b"1")),
        ({**ANSWER, "body": "json"}, (b"{}", b'"\xff"')),
        ({**ANSWER, "body": "base64"}, (b"{}", b'"?"')),
        ({**ANSWER, "body": "base64"}, (b"{}", '"ñ"'.encode())),
        ({**ANSWER, "body": ["raw"]}, (b"{}", b"1")),
    ],
)
def test_an_ending_that_does_not_fit_is_a_bad_frame(head: Any, segments: tuple[bytes, ...]) -> None:
    with pytest.raises(BadFrame):
        done(head, *segments)


@pytest.mark.parametrize("cpu", [float("nan"), float("inf"), -1.0, 1e10])
def test_cpu_is_a_number_of_seconds(cpu: float) -> None:
    with pytest.raises(BadFrame):
        frames.read(frames.DONE, frames.ENDING.pack(1, 0, cpu, 0) + dumps(HEAD) + b"\n{}")


def test_the_numbers_of_an_ending_are_read() -> None:
    frame = frames.read(frames.DONE, frames.ENDING.pack(2**63, 10_000, 1.5, 1) + dumps(HEAD) + b"\n{}")
    assert isinstance(frame, frames.Done)
    assert (frame.result.run, frame.result.operations, frame.cpu, frame.discard) == (2**63, 10_000, 1.5, True)


def test_heads_are_read_alike_the_second_time() -> None:
    for _ in range(2):
        assert done({**ANSWER, "body": "raw", "logs": [["log", "x"]]}, b"{}", b"1").result.logs == (("log", "x"),)
        with pytest.raises(BadFrame):
            done({**ANSWER, "body": "raw", "status": 99}, b"{}", b"1")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (frames.DONE, b""),
        (frames.DONE, ENDING),
        (frames.DONE, ENDING[:-1]),
        (frames.FAILED, dumps({**FAILED, "kind": "made up"})),
        (frames.FAILED, dumps({**FAILED, "message": None})),
        (frames.FAILED, dumps({**FAILED, "run": None})),
        (frames.FAILED, dumps({**FAILED, "kind": []})),
        (frames.HOST_CALL, b'{"run":1,"call":1,"name":"sleep"}'),
        (frames.HOST_CALL, b'{"run":1,"call":1,"name":"sleep"}\n'),
        (frames.HOST_CALL, b'{"run":1,"call":1,"name":5}\n[]'),
        (frames.HOST_CALL, b'{"run":1,"name":"sleep"}\n[]'),
        (frames.READY, b'{"engine":"x"}'),
        (frames.READY, b'{"engine":1,"confined":{}}'),
        (frames.RUN, b"{}"),
        (0, b""),
    ],
)
def test_other_frames_that_do_not_fit_are_bad_frames(kind: int, body: bytes) -> None:
    with pytest.raises(BadFrame):
        frames.read(kind, body)


def test_what_failed_may_be_discarded_unless_it_says_otherwise() -> None:
    for told, meant in ((True, True), (False, False), (None, True), ("no", True)):
        frame = frames.read(frames.FAILED, dumps({**FAILED, "discard": told}))
        assert isinstance(frame, frames.Failed)
        assert frame.discard is meant


@pytest.mark.parametrize(
    "stream",
    [
        struct.pack("<IB", frames.TO_PARENT_CAP + 1, frames.DONE),
        struct.pack("<IB", 0xFFFFFFFF, frames.DONE),
        struct.pack("<IB", 0, frames.DONE),
        struct.pack("<IB", 5, 0),
        struct.pack("<IB", 5, frames.RUN),
        struct.pack("<IB", 5, ord("d")),
    ],
)
def test_a_length_or_kind_out_of_bounds_is_refused_before_its_body_comes(stream: bytes) -> None:
    with pytest.raises(BadFrame):
        frames.FrameReader.of_parent().feed(stream)


def test_a_parent_does_not_send_what_a_child_may_not_read() -> None:
    big = b"1" * frames.TO_CHILD_CAP
    with pytest.raises(BadFrame):
        frames.write_run(RunScript(1, "t", "f", SCRIPT, b"{}", big, "", None), remembered=True)  # type: ignore[arg-type]
    with pytest.raises(BadFrame):
        frames.write_reply(HostReply(1, 1, True, big))


@given(st.lists(st.tuples(st.sampled_from(b"YDEK"), st.binary(max_size=40)), max_size=6), st.data())
def test_frames_come_out_whole_however_the_stream_is_cut(sent: list[tuple[int, bytes]], data: st.DataObject) -> None:
    stream = b"".join(frames.pack(kind, body) for kind, body in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = frames.FrameReader.of_parent()
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += reader.feed(stream[start:end])
    assert got == sent


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_hostile_bytes_are_frames_or_bad_frames(chunks: list[bytes]) -> None:
    reader = frames.FrameReader.of_parent()
    try:
        for chunk in chunks:
            for kind, body in reader.feed(chunk):
                frames.read(kind, body)
    except BadFrame:
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("run", "next", "status", "type", "headers", "body", "logs", "ops", "cpu", "kind", "name", "message", "stack")


@given(
    st.sampled_from((frames.DONE, frames.FAILED, frames.HOST_CALL, frames.READY)),
    st.fixed_dictionaries({}, optional=dict.fromkeys((*FIELDS, "call", "discard", "engine", "confined", "hook"), JSON)),
    st.lists(JSON | st.sampled_from(["raw", "aGk="]), max_size=3),
)
def test_well_formed_nonsense_is_a_frame_or_a_bad_frame(kind: int, head: dict[str, Any], segments: list[Any]) -> None:
    body = b"\n".join(map(dumps, ({**HEAD, **FAILED, **ANSWER, **head}, *segments)))
    if kind == frames.DONE:
        body = ENDING + body
    with contextlib.suppress(BadFrame):
        frames.read(kind, body)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"1234567", *(b"12345678" + text for text in (b"", b"{}\n{}\n{}", b"[]\n{}\n{}", b"{}\n{}\n\n{}"))],
)
def test_a_child_refuses_a_run_that_does_not_fit(body: bytes) -> None:
    with pytest.raises(BadFrame):
        orders.read_run(body)


def test_a_child_refuses_limits_it_does_not_know() -> None:
    for body in (b"{}", b'{"seconds":1,"made_up":2}', b"[]", b"x"):
        with pytest.raises(BadFrame):
            orders.read_configure(body)
    with pytest.raises(BadFrame):
        orders.read_forget(b"{}")
