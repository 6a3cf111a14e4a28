"""Only what was signed here is ever a session's id."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sessions.cookie import (
    CookieSettings,
    Presented,
    cookie_keys,
    cookie_line,
    is_secure,
    presented,
    sign,
    verify,
)
from protocol.errors import BadDocument

NOW = 1_800_000_000.0
DAY = 86_400.0
ID = "Abc-_" * 6 + "xy"
SETTINGS = CookieSettings((b"a key of sixteen characters", b"an older key of ours"))


def test_what_was_signed_is_verified() -> None:
    for _ in range(100):
        session = secrets.token_urlsafe(24)
        assert verify(SETTINGS, sign(SETTINGS, session, NOW), NOW + DAY) == session


def test_any_change_of_one_character_makes_it_false() -> None:
    value = sign(SETTINGS, ID, NOW)
    for place in range(len(value)):
        for other in "A.b0-":
            if value[place] != other:
                assert verify(SETTINGS, value[:place] + other + value[place + 1 :], NOW) == ""
        assert verify(SETTINGS, value[:place], NOW) == ""


@pytest.mark.parametrize(
    "value",
    [
        "", ".", "..", "...", ID, f"{ID}.", f"{ID}.1", f"{ID}.1.", f"{ID}..x", f"{ID}.-1.x", f"{ID}.१.x", "\x00",
        "é" * 60, f"{ID}.{'9' * 5000}.x", "a" * 100_000, f"{ID}.1800000000.{'A' * 43}", "\ud800", f"{ID}.1800000000.é",
    ],
)  # fmt: skip
def test_nonsense_is_nothing_and_no_error(value: str) -> None:
    assert verify(SETTINGS, value, NOW) == ""
    assert presented(SETTINGS, f"{SETTINGS.name}={value}", NOW) == Presented("")


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    assert verify(SETTINGS, text, NOW) == ""
    assert presented(SETTINGS, text, NOW) == Presented("")


def test_a_key_can_be_changed_without_ending_sessions_and_dropped_to_end_them() -> None:
    value = sign(SETTINGS, ID, NOW)
    newer = replace(SETTINGS, keys=(b"the newest key of all", *SETTINGS.keys))
    assert verify(newer, value, NOW) == ID
    assert sign(newer, ID, NOW) != value
    assert verify(replace(SETTINGS, keys=newer.keys[:1]), value, NOW) == ""
    assert verify(SETTINGS, sign(newer, ID, NOW), NOW) == ""


def test_a_cookie_of_another_name_is_no_session() -> None:
    other = replace(SETTINGS, name="other")
    assert verify(SETTINGS, sign(other, ID, NOW), NOW) == ""


def test_a_cookie_older_than_the_lifetime_is_nothing_and_an_aging_one_is_to_be_renewed() -> None:
    header = f"nflow_session={sign(SETTINGS, ID, NOW)}"
    assert presented(SETTINGS, header, NOW + DAY / 2) == Presented(ID, old=False)
    assert presented(SETTINGS, header, NOW + 2 * DAY) == Presented(ID, old=True)
    assert presented(SETTINGS, header, NOW + 29 * DAY) == Presented(ID, old=True)
    assert presented(SETTINGS, header, NOW + 31 * DAY) == Presented("")


def test_it_is_found_among_others_also_behind_a_false_one() -> None:
    value = sign(SETTINGS, ID, NOW)
    assert presented(SETTINGS, f'a=1; nflow_session="{value}";b', NOW).session == ID
    assert presented(SETTINGS, f"nflow_session=planted; nflow_session={value}", NOW).session == ID
    assert presented(SETTINGS, f"xnflow_session={value}; nflow_session2={value}; nflow_session", NOW).session == ""
    assert presented(SETTINGS, "nflow_session=x;" * 5_000 + f"nflow_session={value}", NOW).session == ""


def test_the_line_is_out_of_scripts_reach_and_secure_as_configured() -> None:
    line = cookie_line(SETTINGS, ID, NOW, "http")
    assert line == f"nflow_session={sign(SETTINGS, ID, NOW)}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"
    assert cookie_line(SETTINGS, ID, NOW, "https") == line + "; Secure"
    assert is_secure(replace(SETTINGS, https=True), "http")
    assert is_secure(replace(SETTINGS, secure="always"), "http")
    assert not is_secure(replace(SETTINGS, secure="never", https=True), "https")


def test_keys_come_from_the_configuration_or_are_random() -> None:
    assert cookie_keys("k" * 16, "o" * 16 + "  " + "p" * 20) == (b"k" * 16, b"o" * 16, b"p" * 20)
    assert cookie_keys("") != cookie_keys("")
    assert len(cookie_keys("")[0]) == 32
    with pytest.raises(BadDocument, match=r"session\.key: .*16") as bad:
        cookie_keys("secret", "old")
    assert [problem.path for problem in bad.value.problems] == ["session.key", "session.earlier_keys"]
    with pytest.raises(BadDocument, match=r"session\.cookie"):
        CookieSettings((b"k" * 16,), name="a b;")
