"""An answer whose body is a file (`c.File`, `c.Attachment`, `c.Inline`), below `files.root`.

Invariant: the file that is sent is the very one that was checked: it is opened once, below the root, and served by its
descriptor, which is closed when the answer has left, or failed to. Ranges and conditions of the request are honoured.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from aiohttp import web

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


async def file_response(
    request: web.BaseRequest, root: str, path: str, lines: Lines, status: int = 200
) -> web.StreamResponse:
    """Send the file `path` below `root` as the response, which is prepared and written when this returns.

    `lines`: header lines; without a Content-Type among them it is told by the name. What cannot be served is a 404, 403
    or 500 in JSON with the same lines.
    """
    if not root:
        return _refused(lines, statuses.plain(500, "there is no folder for files: set [files] root"))
    try:
        descriptor, name = await asyncio.to_thread(_open, root, path)
    except CallRefused as refusal:
        if refusal.name == paths.OUTSIDE:
            return _refused(lines, statuses.plain(403, "forbidden"))
        return _refused(lines, statuses.NOT_FOUND)
    headers = list(lines)
    if not any(each.lower() == "content-type" for each, _ in lines):
        headers.append(("Content-Type", content_type_of(name)))
    try:
        response = web.FileResponse(f"/proc/self/fd/{descriptor}", status=status, headers=headers)
        await response.prepare(request)
    finally:
        os.close(descriptor)
    return response


def content_type_of(name: str) -> str:
    """By the name's ending; texts are taken to be UTF-8 (Go)."""
    ending = PurePosixPath(name).suffix.lower()
    kind = _NEWER_TYPES.get(ending) or _TYPES.guess_type(f"file{ending}")[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _open(root: str, path: str) -> tuple[int, str]:
    try:
        return paths.open_file(root, path), path
    except CallRefused as refusal:
        if refusal.name != paths.MISSING:
            raise
        return paths.open_file(root, f"{path}/{INDEX}"), INDEX


def _refused(lines: Lines, answer: ErrorAnswer) -> web.Response:
    kept = [line for line in lines if line[0].lower() not in _OF_A_FILE]
    return web.Response(status=answer.status, body=answer.body, headers=[*kept, ("Content-Type", "application/json")])
