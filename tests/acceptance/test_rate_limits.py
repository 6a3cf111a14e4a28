"""Rate limits over HTTP: how much a client may ask, what it is told, and who counts as one."""

from __future__ import annotations

import contextlib
import http.client
import math
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from loadtests.server import nflow
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook, write
from tests.acceptance.servers import Answer, Server

FLOWS = playbook(
    chain("/ok", "c.JSON(200, {ok: true})"),
    chain("/stream", "c.response.write('a'); c.response.write('b'); c.response.end()"),
    chain("/fails", "throw new Error('no')"),
    chain("/who", "c.JSON(200, {ip: c.RealIP(), ip2: c.request.ip, scheme: c.Scheme(), tls: c.IsTLS()})"),
    chain("/login", "set_profile({username: c.QueryParam('u')}); c.JSON(200, {})"),
    chain("/anonymous", "set_session('x', 'a', '1'); c.JSON(200, {})"),
    chain("/post", "c.JSON(200, {})", method="POST"),
)
PROXY = "127.9.9.9"
LIMIT = "[rate_limit]\nenabled = true\nip_rate_limit = 5\nip_burst_size = 2\n"
TRUSTED = f'[server]\ntrusted_proxies = ["{PROXY}"]\n'


class Client:
    """One source address."""

    def __init__(self, server: Server, address: str) -> None:
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=20, source_address=(address, 0))

    def ask(self, path: str = "/ok", method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body=body, headers=sent)
        try:
            response = self._connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            self._connection.close()

    def allowed(self, times: int = 12, path: str = "/ok", **headers: str) -> int:
        """How many of so many requests are let in."""
        return [self.ask(path, **headers).status for _ in range(times)].count(200)


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(FLOWS, LIMIT + TRUSTED)


def test_every_answer_says_how_much_is_left(server: Server) -> None:
    client, began = Client(server, "127.1.0.1"), time.time()
    asked = ["/ok", "/stream", "/fails", "/nowhere", "/health"]
    answers = [client.ask(path) for path in asked]
    assert [answer.status for answer in answers] == [200, 200, 500, 404, 200]
    assert [answer.headers["X-RateLimit-Limit"] for answer in answers] == ["5"] * 5
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["4", "3", "2", "1", "0"]
    assert [answer.headers.get_all("Retry-After") for answer in answers] == [None] * 5
    resets = [int(answer.headers["X-RateLimit-Reset"]) - began for answer in answers]
    assert resets == [pytest.approx(12.0 * (number + 1), abs=3) for number in range(5)]


def test_one_too_many_gets_429_and_when_to_come_back(server: Server) -> None:
    client = Client(server, "127.1.0.2")
    assert client.allowed(5) == 5
    answer = client.ask("/ok")
    assert answer.status == 429
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"error": "Rate limit exceeded. Please try again later.", "retry_after": 12}
    assert answer.body.startswith(b'{"error":')
    assert answer.headers["Retry-After"] == "12"
    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == ("5", "0")
    assert int(answer.headers["X-RateLimit-Reset"]) - time.time() == pytest.approx(60, abs=3)


def test_clients_do_not_share(server: Server) -> None:
    assert [Client(server, f"127.1.1.{number}").allowed() for number in range(1, 20)] == [5] * 19


def test_who_waits_as_long_as_it_was_told_is_let_in_and_quiet_earns_the_burst(launch: Launch) -> None:
    quick = launch(
        FLOWS, "[rate_limit]\nenabled = true\nip_rate_limit = 4\nip_burst_size = 2\nip_window_minutes = 0.05\n"
    )
    client = Client(quick, "127.1.2.1")
    assert client.allowed() >= 4
    answer = client.ask()
    assert answer.status == 429
    time.sleep(float(answer.headers["Retry-After"]))
    assert client.ask().status == 200
    time.sleep(5.0)
    assert client.allowed(7) >= 6


def test_nobodys_word_about_its_address_is_taken(server: Server) -> None:
    client = Client(server, "127.1.3.1")
    spoofed = [
        client.ask(X_Forwarded_For=f"9.9.9.{n}", X_Real_IP=f"9.9.9.{n}", Forwarded=f"for=9.9.9.{n}") for n in range(9)
    ]
    assert [answer.status for answer in spoofed].count(200) == 5
    assert Client(server, "127.1.3.2").ask("/who", X_Forwarded_For="9.9.9.9", X_Forwarded_Proto="https").json() == {
        "ip": "127.1.3.2", "ip2": "127.1.3.2", "scheme": "http", "tls": False,
    }  # fmt: skip


def test_a_trusted_proxys_word_is_and_ipv6_counts_by_64(server: Server) -> None:
    proxy = Client(server, PROXY)
    assert proxy.allowed(X_Forwarded_For="6.6.6.6, 203.0.113.1") == 5
    assert proxy.allowed(X_Forwarded_For="7.7.7.7, 203.0.113.1") == 0
    assert proxy.allowed(3, X_Forwarded_For="2001:db8:1:2::1") == 3
    assert proxy.allowed(X_Real_IP="2001:db8:1:2:ffff::9") == 2
    assert proxy.allowed(3, Forwarded='for="[2001:db8:1:3::1]:99";proto=https') == 3
    assert proxy.allowed(3, X_Forwarded_For="::ffff:203.0.113.2") == 3
    assert proxy.allowed(X_Forwarded_For="203.0.113.2") == 2
    told = proxy.ask("/who", X_Forwarded_For="203.0.113.77", X_Forwarded_Proto="https").json()
    assert told == {"ip": "203.0.113.77", "ip2": "203.0.113.77", "scheme": "https", "tls": True}


def test_a_cookie_is_secure_where_the_client_speaks_https_to_the_proxy(server: Server) -> None:
    proxy = Client(server, PROXY)
    secure = proxy.ask("/anonymous", X_Forwarded_For="203.0.113.90", X_Forwarded_Proto="https").headers["Set-Cookie"]
    plain = proxy.ask("/anonymous", X_Forwarded_For="203.0.113.90").headers["Set-Cookie"]
    assert secure.endswith("; Secure")
    assert "Secure" not in plain
    lying = Client(server, "127.1.4.1").ask("/anonymous", X_Forwarded_Proto="https").headers["Set-Cookie"]
    assert "Secure" not in lying


def test_refused_requests_are_not_read(server: Server) -> None:
    client = Client(server, "127.1.5.1")
    client.allowed(5)
    with contextlib.closing(socket.create_connection((server.host, server.port), 20, ("127.1.5.1", 0))) as wire:
        wire.sendall(b"POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n\r\n")
        assert wire.recv(65536).startswith(b"HTTP/1.1 429 ")


def test_a_hundred_clients_at_once_are_counted_exactly(server: Server) -> None:
    allowed: dict[int, int] = {}

    def hammer(number: int) -> None:
        began = time.monotonic()
        count = Client(server, f"127.2.0.{number}").allowed(20)
        allowed[number] = count - math.floor((time.monotonic() - began) * 5 / 60)

    threads = [threading.Thread(target=hammer, args=(number,)) for number in range(1, 101)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(allowed.values()) <= {5, 6}
    assert len(allowed) == 100


def test_operators_see_what_the_limits_do(server: Server) -> None:
    def denied(reader: str) -> float:
        text = Client(server, reader).ask("/metrics").text
        (line,) = [line for line in text.splitlines() if 'limit_requests_total{result="denied"}' in line]
        return float(line.rpartition(" ")[2])

    before = denied("127.1.6.2")
    Client(server, "127.1.6.1").allowed(8)
    assert denied("127.1.6.3") - before == 3


def test_addresses_and_paths_can_be_left_out(launch: Launch) -> None:
    excluded = launch(FLOWS, f'{LIMIT}excluded_ips = "127.3.0.0/16, 10.0.0.1"\nexcluded_paths = "/health,/metrics"\n')
    assert Client(excluded, "127.3.1.1").allowed(20) == 20
    client = Client(excluded, "127.4.1.1")
    assert client.allowed(20, "/health") == 20
    assert "X-RateLimit-Limit" not in client.ask("/health").headers
    assert "X-RateLimit-Limit" not in client.ask("/%68ealth").headers
    assert [client.ask(path).status for path in ("/health/../ok", "/health%2f..%2fok", "/ok", "/ok", "/ok", "/ok")] == [
        404, 404, 200, 200, 200, 429,
    ]  # fmt: skip


def test_the_message_is_the_operators_and_retry_after_can_be_left_out(launch: Launch) -> None:
    told = launch(FLOWS, f'{LIMIT}error_message = "Demasiadas solicitudes"\nretry_after_header = false\n')
    client = Client(told, "127.1.0.1")
    assert client.allowed() == 5
    answer = client.ask()
    assert answer.json() == {"error": "Demasiadas solicitudes", "retry_after": 12}
    assert "Retry-After" not in answer.headers


def test_a_limit_of_nothing_lets_nobody_in(launch: Launch) -> None:
    closed = launch(FLOWS, '[rate_limit]\nenabled = true\nip_rate_limit = 0\nexcluded_paths = "/health"\n')
    assert Client(closed, "127.1.0.1").allowed() == 0


def test_routes_and_accounts_can_have_buckets_of_their_own(launch: Launch) -> None:
    token = '[api]\nadmin_token = "an-admin-token"\n'
    apart = launch(FLOWS, f"{token}{LIMIT}per_route = true\nper_account = true\n")
    client = Client(apart, "127.1.0.1")
    assert client.allowed() == 5
    assert client.allowed(path="/who") == 5
    assert client.allowed(path="/ok?x=1") == 0, "a route is the pattern, not the text"
    assert client.allowed(Authorization="Bearer an-admin-token") == 5
    assert Client(apart, "127.1.0.2").allowed(Authorization="Bearer an-admin-token") == 0
    assert sum(client.ask(Authorization=f"Bearer {n}").status == 200 for n in range(20)) == 0
    cookies = [Client(apart, "127.1.0.3").ask(f"/login?u={u}").headers["Set-Cookie"].partition(";")[0] for u in "aab"]
    assert [Client(apart, f"127.1.0.{n + 4}").allowed(3, Cookie=cookie) for n, cookie in enumerate(cookies)] == [
        3,
        2,
        3,
    ]
    anonymous = Client(apart, "127.1.0.9").ask("/anonymous").headers["Set-Cookie"].partition(";")[0]
    assert client.allowed(Cookie=anonymous) == 0


def test_headers_that_contradict_the_proxy_do_not_make_its_exclusion_the_clients(launch: Launch) -> None:
    excluded = f'{LIMIT}excluded_ips = "127.0.0.0/8"\n{TRUSTED}'
    proxy = Client(launch(FLOWS, excluded), PROXY)
    assert proxy.allowed() == 12
    assert proxy.allowed(X_Forwarded_For="203.0.113.5") == 5
    assert proxy.allowed(X_Forwarded_For="203.0.113.5", Forwarded="for=198.51.100.7") == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[rate_limit]\nexcluded_ips = "10.0.0.0/8, 10.0.0/8"\n', "rate_limit.excluded_ips"),
        ('[rate_limit]\nexcluded_paths = "health"\n', "rate_limit.excluded_paths"),
        ('[server]\ntrusted_proxies = ["10.0.0.1", "proxy"]\n', "server.trusted_proxies"),
        ('[rate_limit]\nenabled = true\nbackend = "redis"\n', "redis.host"),
        ('[rate_limit]\nbackend = "memcached"\n', "rate_limit.backend"),
        ("[rate_limit]\nip_window_minutes = 0\n", "rate_limit.ip_window_minutes"),
    ],
)
def test_what_cannot_be_is_told_with_its_key_and_nothing_is_started(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text)
    command = nflow(config, write(tmp_path / "app.json", FLOWS), 1)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
