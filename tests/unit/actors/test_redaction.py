"""What the tracker keeps holds no secret and is otherwise what it was."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.guards.redaction import MASK, mask, mask_query, may_hold_secrets

SECRET_KEYS = (
    "password", "Password", "PASSWD", "user_password", "newPassword", "pass", "pwd", "secret", "client_secret", "token",
    "access_token", "x-csrf-token", "Authorization", "api_key", "apiKey", "X-API-Key", "Cookie", "Set-Cookie",
    "private_key", "contraseña", "clave", "tokens",
)  # fmt: skip
PLAIN_KEYS = ("name", "compass", "passage", "key", "rapid", "api", "author", "passed", "privately", "monkey", "enclave")

keys = st.one_of(st.sampled_from(SECRET_KEYS), st.sampled_from(PLAIN_KEYS), st.text(max_size=8))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | keys,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


def is_secret(key: str) -> bool:
    """The oracle's own list, by word and not by pattern."""
    low = key.lower()
    words = ("passw", "passphrase", "pwd", "secret", "token", "authorization", "cookie", "credential", "contrase")
    joined = [f"{first}{mark}{last}" for first, last in (("api", "key"), ("private", "key"), ("pass", "word"),
              ("pass", "phrase"), ("pass", "code")) for mark in ("", "_", "-", ".", " ")]  # fmt: skip
    joined.remove("passcode")
    return any(word in low for word in (*words, *joined)) or low in ("pass", "clave")


def expected(value: Any) -> Any:
    if isinstance(value, list):
        return [expected(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: masked(key, item) for key, item in value.items()}


def masked(key: str, item: Any) -> Any:
    if not is_secret(key):
        return expected(item)
    if item is None or isinstance(item, bool):
        return item
    if key.lower().endswith("tokens") and isinstance(item, int | float):
        return item
    return MASK


@given(values)
def test_values_of_secret_keys_are_masked_at_any_depth_and_nothing_else_is(value: Any) -> None:
    assert json.loads(mask(json.dumps(value).encode())) == expected(value)
    assert json.loads(mask(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))) == expected(value)
    assert json.loads(mask(json.dumps(value, indent=2).encode())) == expected(value)


@given(values)
def test_the_scan_over_many_never_misses_what_the_mask_would_change(value: Any) -> None:
    text = json.dumps(value).encode()
    if mask(text) != text:
        assert may_hold_secrets([b"{}", text, b"[]"], [])


@given(st.text(max_size=60))
def test_the_scan_over_many_never_misses_a_query_either(text: str) -> None:
    if mask_query(text) != text:
        assert may_hold_secrets([], ["a=1", text])


@given(st.binary(max_size=200))
def test_text_that_is_no_json_is_taken_as_it_comes(text: bytes) -> None:
    assert isinstance(mask(text), bytes)


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_a_secret_value_is_gone(key: str) -> None:
    text = json.dumps({"user": {key: "canary-7f3a"}}, ensure_ascii=False).encode()
    assert b"canary" not in mask(text)


@pytest.mark.parametrize("key", PLAIN_KEYS)
def test_an_innocent_key_keeps_its_value(key: str) -> None:
    text = json.dumps({key: "kept"}).encode()
    assert mask(text) is text or mask(text) == text


def test_what_is_not_masked_stays_byte_for_byte() -> None:
    text = b'{ "n":1.10, "big":123456789012345678901234567890, "password" : "x", "a":1, "a":2, "e":1E400 }'
    assert (
        mask(text) == b'{ "n":1.10, "big":123456789012345678901234567890, "password" : "***", "a":1, "a":2, "e":1E400 }'
    )


def test_a_key_spelled_with_escapes_is_known() -> None:
    assert mask(rb'{"p\u0061ssword":"canary"}') == rb'{"p\u0061ssword":"***"}'


def test_whole_objects_and_lists_under_a_secret_key_are_masked() -> None:
    assert mask(b'{"token":{"a":["]}"]},"b":[{"secret":[1,"\\"]"]}]}') == b'{"token":"***","b":[{"secret":"***"}]}'


def test_absence_yes_and_no_and_counts_are_no_secrets() -> None:
    text = b'{"password":null,"has_password":true,"max_tokens":400,"usage":{"total_tokens":7}}'
    assert mask(text) == text
    assert mask(b'{"token":400}') == b'{"token":"***"}'


def test_a_word_in_a_value_is_no_key() -> None:
    text = b'{"hint":"your password","list":["token","secret"]}'
    assert mask(text) == text


@pytest.mark.parametrize(
    ("query", "masked_query"),
    [
        ("a=1&password=x&b=2", "a=1&password=***&b=2"),
        ("p%61ssword=x", "p%61ssword=***"),
        ("/login?api_key=x&b=2", "/login?api_key=***&b=2"),
        ("next=/x?token=abc?def&b=1", "next=/x?token=***&b=1"),
        ("password=a=b?c&d=token", "password=***&d=token"),
        ("access_token=x;b=1", "access_token=***;b=1"),
        ('{"password":"x"}', '{"password":"***"}'),
        ("password=&b=1", "password=&b=1"),
        ("a=1&b=2", "a=1&b=2"),
        ("/password/reset", "/password/reset"),
        ("", ""),
    ],
)
def test_secret_query_parameters_are_masked(query: str, masked_query: str) -> None:
    assert mask_query(query) == masked_query


@pytest.mark.parametrize(
    "text",
    [
        b"token" + b'"\\' * 100_000,
        b'"token":' * 30_000,
        b'"token":{' * 30_000,
        b'{"token"' * 30_000 + b" " * 30_000,
        b'"token":[' + b'"' * 200_001,
        b'"token"' + b" " * 200_000,
        b"\\u00" + b'"a' * 100_000,
        b'"token":"' + b"\\" * 200_001,
    ],
    ids=lambda text: text[:12].decode(),
)
def test_hostile_text_costs_no_more_than_its_length(text: bytes) -> None:
    began = time.process_time()
    mask(text)
    mask_query(text.decode())
    mask_query("=" + text.decode().replace('"', "&"))
    assert time.process_time() - began < 1.0  # quadratic would be minutes
