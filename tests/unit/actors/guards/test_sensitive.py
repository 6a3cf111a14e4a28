"""What is found in texts: the kinds, one label for each place, the operator's own, in linear time."""

from __future__ import annotations

import time

import pytest

from actors.guards.sensitive import Detector, SensitiveSettings
from protocol.errors import BadDocument

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop"


def found(text: str, **settings: object) -> list[tuple[str, str]]:
    detector = Detector(SensitiveSettings(**settings))  # type: ignore[arg-type]
    return [(each.kind, text[each.start : each.end]) for each in detector.find(text)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("email", value) for value in ("a@b.co", "first.last+tag@sub.example.com", "ñandú@correo.españa.es")),
        *(("email", value) for value in ("用户@例子.公司", "user@host.xn--p1ai", "a" * 300 + "@example.com")),
        *(("phone", value) for value in ("555-123-4567", "5551234567", "(555) 123-4567", "+1 555.123.4567")),
        *(("phone", value) for value in ("15551234567", "+1(555)1234567")),
        ("ssn", "123-45-6789"),
        *(("credit_card", value) for value in ("4111 1111 1111 1111", "4111111111111111", "4111-1111-1111-1111")),
        *(("credit_card", value) for value in ("3782 822463 10005", "4222222222222", "6304000000000000000")),
        *(("credit_card", value) for value in ("4111 1111 1111 1112", "6304 0000 0000 0000 000")),
        *(("jwt", value) for value in (JWT, f"{JWT}.{'x' * 12}.{'y' * 12}")),
    ],
)
def test_a_value_is_found_alone_and_within_a_text(kind: str, value: str) -> None:
    assert found(value) == [(kind, value)]
    assert found(f"before {value}, after") == [(kind, value)]
    assert found(f"({value})") == [(kind, value)] or value.startswith("(")


@pytest.mark.parametrize("name", ["api_key", "API-KEY", "apikey", "apiKey", "access_token", "auth-token", "authToken"])
@pytest.mark.parametrize("between", ["=", ": ", '":"', "' : '"])
def test_an_api_key_is_what_stands_behind_its_name(name: str, between: str) -> None:
    assert found(f"{name}{between}sk_test_1234567890") == [("api_key", "sk_test_1234567890")]
    assert found(f"{name}{between}short") == []


@pytest.mark.parametrize(
    "text",
    [
        *("hunter2", "a@b", "@example.com", "12-34-56", "2026-11-20T10:30:00Z", "550e8400-e29b-41d4-a716-446655440000"),
        *("12345", "123456789012", "12345678901234567890123", "1.2.3", "api_key", "192.168.1.1", "3.14159"),
        *("M 12 2 6 14 22 3 9 12 33 1 5 7 19 20 4", "a.b.c", "1 2 3 4 5 6 7 8 9 10 11 12 13"),
    ],
)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert found(text) == []


def test_overlapping_values_are_one_and_the_first_kind_names_it() -> None:
    custom = {"employee_id": r"EMP\d{6}", "late": r"example\.com \w+"}
    assert found("EMP123456@example.com x", custom=custom) == [("employee_id", "EMP123456@example.com x")]
    assert found("EMP123456 a@b.co", custom=custom) == [("employee_id", "EMP123456"), ("email", "a@b.co")]
    assert all(found(f"{JWT}@example.com") == [("jwt", f"{JWT}@example.com")] for _ in range(20))


def test_patterns_can_be_chosen_and_switched_off_while_the_operators_own_always_count() -> None:
    text = "a@b.co 555-123-4567 EMP123456"
    own = {"employee_id": r"EMP\d{6}"}
    assert [kind for kind, _ in found(text, kinds=("phone",), custom=own)] == ["phone", "employee_id"]
    assert found(text, by_pattern=False, custom=own) == []


def test_an_own_kind_with_the_name_of_ours_takes_its_place() -> None:
    assert found("+34 612 345 678 and 555-123-4567", custom={"phone": r"\+34(?: \d{3}){3}"}) == [
        ("phone", "+34 612 345 678")
    ]


def test_fields_are_known_by_their_letters() -> None:
    detector = Detector(SensitiveSettings(fields=("api_key", "password")))
    assert {detector.field(key) for key in ("api_key", "apiKey", "API-KEY", "Api Key", "apikey")} == {"api_key"}
    assert [detector.field(key) for key in ("PASSWORD", "passwords", "my_password", "")] == ["password", "", "", ""]


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"kinds": ("email", "iban")}, "security.sensitive_patterns.1"),
        ({"custom": {"bad": "("}}, "security.custom_patterns.bad"),
        ({"custom": {"empty": "x*"}}, "security.custom_patterns.empty"),
        ({"custom": {"json": "x"}}, "security.custom_patterns.json"),
        ({"custom": {"a b": "x"}}, "security.custom_patterns.a b"),
        ({"fields": ("ok", "a]b")}, "security.always_encrypt_fields.1"),
    ],
)
def test_what_cannot_be_is_named(settings: dict[str, object], path: str) -> None:
    with pytest.raises(BadDocument) as raised:
        Detector(SensitiveSettings(**settings))  # type: ignore[arg-type]
    assert [problem.path for problem in raised.value.problems] == [path]


@pytest.mark.parametrize(
    "piece",
    ["a@", "@", "1 ", "12", "aaaaaaaaaa.", "a@b.cc ", "a@b.cc-", "a.", "4111 ", "555-123-4567 ", "api_key ", '"', "ñ@"],
)
def test_hostile_text_takes_time_in_proportion(piece: str) -> None:
    detector = Detector(SensitiveSettings(fields=("password",)))

    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        began = time.perf_counter()
        detector.find(text)
        return time.perf_counter() - began

    seconds(1_000)
    assert seconds(400_000) < 5.0  # a pattern that is not linear takes minutes
