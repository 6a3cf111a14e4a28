"""T2: secrets beside the sandbox (in the server's environment and memory, in a file, behind a port) stay there."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import Node, edges, js, playbook, starter
from tests.acceptance.servers import Server, until
from tests.torture.row import LONG, tell

CORPUS = tomllib.loads((Path(__file__).parents[1] / "data" / "sandbox_corpus.toml").read_text("utf-8"))["payload"]
CLASSES = {"host reach", "bridge"}
SCRIPTS = [payload["source"] for payload in CORPUS if payload["class"] in CLASSES][:: 1 if LONG else 4]
REACHING = (
    "return file_to_string('@FILE')",
    "return file_to_string('../../../../../../@FILE')",
    "return [string_to_file('@FILE', 'x'), file_to_string('@FILE')]",
    "return file_to_string('/proc/self/environ')",
    "return file_to_string('/proc/' + 1 + '/environ')",
    "c.File('@FILE')",
    "c.Attachment('@FILE', 'a')",
    "c.Inline('../' + '@FILE', 'a')",
    "return await http.get('file://@FILE')",
    "return (await http.get('http://127.0.0.1:@PORT/')).body",
    "return (await http.get('http://localhost:@PORT/')).body",
    "return (await http.get('http://[::ffff:127.0.0.1]:@PORT/')).body",
    "return http_get('http://127.0.0.1:@PORT/')",
    "return (await fetch('http://0.0.0.0:@PORT/')).text()",
    "return await fetch('http://2130706433:@PORT/').then((r) => r.text())",
    "return await program.run('/bin/cat', ['@FILE'])",
    "return await program.run('/usr/bin/env', [])",
    "return get_env('NFLOW_TEST_CANARY') + get_env('PATH')",
    "return [env, config, Object.getOwnPropertyNames(globalThis)]",
    "return require('fs').readFileSync('@FILE', 'utf8')",
    "return require('child_process').execSync('env').toString()",
    "return process.env",
    "return globalThis.process?.mainModule?.require('fs')",
    "return await import('@FILE')",
    "return template('{{ . }}{{ env \"NFLOW_TEST_CANARY\" }}', {})",
    "return mustache('{{> @FILE }}', {})",
    "return get_template('@FILE')",
    "return await db.query(\"SELECT readfile('@FILE')\")",
    "return await db.query(\"ATTACH '@FILE' AS stolen\")",
    "throw new Error(typeof process + JSON.stringify(env) + __dirname)",
    "return redis_hget('@FILE', 'x').val()",
    "send_mail('a@b.c', 'x', 'y', '', '')",
)
"""Scripts that ask for the canaries by their own names, each by one door."""


@dataclass
class Canaries:
    """What must not be found anywhere, and who came for it."""

    words: tuple[str, ...]
    file: Path
    port: int
    visitors: list[bytes] = field(default_factory=list)


@pytest.fixture(scope="module")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    in_environment, in_file, behind_port = (f"canary-{secrets.token_hex(12)}" for _ in "123")
    file = tmp_path_factory.mktemp("outside") / "canary"
    file.write_text(in_file)
    listener = socket.create_server(("127.0.0.1", 0))
    found = Canaries((in_environment, in_file, behind_port), file, listener.getsockname()[1])

    def answer() -> None:
        while True:
            try:
                visitor, _ = listener.accept()
            except OSError:
                return
            with visitor:
                found.visitors.append(visitor.recv(4096))
                visitor.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n{behind_port}".encode())

    thread = threading.Thread(target=answer)
    thread.start()
    os.environ["NFLOW_TEST_CANARY_" + "NAME"] = in_environment
    os.environ["CANARY"] = in_environment
    try:
        yield found
    finally:
        del os.environ["CANARY"], os.environ["NFLOW_TEST_CANARY_" + "NAME"]
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def flow(number: int, source: str) -> dict[str, Node]:
    return {
        "s": starter(f"/reach/{number}", "reach"),
        "reach": {"data": {"type": "js", "script": source}, "outputs": edges("end")},
        "end": js("function main() { c.JSON(200, payload) }"),
    }


@pytest.fixture(scope="module")
def scripts(canaries: Canaries) -> list[str]:
    named = [text.replace("@FILE", str(canaries.file)).replace("@PORT", str(canaries.port)) for text in REACHING]
    return [*named, *SCRIPTS]


@pytest.fixture(scope="module")
def server(launch: Launch, scripts: list[str]) -> Server:
    flows = {f"Reach{n}": flow(n, source) for n, source in enumerate(scripts)}
    config = """
[server]
process_seconds = 5
[security]
enable_static_analysis = false
[tracker]
enabled = true
[vm_pool]
max_size = 4
max_execution_seconds = 1
"""
    return launch(playbook(**flows), config)


def test_no_canary_leaves_its_place(server: Server, canaries: Canaries, scripts: list[str]) -> None:
    answers = [server.get(f"/reach/{number}") for number in range(len(scripts))]
    until(lambda: server.metric("nflow_tracker_waiting") == 0)
    written = b"".join(file.read_bytes() for file in server.folder.rglob("*") if file.is_file())
    told = [*(answer.body + str(answer.headers).encode() for answer in answers), server.get("/metrics").body, written]
    leaks = [(word[:6], text[:200]) for word in canaries.words for text in told if word.encode() in text]
    tell("T2", "canaries", f"{len(scripts)} scripts, {len(canaries.visitors)} visits, {len(leaks)} leaks")
    assert canaries.visitors == []
    assert leaks == []
    assert canaries.file.read_text() == canaries.words[1]
    assert {answer.status for answer in answers} <= {200, 403, 404, 408, 500}
