"""Keys: how they are written, which of them open what, and that nothing opens that was changed or moved."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from actors.guards.encryption import NO_KEYS, Keyring, key_bytes, new_key, weakness
from protocol.errors import BadDocument, Undecipherable

RAW = bytes(range(100, 132))
HEX = RAW.hex()
ENCODED = base64.b64encode(RAW).decode()
RINGS = (Keyring("my-secret"), Keyring(ENCODED, "k1"))
texts = st.text(st.characters(codec="utf-8"))


@pytest.mark.parametrize("written", [ENCODED, HEX, HEX.upper()])
def test_a_key_of_32_bytes_is_the_same_in_base64_and_in_hex(written: str) -> None:
    assert key_bytes(written) == RAW


def test_a_key_in_hex_also_opens_what_go_made_of_it() -> None:
    as_go = hashlib.sha256(base64.b64decode(HEX)).digest()
    nonce = bytes(12)
    sealed = base64.b64encode(nonce + AESGCM(as_go).encrypt(nonce, b"of Go", None)).decode()
    assert Keyring(HEX).decrypt(sealed) == "of Go"
    assert Keyring("another", "k2", f"k1:{HEX}").decrypt(sealed) == "of Go"


def test_a_made_key_is_of_32_bytes_and_never_made_twice() -> None:
    made = [new_key(), new_key(), new_key(hexadecimal=True)]
    assert len(set(made)) == 3
    assert all(len(key_bytes(key)) == 32 and not weakness(key) for key in made)
    assert len(made[2]) == 64


@pytest.mark.parametrize(
    ("key", "weak"), [("abcd", True), ("my-secret", True), ("0123456789abcdef-", False), (HEX, False)]
)
def test_a_key_of_few_bytes_is_weak(key: str, weak: bool) -> None:
    assert bool(weakness(key)) is weak
    assert key not in weakness(key)


@given(texts, st.sampled_from(RINGS))
def test_what_was_encrypted_decrypts_to_itself(text: str, ring: Keyring) -> None:
    sealed = ring.encrypt(text)
    assert ring.decrypt(sealed) == text
    assert ring.reads(sealed) is (text != "")
    assert (sealed == "") is (text == "")


def test_half_a_character_becomes_the_sign_for_what_is_none() -> None:
    assert RINGS[0].decrypt(RINGS[0].encrypt("a\ud800b")) == "a\ufffdb"


def test_no_two_ciphertexts_are_alike() -> None:
    assert len({RINGS[0].encrypt("the same") for _ in range(100)}) == 100


@given(st.text(min_size=1, max_size=20), st.integers(0, 300), st.integers(1, 255), st.sampled_from(RINGS))
def test_no_byte_can_be_changed(text: str, place: int, change: int, ring: Keyring) -> None:
    head, _, body = ring.encrypt(text).rpartition(":")
    raw = bytearray(base64.b64decode(body))
    raw[place % len(raw)] ^= change
    changed = base64.b64encode(bytes(raw)).decode()
    with pytest.raises(Undecipherable, match="decryption failed"):
        ring.decrypt(f"{head}:{changed}" if head else changed)


@given(texts)
def test_any_text_is_opened_or_refused(text: str) -> None:
    for ring in RINGS:
        try:
            ring.decrypt(text)
        except Undecipherable as error:
            assert str(error).startswith(("invalid ciphertext", "decryption failed"))  # noqa: PT017


def test_earlier_keys_open_by_their_names_and_what_has_no_name_opens_by_any() -> None:
    first, second = Keyring("the first key of all"), Keyring("the second of these keys", "k2")
    now = Keyring("the third of these keys", "k3", "k2:the-wrong-one :the_first_key")
    with pytest.raises(Undecipherable, match=r"decryption failed$"):
        now.decrypt(second.encrypt("x"))
    older = f":{ENCODED} k2:{HEX}"
    unnamed, named = Keyring(ENCODED).encrypt("by the unnamed"), Keyring(HEX, "k2").encrypt("by k2")
    now = Keyring(new_key(), "k3", older)
    assert [now.decrypt(text) for text in (unnamed, named)] == ["by the unnamed", "by k2"]
    assert now.encrypt("x").startswith("nf1:k3:")
    with pytest.raises(Undecipherable):
        now.decrypt(first.encrypt("x"))


def test_a_key_that_is_not_known_is_named() -> None:
    with pytest.raises(Undecipherable, match=r"'k9'.*security.earlier_keys"):
        RINGS[1].decrypt(Keyring(ENCODED, "k9").encrypt("x"))
    with pytest.raises(Undecipherable, match="'k9'"):
        RINGS[1].unseal(Keyring(ENCODED, "k9").seal(b"x", "here"), "here")
    with pytest.raises(Undecipherable, match="no key is known"):
        NO_KEYS.unseal(Keyring(ENCODED).seal(b"x", "here"), "here")


@given(st.binary(), st.text(max_size=8), st.text(max_size=8), st.sampled_from(RINGS))
def test_sealed_bytes_open_at_their_place_alone(data: bytes, place: str, other: str, ring: Keyring) -> None:
    sealed = ring.seal(data, f"step {place}")
    assert ring.unseal(sealed, f"step {place}") == data
    if other != place:
        with pytest.raises(Undecipherable):
            ring.unseal(sealed, f"step {other}")


@given(st.text(st.characters(codec="utf-8")), st.sampled_from(RINGS))
def test_sealed_texts_are_texts_that_open_at_their_place_alone(text: str, ring: Keyring) -> None:
    sealed = ring.seal_text(text, "here")
    assert ring.unseal_text(sealed, "here") == text
    with pytest.raises(Undecipherable):
        ring.unseal_text(sealed, "there")
    with pytest.raises(Undecipherable):
        ring.decrypt(sealed)


def test_without_a_key_everything_stays_as_it_is() -> None:
    assert (NO_KEYS.seal(b"{}", "here"), NO_KEYS.unseal(b"{}", "here")) == (b"{}", b"{}")
    assert (NO_KEYS.seal_text("{}", "here"), NO_KEYS.unseal_text("{}", "here")) == ("{}", "{}")
    with pytest.raises(Undecipherable, match=r"security\.encryption_key"):
        NO_KEYS.encrypt("x")


def test_earlier_keys_read_also_where_nothing_is_encrypted_any_more() -> None:
    left = Keyring("", "", f"k1:{ENCODED}")
    assert not left.encrypts
    assert left.decrypts
    assert left.decrypt(RINGS[1].encrypt("kept")) == "kept"


@pytest.mark.parametrize(
    ("key_id", "earlier", "path"),
    [
        ("a:b", "", "security.encryption_key_id"),
        ("x" * 33, "", "security.encryption_key_id"),
        ("k1", "nocolon-hunter2", "security.earlier_keys.0"),
        ("k1", ":fine a b:hunter2 k2:", "security.earlier_keys.1"),
        ("k1", "k1:hunter2", "security.earlier_keys"),
        ("k1", "k2:hunter2 k2:other", "security.earlier_keys"),
    ],
)
def test_what_cannot_be_is_named_without_being_shown(key_id: str, earlier: str, path: str) -> None:
    with pytest.raises(BadDocument) as raised:
        Keyring(ENCODED, key_id, earlier)
    assert path in [problem.path for problem in raised.value.problems]
    assert "hunter2" not in str(raised.value)
