"""The HTTP client against real peers: what it sends, what it takes, and what no peer can make it do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from actors.guards.addresses import AddressGuard
from actors.reach.http_client import HttpClient, HttpSettings
from actors.reach.http_message import HttpRequest
from protocol.errors import CallRefused, NflowError, Unavailable
from tests.integration.reach.conftest import free_port
from tests.integration.reach.peers import MEGABYTE, Peer, RawPeer, untrusted

HERE = AddressGuard(["127.0.0.1"])


@contextlib.asynccontextmanager
async def client_with(**settings: object) -> AsyncIterator[HttpClient]:
    client = HttpClient(HttpSettings(**{"guard": HERE, "timeout_seconds": 5.0, **settings}))  # type: ignore[arg-type]
    await client.open()
    try:
        yield client
    finally:
        await client.close()


def get(url: str, **more: object) -> HttpRequest:
    return HttpRequest("GET", url, **more)  # type: ignore[arg-type]


async def test_a_request_arrives_as_it_was_made_and_the_answer_comes_back(client: HttpClient, peer: Peer) -> None:
    headers = (("X-One", "é"), ("X-Many", "a"), ("X-Many", "b"))
    response = await client.fetch(HttpRequest("POST", f"{peer.url}/a?q=%20", headers, "grüße".encode()))
    assert response.status == 200
    assert response.header("x-two") == "a"
    (asked,) = peer.asked
    assert (asked["method"], asked["path"], asked["body"]) == ("POST", "/a?q=%20", "grüße")
    assert asked["headers"]["x-one"] == "é"
    assert asked["headers"]["user-agent"] == "nflow-runtime"
    assert "content-type" not in asked["headers"]


@pytest.mark.parametrize(("path", "text"), [("packed", "grüße"), ("latin", "grüße"), ("bytes", None)])
async def test_a_body_is_unpacked_and_read_by_its_charset(
    client: HttpClient, peer: Peer, path: str, text: str | None
) -> None:
    assert (await client.fetch(get(f"{peer.url}/{path}"))).text() == text


@pytest.mark.parametrize("status", [204, 301, 400, 404, 418, 500])
async def test_every_status_is_an_answer(client: HttpClient, peer: Peer, status: int) -> None:
    assert (await client.fetch(get(f"{peer.url}/status/{status}"))).status == status


async def test_no_cookie_of_one_call_reaches_the_next(client: HttpClient, peer: Peer) -> None:
    response = await client.fetch(get(f"{peer.url}/cookies"))
    assert [value for name, value in response.headers if name.lower() == "set-cookie"][1] == "b=2"
    assert (await client.fetch(get(f"{peer.url}/cookies"))).text() == "none"


async def test_headers_that_carry_the_message_are_the_clients_own(client: HttpClient, peer: Peer) -> None:
    named = (("Host", "inner.example"), ("Content-Length", "3"), ("Transfer-Encoding", "chunked"), ("connection", "x"))
    await client.fetch(HttpRequest("POST", f"{peer.url}/", named, b"12345"))
    (asked,) = peer.asked
    assert asked["headers"]["host"] in peer.url
    assert asked["body"] == "12345"


@pytest.mark.parametrize(
    "request_",
    [
        get("ftp://127.0.0.1/"),
        get("file:///etc/passwd"),
        get("/relative"),
        get("http://"),
        get("http://127.0.0.1:99999/"),
        get("http://[::1/"),
        get("ws://127.0.0.1/"),
        get("http://127.0.0.1/" + "a" * 20_000),
        get("http://127.0.0.1/", headers=(("X", "a\r\nY: b"),)),
        get("http://127.0.0.1/", headers=(("X", "a\nb"),)),
        get("http://127.0.0.1/", headers=(("X", "a\0b"),)),
        get("http://127.0.0.1/", headers=(("X\r\nY", "a"),)),
        get("http://127.0.0.1/", headers=(("", "a"),)),
        get("http://127.0.0.1/", headers=(("X", "a" * 70_000),)),
        HttpRequest("GET / HTTP/1.1\r\nX: y\r\n\r\nGET", "http://127.0.0.1/"),
        HttpRequest("CONNECT", "http://127.0.0.1/"),
        get("http://127.0.0.1/", redirect="maybe"),
    ],
)
async def test_what_cannot_be_sent_safely_is_a_type_error(client: HttpClient, request_: HttpRequest) -> None:
    with pytest.raises(CallRefused) as refused:
        await client.fetch(request_)
    assert refused.value.name == "TypeError"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "169.254.169.254"]
)
async def test_inner_addresses_are_refused_whatever_leads_there(peer: Peer, host: str) -> None:
    port = peer.url.rpartition(":")[2]
    async with client_with(guard=AddressGuard()) as client:
        with pytest.raises(CallRefused, match=r"address \S+ is not allowed") as refused:
            await client.fetch(get(f"http://{host}:{port}/"))
        assert refused.value.name == "NetworkError"
        assert "security.allowed_addresses" in str(refused.value)
        assert not client.open_circuits
    assert peer.asked == []


@pytest.mark.parametrize("host", ["2130706433", "0177.0.0.1", "127.1", "0x7f000001", "0"])
async def test_other_spellings_of_an_inner_address_lead_nowhere(peer: Peer, host: str) -> None:
    async with client_with(guard=AddressGuard()) as client:
        with pytest.raises(CallRefused):
            await client.fetch(get(f"http://{host}:{peer.url.rpartition(':')[2]}/"))
    assert peer.asked == []


async def test_a_redirect_to_an_inner_address_is_refused(client: HttpClient, peer: Peer) -> None:
    with pytest.raises(CallRefused, match=r"address 169.254.169.254 is not allowed"):
        await client.fetch(get(f"{peer.url}/to?url=http://169.254.169.254/latest/meta-data"))
    with pytest.raises(CallRefused, match=r"address 127.0.0.2 is not allowed"):
        await client.fetch(get(f"{peer.url}/to?url=http://127.0.0.2:{peer.url.rpartition(':')[2]}/"))


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://x/", "javascript:alert(1)"])
async def test_a_redirect_out_of_the_web_is_refused(client: HttpClient, peer: Peer, place: str) -> None:
    with pytest.raises(CallRefused, match="no web address"):
        await client.fetch(get(f"{peer.url}/to?url={place}"))


async def test_five_redirects_are_followed_and_no_more(client: HttpClient, peer: Peer) -> None:
    with pytest.raises(CallRefused, match="more than 5 redirects"):
        await client.fetch(get(f"{peer.url}/round"))
    assert len(peer.asked) == 6


async def test_redirects_can_be_left_to_the_caller_or_forbidden(client: HttpClient, peer: Peer) -> None:
    manual = await client.fetch(get(f"{peer.url}/to?url=/echo", redirect="manual"))
    assert (manual.status, manual.header("location")) == (302, "/echo")
    with pytest.raises(CallRefused, match="does not follow"):
        await client.fetch(get(f"{peer.url}/to?url=/echo", redirect="error"))


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", ""), (302, "GET", ""), (303, "GET", ""), (307, "POST", "x"), (308, "POST", "x")],
)
async def test_a_redirected_post_goes_on_as_in_a_browser(
    client: HttpClient, peer: Peer, status: int, method: str, body: str
) -> None:
    await client.fetch(HttpRequest("POST", f"{peer.url}/to?url=/echo&status={status}", (), b"x"))
    assert (peer.asked[1]["method"], peer.asked[1]["body"]) == (method, body)


async def test_secrets_go_to_the_host_they_were_meant_for_and_to_no_other(client: HttpClient, peer: Peer) -> None:
    other = Peer()
    await other.start()
    headers = (("Authorization", "Bearer s"), ("Cookie", "a=b"), ("X-Api-Key", "k"), ("X-Plain", "p"))
    try:
        await client.fetch(get(f"{peer.url}/to?url=/echo", headers=headers))
        assert peer.asked[1]["headers"]["authorization"] == "Bearer s"
        await client.fetch(get(f"{peer.url}/to?url={other.url}/echo", headers=headers))
        told = other.asked[0]["headers"]
        assert told["x-plain"] == "p"
        assert not {"authorization", "cookie", "x-api-key"} & set(told)
    finally:
        await other.stop()


async def test_a_login_in_the_url_becomes_a_header_and_shows_nowhere(client: HttpClient, peer: Peer) -> None:
    response = await client.fetch(get(peer.url.replace("//", "//user:geheim@") + "/"))
    assert peer.asked[0]["headers"]["authorization"] == "Basic dXNlcjpnZWhlaW0="
    assert "geheim" not in response.url


@pytest.mark.parametrize("path", ["hang", "drip"])
async def test_a_slow_peer_ends_at_the_deadline(client: HttpClient, peer: Peer, path: str) -> None:
    begun = time.monotonic()
    with pytest.raises(CallRefused, match=r"did not answer within 0.3 s") as refused:
        await client.fetch(get(f"{peer.url}/{path}", seconds=0.3))
    assert refused.value.name == "TimeoutError"
    assert time.monotonic() - begun < 1.0


async def test_no_request_may_last_longer_than_the_configured_time(peer: Peer) -> None:
    async with client_with(timeout_seconds=0.3) as client:
        with pytest.raises(CallRefused, match=r"within 0.3 s"):
            await client.fetch(get(f"{peer.url}/hang", seconds=60.0))


@pytest.mark.parametrize("path", ["large", "large?length=1", "bomb", "bomb?coding=deflate", "bomb?coding=members"])
async def test_too_large_an_answer_stops_at_the_cap_in_memory_too(client: HttpClient, peer: Peer, path: str) -> None:
    before = _resident()
    with pytest.raises(CallRefused, match=f"larger than {MEGABYTE} bytes"):
        await client.fetch(get(f"{peer.url}/{path}", max_bytes=MEGABYTE))
    assert _resident() - before < 150 * MEGABYTE
    assert (await client.fetch(get(f"{peer.url}/echo"))).status == 200


async def test_a_certificate_nobody_vouches_for_is_refused(client: HttpClient, tmp_path: Path) -> None:
    peer = Peer()
    await peer.start(untrusted(tmp_path))
    try:
        with pytest.raises(CallRefused, match=r"(?i)certificate") as refused:
            await client.fetch(get(f"{peer.url}/"))
        assert refused.value.name == "NetworkError"
        assert peer.asked == []
    finally:
        await peer.stop()


@pytest.mark.parametrize(
    "words",
    [
        None,
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nABCD",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_a_peer_that_breaks_off_or_talks_nonsense_is_a_network_error(
    client: HttpClient, words: bytes | None
) -> None:
    async with RawPeer(words).serving() as url:
        with pytest.raises(CallRefused) as refused:
            await client.fetch(HttpRequest("POST", url, (), b"x"))
        assert refused.value.name == "NetworkError"


async def test_a_host_that_is_not_there_is_left_alone_until_it_may_be_back(peer: Peer) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    async with client_with(breaker_failures=3, breaker_seconds=0.4) as client:
        for _ in range(3):
            with pytest.raises(CallRefused, match="cannot be reached"):
                await client.fetch(get(url))
        with pytest.raises(Unavailable, match="3 times in a row") as refused:
            await client.fetch(get(url))
        assert 0 < refused.value.retry_after <= 0.4
        assert client.open_circuits
        assert (await client.fetch(get(peer.url))).status == 200
        with pytest.raises(CallRefused):  # the failures of one tenant are not another's
            await client.fetch(get(url), tenant="other")
        await asyncio.sleep(0.45)
        with pytest.raises(CallRefused, match="cannot be reached"):
            await client.fetch(get(url))


async def test_a_gateway_error_counts_and_other_errors_do_not(peer: Peer) -> None:
    async with client_with(breaker_failures=3) as client:
        for status in (500, 500, 500, 503, 503, 404, 503, 503, 503):
            assert (await client.fetch(get(f"{peer.url}/status/{status}"))).status == status
        with pytest.raises(Unavailable, match="3 times in a row"):
            await client.fetch(get(f"{peer.url}/"))


async def test_impatient_callers_do_not_shut_a_host_off_for_others(peer: Peer) -> None:
    async with client_with(breaker_failures=2) as client:
        for _ in range(4):
            with pytest.raises(CallRefused, match="did not answer"):
                await client.fetch(get(f"{peer.url}/hang", seconds=0.02))
        assert (await client.fetch(get(f"{peer.url}/"))).status == 200


async def test_the_network_can_be_switched_off(peer: Peer) -> None:
    async with client_with(enabled=False) as client:
        with pytest.raises(CallRefused, match="enable_network"):
            await client.fetch(get(peer.url))


async def test_the_operators_own_addresses_pass_the_guard_and_only_as_such(peer: Peer) -> None:
    async with client_with(guard=AddressGuard()) as client:
        assert (await client.fetch(get(peer.url), own=True)).status == 200
        with pytest.raises(CallRefused, match="not allowed"):
            await client.fetch(get(peer.url))


async def test_connections_to_one_host_are_bounded_and_the_rest_waits(peer: Peer) -> None:
    async with client_with(max_per_host=3) as client:
        calls = [asyncio.ensure_future(client.fetch(get(f"{peer.url}/hang"))) for _ in range(10)]
        await asyncio.sleep(0.2)
        assert len(peer.asked) == 3
        peer.gate.set()
        assert {response.status for response in await asyncio.gather(*calls)} == {200}


async def test_before_it_is_open_and_after_it_is_closed_it_is_unavailable(peer: Peer) -> None:
    client = HttpClient(HttpSettings(guard=HERE))
    with pytest.raises(Unavailable):
        await client.fetch(get(peer.url))
    await client.open()
    await client.close()
    await client.close()
    with pytest.raises(Unavailable):
        await client.fetch(get(peer.url))


async def test_closing_ends_what_is_under_way_and_what_waits(peer: Peer) -> None:
    client = HttpClient(HttpSettings(guard=HERE, max_per_host=2))
    await client.open()
    calls = [asyncio.ensure_future(client.fetch(get(f"{peer.url}/hang"))) for _ in range(6)]
    await asyncio.sleep(0.1)
    await client.close()
    results = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 2)
    assert {type(result) for result in results} <= {CallRefused, Unavailable}
    assert client.figures.active == 0


async def test_a_name_without_an_address_is_a_network_error(client: HttpClient) -> None:
    with pytest.raises(CallRefused, match=r"no-such-host\.invalid cannot be reached") as refused:
        await client.fetch(get("http://no-such-host.invalid/"))
    assert refused.value.name == "NetworkError"


async def test_a_thousand_failing_calls_leave_nothing_behind(peer: Peer) -> None:
    dead = f"http://127.0.0.1:{free_port()}/"
    urls = [dead, f"{peer.url}/hang", f"{peer.url}/drip", f"{peer.url}/large", f"{peer.url}/bomb", "http://10.0.0.1/"]
    async with RawPeer(None).serving() as reset, client_with(breaker_failures=10**9, max_bytes=10_000) as client:
        await _fail(client, f"{peer.url}/large")
        await asyncio.sleep(0.1)
        tasks, files = len(asyncio.all_tasks()), _files()
        for start in range(0, 1_000, 50):
            kinds = [reset, *urls[:4]] if start % 500 else [*urls, reset]
            await asyncio.gather(*(_fail(client, kinds[n % len(kinds)]) for n in range(start, start + 50)))
        await _until(lambda: len(asyncio.all_tasks()) <= tasks and _files() <= files + 5)
        assert client.figures.active == 0
        assert client.figures.failed == 1_001
        assert (await client.fetch(get(f"{peer.url}/echo"))).status == 200


async def test_cancelled_calls_leave_nothing_behind(client: HttpClient, peer: Peer) -> None:
    await client.fetch(get(f"{peer.url}/echo"))
    tasks = len(asyncio.all_tasks())
    calls = [asyncio.ensure_future(client.fetch(get(f"{peer.url}/hang"))) for _ in range(40)]
    await asyncio.sleep(0.05)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await _until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert (await client.fetch(get(f"{peer.url}/echo"))).status == 200


async def _fail(client: HttpClient, url: str) -> None:
    with pytest.raises(NflowError):
        await client.fetch(get(url, seconds=0.05 if "hang" in url or "drip" in url else 5.0))


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # nobody announces that a file is closed
            await asyncio.sleep(0.02)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
