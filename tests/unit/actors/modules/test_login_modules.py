"""The modules of users: login, logout, tokens, codes by SMS."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.codec import loads

ANA = {"id": 7, "username": "ana", "password": "0123abcd", "rol": "admin", "active": True}


@pytest.fixture
def login(modules: Any) -> Any:
    """A host with one user, ana with the password `secret`, who wanted to see /private?x=1."""
    modules.host = {
        "validate_user": lambda user, password: (user, password) == ("ana", "secret"),
        "get_user": lambda user: ANA if user == "ana" else None,
        "set_profile": None,
        "get_session": "/private?x=1",
    }
    return modules


def asked(login: Any) -> list[str]:
    return [name for name, _ in login.calls]


def test_a_right_password_leads_back_to_where_the_login_was_asked_for(login: Any) -> None:
    result = login.run("Validate Login", {}, payload={"username": "ana", "password": "secret"})
    assert result.answer.status == 303
    assert dict(result.answer.headers)["Location"] == "/private?x=1"
    assert ("get_session", ["auth-session", "redirect_url"]) in login.calls


def test_the_profile_is_text_without_the_password(login: Any) -> None:
    login.run("Validate Login", {}, payload={"username": "ana", "password": "secret"})
    assert ("set_profile", [{"id": "7", "username": "ana", "rol": "admin"}]) in login.calls


def test_the_password_does_not_go_on_with_the_run(login: Any) -> None:
    for password in ("secret", "wrong"):
        result = login.run("Validate Login", {}, payload={"username": "ana", "password": password, "a": 1})
        assert loads(result.payload) | {"break": None} == {"username": "ana", "a": 1, "break": None}


def test_after_a_wrong_password_the_form_waits_for_another_try(login: Any) -> None:
    refused = login.run("Validate Login", {}, payload={"username": "ana", "password": "wrong"})
    passed = login.run("Validate Login", {}, payload={"username": "ana", "password": "secret"})
    assert (loads(refused.payload)["break"], "break" in loads(passed.payload)) == (True, False)


@pytest.mark.parametrize(
    "payload",
    [
        {"username": "ana", "password": "ana"},
        {"username": "ana", "password": "wrong"},
        {"username": "eve", "password": "secret"},
        {"username": "ana"},
        {"username": "ana", "password": ""},
        {"password": "secret"},
        {"username": ["ana"], "password": {"toString": 1}},
        {},
        "text",
    ],
)
def test_anything_else_is_refused(login: Any, payload: Any) -> None:
    status, body = login.answer("Validate Login", {}, payload=payload)
    assert (status, "set_profile" in asked(login)) == (401, False)
    assert '<a href="/nflow_login">' in body


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/a\nSet-Cookie: x=1",
        "/a\r\nX: y",
        " /x",
        "evil.example",
        "",
        "<complex-value>",
    ],
)
def test_a_login_never_leads_to_another_server(login: Any, address: str) -> None:
    login.host["get_session"] = address
    result = login.run("Validate Login", {}, payload={"username": "ana", "password": "secret"})
    assert dict(result.answer.headers)["Location"] == "/"


def test_the_fields_of_a_login_can_have_other_names(login: Any) -> None:
    data = {"user_field": "u", "password_field": "p"}
    assert login.run("Validate Login", data, payload={"u": "ana", "p": "secret"}).answer.status == 303


def test_a_token_lets_pass(modules: Any) -> None:
    modules.host = {"validate_token": lambda name: name == "api1"}
    result = modules.run("ValidateToken1")
    assert (result.next, result.answer) == ("output_1", None)


def test_without_a_token_the_run_ends_with_401(modules: Any) -> None:
    modules.host = {"validate_token": False}
    result = modules.run("ValidateToken1")
    assert (result.next, result.answer.status, result.answer.body) == ("break", 401, b'{"error":"Unauthorized"}\n')


def test_a_logout_forgets_the_profile(modules: Any) -> None:
    modules.host = {"delete_profile": None}
    assert modules.run("Logout").next == "output_1"
    assert modules.calls == [("delete_profile", [])]


def test_a_code_is_sent_and_checked_for_the_same_number(modules: Any) -> None:
    modules.host = {
        "send_otp": lambda number: number == "+341",
        "check_otp": lambda number, code: (number, code) == ("+341", "1234"),
    }
    sent = modules.run("twilio_send_sms", {}, payload={"phone": "+341"})
    assert sent.next == "output_1"
    payload = loads(sent.payload)
    assert modules.run("twilio_validate_sms", {}, payload={**payload, "code": "1234"}).next == "output_1"
    assert modules.run("twilio_validate_sms", {}, payload={**payload, "code": "9"}).next == "output_2"
    assert (
        modules.run("twilio_validate_sms", {"variable": "c"}, payload={"c": "1234", "phone": "+341"}).next == "output_1"
    )


def test_no_number_and_no_code_are_not_asked_about(modules: Any) -> None:
    assert modules.run("twilio_send_sms", {}, payload={}).next == "output_2"
    assert modules.run("twilio_validate_sms", {}, payload={"phone": "1"}).next == "output_2"
    assert modules.calls == []
