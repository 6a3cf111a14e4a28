"""An answer whose body is a file (`c.File`, `c.Attachment`, `c.Inline`), below `files.root`.

Invariant: the file that is sent is the very one that was checked: it is opened once, below the root, and served by its
descriptor, which is closed when the answer has left, or failed to. Ranges and conditions of the request are honoured.
"""

from __future__ import annotations

import asyncio
import io
import mimetypes
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from actors.guards import paths
from gateway import statuses
from gateway.statuses import ErrorAnswer
from protocol.errors import CallRefused

INDEX: Final = "index.html"
"""What is served for a folder (Go: Echo)."""
_TYPES: Final = mimetypes.MimeTypes()  # Python's own table, not the machine's
_NEWER_TYPES: Final = {
    ".avif": "image/avif", ".gz": "application/gzip", ".js": "text/javascript", ".md": "text/markdown",
    ".mjs": "text/javascript", ".webp": "image/webp", ".woff": "font/woff", ".woff2": "font/woff2",
}  # fmt: skip
"""What that table lacks, or has in some versions only."""
_OF_A_FILE: Final = frozenset({"content-type", "content-disposition"})
Lines = Sequence[tuple[str, str]]


async def file_response(root: str, path: str, lines: Lines, status: int = 200) -> web.StreamResponse:
    """The file `path` below `root` as a response. The file is open already: return the response at once.

    `lines`: header lines; without a Content-Type among them it is told by the name. What cannot be served is a 404, 403
    or 500 in JSON with the same lines.
    """
    if not root:
        return _refused(lines, statuses.plain(500, "there is no folder for files: set [files] root"))
    try:
        file, name = await asyncio.to_thread(_open, root, path)
    except CallRefused as refusal:
        if refusal.name == paths.OUTSIDE:
            return _refused(lines, statuses.plain(403, "forbidden"))
        return _refused(lines, statuses.NOT_FOUND)
    headers = list(lines)
    if not any(each.lower() == "content-type" for each, _ in lines):
        headers.append(("Content-Type", content_type_of(name)))
    return _OpenFile(file, status, headers)


class _OpenFile(web.FileResponse):
    """Served by the descriptor's name, which leads to the open file whatever lies at its path by now."""

    def __init__(self, file: io.FileIO, status: int, headers: list[tuple[str, str]]) -> None:
        super().__init__(f"/proc/self/fd/{file.fileno()}", status=status, headers=headers)
        self._open_file = file

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send head and body."""
        with self._open_file:
            return await super().prepare(request)


def content_type_of(name: str) -> str:
    """By the name's ending; texts are taken to be UTF-8 (Go)."""
    ending = PurePosixPath(name).suffix.lower()
    kind = _NEWER_TYPES.get(ending) or _TYPES.guess_type(f"file{ending}")[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _open(root: str, path: str) -> tuple[io.FileIO, str]:
    try:
        return io.FileIO(paths.open_file(root, path)), path
    except CallRefused as refusal:
        if refusal.name != paths.MISSING:
            raise
        return io.FileIO(paths.open_file(root, f"{path}/{INDEX}")), INDEX


def _refused(lines: Lines, answer: ErrorAnswer) -> web.Response:
    kept = [line for line in lines if line[0].lower() not in _OF_A_FILE]
    return web.Response(status=answer.status, body=answer.body, headers=[*kept, ("Content-Type", "application/json")])
