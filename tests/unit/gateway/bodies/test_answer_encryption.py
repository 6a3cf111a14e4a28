"""Answers on their way out: streams cut anew, held, or refused; what fails on the way; what is counted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.guards.encryption import Keyring
from actors.guards.interception import Interceptor, decrypted_tokens
from actors.guards.sensitive import Detector, SensitiveSettings
from gateway.bodies.encryption import LARGE, AnswerEncryption, EncryptionFigures
from protocol.errors import LimitExceeded, ScriptError
from protocol.process import Answer, AnswerBegun, Failure

KEYS = Keyring("the key of these tests", "k1")
MOST = 1_000_000


class Written:
    """Chunks a run wrote; `left` says that nobody reads any more."""

    def __init__(self, chunks: Sequence[bytes], error: ScriptError | None = None) -> None:
        self.chunks = chunks
        self.error = error
        self.taken = 0
        self.left = False

    async def read(self) -> AsyncGenerator[bytes, None]:
        try:
            for chunk in self.chunks:
                self.taken += 1
                yield chunk
            if self.error is not None:
                raise self.error
        finally:
            self.left = True


@pytest.fixture
def figures() -> EncryptionFigures:
    return EncryptionFigures()


@pytest.fixture
def encryption(figures: EncryptionFigures) -> AnswerEncryption:
    return made(figures)


def made(figures: EncryptionFigures) -> AnswerEncryption:
    return AnswerEncryption(Interceptor(KEYS, Detector(SensitiveSettings(fields=("password",)))), figures, MOST)


def begun(content_type: str, written: Written, *headers: tuple[str, str]) -> AnswerBegun:
    return AnswerBegun(201, content_type, headers, "w1", "s1", written)


async def all_of(reply: Answer | AnswerBegun | Failure) -> list[bytes]:
    assert isinstance(reply, AnswerBegun)
    return [chunk async for chunk in reply.chunks.read()]


def clear(body: bytes) -> str:
    return decrypted_tokens(KEYS, body.decode())


async def test_an_event_leaves_as_soon_as_it_is_whole(encryption: AnswerEncryption) -> None:
    written = Written([b"data: a@", b"b.co\n", b"\ndata: 2\n\nda", b"ta: 3\n\n"])
    reply = await encryption.reply(begun("text/event-stream", written))
    assert isinstance(reply, AnswerBegun)
    chunks = reply.chunks.read()
    first = await anext(chunks)
    assert clear(first) == "data: a@b.co\n\ndata: 2\n\n"
    assert b"a@b.co" not in first
    assert written.taken == 3
    assert await anext(chunks) == b"data: 3\n\n"
    await chunks.aclose()


@given(st.lists(st.integers(1, 9), min_size=1), st.sampled_from(["\n", "\r\n", "\r"]))
async def test_events_are_the_same_however_they_are_cut(cuts: list[int], end: str) -> None:
    text = f"data: mail a@b.co{end}{end}id: 1{end}data: two{end}{end}: note{end}{end}data: last".encode()
    chunks, place = [], 0
    while place < len(text):
        step = cuts[len(chunks) % len(cuts)]
        chunks.append(text[place : place + step])
        place += step
    sent = await all_of(await made(EncryptionFigures()).reply(begun("text/event-stream", Written(chunks))))
    assert b"a@b.co" not in b"".join(sent)
    lines = [line for line in clear(b"".join(sent)).splitlines() if line]
    assert lines == ["data: mail a@b.co", "id: 1", "data: two", ": note", "data: last"]


async def test_lines_leave_whole(encryption: AnswerEncryption) -> None:
    written = Written([b'{"a":"a@b', b'.co"}\n{"n":1}\n{"m', b'":2}'])
    sent = await all_of(await encryption.reply(begun("application/x-ndjson", written)))
    assert [clear(chunk) for chunk in sent] == ['{"a":"a@b.co"}\n{"n":1}\n', '{"m":2}']


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/html; charset=utf-8", ""])
async def test_any_other_text_is_held_and_leaves_as_one_answer(encryption: AnswerEncryption, content_type: str) -> None:
    reply = await encryption.reply(begun(content_type, Written([b'"to a@', b'b.co"']), ("X-A", "1")))
    assert isinstance(reply, Answer)
    assert (reply.status, reply.content_type, reply.headers) == (201, content_type, (("X-A", "1"),))
    assert (reply.wid, reply.session) == ("w1", "s1")
    assert clear(reply.body) == '"to a@b.co"'


async def test_the_type_the_client_is_told_counts(encryption: AnswerEncryption) -> None:
    reply = await encryption.reply(begun("image/png", Written([b"a@b.co"]), ("content-type", "text/plain")))
    assert isinstance(reply, Answer)
    assert b"a@b.co" not in reply.body


async def test_streams_of_bytes_and_files_pass(encryption: AnswerEncryption) -> None:
    stream = begun("image/png", Written([b"a@b.co"]))
    assert await encryption.reply(stream) is stream
    file = Answer(200, "text/plain", b"", file="a.txt")
    assert await encryption.reply(file) is file


async def test_a_text_that_grows_too_large_is_refused_and_its_writer_stopped(
    encryption: AnswerEncryption, figures: EncryptionFigures
) -> None:
    written = Written([b"x" * 300_000] * 1_000)
    reply = await encryption.reply(begun("text/plain", written))
    assert isinstance(reply, Failure)
    assert isinstance(reply.error, LimitExceeded)
    assert (written.left, written.taken, figures.refused) == (True, 4, 1)


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/x-ndjson"])
async def test_an_event_or_line_without_end_cuts_the_answer_off(
    encryption: AnswerEncryption, content_type: str
) -> None:
    written = Written([b"data: fine\n\n", *([b"x" * 300_000] * 1_000)])
    reply = await encryption.reply(begun(content_type, written))
    assert isinstance(reply, AnswerBegun)
    chunks = reply.chunks.read()
    sent = [await anext(chunks)]
    with pytest.raises(LimitExceeded):
        await anext(chunks)
    assert sent == [b"data: fine\n\n"]
    assert written.left


async def test_a_stream_that_fails_before_it_leaves_is_a_failure_and_later_is_cut_off(
    encryption: AnswerEncryption,
) -> None:
    error = ScriptError("no")
    held = await encryption.reply(begun("text/plain", Written([b"a"], error)))
    assert held == Failure(error, "", "w1")
    cut = await encryption.reply(begun("text/event-stream", Written([b"data: 1\n\n"], error)))
    with pytest.raises(ScriptError):
        await all_of(cut)


async def test_a_large_body_is_worked_on_like_a_small_one(
    encryption: AnswerEncryption, figures: EncryptionFigures
) -> None:
    small, large = b'["a@b.co"]', b'["' + b"x" * LARGE + b'","a@b.co"]'
    for body in (small, large):
        made = await encryption.body("application/json", body)
        assert b"a@b.co" not in made
        assert clear(made) == body.decode()
    assert (figures.encrypted, figures.answers) == (2, 2)
    assert figures.seconds > 0
    assert {family.name for family in figures.families()} >= {"nflow_security_data_encrypted"}
