"""A streamed answer: chunk by chunk, no faster than it is read, and nobody waits for somebody who has left."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from actors.runs.answer_stream import AnswerStream
from protocol.errors import CallRefused, RunCancelled, Unavailable

HEAD = {"status": 201, "type": "text/event-stream", "headers": [["X-A", "1"]]}


class Begun:
    def __init__(self) -> None:
        self.heads: list[Any] = []

    async def __call__(self, *head: Any) -> None:
        self.heads.append(head)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_head_goes_once_before_the_first_chunk() -> None:
    begin = Begun()
    stream = AnswerStream(begin)
    first = asyncio.ensure_future(stream.write(HEAD, {"text": "é"}))
    await settle()
    assert begin.heads == [(201, "text/event-stream", (("X-A", "1"),))]
    async with aclosing(stream.read()) as chunks:
        assert await anext(chunks) == "é".encode()
        reading = asyncio.ensure_future(anext(chunks))
        await first
        second = asyncio.ensure_future(stream.write(None, {"base64": "AAH/"}))
        assert await reading == b"\x00\x01\xff"
        stream.finish(b"rest")
        assert await anext(chunks, b"") == b"rest"
        assert await anext(chunks, None) is None
        await second
    assert len(begin.heads) == 1


async def test_a_write_is_over_only_when_the_reader_comes_back() -> None:
    stream = AnswerStream(Begun())
    async with aclosing(stream.read()) as chunks:
        writing = asyncio.ensure_future(stream.write(HEAD, {"text": "a"}))
        assert await anext(chunks) == b"a"
        await settle()
        assert not writing.done()
        reading = asyncio.ensure_future(anext(chunks, None))
        await writing
        stream.finish(b"")
        assert await reading is None


async def test_a_writer_whose_client_left_is_told_so_then_and_from_then_on() -> None:
    stream = AnswerStream(Begun())
    writing = asyncio.ensure_future(stream.write(HEAD, {"text": "a"}))
    async with aclosing(stream.read()) as chunks:
        await anext(chunks)
    for write in (writing, stream.write(None, {"text": "b"})):
        with pytest.raises(CallRefused) as refused:
            await write
        assert refused.value.name == "AbortError"


async def test_an_answer_that_fails_on_the_way_is_cut_off() -> None:
    stream = AnswerStream(Begun())
    writing = asyncio.ensure_future(stream.write(HEAD, {"text": "a"}))
    async with aclosing(stream.read()) as chunks:
        await anext(chunks)
        stream.fail(RunCancelled("gone"))
        with pytest.raises(RunCancelled):
            await anext(chunks)
    await writing  # the reader came back for the next chunk, so it took this one


async def test_nothing_is_written_after_the_end() -> None:
    stream = AnswerStream(Begun())
    await stream.end(HEAD)
    assert stream.begun
    with pytest.raises(CallRefused, match="ended already"):
        await stream.write(None, {"text": "a"})


async def test_an_answer_whose_head_cannot_leave_has_not_begun() -> None:
    async def no_session(*_: Any) -> None:
        raise Unavailable("the session store is away")

    stream = AnswerStream(no_session)
    with pytest.raises(Unavailable):
        await stream.write(HEAD, {"text": "a"})
    assert not stream.begun


async def test_what_a_branch_streams_goes_nowhere() -> None:
    begin = Begun()
    stream = AnswerStream(begin, nobody=True)
    await stream.write(HEAD, {"text": "a"})
    await stream.end(None)
    assert begin.heads == []


@pytest.mark.parametrize(
    "head",
    [
        None,
        {},
        HEAD | {"status": 99},
        HEAD | {"status": 101},
        HEAD | {"status": "200"},
        HEAD | {"headers": [["a"]]},
        HEAD | {"headers": [["a", 1]]},
        HEAD | {"headers": [["a", "b\r\nSet-Cookie: c"]]},
        HEAD | {"headers": [["a b", "c"]]},
        HEAD | {"type": "text/html\r\nX: y"},
        HEAD | {"type": None},
    ],
)
async def test_a_head_that_is_none_is_refused(head: Any) -> None:
    with pytest.raises(CallRefused, match="status or headers"):
        await AnswerStream(Begun()).write(head, {"text": "a"})


@pytest.mark.parametrize("chunk", [None, "a", {"base64": "%"}, {"text": 1}, {}])
async def test_a_chunk_that_is_none_is_refused(chunk: Any) -> None:
    with pytest.raises(CallRefused, match="text or bytes"):
        await AnswerStream(Begun()).write(HEAD, chunk)
