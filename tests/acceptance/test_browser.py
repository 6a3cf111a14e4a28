"""Chromium walks `examples/wizard.json`: log in, three forms with nested state, log out; two people never meet.

The people come from an nFlow database, imported by `nflow import`. A machine without Chromium fails these tests:
`make test` installs it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.acceptance.conftest import Launch
from tests.acceptance.servers import Answer, Server
from tests.acceptance.wizard import EXAMPLES, FORM, PEOPLE, Walker, import_people


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    server = launch(EXAMPLES / "wizard.json", f'[files]\ntriggers = "{EXAMPLES / "triggers"}"\n')
    import_people(server)
    return server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "chromium is missing: `make test` installs it (as root, with apt-get)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def contexts(server: Server, chromium: Browser) -> Iterator[tuple[BrowserContext, BrowserContext]]:
    """Two browsers that share nothing."""
    both = chromium.new_context(base_url=server.url), chromium.new_context(base_url=server.url)
    for each in both:
        each.set_default_timeout(10_000)
    yield both
    for each in both:
        each.close()


@pytest.fixture
def page(contexts: tuple[BrowserContext, BrowserContext]) -> Page:
    return contexts[0].new_page()


def press(page: Page, role: Literal["button", "link"], name: str) -> None:
    """Click, and wait for the page it leads to."""
    with page.expect_navigation():
        page.get_by_role(role, name=name).click()


def log_in(page: Page, user: str) -> None:
    """Ask for the wizard, be sent to the login, and come back to it."""
    page.goto("/trip")
    assert page.url.endswith("/nflow_login")
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(PEOPLE[user])
    press(page, "button", "Log in")
    assert page.url.endswith("/trip")
    assert (heading(page), page.locator("#user").inner_text()) == ("1. Who travels?", user)


def tell_who(page: Page, name: str, mail: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("E-mail").fill(mail)
    press(page, "button", "Next")


def tell_where(page: Page, hotels: dict[str, str]) -> None:
    """City → hotel."""
    for city, hotel in hotels.items():
        line = page.locator("p", has_text=city).filter(has=page.locator("select"))
        line.get_by_role("checkbox").check()
        line.locator("select").select_option(label=hotel)
    press(page, "button", "Next")


def confirm(page: Page, notes: str) -> None:
    page.get_by_label("Notes").fill(notes)
    press(page, "button", "Book")


def heading(page: Page) -> str:
    return page.locator("h1").inner_text()


def listed(page: Page) -> list[str]:
    return page.locator("#stops li").all_inner_texts()


def session_cookie(context: BrowserContext) -> str:
    (cookie,) = [each for each in context.cookies() if each["name"] == "nflow_session"]
    return f"{cookie['name']}={cookie['value']}"


def offered(page: Page) -> str:
    """The node at which the form on the page goes on."""
    return str(page.locator("input[name=nflow_next_node_run]").get_attribute("value"))


def send(server: Server, node: str, cookie: str = "", **values: str) -> Answer:
    """A form sent past the browser."""
    headers = {**FORM, **({"Cookie": cookie} if cookie else {})}
    return server.post("/trip", body=urlencode({"nflow_next_node_run": node, **values}), headers=headers)


def test_a_browser_logs_in_walks_the_forms_with_nested_state_and_logs_out(page: Page) -> None:
    log_in(page, "ana")
    tell_who(page, "Ana <b>Ñ</b>", "ana@example.com")
    assert heading(page) == "2. Where to, Ana <b>Ñ</b>?", "what was typed is text, not HTML"
    tell_where(page, {"Lima": "Hotel Lima 4", "La Paz": "Hotel La Paz 5"})
    assert listed(page) == [
        "Lima, Hotel Lima 4: single 80, double 110, suite 140",
        "La Paz, Hotel La Paz 5: single 100, double 130, suite 160",
    ]
    confirm(page, "window seat\nno onions")
    assert heading(page) == "Booked"
    assert page.locator("#traveller").inner_text() == "Ana <b>Ñ</b> <ana@example.com>, booked by ana"
    assert listed(page) == ["Lima, Hotel Lima 4, 3 kinds of rooms", "La Paz, Hotel La Paz 5, 3 kinds of rooms"]
    assert page.locator("#price").inner_text() == str(155 + 80 + 295 + 100)
    assert int(page.locator("#kept").inner_text()) > 4096, "Go loses what is larger"
    press(page, "link", "Log out")
    assert page.url.endswith("/nflow_login")
    page.goto("/trip")
    assert page.url.endswith("/nflow_login")


def test_a_wrong_password_logs_nobody_in(page: Page) -> None:
    page.goto("/trip")
    page.get_by_label("User").fill("ana")
    page.get_by_label("Password").fill(PEOPLE["luis"])
    press(page, "button", "Log in")
    assert "Wrong user or password" in page.locator("body").inner_text()
    page.goto("/trip")
    assert page.url.endswith("/nflow_login")


def test_the_back_button_leads_to_a_form_that_can_be_sent_again(page: Page) -> None:
    log_in(page, "ana")
    tell_who(page, "Ana", "ana@example.com")
    tell_where(page, {"Lima": "Hotel Lima 4"})
    page.go_back()
    assert heading(page) == "2. Where to, Ana?"
    page.locator("p", has_text="Lima").get_by_role("checkbox").uncheck()
    tell_where(page, {"Quito": "Hotel Quito 3"})
    assert listed(page) == ["Quito, Hotel Quito 3: single 60, double 90, suite 120"]
    page.go_back()
    page.go_back()
    assert heading(page) == "1. Who travels?"
    tell_who(page, "Anita", "anita@example.com")
    tell_where(page, {"Panamá": "Hotel Panamá 5"})
    confirm(page, "")
    assert page.locator("#traveller").inner_text() == "Anita <anita@example.com>, booked by ana"
    assert listed(page) == ["Panamá, Hotel Panamá 5, 3 kinds of rooms"]


def test_two_browsers_never_see_each_others_profile_or_forms(
    contexts: tuple[BrowserContext, BrowserContext],
) -> None:
    first, second = (context.new_page() for context in contexts)
    log_in(first, "ana")
    log_in(second, "luis")
    for _ in range(3):
        first.goto("/trip")
        second.goto("/trip")
        assert [page.locator("#user").inner_text() for page in (first, second)] == ["ana", "luis"]
        tell_who(first, "Ana", "ana@example.com")
        tell_who(second, "Luis", "luis@example.com")
        assert [heading(page) for page in (first, second)] == ["2. Where to, Ana?", "2. Where to, Luis?"]
        tell_where(second, {"Quito": "Hotel Quito 3"})
        tell_where(first, {"Lima": "Hotel Lima 4"})
        confirm(first, "of Ana")
        confirm(second, "of Luis")
        assert [page.locator("#notes").inner_text() for page in (first, second)] == ["of Ana", "of Luis"]
        assert [page.locator("#traveller").inner_text() for page in (first, second)] == [
            "Ana <ana@example.com>, booked by ana",
            "Luis <luis@example.com>, booked by luis",
        ]
        assert "Luis" not in first.content()
        assert "Ana" not in second.content()


def test_the_cookie_is_out_of_reach_of_the_page_and_signed(server: Server, page: Page) -> None:
    log_in(page, "ana")
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("nflow_session", True, "Lax")
    assert page.evaluate("document.cookie") == ""
    value = cookie["value"]
    for forged in (value[:-2] + "AA", "x" + value, re.sub(r"\d", "1", value, count=1), value.split(".")[0]):
        if forged == value:
            continue
        answer = server.get("/trip", headers={"Cookie": f"nflow_session={forged}"})
        assert (answer.status, answer.headers["Location"]) == (307, "/nflow_login")


def test_logging_in_changes_the_session(page: Page) -> None:
    """Who planted a session in a browser before its login holds nothing after it."""
    page.goto("/trip")
    planted = session_cookie(page.context)
    log_in(page, "ana")
    assert session_cookie(page.context) != planted
    page.context.clear_cookies()
    name, _, value = planted.partition("=")
    page.context.add_cookies([{"name": name, "value": value, "url": page.url}])
    page.goto("/trip")
    assert page.url.endswith("/nflow_login")


def test_a_stolen_node_id_is_worth_nothing_without_its_session(
    server: Server, contexts: tuple[BrowserContext, BrowserContext]
) -> None:
    victim, thief = (context.new_page() for context in contexts)
    log_in(victim, "ana")
    tell_who(victim, "Ana", "ana@example.com")
    log_in(thief, "luis")
    for cookie in ("", session_cookie(thief.context)):
        answer = send(server, offered(victim), cookie, cities="c2", hotel_c2="4")
        assert answer.status == 409
        assert "ana" not in answer.text.lower()
        by_tag = server.get(f"/trip/nfnext/{offered(victim)}", headers={"Cookie": cookie} if cookie else {})
        assert by_tag.status == 409
    tell_where(victim, {"Lima": "Hotel Lima 4"})
    assert heading(victim) == "3. Is it right, Ana?", "and the victim goes on"


def test_nobody_goes_on_at_a_node_that_was_not_offered(server: Server, page: Page) -> None:
    log_in(page, "ana")
    tell_who(page, "Ana", "ana@example.com")
    shown = offered(page)
    tell_where(page, {"Lima": "Hotel Lima 4"})
    last = offered(page)
    page.goto("/trip")
    assert send(server, last, session_cookie(page.context)).status == 409, "a new run has not come so far"
    assert send(server, shown, session_cookie(page.context)).status == 409


def test_after_logging_out_the_old_cookie_is_worth_nothing(server: Server, page: Page) -> None:
    log_in(page, "ana")
    tell_who(page, "Ana", "ana@example.com")
    old, node = session_cookie(page.context), offered(page)
    press(page, "link", "Log out")
    answer = server.get("/trip", headers={"Cookie": old})
    assert (answer.status, answer.headers["Location"]) == (307, "/nflow_login")
    answer = send(server, node, old, cities="c2", hotel_c2="4")
    assert (answer.status, "Ana" in answer.text) in {(307, False), (409, False)}
    log_in(page, "luis")
    answer = server.get("/trip", headers={"Cookie": old})
    assert (answer.status, answer.headers["Location"]) == (307, "/nflow_login")


@pytest.mark.parametrize("logs_out", [True, False])
def test_who_logs_in_next_at_the_same_browser_does_not_go_on_with_anothers_forms(
    server: Server, logs_out: bool
) -> None:
    walker = Walker(server)
    walker.log_in("ana")
    walker.get("/trip")
    walker.send("/trip", traveller="Ana", mail="ana@example.com")
    node, cookie = walker.node, walker.cookie
    if logs_out:
        walker.get("/logout")
    assert walker.log_in("luis").status == 303
    assert walker.cookie != cookie
    walker.node = node
    answer = walker.send("/trip", cities="c2", hotel_c2="4")
    assert answer.status == 409
    assert "Ana" not in answer.text
