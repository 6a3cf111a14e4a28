"""What the gateway puts around every request: its id, headers for browsers, the rights of origins, TLS, and a clear no
when it is overloaded."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import subprocess
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loadtests.server import free_port, nflow
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook, write
from tests.acceptance.servers import Answer, Server, received, until
from tests.servers.certificate import self_signed

OK = chain("/ok", "c.JSON(200, {ok: true})", method="ANY")
OWN = chain(
    "/own", "c.SetHeader('X-Frame-Options', 'DENY'); c.SetHeader('Access-Control-Allow-Origin', '*');"
    "c.SetHeader('Vary', 'Accept'); c.JSON(200, {})", method="ANY",
)  # fmt: skip
STREAM = chain("/stream", "c.response.write('a'); c.response.write('b')")
OURS = re.compile(r"[0-9a-f]{11}-[0-9a-f]{8}-[0-9a-f]{8}")
NAMED = "https://app.example.com"


@pytest.fixture(scope="module")
def server(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Server:
    files = tmp_path_factory.mktemp("files")
    (files / "a.txt").write_text("file")
    throws = chain("/throws", "throw new Error('x')")
    file = chain("/file", "c.File('a.txt')")
    return launch(playbook(OK, OWN, STREAM, throws, file), f'[files]\nroot = "{files}"\n[vm_pool]\npreload_size = 2\n')


@pytest.mark.parametrize("path", ["/ok", "/stream", "/file", "/throws", "/nowhere", "/health", "/api/workflow/x"])
def test_every_answer_has_the_requests_id_and_the_browsers_rules(server: Server, path: str) -> None:
    answer = server.get(path)
    assert OURS.fullmatch(answer.headers["X-Request-ID"])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert answer.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert "Strict-Transport-Security" not in answer.headers
    assert server.get(path, headers={"X-Request-ID": "abc-1.2_Z"}).headers.get_all("X-Request-ID") == ["abc-1.2_Z"]


def test_ids_of_ours_sort_by_time(server: Server) -> None:
    ids = [server.get("/ok").headers["X-Request-ID"] for _ in range(20)]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("shown", ["", "a b", "a" * 129, "<script>", "é", 'a"b', "a\tb"])
def test_an_id_that_could_do_harm_is_not_taken(server: Server, shown: str) -> None:
    with server.connect() as connection:
        head = f"GET /ok HTTP/1.1\r\nHost: h\r\nX-Request-ID: {shown}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        wire = received(connection)
    found = re.search(rb"X-Request-ID: (\S+)\r\n", wire)
    assert found is not None
    assert OURS.fullmatch(found[1].decode())


def test_a_header_of_the_flows_own_wins(server: Server) -> None:
    answer = server.get("/own")
    assert answer.headers.get_all("X-Frame-Options") == ["DENY"]
    assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*", "no origins are configured: it is the flow's affair"


def test_an_unknown_coding_is_415_and_says_which_are_taken(server: Server) -> None:
    answer = server.post("/ok", body=b"x", headers={"Content-Encoding": "br"})
    assert (answer.status, answer.headers["Accept-Encoding"]) == (415, "gzip, deflate")
    assert "'br'" in answer.json()["message"]


def test_security_headers_can_be_switched_off(launch: Launch) -> None:
    server = launch(playbook(OK), "[server]\nsecurity_headers = false\n[vm_pool]\npreload_size = 1\n")
    headers = server.get("/ok").headers
    assert "X-Frame-Options" not in headers
    assert "X-Content-Type-Options" not in headers
    assert "X-Request-ID" in headers


# --- origins ---

CORS = f'[cors]\nallowed_origins = ["{NAMED}"]\nmax_age = 60\n[vm_pool]\npreload_size = 1\n'
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}


@pytest.fixture(scope="module")
def cors(launch: Launch) -> Server:
    return launch(playbook(OK, OWN, STREAM), CORS)


def rights(answer: Answer) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control")}


def test_a_preflight_of_a_named_origin_is_answered_204_with_what_it_may(cors: Server) -> None:
    answer = cors.ask("/ok", "OPTIONS", headers={"Origin": NAMED, **PREFLIGHT})
    assert (answer.status, answer.body) == (204, b"")
    assert rights(answer) == {
        "access-control-allow-origin": NAMED,
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "Content-Type, Authorization, X-Request-ID",
        "access-control-max-age": "60",
        "access-control-expose-headers": answer.headers["Access-Control-Expose-Headers"],
    }
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "null", "https://app.example.com.evil.com", "http://app.example.com",
               "https://app.example.com:444", "https://app.example.com/", "*", ""],
)  # fmt: skip
@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
def test_another_origin_is_told_nothing(cors: Server, origin: str, method: str) -> None:
    for path in ("/ok", "/own", "/nowhere", "/health"):
        answer = cors.ask(path, method, headers={"Origin": origin, **(PREFLIGHT if method == "OPTIONS" else {})})
        assert rights(answer) == {}
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("path", ["/ok", "/stream", "/nowhere", "/health"])
def test_a_named_origin_may_read_every_answer(cors: Server, path: str) -> None:
    answer = cors.get(path, headers={"Origin": NAMED})
    assert answer.headers.get_all("Access-Control-Allow-Origin") == [NAMED]
    assert "X-RateLimit-Remaining" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_the_configuration_decides_and_not_the_flow(cors: Server) -> None:
    answer = cors.get("/own", headers={"Origin": NAMED})
    assert answer.headers.get_all("Access-Control-Allow-Origin") == [NAMED]
    assert answer.headers["Vary"] == "Accept, Origin"


def test_options_without_a_preflights_header_go_to_the_flow(cors: Server) -> None:
    answer = cors.ask("/ok", "OPTIONS", headers={"Origin": NAMED})
    assert (answer.status, answer.json()) == (200, {"ok": True})


def test_any_origin_and_credentials(launch: Launch, tmp_path: Path) -> None:
    any_ = launch(playbook(OK), '[cors]\nallowed_origins = ["*"]\n[vm_pool]\npreload_size = 1\n')
    answer = any_.get("/ok", headers={"Origin": "https://who.ever"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Vary" not in answer.headers
    known = launch(playbook(OK), CORS.replace("max_age", "allow_credentials = true\nmax_age"))
    answer = known.get("/ok", headers={"Origin": NAMED})
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Access-Control-Allow-Credentials" not in known.get("/ok", headers={"Origin": "https://x.y"}).headers
    said = refused(tmp_path, '[cors]\nallowed_origins = ["*"]\nallow_credentials = true\n')
    assert "cors.allow_credentials" in said
    assert "cors.allowed_origins" in refused(tmp_path, '[cors]\nallowed_origins = ["app.example.com/"]\n')


def refused(folder: Path, config: str) -> str:
    """What a server that does not start with this says."""
    file = folder / "config.toml"
    file.write_text(f'[store]\npath = "{folder}/nflow.sqlite"\n{config}')
    command = nflow(file, write(folder / "app.json", playbook(OK)), free_port())
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=folder)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


# --- TLS ---


@pytest.fixture(scope="module")
def https(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> tuple[Server, ssl.SSLContext, Path]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = self_signed("localhost")
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
    session = chain("/session", "set_session('cart', 'a', 1); c.NoContent(204)")
    config = f'[server]\ntls_cert = "{folder}/cert.pem"\ntls_key = "{folder}/key.pem"\n[vm_pool]\npreload_size = 1\n'
    believed = ssl.create_default_context(cadata=certificate.decode())
    return launch(playbook(OK, STREAM, session), config, tls=believed), believed, folder


def ask(https: tuple[Server, ssl.SSLContext, Path], path: str, method: str = "GET", body: bytes = b"") -> Answer:
    server, believed, _ = https
    connection = http.client.HTTPSConnection(server.host, server.port, timeout=10, context=believed)
    try:
        connection.request(method, path, body=body)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def test_https_is_served_with_hsts_and_secure_cookies(https: tuple[Server, ssl.SSLContext, Path]) -> None:
    assert ask(https, "/ok").json() == {"ok": True}
    assert ask(https, "/ok").headers["Strict-Transport-Security"].startswith("max-age=")
    assert ask(https, "/stream").body == b"ab"
    assert "; Secure" in ask(https, "/session").headers["Set-Cookie"]
    assert ask(https, "/ok", "POST", b"x" * 3_000_000).status == 200


def test_tls_is_1_2_at_least_and_speaks_http_1_1(https: tuple[Server, ssl.SSLContext, Path]) -> None:
    server, believed, _ = https
    believed.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection((server.host, server.port)) as plain,
        believed.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        assert wrapped.version() == "TLSv1.3"
        assert wrapped.selected_alpn_protocol() == "http/1.1"
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_1):
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = old.maximum_version = version
        with socket.create_connection((server.host, server.port)) as plain:
            if version < ssl.TLSVersion.TLSv1_2:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    old.wrap_socket(plain)
            else:
                with old.wrap_socket(plain) as wrapped:
                    assert "GCM" in str(wrapped.cipher()) or "CHACHA20" in str(wrapped.cipher())
                    assert "ECDHE" in str(wrapped.cipher())


def test_plain_http_on_the_tls_port_is_sent_away_without_a_word_in_the_log(
    https: tuple[Server, ssl.SSLContext, Path],
) -> None:
    server, _, _ = https
    with server.connect() as connection:
        connection.sendall(b"GET /ok HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"HTTP/" not in received(connection)
    assert "Traceback" not in server.log()


def test_a_certificate_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    certificate, key = self_signed("localhost")
    _, other = self_signed("localhost")
    files = {"cert.pem": certificate, "key.pem": key, "other.pem": other, "none.pem": b"no pem", "empty.pem": b""}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    def said(cert: str, key: str) -> str:
        text = refused(tmp_path, f'[server]\ntls_cert = "{tmp_path}/{cert}"\ntls_key = "{tmp_path}/{key}"\n')
        assert len(text.splitlines()) == 1
        return text

    assert "no such file" in said("missing.pem", "key.pem")
    assert "do not belong together" in said("cert.pem", "other.pem")
    assert "no PEM" in said("none.pem", "key.pem")
    assert "no PEM" in said("cert.pem", "empty.pem")
    alone = refused(tmp_path, f'[server]\ntls_cert = "{tmp_path}/cert.pem"\n')
    assert "server.tls_key" in alone


# --- overload ---


def test_who_would_wait_too_long_is_told_when_to_come_back_and_is_served_then(launch: Launch) -> None:
    server = launch(
        playbook(chain("/slow", "sleep(200); c.NoContent(204)")),
        "[server]\nwait_seconds = 1\n[vm_pool]\nmax_size = 2\npreload_size = 2\n",
    )

    def obedient(_: int) -> tuple[list[int], float]:
        found, longest = [], 0.0
        for _ in range(6):
            began = time.monotonic()
            answer = server.get("/slow", timeout=30)
            found.append(answer.status)
            if answer.status == 204:
                break
            longest = max(longest, time.monotonic() - began)
            assert answer.status == 503
            time.sleep(int(answer.headers["Retry-After"]))
        return found, longest

    def late(_: int) -> tuple[list[int], float]:
        time.sleep(0.5)
        return obedient(0)

    with ThreadPoolExecutor(80) as clients:
        first = [clients.submit(obedient, n) for n in range(40)]
        second = [clients.submit(late, n) for n in range(40)]
        assert until(lambda: server.get("/health").status == 200), "health is never shed"
        assert server.get("/nowhere").status == 404
        ends = [each.result() for each in (*first, *second)]
    tried = [found for found, _ in ends]
    assert all(found[-1] == 204 for found in tried), "who comes back when told is served in the end"
    again = [found for found in tried if len(found) > 1]
    assert len(again) > 20, "far more came than two sandboxes can serve"
    assert sum(len(found) == 2 for found in again) > len(again) / 2, "and mostly at once"
    shed_at_once = [longest for found, longest in ends[40:] if len(found) > 1]
    assert min(shed_at_once) < 0.3, "refused without waiting first"
