"""/docs in a browser: the whole API on one page that lets nothing in from elsewhere."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import sync_playwright

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    return launch(playbook(chain("/x", "c.String(200, 'x')")))


def test_the_description_and_its_page_are_for_everybody(server: Server) -> None:
    described = server.get("/openapi.json")
    assert (described.status, described.headers["Content-Type"]) == (200, "application/json")
    assert described.json()["openapi"] == "3.1.0"
    page = server.get("/docs")
    policy = page.headers["Content-Security-Policy"]
    assert page.status == 200
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not any(word in page.text for word in ("https://", "http://", "src=", "onclick"))


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/api/processes"])
def test_head_tells_what_get_would(server: Server, path: str) -> None:
    got, told = server.get(path), server.ask(path, "HEAD")
    assert (told.status, told.headers["Content-Length"], told.body) == (got.status, got.headers["Content-Length"], b"")


def test_a_browser_shows_every_endpoint_and_its_schemas(server: Server) -> None:
    program = shutil.which("chromium")
    assert program, "chromium is missing: `make test` installs it (as root, with apt-get)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{server.url}/docs")
        page.wait_for_selector("details", timeout=10_000)
        paths = server.get("/openapi.json").json()["paths"]
        shown = page.locator("summary:has(.method)")
        assert shown.count() == sum(len(methods) for methods in paths.values())
        shown.filter(has_text="/api/workflow/{id}").click()
        page.get_by_role("link", name="ExecutionInput").click()
        page.wait_for_selector("#schema-ExecutionInput[open]", timeout=10_000)
        assert [text for text in said if "favicon" not in text] == []
        browser.close()
