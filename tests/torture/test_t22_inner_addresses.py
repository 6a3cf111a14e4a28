"""T22: a script or node that is talked into a request reaches no inner address, by whatever shape, name or redirect."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from actors.guards.addresses import AddressGuard
from actors.reach import http_client
from actors.reach.http_client import HttpClient, HttpSettings
from actors.reach.http_message import HttpRequest
from protocol.errors import CallRefused
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import edges, js, playbook, starter
from tests.acceptance.servers import Answer, Server, until
from tests.torture.row import tell

DOOR = "127.0.0.2"
"""The one address that may be reached: it redirects."""
SHAPES = (
    "http://127.0.0.1:@/", "http://localhost:@/", "http://LOCALHOST.:@/", "http://127.1:@/", "http://127.0.1:@/",
    "http://2130706433:@/", "http://0x7f000001:@/", "http://0x7f.0.0.1:@/", "http://0177.0.0.1:@/",
    "http://017700000001:@/", "http://0:@/", "http://0.0.0.0:@/", "http://[::1]:@/", "http://[::]:@/",
    "http://[::ffff:127.0.0.1]:@/", "http://[::ffff:7f00:1]:@/", "http://[64:ff9b::7f00:1]:@/",
    "http://[2002:7f00:1::]:@/", "http://[::127.0.0.1]:@/", "http://[0:0:0:0:0:0:0:1]:@/", "http://[::1%25lo]:@/",
    "http://127.0.0.1:@#@example.com/", "http://example.com@127.0.0.1:@/", "http://user:pass@localhost:@/",
    "http://127.0.0.1%3A@/", "http://127.0.0.1:@\\@example.com/", "http:\\\\127.0.0.1:@/", "http:/127.0.0.1:@/",
    "http:127.0.0.1:@/", "//127.0.0.1:@/", "http://①②⑦.⓪.⓪.①:@/", "http://127。0。0。1:@/", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:@/",
    "http://127.0.0.1.:@/", "\thttp://127.0.0.1:@/", "http://127.0.0.1:@/?http://8.8.8.8", "hTTp://127.0.0.1:@/",
    "https://127.0.0.1:@/", "gopher://127.0.0.1:@/", "file:///etc/passwd", "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info", "ftp://127.0.0.1:@/", "dict://127.0.0.1:@/",
    "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/latest/", "http://168.63.129.16/metadata",
    "http://10.0.0.1:@/", "http://192.168.0.1:@/", "http://100.100.100.200/latest/",
)  # fmt: skip
URL = "function main() { payload.url = c.QueryParam('url') }"
WAYS = {
    "http.get": "return {status: (await http.get(payload.url, {timeout: 2000})).status}",
    "http_get": "const r = http_get(payload.url); if (r.err || !r.status_code) throw new Error(r.err); return r",
    "fetch": "return {status: (await fetch(payload.url)).status}",
}


@pytest.fixture(scope="module")
def inner() -> Iterator[tuple[int, list[str]]]:
    """A server on every loopback address of one port: the door redirects to what its query says, the rest is a secret.

    Who was asked beside the door is written down.
    """
    reached: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.connection.getsockname()[0].removeprefix("::ffff:")
            if host == DOOR and "?to=" in self.path:
                self.send_response(302)
                self.send_header("Location", unquote(self.path.partition("?to=")[2]))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            reached.append(f"{host}{self.path}")
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"secret")

        def log_message(self, *_: Any) -> None:
            pass

    class Both(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

        def server_bind(self) -> None:
            if self.address_family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            super().server_bind()

    server = Both(("", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, reached
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def server(launch: Launch, inner: tuple[int, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Server:
    flows = {
        f"Way{number}": {
            "s": starter(f"/way/{number}", "url"),
            "url": js(URL, "ask"),
            "ask": {"data": {"type": "js", "script": source}, "outputs": edges("end")},
            "end": js("function main() { c.JSON(200, payload) }"),
        }
        for number, source in enumerate(WAYS.values())
    }
    flows["Node"] = {
        "s": starter("/way/node", "url"),
        "url": js(URL, "ask"),
        "ask": {"data": {"type": "http", "url": "{{url}}", "method": "GET"}, "outputs": edges("end")},
        "end": js("function main() { c.JSON(200, payload) }"),
    }
    with pytest.MonkeyPatch.context() as environment:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):  # an inner proxy of the machine is no way in either
            environment.setenv(name, f"http://127.0.0.1:{inner[0]}")
        launched = launch(playbook(**flows), f'[security]\nallowed_addresses = ["{DOOR}/32"]\n')
    until(lambda: listens(launched), 20.0)  # its probe asked the proxy, which answers everything
    inner[1].clear()
    return launched


def listens(server: Server) -> bool:
    try:
        server.connect().close()
    except OSError:
        return False
    return True


def asked_for(server: Server, way: str, url: str) -> Answer:
    return server.get(f"/way/{way}?url={quote(url, safe='')}")


def ways() -> list[str]:
    return [*(str(number) for number in range(len(WAYS))), "node"]


def test_no_shape_of_a_url_leads_to_an_inner_address(server: Server, inner: tuple[int, list[str]]) -> None:
    port, reached = inner
    asked = 0
    for way in ways():
        for shape in SHAPES:
            url = shape.replace("@/", f"{port}/").replace(":@", f":{port}")
            answer = asked_for(server, way, url)
            asked += 1
            assert (answer.status, reached) == (500, []), (way, url, answer.body)
            assert b"secret" not in answer.body
    tell("T22", "URL shapes", f"{asked} requests, {len(reached)} reached")


def test_no_redirect_leads_to_an_inner_address(server: Server, inner: tuple[int, list[str]]) -> None:
    port, reached = inner
    targets = [f"http://127.0.0.1:{port}/", f"http://[::1]:{port}/", f"//127.0.0.1:{port}/", "file:///etc/passwd",
               f"http://localhost:{port}/", f"http://{DOOR}:{port}/?to=http://127.0.0.1:{port}/",
               "http://169.254.169.254/latest/meta-data/", f"http://[::ffff:127.0.0.1]:{port}/"]  # fmt: skip
    for way in ways():
        for target in targets:
            answer = asked_for(server, way, f"http://{DOOR}:{port}/?to={target}")
            assert (answer.status, reached) == (500, []), (way, target, answer.body)
    tell("T22", "redirects", f"{len(targets) * len(ways())} requests, {len(reached)} reached")


def test_the_refusal_names_the_address_and_the_key(server: Server, inner: tuple[int, list[str]]) -> None:
    answer = asked_for(server, "0", f"http://localhost:{inner[0]}/")
    message = answer.json()["message"]
    assert "address 127.0.0.1 is not allowed: loopback" in message or "address ::1 is not allowed" in message
    assert "security.allowed_addresses" in message


def test_what_is_allowed_is_reached(server: Server, inner: tuple[int, list[str]]) -> None:
    port, reached = inner
    for way in ways():
        reached.clear()
        answer = asked_for(server, way, f"http://{DOOR}:{port}/hello")
        assert answer.status == 200, answer.body
        assert reached == [f"{DOOR}/hello"]
    reached.clear()


class Rebinding:
    """A resolver whose name has another address each time, or several at once."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def look_up(self, _host: str, port: int, _family: int = 0) -> list[Any]:
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("answers", "arrives"),
    [
        (([DOOR], ["127.0.0.1"]), False),
        ((["127.0.0.1"],), False),
        ((["127.0.0.1", DOOR],), True),
        (([DOOR, "127.0.0.1"],), True),
        ((["127.0.0.1", "10.0.0.1", "169.254.169.254"],), False),
    ],
)
async def test_a_name_that_changes_its_mind_leads_nowhere_else(
    inner: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch, answers: tuple[list[str], ...], arrives: bool
) -> None:
    port, reached = inner
    reached.clear()
    names = Rebinding(*answers)
    monkeypatch.setattr(http_client, "Names", lambda: names)
    client = HttpClient(HttpSettings(guard=AddressGuard([DOOR]), timeout_seconds=5.0))
    await client.open()
    try:
        first = HttpRequest("GET", f"http://rebinding.test:{port}/?to=http://elsewhere.test:{port}/")
        if len(answers) > 1:  # the first look finds the door, the redirect's name an inner address
            with pytest.raises(CallRefused, match=r"address 127\.0\.0\.1 is not allowed"):
                await client.fetch(first)
        elif arrives:
            await client.fetch(HttpRequest("GET", f"http://several.test:{port}/here"))
        else:
            with pytest.raises(CallRefused, match="is not allowed"):
                await client.fetch(HttpRequest("GET", f"http://inner.test:{port}/"))
    finally:
        await client.close()
    assert all(DOOR in place for place in reached)
    assert bool(reached) == arrives
    reached.clear()


def test_a_unix_socket_is_no_address(server: Server, tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    with listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        listener.settimeout(0.2)
        for url in (
            f"unix://{tmp_path}/s",
            f"http+unix://{str(tmp_path).replace('/', '%2F')}%2Fs/",
            f"http://unix:{tmp_path}/s",
        ):
            assert asked_for(server, "0", url).status == 500
        with pytest.raises(TimeoutError):
            listener.accept()
