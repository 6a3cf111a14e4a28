"""An answer that is a file, over a real connection: its head, its ranges, and what cannot be served."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import RawTestServer

from gateway.bodies.files import content_type_of, file_response

LINES = [("Server", "nflow"), ("Nflow-Wid-1", "wid"), ("Content-Disposition", "inline")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "files"
    (root / "site").mkdir(parents=True)
    (root / "page.html").write_text("<p>ñ</p>")
    (root / "site" / "index.html").write_text("index")
    (root / "big.bin").write_bytes(bytes(range(256)) * 8_192)
    (root / "page.html.gz").write_bytes(b"not what was asked for")
    (root / "out").symlink_to(tmp_path)
    return root


@pytest.fixture
async def get(root: Path) -> AsyncIterator[Any]:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return await file_response("" if request.path == "/unset" else str(root), request.path[1:], LINES)

    async with RawTestServer(handler) as server, ClientSession() as client:

        async def ask(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            async with client.request(method, server.make_url(path), headers=named) as response:
                return response.status, dict(response.headers), await response.read()

        yield ask


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


async def test_a_file_is_the_body_and_the_lines_stand(get: Any) -> None:
    status, headers, body = await get("/page.html", Accept_Encoding="gzip, br")
    assert (status, body.decode()) == (200, "<p>ñ</p>")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Length"] == "9"
    assert headers["Content-Disposition"] == "inline"
    assert headers["Nflow-Wid-1"] == "wid"
    assert "Content-Encoding" not in headers


async def test_a_large_file_arrives_whole(get: Any, root: Path) -> None:
    status, headers, body = await get("/big.bin")
    assert (status, body == (root / "big.bin").read_bytes()) == (200, True)
    assert headers["Content-Type"] == "application/octet-stream"


async def test_a_folder_is_its_index(get: Any) -> None:
    status, headers, body = await get("/site")
    assert (status, headers["Content-Type"], body) == (200, "text/html; charset=utf-8", b"index")


async def test_head_has_no_body(get: Any) -> None:
    status, headers, body = await get("/page.html", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, "9", b"")


@pytest.mark.parametrize(
    ("asked", "status", "length", "told"),
    [
        ("bytes=0-9", 206, 10, "bytes 0-9/2097152"),
        ("bytes=-5", 206, 5, "bytes 2097147-2097151/2097152"),
        ("bytes=2097150-", 206, 2, "bytes 2097150-2097151/2097152"),
        ("bytes=3000000-", 416, 0, "bytes */2097152"),
    ],
)
async def test_ranges(get: Any, asked: str, status: int, length: int, told: str) -> None:
    found, headers, body = await get("/big.bin", Range=asked)
    assert (found, len(body), headers["Content-Range"]) == (status, length, told)


async def test_a_client_that_has_it_is_told_so(get: Any) -> None:
    _, headers, _ = await get("/page.html")
    status, _, body = await get("/page.html", If_None_Match=headers["Etag"])
    assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/none", 404, b'{"code":404,"message":"not found"}\n'),
        ("/site/none", 404, b'{"code":404,"message":"not found"}\n'),
        ("/out/secret", 403, b'{"code":403,"message":"forbidden"}\n'),
        ("/unset", 500, b'{"code":500,"message":"there is no folder for files: set [files] root"}\n'),
    ],
)
async def test_what_cannot_be_served_is_an_error_in_json(get: Any, path: str, status: int, message: bytes) -> None:
    found, headers, body = await get(path)
    assert (found, headers["Content-Type"], body) == (status, "application/json", message)
    assert "Content-Disposition" not in headers
    assert headers["Nflow-Wid-1"] == "wid"


async def test_no_descriptor_stays_open(get: Any) -> None:
    await get("/page.html")
    await asyncio.sleep(0.05)
    before = open_files()
    for path in ("/page.html", "/none", "/site", "/out/x", "/big.bin") * 10:
        await get(path)
    await get("/big.bin", Range="bytes=9-1")
    async with asyncio.timeout(5):
        while open_files() > before:  # noqa: ASYNC110 the last file is closed on a thread
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.css", "text/css; charset=utf-8"),
        ("a.JS", "text/javascript; charset=utf-8"),
        ("x/a.json", "application/json"),
        ("a.tar.gz", "application/gzip"),
        ("a.png", "image/png"),
        ("noext", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("a.", "application/octet-stream"),
    ],
)
def test_the_content_type_is_told_by_the_name(name: str, kind: str) -> None:
    assert content_type_of(name) == kind
