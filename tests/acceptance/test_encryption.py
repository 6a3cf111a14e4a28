"""Encryption over HTTP: what clients get, what the store's files hold, what survives a change of keys.

Decrypted here with the cipher itself, never through the code under test.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from loadtests.server import free_port, nflow, serving
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook, write
from tests.acceptance.servers import Server

KEY = bytes(range(32))
CONFIG = f"""
[security]
enable_encryption = true
encryption_key = "{base64.b64encode(KEY).decode()}"
encryption_key_id = "k1"
[security.custom_patterns]
employee_id = "EMP\\\\d{{6}}"
[server]
max_body_mb = 1
[api]
open_execution = true
[debug]
enabled = true
"""
USER = """{
  email: 'usuario@example.com', phone: '555-123-4567', note: 'write to ana@example.com, not to EMP123456',
  n: 5551234567, deep: [{password: {list: [true], old: 1.5}}, {apiKey: 'sk_test_1234567890'}],
  safe: 'Esto permanece', secret: null
}"""
STREAM = """
async function main() {
  c.response.set('Content-Type', '%s');
  for (const piece of %s) c.response.write(piece);
}"""
EVENTS = ["data: one\n\nda", 'ta: {"email":', '"ana@exa', 'mple.com"}\n', "\ndata: mail ana@example.com\nid: 7\n\n"]
FLOWS = playbook(
    chain("/user", f"c.JSON(200, {USER})"),
    chain("/clear", """c.JSONBlob(200, '{"big": 12345678901234567890123, "a" : 1.50, "a": 2}')"""),
    chain("/text", "c.String(200, 'mail ana@example.com')"),
    chain("/page", "c.HTML(200, '<p>ana@example.com</p>')"),
    chain("/bytes", "c.Blob(200, 'application/octet-stream', 'ana@example.com')"),
    chain("/error", "throw new Error('no account of ana@example.com')"),
    chain("/status", "c.JSON(404, {message: 'no ana@example.com'})"),
    chain("/large", "c.JSON(200, {rows: Array.from({length: 9000}, (_, i) => 'user' + i + '@example.com')})"),
    chain("/head", "c.JSON(200, {email: 'ana@example.com'})", method="ANY"),
    chain("/events", STREAM % ("text/event-stream", json.dumps(EVENTS))),
    chain("/lines", STREAM % ("application/x-ndjson", json.dumps(['{"email":"ana@', 'example.com"}\n{"n":1}\n']))),
    chain("/pieces", STREAM % ("application/json", json.dumps(['{"email":"ana@', 'example.com"}']))),
    chain("/flood", "async function main() { for (let i = 0; i < 9; i++) c.response.write('x'.repeat(300000)) }"),
    chain("/failing", "async function main() { c.response.write('a'); throw new Error('for ana@example.com') }"),
    chain("/packed", f"c.JSON(200, {{a: 'ana@example.com', user: {USER}, z: 'x'.repeat(2000)}})",
          nflow_options={"compress": True}),
    chain("/scripts", """
      const sealed = security.encrypt('datos sensibles');
      let wrong = [];
      for (const text of ['%', 'AAAA', sealed.slice(0, -8) + 'AAAAAAA=', 'nf1:k9:' + sealed.split(':')[2]])
        try { security.decrypt(text) } catch (e) { wrong.push(e.message) }
      c.JSON(200, {sealed, back: security.decrypt(sealed), empty: [security.encrypt(''), security.decrypt('')],
        known: [sealed, 'plain', ''].map((text) => security.isEncrypted(text)), wrong})"""),
    chain("/given", "c.JSON(200, {text: security.decrypt(c.QueryParam('text'))})"),
    chain("/kept", "payload = {canary: c.QueryParam('canary')}", "c.JSON(200, {wid})", durability="durable"),
)  # fmt: skip
TOKEN = re.compile(r"\[ENCRYPTED_([a-z_]+):nf1:(k\d):([A-Za-z0-9+/=]+)\]")


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(FLOWS, CONFIG)


@pytest.fixture(scope="module")
def beside(launch: Launch) -> Server:
    return launch(
        FLOWS, CONFIG.replace("enable_encryption = true", "enable_encryption = true\nencrypt_in_place = false")
    )


def opened(name: str, sealed: str, key: bytes = KEY) -> str:
    raw = base64.b64decode(sealed)
    return AESGCM(key).decrypt(raw[:12], raw[12:], f"nf1:{name}:".encode()).decode()


def read(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The text with the values of its tokens, and the tokens' kinds with them."""
    found = [(kind, opened(name, sealed)) for kind, name, sealed in TOKEN.findall(text)]
    return TOKEN.sub(lambda token: opened(token[2], token[3]), text), found


def test_sensitive_values_leave_encrypted_in_place_and_everything_else_as_it_is(server: Server) -> None:
    answer = server.get("/user")
    user = answer.json()
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert read(user["email"]) == ("usuario@example.com", [("email", "usuario@example.com")])
    assert read(user["phone"])[1] == [("phone", "555-123-4567")]
    note, found = read(user["note"])
    assert note == "write to ana@example.com, not to EMP123456"
    assert found == [("email", "ana@example.com"), ("employee_id", "EMP123456")]
    assert user["note"].startswith("write to [ENCRYPTED_email:")
    assert read(user["deep"][0]["password"])[1] == [("json", '{"list":[true],"old":1.5}')]
    assert read(user["deep"][1]["apiKey"])[1] == [("api_key", "sk_test_1234567890")]
    assert (user["safe"], user["n"], user["secret"]) == ("Esto permanece", 5551234567, None)


def test_an_answer_without_sensitive_values_is_the_same_to_the_byte(server: Server) -> None:
    assert server.get("/clear").text == '{"big": 12345678901234567890123, "a" : 1.50, "a": 2}'


@pytest.mark.parametrize(
    ("path", "status", "clear"),
    [("/text", 200, "mail ana@example.com"), ("/page", 200, "<p>ana@example.com</p>")],
)
def test_texts_and_pages_too(server: Server, path: str, status: int, clear: str) -> None:
    answer = server.get(path)
    assert answer.status == status
    assert b"ana@" not in answer.body
    assert read(answer.text)[0] == clear


def test_bytes_pass(server: Server) -> None:
    assert server.get("/bytes").body == b"ana@example.com"


@pytest.mark.parametrize(("path", "status"), [("/error", 500), ("/status", 404)])
def test_errors_tell_no_more(server: Server, path: str, status: int) -> None:
    answer = server.get(path)
    assert answer.status == status
    assert b"ana@" not in answer.body
    assert "ana@example.com" in read(answer.json()["message"])[0]


def test_a_large_answer_is_encrypted_value_by_value(server: Server) -> None:
    rows = server.get("/large").json()["rows"]
    assert len(rows) == 9000
    assert all(read(rows[place])[1] == [("email", f"user{place}@example.com")] for place in (0, 4500, 8999))


def test_a_packed_answer_and_one_to_head_are_whole(server: Server) -> None:
    packed = server.ask("/packed", headers={"Accept-Encoding": "gzip"})
    assert read(gzip.decompress(packed.body).decode())[1][0] == ("email", "ana@example.com")
    head = server.ask("/head", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(server.get("/head").body)


def test_events_leave_one_by_one_each_with_its_values_encrypted(server: Server) -> None:
    answer = server.get("/events")
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert b"ana@" not in answer.body
    text, found = read(answer.text)
    assert text == 'data: one\n\ndata: {"email":"ana@example.com"}\n\nid: 7\ndata: mail ana@example.com\n\n'
    assert [kind for kind, _ in found] == ["email", "email"]


def test_the_first_event_does_not_wait_for_the_last(server: Server) -> None:
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
        connection.request("GET", "/events")
        assert connection.getresponse().read1(100).startswith(b"data: one\n\n")


def test_lines_and_pieces_of_json_are_read_as_what_they_are_together(server: Server) -> None:
    lines = server.get("/lines")
    assert b"ana@" not in lines.body
    assert read(lines.text)[0] == '{"email":"ana@example.com"}\n{"n":1}\n'
    pieces = server.get("/pieces")
    assert read(pieces.json()["email"])[0] == "ana@example.com"
    assert pieces.headers["Content-Length"] == str(len(pieces.body))


def test_a_streamed_text_too_large_to_be_looked_through_is_refused(server: Server) -> None:
    answer = server.get("/flood")
    assert answer.status == 408
    assert "server.max_body_mb = 1" in answer.json()["message"]


def test_a_stream_that_fails_before_it_left_is_an_error_whose_words_are_encrypted(server: Server) -> None:
    answer = server.get("/failing")
    assert answer.status == 500
    assert b"ana@" not in answer.body


def test_a_workflow_run_through_the_api_answers_no_more_than_by_itself(server: Server) -> None:
    answer = server.post("/api/workflow/Flow1", json={"input": {}})
    assert answer.status == 200
    assert read(answer.json()["output"]["email"])[0] == "usuario@example.com"


def test_beside_the_data_stands_what_is_sensitive_and_where(beside: Server) -> None:
    user = beside.get("/user").json()
    assert user["email"] == "usuario@example.com"
    told = {each["path"]: each for each in user["_encrypted_fields"]}
    assert set(told) == {"/email", "/phone", "/note", "/deep/0/password", "/deep/1/apiKey"}
    assert told["/email"]["type"] == "email"
    assert told["/email"]["confidence"] == 0.9
    _, name, sealed = told["/deep/0/password"]["encrypted"].split(":")
    assert opened(name, sealed) == '{"list":[true],"old":1.5}'


def test_scripts_encrypt_and_decrypt_and_catch_what_is_wrong(server: Server) -> None:
    said = server.get("/scripts").json()
    _, name, sealed = said["sealed"].split(":")
    assert opened(name, sealed) == said["back"] == "datos sensibles"
    assert said["empty"] == ["", ""]
    assert said["known"] == [True, False, False]
    short, cut, tampered, unknown = said["wrong"]
    assert short == "invalid ciphertext: invalid base64"
    assert cut == "invalid ciphertext: too short"
    assert tampered == "decryption failed"
    assert "'k9'" in unknown


def test_scripts_read_what_the_go_program_wrote_and_what_was_encrypted_in_place(server: Server) -> None:
    nonce = bytes(12)
    go = base64.b64encode(nonce + AESGCM(KEY).encrypt(nonce, "hello ñ".encode(), None)).decode()
    token = server.get("/user").json()["note"]
    for text, clear in ((go, "hello ñ"), (token, "write to ana@example.com, not to EMP123456")):
        again = server.ask("/given?text=" + text.replace("+", "%2B").replace(" ", "%20")).json()["text"]
        assert read(again)[0] == clear


def test_what_was_encrypted_is_counted(server: Server) -> None:
    before, _ = (counted(server), server.get("/user"))
    assert counted(server) - before == 6


def counted(server: Server) -> int:
    found = re.search(r"^nflow_security_data_encrypted_total (\d+)", server.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return int(found[1])


# --- what is kept ---


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    """Serve the flows on one and the same store, each time with another `[security]`."""
    with ExitStack() as everything:
        running: list[ExitStack] = []

        def start(security: str) -> Server:
            for former in running:
                former.close()
            file, port = tmp_path / "config.toml", free_port()
            file.write_text(
                f'[store]\npath = "{tmp_path}/nflow.sqlite"\n[api]\nadmin_token = "t"\n[security]\n{security}'
            )
            command = nflow(file, write(tmp_path / "app.json", FLOWS), port)
            stack = everything.enter_context(ExitStack())
            running.append(stack)
            process = stack.enter_context(serving(command, f"http://127.0.0.1:{port}/health", log=tmp_path / "log"))
            return Server("127.0.0.1", port, process, tmp_path)

        yield start


def kept(server: Server, canary: str) -> str:
    return str(server.get(f"/kept?canary={canary}").json()["wid"])


def state(server: Server, wid: str) -> Any:
    return server.get(f"/api/processes/{wid}/state", headers={"Authorization": "Bearer t"})


def on_disk(server: Server, secret: bytes) -> bool:
    return any(secret in file.read_bytes() for file in server.folder.glob("nflow.sqlite*"))


def test_the_journal_is_encrypted_and_read_through_changes_of_keys(restarted: Callable[[str], Server]) -> None:
    one, two = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))

    clear = restarted("")
    first = kept(clear, "c4n4ry-1")
    assert on_disk(clear, b"c4n4ry-1")

    keyed = restarted(f'encryption_key = "{one}"')
    second = kept(keyed, "c4n4ry-2")
    assert not on_disk(keyed, b"c4n4ry-2")
    assert [state(keyed, wid).json()["payload"]["canary"] for wid in (first, second)] == ["c4n4ry-1", "c4n4ry-2"]

    named = restarted(f'encryption_key = "{two}"\nencryption_key_id = "k2"\nearlier_keys = ":{one}"')
    third = kept(named, "c4n4ry-3")
    assert not on_disk(named, b"c4n4ry-3")
    assert [state(named, wid).json()["payload"]["canary"] for wid in (second, third)] == ["c4n4ry-2", "c4n4ry-3"]

    lost = restarted(f'encryption_key = "{one}"\nencryption_key_id = "k1"')
    told = state(lost, third)
    assert told.status == 500
    assert "'k2'" in told.json()["message"]
    assert state(lost, second).json()["payload"] == {"canary": "c4n4ry-2"}
    assert lost.process.poll() is None


def test_a_row_that_was_moved_does_not_open(restarted: Callable[[str], Server]) -> None:
    keyed = restarted(f'encryption_key = "{base64.b64encode(KEY).decode()}"')
    mine, other = (kept(keyed, canary) for canary in ("c-1", "c-2"))
    with closing(sqlite3.connect(keyed.store)) as connection:
        connection.execute(
            "update step set output = (select output from step s where s.wid = ? and s.node = step.node) where wid = ?",
            (other, mine),
        )
        connection.commit()
    told = state(keyed, mine)
    assert told.status == 500
    assert told.json()["message"] == "decryption failed"
    assert state(keyed, other).status == 200
