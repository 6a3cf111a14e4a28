"""AES-256-GCM under the operator's keys: nFlow's text format, a format of our own that names its key, and sealed bytes.

| format | made | authenticated besides |
|---|---|---|
| `base64(nonce‖ciphertext‖tag)` (Go: security/encryption) | texts, while the key has no name | nothing |
| `nf1:<key id>:base64(nonce‖ciphertext‖tag)` | texts, once it has one | everything before the base64 |
| the same without base64 | what a store keeps | also where it is kept |

Invariant: what decrypts was encrypted under a known key and not changed since; sealed bytes only open at their place.
Whatever is given, the answer is the plaintext or `Undecipherable`. Nonces are 12 random bytes, so one key should not
encrypt more than some 2^32 values: then it is time for the next. Pure but for the random numbers; the owner of
`cryptography`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocol.errors import BadDocument, Problem, Undecipherable

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_WEAK_BYTES: Final = 16
_MARK: Final = "nf1:"
_SEALED: Final = _MARK.encode()
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}")
_KEY_PATH: Final = "security.encryption_key"
_EARLIER_PATH: Final = "security.earlier_keys"


def new_key(*, hexadecimal: bool = False) -> str:
    """32 random bytes, in base64 as Go's helper makes them, or in hex."""
    made = secrets.token_bytes(KEY_BYTES)
    return made.hex() if hexadecimal else base64.b64encode(made).decode()


def key_bytes(text: str) -> bytes:
    """The 32 bytes of a key as it is written: 64 hex digits, else as Go reads it.

    Go does not know hex: 64 hex digits are base64 to it, and what they decode to is hashed. See `Keyring`.
    """
    return bytes.fromhex(text) if _HEX.fullmatch(text) else _go_key_bytes(text)


def weakness(text: str) -> str:
    """Why a key is weak, in words for an operator; empty when it is not."""
    material = KEY_BYTES if _HEX.fullmatch(text) else len(_material(text))
    if material >= _WEAK_BYTES:
        return ""
    return f"it is made of {material} bytes, fewer than {_WEAK_BYTES}: it can be guessed; `nflow keygen` makes one"


class _Key(NamedTuple):
    id: str
    cipher: AESGCM
    as_go: AESGCM | None
    """What Go makes of the same text, where that is another key."""


class Keyring:
    """The key that encrypts and all that decrypt. Without a key it refuses the one, and reads what is not encrypted.

    May be shared between threads.
    """

    __slots__ = ("_current", "_keys", "id")

    def __init__(self, key: str = "", key_id: str = "", earlier: str = "") -> None:
        """`earlier`: keys that encrypted before, as `id:key` or, where they had no name, `:key`, between spaces.

        Raises BadDocument naming the configuration's keys, never showing what they hold.
        """
        self.id = key_id
        """Name of the key that encrypts; empty: it has none, and texts are in Go's format."""
        problems = []
        if key_id and not _ID.fullmatch(key_id):
            problems.append(Problem(f"{_KEY_PATH}_id", "must be letters, digits or . _ - and at most 32 of them"))
        older = list(_earlier(earlier, problems))
        names = [name for name, _ in older if name] + ([key_id] if key_id and key else [])
        if len(names) != len(set(names)):
            problems.append(Problem(_EARLIER_PATH, "a name stands for two keys; give the new key a new name"))
        if problems:
            raise BadDocument(problems)
        self._current = _made(key_id, key) if key else None
        self._keys = (*((self._current,) if self._current else ()), *(_made(name, text) for name, text in older))

    @property
    def encrypts(self) -> bool:
        """Whether there is a key to encrypt with."""
        return self._current is not None

    @property
    def decrypts(self) -> bool:
        """Whether any key is known."""
        return bool(self._keys)

    # --- texts ---

    def encrypt(self, text: str) -> str:
        """The ciphertext of a text; the empty text stays empty (Go). Raises Undecipherable without a key."""
        if not text:
            return ""
        head, sealed = self._encrypted(_utf8(text), b"")
        return (head.decode() if self.id else "") + base64.b64encode(sealed).decode()

    def decrypt(self, text: str) -> str:
        """The text of a ciphertext in either format; Go's by any known key. Raises Undecipherable in Go's words."""
        if not text:
            return ""
        name, head, body = "", b"", text
        if text.startswith(_MARK):
            name, _, body = text[len(_MARK) :].partition(":")
            head = f"{_MARK}{name}:".encode("utf-8", "replace")
        sealed = _decoded(body)
        if sealed is None:
            raise Undecipherable("invalid ciphertext: invalid base64")
        return self._opened(name, head, sealed, go=not head).decode("utf-8", "replace")

    def reads(self, text: str) -> bool:
        """Whether this is a ciphertext of ours. (Go's `IsEncrypted` takes any base64 of 28 bytes for one.)"""
        try:
            return bool(self.decrypt(text))
        except Undecipherable:
            return False

    # --- what stores keep ---

    def seal(self, data: bytes, place: str) -> bytes:
        """Encrypt for one place, such as a row's key: nowhere else it opens. Without a key: the data as it is."""
        if self._current is None:
            return data
        return b"".join(self._encrypted(data, place.encode("utf-8", "surrogatepass")))

    def unseal(self, data: bytes, place: str) -> bytes:
        """What was sealed for this place; what never was comes back as it is. Raises Undecipherable."""
        if not data.startswith(_SEALED):
            return data
        name, _, sealed = data[len(_SEALED) :].partition(b":")
        context = data[: len(data) - len(sealed)] + place.encode("utf-8", "surrogatepass")
        return self._opened(name.decode("utf-8", "replace"), context, sealed, go=False)

    def seal_text(self, text: str, place: str) -> str:
        """`seal` for columns of text."""
        if self._current is None:
            return text
        head, sealed = self._encrypted(_utf8(text), place.encode("utf-8", "surrogatepass"))
        return head.decode() + base64.b64encode(sealed).decode()

    def unseal_text(self, text: str, place: str) -> str:
        """What `seal_text` sealed. Raises Undecipherable."""
        if not text.startswith(_MARK):
            return text
        head, colon, body = text.rpartition(":")
        sealed = _decoded(body)
        if sealed is None:
            raise Undecipherable("invalid ciphertext: invalid base64")
        return self.unseal((head + colon).encode() + sealed, place).decode()

    # --- the cipher ---

    def _encrypted(self, data: bytes, place: bytes) -> tuple[bytes, bytes]:
        """The format's head, and nonce, ciphertext and tag."""
        if self._current is None:
            raise Undecipherable("there is no key to encrypt with (security.encryption_key)")
        head = f"{_MARK}{self.id}:".encode()
        nonce = os.urandom(NONCE_BYTES)
        # Go authenticates nothing besides; a text of ours, its own head.
        context = head + place if self.id or place else None
        return head, nonce + self._current.cipher.encrypt(nonce, data, context)

    def _opened(self, name: str, context: bytes, sealed: bytes, *, go: bool) -> bytes:
        if len(sealed) < NONCE_BYTES + _TAG_BYTES:
            raise Undecipherable("invalid ciphertext: too short")
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        # A key may have got its name after it encrypted: what names none is tried with all.
        keys = [key for key in self._keys if key.id == name] if name else self._keys
        if not keys:
            wanted = f"with the key {name[:32]!r}, which is not known" if name else "and no key is known"
            raise Undecipherable(
                f"decryption failed: it is encrypted {wanted} (security.encryption_key_id, security.earlier_keys)"
            )
        for cipher in _ciphers(keys, go=go):
            try:
                return cipher.decrypt(nonce, rest, context or None)
            except InvalidTag:
                continue
        raise Undecipherable("decryption failed")


def _made(name: str, text: str) -> _Key:
    ours, as_go = key_bytes(text), _go_key_bytes(text)
    return _Key(name, AESGCM(ours), AESGCM(as_go) if as_go != ours else None)


def _ciphers(keys: tuple[_Key, ...] | list[_Key], *, go: bool) -> Iterator[AESGCM]:
    for key in keys:
        yield key.cipher
        if go and key.as_go is not None:
            yield key.as_go


def _earlier(text: str, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    """Names and keys of `id:key id:key`; what is wrong goes to `problems`."""
    for place, pair in enumerate(text.split()):
        name, colon, key = pair.partition(":")
        if not colon or not key or (name and not _ID.fullmatch(name)):
            problems.append(Problem(f"{_EARLIER_PATH}.{place}", "must be id:key, or :key for a key without a name"))
        else:
            yield name, key


def _go_key_bytes(text: str) -> bytes:
    """Base64 where it is that, else the text itself; hashed unless it has 32 bytes (Go)."""
    material = _material(text)
    return material if len(material) == KEY_BYTES else hashlib.sha256(material).digest()


def _material(text: str) -> bytes:
    decoded = _decoded(text)
    return decoded if decoded is not None else text.encode("utf-8", "surrogateescape")


def _decoded(text: str) -> bytes | None:
    """Standard base64 as Go reads it: padded, line ends ignored. None: it is not."""
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return None


def _utf8(text: str) -> bytes:
    """Half a surrogate pair, which is no character, becomes U+FFFD, as it does in Go."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


NO_KEYS: Final = Keyring()
"""Encrypts nothing, and reads what is not encrypted."""
