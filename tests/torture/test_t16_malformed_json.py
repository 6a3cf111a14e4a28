"""T16: JSON that is none, or hostile, posted to everything that reads JSON: 400 with the path of what is wrong, never
500; and where nobody reads it (Go's way) it is no error at all."""

from __future__ import annotations

import http.client
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook, write
from tests.acceptance.servers import Server, until
from tests.acceptance.test_manual_shape import flat
from tests.torture.row import LONG, tell

SEED = 16
MUTATED = 10_000 if LONG else 300
WHOLE = '{"a": [1, 2.5e3, true, null, {"é": "x\\u00e9\\n"}], "b": {"c": ""}, "n": -0.1}'.encode()
MALFORMED = {
    "too deep": b"[" * 1_000_000,
    "too deep and closed": b"[" * 1_000_000 + b"]" * 1_000_000,
    "objects too deep": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "a little too deep": b"[" * 1_100 + b"]" * 1_100,
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "1e400": b'{"a": 1e400}',
    "a lone surrogate": b'{"a": "\\ud800"}',
    "a lone surrogate in a key": b'{"\\udc00": 1}',
    "a lone surrogate as bytes": b'{"a": "\xed\xa0\x80"}',
    "NUL": b'{"a": "x\\u0000y"}',
    "NUL in a key": b'{"x\\u0000y": 1}',
    "a bare NUL": b'{"a": "x\0y"}',
    "a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "bytes that are no UTF-8": b'{"a": "\xff\xfe"}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "a comment": b'{"a": 1 /* no */}',
    "a comma too many": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "no quotes": b"{a: 1}",
    "a leading zero": b'{"a": 01}',
    "a plus": b'{"a": +1}',
    "hexadecimal": b'{"a": 0x10}',
    "a bare line end": b'{"a": "x\ny"}',
    "two values": b"{} {}",
    "something after it": b"{}]",
    "only blanks": b"   ",
    "a bad escape": b'{"a": "\\x41"}',
}
ODD = {
    "a 5 000-digit integer": b'{"a": ' + b"9" * 5_000 + b"}",
    "a long integer": b'{"a": 12345678901234567890123}',
    "a long fraction": b'{"a": 0.' + b"1" * 5_000 + b"}",
    "double keys": b'{"a": 1, "a": {"b": 2}}',
    "__proto__": b'{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}',
    "a very long key": b'{"' + b"k" * 100_000 + b'": 1}',
    "an empty key": b'{"": 1}',
    "many keys": b"{" + b",".join(b'"k%d": %d' % (n, n) for n in range(10_000)) + b"}",
    "-0": b'{"a": -0}',
    "1e-400": b'{"a": 1e-400}',
    "odd characters": b'{"a": "\\u202e\\u2028\\ufeff\\uffff\\ud835\\udd4f"}',
    "a text": b'"text"',
    "a number": b"5",
    "null": b"null",
}
"""JSON that a reader may take or refuse, but must survive."""
ADMIN = {"Authorization": "Bearer token-of-the-admin"}
PATHS = {
    "the manuals' body": ("POST", "/manual", {}),
    "an execution": ("POST", "/api/workflow/manual", ADMIN),
    "a document": ("PUT", "/api/admin/workflows/other", ADMIN),
    "a step": ("POST", "/api/processes/1/step", {}),
}
"""Everything that reads its body as JSON."""


@pytest.fixture(scope="module")
def server(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder: Path = tmp_path_factory.mktemp("json")
    write(folder / "manual.json", flat("/manual", "return {keys: typeof payload, polluted: ({}).polluted === true}"))
    go = chain("/go", "c.JSON(200, {fields: Object.keys(post_data), polluted: ({}).polluted === true})", method="POST")
    write(folder / "go.json", playbook(go))
    return launch(folder, '[api]\nadmin_token = "token-of-the-admin"\n[vm_pool]\npreload_size = 2\nmax_size = 2\n')


class Client:
    """One connection that is kept."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=30)

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        self._connection.request(method, path, body=body, headers={"Content-Type": "application/json", **headers})
        response = self._connection.getresponse()
        return response.status, response.read()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    client = Client(server)
    yield client
    client.close()


def problems(body: bytes) -> list[dict[str, Any]]:
    found = json.loads(body)
    return list(found.get("problems") or [{"path": "", "message": str(found.get("message") or found["error"])}])


@pytest.mark.parametrize("where", PATHS)
@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_json_is_400_with_its_path(client: Client, where: str, what: str) -> None:
    method, path, headers = PATHS[where]
    status, answer = client.send(method, path, headers, MALFORMED[what])
    assert status == 400, answer[:300]
    (problem, *_) = problems(answer)
    assert problem["path"] or "body" in problem["message"]
    assert problem["message"]
    assert len(answer) < 2_000


@pytest.mark.parametrize("where", PATHS)
@pytest.mark.parametrize("what", ODD)
def test_odd_json_is_taken_or_refused(client: Client, where: str, what: str) -> None:
    method, path, headers = PATHS[where]
    status, answer = client.send(method, path, headers, ODD[what])
    assert status in {200, 400, 404, 409, 422}, answer[:300]
    assert b'"polluted":true' not in answer


@pytest.mark.parametrize("what", [*MALFORMED, *ODD])
def test_a_body_that_the_flow_does_not_read_is_no_error(client: Client, what: str) -> None:
    status, answer = client.send("POST", "/go", {}, {**MALFORMED, **ODD}[what])
    assert (status, json.loads(answer)["polluted"]) == (200, False)


def test_cut_at_every_byte_and_mutated_it_is_never_500(client: Client, server: Server) -> None:
    chance = random.Random(SEED)
    bodies = [WHOLE[:n] for n in range(1, len(WHOLE))]
    for _ in range(MUTATED):
        body = bytearray(WHOLE)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(body))
            body[at : at + chance.randint(0, 2)] = bytes(chance.randrange(256) for _ in range(chance.randint(0, 2)))
        bodies.append(bytes(body))
    found: dict[int, int] = {}
    wrong = []
    for number, body in enumerate(bodies):
        method, path, headers = list(PATHS.values())[number % len(PATHS)]
        status, answer = client.send(method, path, headers, body)
        found[status] = found.get(status, 0) + 1
        cut = 0 < number < len(WHOLE) - 1
        if status not in {200, 400} or (cut and status != 400):
            wrong.append((body, status, answer[:200]))
    tell("T16", "cut and mutated", f"seed {SEED}, {len(bodies)} bodies: {dict(sorted(found.items()))}")
    assert wrong == []
    assert until(lambda: client.send(*PATHS["the manuals' body"], b'{"a": 1}')[0] == 200)
    log = server.log()
    assert "Traceback" not in log
    assert not re.search(r"status=5\d\d", log)
