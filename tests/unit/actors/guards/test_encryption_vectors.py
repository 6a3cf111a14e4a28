"""What the Go program encrypts, byte for byte, and where we differ from it on purpose."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.guards.encryption import Keyring
from actors.guards.interception import Interceptor
from actors.guards.sensitive import Detector, SensitiveSettings
from protocol.errors import Undecipherable

VECTORS = json.loads((Path(__file__).parents[3] / "data" / "encryption_vectors.json").read_text("utf-8"))
KEY = "my-secret"
FIELDS = ("password", "token", "secret", "api_key", "private_key")
CIPHERTEXT = re.compile(r'(ENCRYPTED_\w+:|"encrypted":")([A-Za-z0-9+/=]+)')
DIFFERENCES = {
    '{"msg":"write to user@example.com now"}': (
        '{"msg":"write to [ENCRYPTED_email:] now"}',
        "a value within a longer text is replaced by its own token; Go leaves it in clear",
    ),
    '{"password":"hunter2"}': (
        '{"password":"[ENCRYPTED_password:]"}',
        "always_encrypt_fields counts; Go never reads it",
    ),
    '{"email":"user@example.com","z":1}': (
        '{"_encrypted_fields":[{"type":"email","encrypted":"","path":"/email","confidence":0.9}],'
        '"email":"user@example.com","z":1}',
        "the path is filled in; Go's is always empty",
    ),
    '["x@y.com"]': (
        '{"_encrypted_fields":[{"type":"email","encrypted":"","path":"/0","confidence":0.9}],"data":["x@y.com"]}',
        "the path is filled in; Go's is always empty",
    ),
    '"x@y.com"': (
        '{"_encrypted_fields":[{"type":"email","encrypted":"","path":"","confidence":0.9}],"data":"x@y.com"}',
        "a single value is wrapped as an array is; Go fails",
    ),
}
"""Body → what we make of it (without the ciphertexts), and why. The last two are of metadata mode only."""


def interceptor(*, in_place: bool) -> Interceptor:
    return Interceptor(Keyring(KEY), Detector(SensitiveSettings(fields=FIELDS)), in_place=in_place)


def without_ciphertexts(text: str) -> str:
    return CIPHERTEXT.sub(r"\1", text)


@pytest.mark.parametrize("vector", VECTORS["keys"], ids=lambda vector: vector["key"])
def test_a_ciphertext_of_go_opens_under_each_form_of_its_key(vector: dict[str, str]) -> None:
    assert Keyring(vector["key"]).decrypt(vector["ciphertext"]) == vector["plaintext"]


@pytest.mark.parametrize("vector", VECTORS["keys"], ids=lambda vector: vector["key"])
def test_go_could_open_what_is_encrypted_here(vector: dict[str, str]) -> None:
    try:
        key = base64.b64decode(vector["key"], validate=True)
    except ValueError:
        key = vector["key"].encode()
    if len(key) != 32:
        key = hashlib.sha256(key).digest()
    raw = base64.b64decode(Keyring(vector["key"]).encrypt(vector["plaintext"]))
    assert AESGCM(key).decrypt(raw[:12], raw[12:], None).decode() == vector["plaintext"]


@pytest.mark.parametrize(
    ("name", "given"), [("short", "AAAA"), ("b64", "not base64!"), ("auth", base64.b64encode(bytes(40)).decode())]
)
def test_what_is_wrong_is_said_in_the_words_of_go(name: str, given: str) -> None:
    with pytest.raises(Undecipherable, match=re.escape(VECTORS["errors"][name]) + "$"):
        Keyring(KEY).decrypt(given)


@pytest.mark.parametrize(
    ("vector", "in_place"),
    [*((vector, True) for vector in VECTORS["in_place"]), *((vector, False) for vector in VECTORS["metadata"])],
    ids=lambda value: value["given"] if isinstance(value, dict) else "",
)
def test_bodies_are_changed_as_by_go_but_for_the_listed_differences(vector: dict[str, Any], in_place: bool) -> None:
    given = vector["given"]
    same_in_place = in_place and given in ('["x@y.com"]', '"x@y.com"')
    wanted = vector["go"] if given not in DIFFERENCES or same_in_place else DIFFERENCES[given][0]
    made = interceptor(in_place=in_place).body("application/json", given.encode()).body.decode()
    assert without_ciphertexts(made) == without_ciphertexts(wanted)


@pytest.mark.parametrize("vector", [*VECTORS["in_place"], *VECTORS["metadata"]], ids=lambda vector: vector["given"])
def test_what_go_encrypted_in_a_body_opens(vector: dict[str, str]) -> None:
    values = [Keyring(KEY).decrypt(found[2]) for found in CIPHERTEXT.finditer(vector["go"])]
    assert all(json.dumps(value)[1:-1] in vector["given"] for value in values)
    assert values or vector["given"] in DIFFERENCES or vector["given"] == '{"n":5551234567}'


def test_every_difference_is_one() -> None:
    recorded = {vector["given"]: vector["go"] for vector in VECTORS["in_place"][::-1] + VECTORS["metadata"]}
    for given, (ours, _) in DIFFERENCES.items():
        assert without_ciphertexts(recorded[given]) != ours
