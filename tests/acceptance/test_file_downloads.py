"""`c.File`, `c.Attachment`, `c.Inline`, over HTTP: files below `files.root`, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server

SCRIPTS = {
    "/file": "c.File('page.html')",
    "/query": "c.File(c.QueryParam('path'))",
    "/attachment": "c.SetHeader('X-Own', '1'); c.Attachment('page.html', 'ñ.html')",
    "/inline": "c.SetHeader('Content-Type', 'text/plain'); c.Inline('page.html', 'p')",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "page.html").write_text("<p>ñ</p>")
    (folder.parent / "secret").write_text("secret")
    (folder / "out").symlink_to(folder.parent)
    return folder


@pytest.fixture(scope="module")
def server(launch: Launch, root: Path) -> Server:
    flows = playbook(*[chain(path, script) for path, script in SCRIPTS.items()])
    return launch(flows, f'[files]\nroot = "{root}"\n')


def test_a_file_is_the_answer(server: Server) -> None:
    answer = server.get("/file")
    assert (answer.status, answer.body.decode()) == (200, "<p>ñ</p>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Length"] == "9"
    assert answer.headers["Nflow-Wid-1"]


def test_a_part_of_it_is(server: Server) -> None:
    answer = server.get("/file", headers={"Range": "bytes=0-2"})
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (206, b"<p>", "bytes 0-2/9")


def test_an_attachment_is_named(server: Server) -> None:
    answer = server.get("/attachment")
    assert answer.headers["Content-Disposition"] == "attachment; filename=\"_.html\"; filename*=UTF-8''%C3%B1.html"
    assert (answer.headers["X-Own"], answer.body.decode()) == ("1", "<p>ñ</p>")
    inline = server.get("/inline")
    assert (inline.headers["Content-Disposition"], inline.headers["Content-Type"]) == (
        'inline; filename="p"',
        "text/plain",
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("page.html", 200),
        ("none", 404),
        ("../secret", 403),
        ("out/secret", 403),
        ("/etc/passwd", 403),
        ("%2e%2e/secret", 403),
        ("page.html/../../secret", 403),
        ("a%0ab", 403),
    ],
)
def test_nothing_outside_the_root_is_served(server: Server, path: str, status: int) -> None:
    answer = server.get(f"/query?path={path}")
    assert answer.status == status
    assert b"secret" not in answer.body
    assert b"root:" not in answer.body


def test_without_a_root_there_are_no_files(launch: Launch) -> None:
    answer = launch(playbook(chain("/file", SCRIPTS["/file"]))).get("/file")
    assert (answer.status, answer.json()["message"]) == (500, "there is no folder for files: set [files] root")
