"""Encryption from settings: what is made, and every key that cannot be named by its path without its value."""

from __future__ import annotations

import pytest

from gateway.assembly.encryption import EncryptionParts
from protocol.errors import BadDocument
from protocol.settings import Settings


def parts(text: str) -> EncryptionParts:
    settings, _ = Settings.parse(f"[security]\n{text}", "test", {})
    return EncryptionParts(settings)


def test_by_default_nothing_is_encrypted() -> None:
    made = parts("")
    assert not made.keys.encrypts
    assert made.answers is None


def test_a_key_alone_encrypts_what_is_kept_and_not_what_is_answered() -> None:
    made = parts('encryption_key = "a key of some length"')
    assert made.keys.encrypts
    assert made.answers is None


def test_answers_are_encrypted_where_that_is_on() -> None:
    assert parts('encryption_key = "a key of some length"\nenable_encryption = true').answers is not None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("enable_encryption = true", "security.encryption_key"),
        ('encryption_key = "hunter2-hunter2-hunter2"\nencryption_key_id = "a b"', "security.encryption_key_id"),
        ('earlier_keys = "hunter2"', "security.earlier_keys.0"),
        ('sensitive_patterns = ["iban"]', "security.sensitive_patterns.0"),
        ('[security.custom_patterns]\nbad = "(?=x)"', "security.custom_patterns.bad"),
    ],
)
def test_what_cannot_be_is_named(text: str, path: str) -> None:
    with pytest.raises(BadDocument) as raised:
        parts(text)
    assert path.removeprefix("security.") in str(raised.value)
    assert "hunter2" not in str(raised.value)
