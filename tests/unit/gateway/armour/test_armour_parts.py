"""The armour's parts alone: ids, rights of origins, bodies held, codings, turns."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
from multidict import CIMultiDict

from actors.sandbox.pool import PoolFigures
from actors.sandbox.seating import Pace
from gateway.armour.answer_headers import SECURITY, AnswerHeaders
from gateway.armour.cors import Cors, CorsSettings
from gateway.armour.inflight import InFlight
from gateway.armour.request_id import RequestIds
from gateway.armour.shedding import Shedding
from gateway.bodies.decoding import MalformedError, UnknownCodingError, decoder
from gateway.runtime import Runtime
from gateway.visit import Visit
from protocol.errors import BadDocument, Overloaded
from protocol.flow import Flow, Node, Script
from protocol.settings import Settings
from protocol.settings.engine import Cors as SectionOfCors


def visit() -> Visit:
    return Visit(0.0, "GET", "/")


# --- ids ---


@pytest.mark.parametrize("shown", ["a", "A-b_c.9", "x" * 128])
def test_a_harmless_id_of_the_clients_is_kept(shown: str) -> None:
    assert RequestIds().of(shown) == shown


@pytest.mark.parametrize("shown", [None, "", "x" * 129, "a b", "a\n", "a\r\nb", "é", "٣", "a/b", "a;b"])
def test_any_other_gets_one_of_ours_that_sorts_by_time(shown: str | None) -> None:
    ids = RequestIds()
    made = [ids.of(shown) for _ in range(300)]
    assert made == sorted(set(made))
    assert shown not in made


# --- headers of every answer ---


def test_what_the_answer_says_itself_is_left_as_it_is() -> None:
    headers: CIMultiDict[str] = CIMultiDict({"x-frame-options": "DENY"})
    of_all = visit()
    of_all.id, of_all.lines = "one", (("X-RateLimit-Limit", "5"),)
    AnswerHeaders(SECURITY).put_on(headers, of_all, {})
    assert headers.getall("X-Frame-Options") == ["DENY"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert (headers["X-Request-ID"], headers["X-RateLimit-Limit"]) == ("one", "5")


# --- origins ---


@pytest.mark.parametrize(
    "wrong",
    ["app.example.com", "https://", "https://a.b/", "https://a.b/c", "https://a b", "null", "https://*.a.b", ""],
)
def test_an_origin_that_is_none_is_told_with_its_key(wrong: str) -> None:
    with pytest.raises(BadDocument, match=r"cors\.allowed_origins"):
        Runtime(Settings(cors=SectionOfCors(allowed_origins=(wrong,))), {}, listen=False)


def test_everything_wrong_is_told_at_once_also_to_a_program() -> None:
    wrong = SectionOfCors(
        allowed_origins=("*", "x"), allowed_methods=("GE T",), allowed_headers=("a\r\nb",), allow_credentials=True
    )
    with pytest.raises(BadDocument) as told:
        Runtime(Settings(cors=wrong), {}, listen=False)
    assert {problem.path for problem in told.value.problems} == {
        "cors.allowed_origins", "cors.allowed_methods", "cors.allowed_headers", "cors.allow_credentials",
    }  # fmt: skip


@pytest.mark.parametrize("vary", ["Accept", "Accept, ORIGIN", "*"])
def test_vary_names_the_origin_once(vary: str) -> None:
    headers: CIMultiDict[str] = CIMultiDict({"Vary": vary})
    Cors(CorsSettings(("https://a.b",))).put_on(headers, "https://a.b")
    assert headers["Vary"] == ("Accept, Origin" if vary == "Accept" else vary)
    assert headers["Access-Control-Allow-Origin"] == "https://a.b"


def test_origins_are_compared_as_browsers_write_them() -> None:
    cors = Cors(CorsSettings(("https://App.Example.com:8443", "http://[::1]:3000")))
    for origin, allowed in (
        ("https://app.example.com:8443", True),
        ("http://[::1]:3000", True),
        ("http://[::1]", False),
    ):
        headers: CIMultiDict[str] = CIMultiDict()
        cors.put_on(headers, origin)
        assert (headers.get("Access-Control-Allow-Origin") == origin) is allowed


# --- bodies held ---


def test_bodies_are_held_up_to_the_limit_and_given_back() -> None:
    held, one, two = InFlight(100), visit(), visit()
    held.reserve(one, 60)
    held.reserve(one, 50)
    held.reserve(two, 40)
    assert held.held == 100
    with pytest.raises(Overloaded) as refused:
        held.reserve(two, 41)
    assert refused.value.retry_after >= 1
    assert (held.held, held.refused) == (100, 1)
    held.release(one, 5.0)
    held.reserve(two, 100)
    held.release(two, 5.0)
    assert (held.held, one.held, two.held) == (0, 0, 0)


def test_who_is_refused_is_told_how_long_bodies_are_held() -> None:
    held, one = InFlight(10), visit()
    for _ in range(50):
        held.reserve(one, 10)
        held.release(one, 7.0)
    held.reserve(one, 10)
    with pytest.raises(Overloaded) as refused:
        held.reserve(visit(), 1)
    assert 6.5 < refused.value.retry_after <= 7.0


# --- codings ---

TEXT = b"some text " * 1000
CODED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT),
    " GZip ": gzip.compress(TEXT[:7000]) + gzip.compress(TEXT[7000:]),
    "deflate": zlib.compress(TEXT),
    "DEFLATE": zlib.compress(TEXT)[2:-4],
}


def unpacked(coding: str, data: bytes, each: int, room: int = 10**9) -> bytes:
    found: Any = decoder(coding)
    out = b""
    for n in range(0, len(data), each):
        out += found.feed(data[n : n + each], room - len(out))
        if len(out) > room:
            return out
    found.end()
    return out


@pytest.mark.parametrize("each", [1, 7, 100_000])
@pytest.mark.parametrize("coding", CODED)
def test_a_coding_is_taken_off_however_the_bytes_come(coding: str, each: int) -> None:
    assert unpacked(coding, CODED[coding], each) == TEXT


@pytest.mark.parametrize("room", [0, 1, 500, 9_999])
@pytest.mark.parametrize("coding", CODED)
def test_no_more_than_one_byte_is_unpacked_beyond_the_room(coding: str, room: int) -> None:
    assert len(unpacked(coding, CODED[coding], 100_000, room)) == room + 1


@pytest.mark.parametrize("coding", CODED)
def test_a_body_cut_short_or_spoilt_is_malformed(coding: str) -> None:
    for data in (CODED[coding][:-1], CODED[coding][: len(CODED[coding]) // 2], b"\x1f\x8b\xff" + CODED[coding][3:]):
        with pytest.raises(MalformedError):
            unpacked(coding, data, 100_000)
    with pytest.raises(MalformedError):
        unpacked("gzip", gzip.compress(b"") * 101, 100_000)
    with pytest.raises(MalformedError):
        unpacked(coding, CODED[coding] + b"more", 100_000)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "gzip,deflate", "deflate, identity", "x", "gzip;q=1"])
def test_other_codings_are_unknown(coding: str) -> None:
    with pytest.raises(UnknownCodingError):
        decoder(coding)


def test_identity_is_no_coding() -> None:
    assert decoder("identity") is decoder("") is decoder(" Identity ") is None


# --- overload ---


def test_the_pace_is_that_of_late() -> None:
    pace = Pace()
    assert pace.seconds(4, 0.0) == 0.0
    pace.begin(10.0)
    assert pace.seconds(4, 10.4) == 0.0, "too early to tell"
    pace.begin(10.7)
    assert pace.seconds(4, 11.0) == 0.25, "nobody was free for a second: four seats, so a quarter each at best"
    for n in range(1, 1001):
        pace.freed(10.0 + n * 0.01)
    assert 0.009 < pace.seconds(4, 20.0) <= 0.01
    for n in range(1, 1001):
        pace.freed(20.0 + n * 0.1)
    assert 0.09 < pace.seconds(4, 120.0) <= 0.1
    pace.end()
    assert pace.seconds(4, 120.0) == 0.0
    pace.begin(200.0)
    for n in range(1, 17):
        pace.freed(200.0 + n * 0.001)
    assert 0.0005 < pace.seconds(4, 200.016) <= 0.001, "sixteen in sixteen milliseconds are a pace"


def flow(*, script: bool) -> Flow:
    node = Node(
        "n", "js", "n", {}, {}, script=Script("k", "function main() {}", "main", frozenset(), b"{}") if script else None
    )
    return Flow("app", "flow", {"n": node}, (), "hash")


def test_nobody_is_sent_away_while_the_wait_is_short() -> None:
    figures = PoolFigures()
    shedding = Shedding(figures, 5.0)
    figures.delay, figures.pace = 5.0, 0.5
    assert shedding.look(flow(script=True), 100.0) is None
    figures.delay = 5.1
    assert shedding.look(flow(script=False), 100.0) is None, "it needs no sandbox"
    assert shedding.look(flow(script=True), 100.0) is not None


def test_each_who_is_sent_away_gets_a_turn_of_their_own() -> None:
    figures = PoolFigures()
    shedding = Shedding(figures, 1.0)
    figures.delay, figures.pace = 4.0, 0.5
    refused = [shedding.look(flow(script=True), 100.0) for _ in range(300)]
    turns = [each.retry_after for each in refused if each is not None]
    assert turns[:3] == [4.5, 5.0, 5.5]
    assert turns == sorted(turns)
    assert turns[-1] == 60.0, "what lies further ahead is a guess"
    later = shedding.look(flow(script=True), 500.0)
    assert later is not None
    assert later.retry_after == 4.5, "old promises are over"
