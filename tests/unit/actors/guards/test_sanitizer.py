"""What is masked in a log line, what it looks like then, and what it costs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.guards.sanitizer import KINDS, SECRET_KINDS, Sanitizer, SanitizerSettings
from protocol.errors import BadDocument

VECTORS = Path(__file__).parents[3] / "data" / "sanitizer_vectors.txt"
OPTIONS: dict[str, dict[str, Any]] = {
    "shown": {},
    "hidden": {"show_type": False},
    "counted": {"preserve_length": True, "masking_char": "#"},
    "stars": {"preserve_length": True, "show_type": False},
    "custom": {"custom": {"session_id": "sess_[a-z0-9]{8}"}},
}
MADE = {name: Sanitizer(SanitizerSettings(**options)) for name, options in OPTIONS.items()}
PLAIN = MADE["shown"]


def vectors() -> list[tuple[str, str, str]]:
    lines = [line.split("|") for line in VECTORS.read_text().splitlines() if line and not line.startswith("#")]
    return [(options, said, told) for options, said, told in lines]


@pytest.mark.parametrize(("options", "said", "told"), vectors())
def test_lines_come_out_as_go_writes_them(options: str, said: str, told: str) -> None:
    assert MADE[options].text(said) == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("postgres://user:pass@db.example.com/x", "postgres://user:[REDACTED:password]@db.example.com/x"),
        ("user:pw@tcp(db:3306)/x", "user:[REDACTED:password]@tcp(db:3306)/x"),
        ("GET /x?token=abc123&y=2", "GET /x?token=[REDACTED:secret]&y=2"),
        ("Cookie: a=b; c=d", "Cookie: [REDACTED:secret]"),
        ("Authorization: Basic dXNlcjpw", "Authorization: [REDACTED:access_token]"),
        ('{"client_secret": "a b", "n": 1}', '{"client_secret": [REDACTED:secret], "n": 1}'),
        ('{\\"password\\":\\"hunter2\\"}', '{\\"[REDACTED:password]'),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.abcdefghijkl", "[REDACTED:jwt]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- x", "[REDACTED:private_key] x"),
        ("-----BEGIN PRIVATE KEY-----\ncut off", "[REDACTED:private_key]"),
        ("clave=secreta1", "clave=[REDACTED:secret]"),
    ],
)
def test_secrets_that_go_lets_through_are_masked_too(said: str, told: str) -> None:
    assert PLAIN.text(said) == told


@pytest.mark.parametrize(
    "said",
    [
        "1643723400 1643723400123 0.30000000000000004 0.5551234567",
        "actors.base_events.something_longer.another_module",
        "max_tokens=4096, SyntaxError: unexpected token: foo",
        "http://localhost:8080/a?mail=b@c 12:30:45 2024-01-15",
        "01f0c55e-5a2f-7d3c-8b7a-3d1f5a9c0e11",
    ],
)
def test_what_is_no_secret_stays(said: str) -> None:
    assert PLAIN.text(said) == said


def test_configured_secrets_are_masked_wherever_and_however_they_are_written() -> None:
    secret = 'p@ss w"rd/ñ'
    clean = Sanitizer(SanitizerSettings(kinds=(), secrets=frozenset({secret, "short"})))
    assert clean.text(f"x{secret}y") == "x[REDACTED:secret]y"
    assert clean.text("p%40ss%20w%22rd%2F%C3%B1 p%40ss+w%22rd%2F%C3%B1") == "[REDACTED:secret] [REDACTED:secret]"
    assert clean.text('"p@ss w\\"rd/ñ"') == '"[REDACTED:secret]"'
    assert clean.text("a short word") == "a short word"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/people/ana%40example.com?n=1", "/people/[REDACTED:email]?n=1"),
        ("/a?x=password%3Dhunter2", "/a?x=[REDACTED:password]"),
        ("/a?card=4111%201111%201111%201111", "/a?card=[REDACTED:credit_card]"),
        ("/a?card=4111+1111+1111+1111", "/a?card=[REDACTED:credit_card]"),
        ("/a?phone=%28555%29%20234-5678", "/a?phone=[REDACTED:phone]"),
        ("/a?q=s%33cr%2ft(1)%20%", "/a?q=[REDACTED:secret] %"),
        ("/a?q=s3cr%2Ft(1)", "/a?q=[REDACTED:secret]"),
        ("100%25 of /a%20b are%", "100%25 of /a%20b are%"),
    ],
)
def test_what_only_shows_when_percent_encoding_is_read_is_masked(said: str, told: str) -> None:
    clean = Sanitizer(SanitizerSettings(secrets=frozenset({"s3cr/t(1)"})))
    assert clean.text(said) == told
    assert clean.may_mask(said.encode()) == (said != told)


def test_of_a_long_configured_secret_no_line_is_left() -> None:
    lines = [f"{number:02}" + "k" * 62 for number in range(20)]
    clean = Sanitizer(SanitizerSettings(kinds=(), secrets=frozenset({"\n".join(lines)})))
    for text in ("\n".join(lines), repr("\n".join(lines)), lines[7]):
        assert "k" * 20 not in clean.text(text)


def test_fields_named_like_a_secret_are_masked_whatever_they_hold() -> None:
    assert PLAIN.value("api_key", "x") == "[REDACTED:secret]"
    assert PLAIN.value("password", 1234) == "[REDACTED:secret]"
    assert PLAIN.value("password", None) is None
    assert PLAIN.value("has_token", True) is True
    assert PLAIN.value("max_tokens", 4096) == 4096
    assert PLAIN.value("note", "mail a@b.co") == "mail [REDACTED:email]"


def test_only_the_kinds_asked_for_are_masked() -> None:
    only = Sanitizer(SanitizerSettings(kinds=("email",)))
    assert only.text("a@b.co 192.168.1.10") == "[REDACTED:email] 192.168.1.10"


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"kinds": ("email", "iban")}, "security.log_patterns"),
        ({"masking_char": "**"}, "security.log_masking_char"),
        ({"masking_char": "\n"}, "security.log_masking_char"),
        ({"custom": {"mine": "("}}, "security.log_custom_patterns.mine"),
        ({"custom": {"mine": "a*"}}, "security.log_custom_patterns.mine"),
    ],
)
def test_settings_that_cannot_be_are_told_with_their_key(wrong: dict[str, Any], path: str) -> None:
    with pytest.raises(BadDocument) as refused:
        Sanitizer(SanitizerSettings(**wrong))
    assert path in str(refused.value.problems[0])


WORDS = st.sampled_from(
    ["a@b.co", "password", ":", "=", " ", '"', "'", "\\", "[", "]", "REDACTED", "123-45-6789", "token", "bearer ", "://u",
     "@", "555-123-4567", "4111 1111 1111 1111", "1.2.3.4", "cookie: ", "ey", ".", "abcdefghijkl",
     "-----BEGIN PRIVATE KEY-----", "\n", "ñ", "\ud800", ",", "&", "%", "40", "%3D", "(", "authorization", "basic "]
)  # fmt: skip


@given(st.lists(st.one_of(WORDS, st.text(max_size=5)), max_size=30).map("".join), st.sampled_from(list(MADE)))
def test_no_text_can_make_it_raise_nor_leave_a_known_secret_in(text: str, options: str) -> None:
    MADE[options].text(text)
    clean = Sanitizer(SanitizerSettings(**OPTIONS[options], secrets=frozenset({"canary-7f3a"})))
    assert "canary-7f3a" not in clean.text(f"{text}canary-7f3a{text}")


@pytest.mark.parametrize("value", ["a@b.co", "123-45-6789", "4111 1111 1111 1111", "192.168.1.10", "555-123-4567"])
@given(before=st.lists(WORDS, max_size=10).map("".join), behind=st.lists(WORDS, max_size=10).map("".join))
def test_a_value_between_spaces_is_found_whatever_is_around_it(value: str, before: str, behind: str) -> None:
    assert f" {value} " not in PLAIN.text(f"{before} {value} {behind}")


UNITS = [
    "a@b.co ", "a", "1 ", "5 ", "555-123-4567 ", "a.", "a@", "a@b.", "password:", "password=abcd ", "x://a:",
    "x://a:b@ ", "1.1.1.1 ", "-----BEGIN PRIVATE KEY-----", "bearer ", "password" + " " * 300, "eyaaaaaaaaaaa.", "1-",
    "token=",
    '"token":"a",', '"', "\\", "secret", "cookie: ", "authorization: basic ",
    "a@b.co 1.1.1.1 555-123-4567 4242424242424242 pwd=abcde token=abcd 123-45-6789 bearer aaaaaa x://a:b@c ",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_a_hostile_line_of_ten_kilobytes_takes_less_than_a_millisecond(unit: str) -> None:
    line = (unit * (10_000 // len(unit) + 1))[:10_000].encode()
    best = 1.0
    for _ in range(20):
        began = time.perf_counter()
        PLAIN.data(line)
        best = min(best, time.perf_counter() - began)
    assert best < 0.001


def test_behind_too_many_findings_the_rest_is_masked_as_a_whole() -> None:
    told = PLAIN.text("a@b.co " * 2_000 + "end of the line")
    assert "end of the line" not in told
    assert "a@b.co" not in told


def test_every_kind_has_a_pattern_and_secrets_are_some_of_them() -> None:
    assert set(SECRET_KINDS) < set(KINDS)
