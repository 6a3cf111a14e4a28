"""Bodies with their sensitive values encrypted: JSON stays JSON, all else to the byte, and nothing is left in clear."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.guards.encryption import Keyring
from actors.guards.interception import METADATA, TOKEN, Interceptor, decrypted_tokens
from actors.guards.sensitive import Detector, SensitiveSettings

KEYS = Keyring("a key of the tests", "k1")
SETTINGS = SensitiveSettings(fields=("password", "api_key"), custom={"word": "^whole$"})
PLAIN = SensitiveSettings(fields=("password", "api_key"))
IN_PLACE = Interceptor(KEYS, Detector(PLAIN))
BESIDE = Interceptor(KEYS, Detector(PLAIN), in_place=False)
SECRETS = ("ana@example.com", "555-123-4567", "123-45-6789", "4111 1111 1111 1111")
JSON = "application/json"

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
filled = st.builds("{}{}{}".format, st.sampled_from(["", "mail ", 'say "', "\\", "ñ\n", "[ENCRYPTED_ "]),
                   st.sampled_from(SECRETS), st.sampled_from(["", " now", '"', "\t!", "]"]))  # fmt: skip
keys = st.text(max_size=4) | st.sampled_from(["password", "apiKey", "access_token", "a", METADATA]) | filled
documents = st.recursive(
    scalars | filled,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def body(value: Any, *, ascii_only: bool) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


def restored(value: Any) -> Any:
    """The value as it was: every token replaced by what it holds."""
    if isinstance(value, dict):
        return {restored(key): restored(each) for key, each in value.items()}
    if isinstance(value, list):
        return [restored(each) for each in value]
    if not isinstance(value, str):
        return value
    token = TOKEN.fullmatch(value)
    if token and token[1] == "json":
        return json.loads(KEYS.decrypt(token[2]))
    return TOKEN.sub(lambda found: KEYS.decrypt(found[2]), value)


@given(documents, st.booleans())
def test_any_json_stays_json_that_decrypts_to_the_same_with_no_secret_in_clear(value: Any, ascii_only: bool) -> None:
    taken = IN_PLACE.body(JSON, body(value, ascii_only=ascii_only))
    made = json.loads(taken.body)
    assert restored(made) == value
    told = TOKEN.sub("", json.dumps(made, ensure_ascii=False))
    assert not any(secret in told for secret in SECRETS)
    assert (taken.values > 0) is (taken.body != body(value, ascii_only=ascii_only))


@given(documents)
def test_what_is_encrypted_is_not_encrypted_again(value: Any) -> None:
    once = IN_PLACE.body(JSON, body(value, ascii_only=False)).body
    assert IN_PLACE.body(JSON, once) == (once, 0)


@given(documents, st.booleans())
def test_beside_the_data_every_path_leads_to_its_value(value: Any, ascii_only: bool) -> None:
    taken = BESIDE.body(JSON, body(value, ascii_only=ascii_only))
    made = json.loads(taken.body)
    if not taken.values:
        assert made == value
        return
    wrapped = not isinstance(value, dict) or METADATA in value
    assert set(made) == {METADATA, "data"} if wrapped else {METADATA, *value}
    assert (made["data"] if wrapped else {key: made[key] for key in value}) == value
    for told in made[METADATA]:
        there, plain = at(value, told["path"]), KEYS.decrypt(told["encrypted"])
        assert (json.loads(plain) == there) if told["type"] == "json" else any(plain in text for text in there)


def at(value: Any, pointer: str) -> Any:
    """What is at the pointer; the texts there, keys included, unless it is no text."""
    key = ""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return (value, key) if isinstance(value, str) else value if not contains_secret(key) else (key,)


def contains_secret(text: str) -> bool:
    return any(secret in text for secret in SECRETS)


@given(st.lists(st.sampled_from([*SECRETS, " ", "<p>", "ñ", "\n", "now", "\x00"])).map(" ".join))
def test_in_any_text_the_values_are_replaced_and_nothing_else(text: str) -> None:
    taken = IN_PLACE.body("text/plain", text.encode())
    assert decrypted_tokens(KEYS, taken.body.decode()) == text
    assert not any(secret in TOKEN.sub("", taken.body.decode()) for secret in SECRETS)


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange(data: bytes) -> None:
    for content_type in (JSON, "text/plain", "text/event-stream", "application/x-ndjson", "", "image/png"):
        for each in (IN_PLACE, BESIDE):
            taken = each.body(content_type, data)
            assert taken.values > 0 or taken.body == data


@pytest.mark.parametrize(
    "text",
    [
        '{"big":123456789012345678901234567890,"exact":1.10,"twice":1,"twice":2,"last": "ana@example.com" }',
        ' [1e400, 0.10, "ana@example.com"]\n',
    ],
)
def test_numbers_keep_their_digits_and_keys_their_doubles(text: str) -> None:
    made = IN_PLACE.body(JSON, text.encode()).body.decode()
    assert made != text
    assert decrypted_tokens(KEYS, made) == text


@pytest.mark.parametrize(
    ("value", "kind", "plain"),
    [
        ('"hunter2"', "password", "hunter2"),
        ("12345678901234567890123", "json", "12345678901234567890123"),
        ('{"a":[1.50]}', "json", '{"a":[1.50]}'),
        ("true", "json", "true"),
        ('"555-123-4567"', "password", "555-123-4567"),
        ('"say \\"ñ\\u00f1\\""', "password", 'say "ññ"'),
    ],
)
def test_a_field_is_encrypted_whatever_it_holds(value: str, kind: str, plain: str) -> None:
    made = json.loads(IN_PLACE.body(JSON, b'{"a":[{"Pass_Word": %s}],"n":1}' % value.encode()).body)
    token = TOKEN.fullmatch(made["a"][0]["Pass_Word"])
    assert token is not None
    assert (token[1], KEYS.decrypt(token[2])) == (kind, plain)


@pytest.mark.parametrize("value", ["null", '""'])
def test_a_field_that_holds_nothing_stays(value: str) -> None:
    text = b'{"password":%s}' % value.encode()
    assert IN_PLACE.body(JSON, text) == (text, 0)


def test_an_escape_hides_nothing() -> None:
    text = rb'{"p\u0061ssword":"x1","a":"ana\u0040example.com","b":"\n555-123-4567","ap\u0069_key":"sk"}'
    taken = IN_PLACE.body(JSON, text)
    assert taken.values == 4
    assert restored(json.loads(taken.body)) == json.loads(text)


def test_a_pattern_with_anchors_is_asked_of_each_text() -> None:
    anchored = Interceptor(KEYS, Detector(SETTINGS))
    assert anchored.body(JSON, b'{"a":"whole","b":"the whole"}').values == 1


@pytest.mark.parametrize("content_type", ["application/problem+json", "application/json; charset=utf-8", "x/unknown"])
def test_json_is_known_by_its_type_and_by_being_it(content_type: str) -> None:
    assert IN_PLACE.body(content_type, b'{"a":"ana@example.com"}').values == 1


def test_what_says_it_is_json_and_is_not_is_read_as_text_too() -> None:
    made = IN_PLACE.body(JSON, b'{\'a\': ana@example.com, "password": "x1", "b').body
    assert b"ana@" not in made
    assert b"x1" not in made


@pytest.mark.parametrize("content_type", ["application/javascript; charset=UTF-8", "text/javascript"])
def test_json_handed_to_a_function_is_json(content_type: str) -> None:
    taken = IN_PLACE.body(content_type, b'shop.cb({"password":"hunter22","n":1}\n);').body
    assert taken.startswith(b'shop.cb({"password":"[ENCRYPTED_password:')
    assert taken.endswith(b'","n":1}\n);')
    script = b"f(g('x')); h({password: 1})"
    assert IN_PLACE.body(content_type, script).body == script


def test_a_text_in_another_charset_is_read_in_it() -> None:
    taken = IN_PLACE.body("text/plain; charset=utf-16", "ñ ana@example.com".encode("utf-16"))
    assert decrypted_tokens(KEYS, taken.body.decode("utf-16")) == "ñ ana@example.com"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (b'data: {"email":\ndata: "ana@example.com"}\n\n', 'data: {"email":\ndata: "ana@example.com"}\n\n'),
        (b"event: x\r\ndata: ana@example.com\r\nid: 1\r\n\r\n", "event: x\r\nid: 1\r\ndata: ana@example.com\n\r\n"),
        (b"data:ana@example.com\n\n: to ana@example.com\n\n", "data: ana@example.com\n\n: to ana@example.com\n\n"),
        (b"data: ana@example.com", "data: ana@example.com\n"),
    ],
)
def test_events_keep_their_fields(given: bytes, wanted: str) -> None:
    taken = IN_PLACE.body("text/event-stream", given)
    assert b"ana@" not in taken.body
    assert decrypted_tokens(KEYS, taken.body.decode()) == wanted


@pytest.mark.parametrize(
    "text",
    [
        b'["' + b"a@" * 200_000 + b'"]',
        b'{"password":' * 30_000 + b"1" + b"}" * 30_000,
        b'{"a":' + b"[" * 100_000,
        b'"' * 400_000,
        b'"\\' * 200_000,
        b'{"' + b"k" * 1000 + b'":[' + b'"a@b.co",' * 4_000 + b"1]}",
        b"[ENCRYPTED_" * 40_000,
        b"[ENCRYPTED_x:" + b"A" * 400_000,
    ],
)
def test_a_hostile_body_takes_time_in_proportion(text: bytes) -> None:
    began = time.perf_counter()
    for each in (IN_PLACE, BESIDE):
        assert len(each.body(JSON, text).body) < 100 * len(text)
    assert time.perf_counter() - began < 10.0  # what is not linear takes minutes
