"""Every code block of the manuals that shows workflow JavaScript, run by the server as a user would run it.

The texts are those of the manuals; only `https://api.example.com` is replaced by a server of ours. What a block takes
for granted (a variable, an earlier node, tables) is put before it, and where it shows no result, lines after it do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.acceptance.conftest import Launch
from tests.acceptance.http_peers import HttpPeer, answering
from tests.acceptance.playbooks import write
from tests.acceptance.servers import Server, until
from tests.acceptance.test_manual_shape import flat

BLOCKS = {
    (block["manual"], block["number"]): block["text"]
    for block in json.loads((Path(__file__).parents[1] / "data" / "manual_blocks.json").read_text("utf-8"))
}
MALICIOUS = {
    "eval": ("en", 'eval("malicious code");'),
    "require fs": ("en", "require('fs').readFile('/etc/passwd');"),
    "eval, es": ("es", 'eval("código malicioso");'),
    "require fs, es": ("es", "require('fs').readFile('/etc/passwd');"),
    "eval, es 2": ("es_2", "eval(\"console.log('peligroso')\");"),
    "new Function": ("es_2", 'new Function("return 1");'),
    "require fs, es 2": ("es_2", "require('fs');"),
    "require child_process": ("es_2", "require('child_process');"),
}
BLOCKED = {
    "eval": "eval is not defined",
    "new": "code generation from strings is disabled",
    "require": "is not allowed; there are console, util, url, querystring, path, crypto, buffer",
}
ALLOWED = ('console.log("Operación segura");', "Math.random();", 'JSON.parse(\'{"key": "value"}\');')
SECRET = "the webhook's own secret"
PLUGIN = """
from nflow_runtime import Plugin, function

class MyPlugin(Plugin):
    name = "myPlugin"

    @function("doSomething")
    def do_something(self, data: str) -> str:
        return "Procesado: " + data
"""


def block(manual: str, number: int) -> str:
    """The text of one block."""
    return BLOCKS[manual, number]


def line(manual: str, number: int, statement: str) -> str:
    """One statement of a block."""
    assert statement in block(manual, number)
    return statement


@pytest.fixture(scope="module")
def peer() -> Any:
    with answering({"/data": {"rows": [1, 2]}, "/users": {"id": 7}}) as peer:
        yield peer


@pytest.fixture(scope="module")
def server(launch: Launch, peer: HttpPeer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder = tmp_path_factory.mktemp("blocks")
    there = {number: block("es_2", number).replace("https://api.example.com", peer.url) for number in (4, 6)}
    nowhere = block("es_2", 6).replace("https://api.example.com", "http://127.0.0.1:1")
    process = "vars.set('processId', 'p-17')"
    version = "if (payload.version) vars.set('workflowVersion', payload.version)"
    flows: dict[str, Any] = {
        "en": json.loads(block("en", 1)),
        "es": json.loads(block("es", 1)),
        "first": flat("/first", block("es_2", 1)),
        "context": flat("/context", block("es_2", 2)),
        "context_told": flat(
            "/context/told", block("es_2", 2) + "return {body, sender: headers['x-sender'], query, apiKey}"
        ),
        "vars": flat("/vars", block("es_2", 3) + "return {userId, allVars}", "return {earlier: payload, all: vars}"),
        "http": flat(
            "/http",
            "vars.set('token', 't-1')",
            there[4] + "return {got: response.data, status: response.status, made: result.data}",
        ),
        "errors": flat("/errors", there[6]),
        "errors_failing": flat("/errors/failing", nowhere),
        "encryption": flat("/encryption", block("es_2", 8)),
        "sanitising": flat("/sanitising", block("es_2", 9)),
        "trace": flat("/trace", process, block("es_2", 13)),
        "versions": flat("/versions", version, block("es_2", 14) + "return version"),
        "webhook": flat("/webhook", block("es_2", 15)),
        "events": flat("/events", block("es_2", 16), method="GET"),
        "blocked_en": flat("/blocked/en", block("en", 2)),
        "blocked_es": flat("/blocked/es", block("es", 2)),
        "blocked_es_2": flat("/blocked/es_2", block("es_2", 7)),
        "allowed": flat("/allowed", "\n".join(line("es_2", 7, each) for each in ALLOWED) + "return 'allowed'"),
    }
    for number, (manual, statement) in enumerate(MALICIOUS.values()):
        flows[f"malicious_{number}"] = flat(
            f"/malicious/{number}", line(manual, 7 if manual == "es_2" else 2, statement)
        )
    flows["plugin"] = flat("/plugin", block("es_2", 12) + "return {result}")
    for name, document in flows.items():
        write(folder / f"{name}.json", document)
    plugins = tmp_path_factory.mktemp("plugins")
    (plugins / "my_plugin.py").write_text(PLUGIN, encoding="utf-8")
    return launch(
        folder,
        f'[plugin]\nfolder = "{plugins}"\n[security]\nallowed_addresses = ["127.0.0.1/32"]\n'
        "enable_static_analysis = false\n"  # what is malicious shall meet the sandbox
        f'[env]\nAPI_KEY = "key of env"\nWEBHOOK_SECRET = "{SECRET}"\n',
    )


def test_every_block_is_run_here() -> None:
    assert set(BLOCKS) == {("en", 1), ("en", 2), ("es", 1), ("es", 2)} | {("es_2", number) for number in range(1, 17)}


def test_the_workflow_of_the_english_manual_doubles_its_value(server: Server) -> None:
    assert server.post("/api/process", json={"value": 21}).json() == {"result": 42}


def test_the_workflow_of_the_spanish_manual_doubles_its_value(server: Server) -> None:
    assert server.post("/api/procesar", json={"valor": 1.5}).json() == {"resultado": 3}


def test_the_first_workflow_greets(server: Server) -> None:
    answer = server.post("/first", json={"name": "Ana"})
    told = answer.json()
    assert (answer.status, told["message"]) == (200, "Hola, Ana")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["timestamp"])


def test_request_response_and_environment_are_read_and_set(server: Server) -> None:
    answer = server.post("/context", json={"email": "juan@example.com"})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert until(lambda: "Procesando usuario: [REDACTED:email]" in server.log())
    told = server.post("/context/told?page=2", json={"email": "a@b.co"}, headers={"X-Sender": "mine"}).json()
    assert told == {"body": {"email": "a@b.co"}, "sender": "mine", "query": {"page": "2"}, "apiKey": "key of env"}


def test_variables_of_the_workflow_are_kept_to_its_end(server: Server) -> None:
    kept = {"userId": 12345, "userName": "Juan Pérez"}
    assert server.post("/vars", json={}).json() == {"earlier": {"userId": 12345, "allVars": kept}, "all": kept}


def test_http_requests_carry_headers_and_bodies(server: Server, peer: HttpPeer) -> None:
    peer.asked.clear()
    told = server.post("/http", json={}).json()
    assert told == {"got": {"rows": [1, 2]}, "status": 200, "made": {"id": 7}}
    read, made = peer.asked
    assert (read.method, read.path, read.headers["Authorization"]) == ("GET", "/data", "Bearer t-1")
    assert (made.method, made.path, made.headers["Content-Type"]) == ("POST", "/users", "application/json")
    assert json.loads(made.body) == {"name": "Juan Pérez", "email": "juan@example.com"}


def test_a_call_that_succeeds_is_returned(server: Server) -> None:
    answer = server.post("/errors", json={})
    assert (answer.status, answer.json()["data"]) == (200, {"rows": [1, 2]})


def test_a_call_that_fails_is_caught_and_answered(server: Server) -> None:
    answer = server.post("/errors/failing", json={})
    told = answer.json()
    assert (answer.status, told["error"]) == (500, "Fallo al obtener datos")
    assert "127.0.0.1" in told["details"]
    masked = re.sub(r"\d+\.\d+\.\d+\.\d+", "[REDACTED:ip_address]", told["details"])
    assert until(lambda: f"Falló la llamada API: {masked}" in server.log())


@pytest.mark.parametrize("name", MALICIOUS)
def test_each_malicious_statement_is_blocked_with_a_clear_error(server: Server, name: str) -> None:
    statement = MALICIOUS[name][1]
    answer = server.post(f"/malicious/{list(MALICIOUS).index(name)}", json={})
    assert answer.status == 500
    assert BLOCKED[re.split(r"\W", statement)[0]] in answer.json()["message"]


@pytest.mark.parametrize("manual", ["en", "es", "es_2"])
def test_a_malicious_block_ends_at_its_first_statement(server: Server, manual: str) -> None:
    answer = server.post(f"/blocked/{manual}", json={})
    assert answer.status == 500
    assert BLOCKED["eval"] in answer.json()["message"]


def test_by_default_what_the_manuals_call_blocked_is_not_even_run(launch: Launch, tmp_path: Path) -> None:
    write(tmp_path / "allowed.json", flat("/allowed", "\n".join(ALLOWED) + "return 'allowed'"))
    for number, (_, statement) in enumerate(MALICIOUS.values()):
        write(tmp_path / f"malicious_{number}.json", flat(f"/malicious/{number}", statement))
    server = launch(tmp_path)
    for number in range(len(MALICIOUS)):
        told = server.post(f"/malicious/{number}", json={}).json()
        assert told["error"] == "script blocked due to security issues: 1 high severity issues found"
        assert told["issues"][0]["line"] == 1
    assert server.post("/allowed", json={}).json() == "allowed"


def test_what_is_allowed_runs(server: Server) -> None:
    assert server.post("/allowed", json={}).json() == "allowed"
    assert until(lambda: "Operación segura" in server.log())


def test_encryption_encrypts_by_itself_and_by_hand_as_the_manual_shows(launch: Launch) -> None:
    key = hashlib.sha256(b"tests").digest()
    config = f'[security]\nenable_encryption = true\nencryption_key = "{base64.b64encode(key).decode()}"\n'
    block_and_result = block("es_2", 8) + "return {userData, encrypted, decrypted}"
    answer = launch(flat("/encryption", block_and_result), config).post("/encryption", json={}).json()
    assert opened(key, answer["encrypted"]) == answer["decrypted"] == "datos sensibles"
    user = answer["userData"]
    assert user.pop("safe") == "Esto permanece como texto plano"
    told = {name: value.removeprefix("[ENCRYPTED_").removesuffix("]").split(":") for name, value in user.items()}
    assert {name: (kind, opened(key, sealed)) for name, (kind, sealed) in told.items()} == {
        "email": ("email", "usuario@example.com"),
        "phone": ("phone", "555-123-4567"),
        "apiKey": ("api_key", "sk_test_1234567890"),
    }


def opened(key: bytes, sealed: str) -> str:
    """What Go's program would read."""
    raw = base64.b64decode(sealed)
    return AESGCM(key).decrypt(raw[:12], raw[12:], None).decode()


def test_encryption_without_a_key_says_what_is_missing(server: Server) -> None:
    answer = server.post("/encryption", json={})
    assert answer.status == 500
    assert "[security] encryption_key" in answer.json()["message"]


def test_the_line_of_the_manual_comes_out_masked_as_the_manual_shows(server: Server) -> None:
    said, masked = re.search(r'log\("(.*)"\)', block("es_2", 9)), block("es_2", 9).rstrip().rpartition("// ")[2]
    answer = server.post("/sanitising", json={})
    wid = answer.headers["Nflow-Wid-1"]
    assert answer.status == 200
    (line,) = until(lambda: [line for line in server.log().splitlines() if wid in line and "usuario" in line])
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d \[INFO\] {re.escape(masked)} wid={wid} .*", line)
    assert said is not None
    assert said[1] not in server.log()


def test_a_workflow_is_traced_by_its_log(server: Server) -> None:
    server.post("/trace", json={"a": [1]})
    assert until(lambda: '[DEBUG] Payload: {"a":[1]}' in server.log().replace('\\"', '"'))
    assert "[DEBUG] Iniciando proceso: p-17" in server.log()


def test_a_plugin_of_ours_does_something(server: Server) -> None:
    assert server.post("/plugin", json={}).json() == {"result": "Procesado: datos de prueba"}
    assert until(lambda: "Procesado: datos de prueba" in server.log())


@pytest.mark.parametrize(("asked", "runs"), [(None, "1.0"), ("1.0", "1.0"), ("2.0", "2.0")])
def test_the_version_asked_for_runs(server: Server, asked: str | None, runs: str) -> None:
    assert server.post("/versions", json={"version": asked}).json() == runs


def test_an_unknown_version_is_an_error(server: Server) -> None:
    answer = server.post("/versions", json={"version": "3.0"})
    assert answer.status == 500
    assert answer.json()["message"].startswith("Error: Versión desconocida: 3.0")


WEBHOOKS = [
    {"event": "user.created", "user": {"name": "Ñandú", "tags": [1, 2.5, None]}},
    {"event": "payment.completed"},
]


@pytest.mark.parametrize("event", WEBHOOKS)
def test_a_webhook_with_the_right_signature_is_processed(server: Server, event: dict[str, Any]) -> None:
    body = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Webhook-Signature": signature, "Content-Type": "application/json"}
    answer = server.post("/webhook", body=body, headers=headers)
    assert (answer.status, answer.json()) == (200, event)


@pytest.mark.parametrize("signature", ["", "0" * 64, None])
def test_a_webhook_with_a_wrong_signature_is_refused(server: Server, signature: str | None) -> None:
    headers = {} if signature is None else {"X-Webhook-Signature": signature}
    answer = server.post("/webhook", json=WEBHOOKS[0], headers=headers)
    assert (answer.status, answer.json()) == (401, {"error": "Firma inválida"})


def test_events_arrive_one_by_one_and_end_with_their_reader(server: Server) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    began = time.monotonic()
    connection.request("GET", "/events")
    response = connection.getresponse()
    assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream")
    assert response.headers["Cache-Control"] == "no-cache"
    for number in range(2):
        event = json.loads(response.readline().removeprefix(b"data: "))
        assert (event["id"], event["data"]) == (number, {"message": f"Actualización {number}"})
        assert response.readline() == b"\n"
        assert time.monotonic() - began < number + 5, "ten events last nine seconds and more"
    assert server.metric("nflow_processes_active") == 1
    connection.close()
    response.close()
    assert until(lambda: server.metric("nflow_processes_active") == 0)
    assert time.monotonic() - began < 9, "the run ended with its reader, not by itself"
    assert until(lambda: server.metric("nflow_vm_pool_active") == 0)
