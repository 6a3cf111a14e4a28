"""A multipart/form-data body, taken apart into fields and files. The one file that knows the library.

Invariant: a body is taken apart in time and memory proportional to it, and what is not well-formed, or has more parts
or longer headers than allowed, is refused with what is wrong. Pure: from bytes to words.
"""

from __future__ import annotations

from typing import Final

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from protocol.errors import BadDocument, Problem
from protocol.process import Pairs, Upload

MULTIPART: Final = "multipart/form-data"
MAX_PARTS: Final = 1_000
MAX_HEADERS: Final = 16
"""Header lines of one part."""
MAX_HEADER_BYTES: Final = 8_192
"""Of one header line, so also of a field's or a file's name."""
_DEFAULT_TYPE: Final = "text/plain"
"""Of a file whose part names none (RFC 7578)."""


def parse_multipart(content_type: str, body: bytes) -> tuple[Pairs, tuple[Upload, ...]]:
    """Fields and files of `body`, in order. A part without a file name is a field, as in Go, also an empty file input.

    Raises BadDocument.
    """
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not 0 < len(boundary) <= 200 or not boundary.isascii():
        raise _bad("the content type names no boundary")
    fields: list[tuple[str, str]] = []
    files: list[Upload] = []
    try:
        with PushMultipartParser(
            boundary,
            max_header_size=MAX_HEADER_BYTES,
            max_header_count=MAX_HEADERS,
            max_segment_count=MAX_PARTS,
        ) as parser:
            part: MultipartSegment | None = None
            data: list[bytes] = []
            for event in parser.parse(body):
                match event:
                    case bytes():
                        data.append(event)
                    case MultipartSegment():
                        part, data = event, []
                    case _ if part is not None and part.name:  # Go passes over parts without a name
                        _keep(part, b"".join(data), fields, files)
                    case _:
                        pass
    except ParserLimitReached as error:
        raise _bad(f"{error} ({MAX_PARTS} parts, {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes each)") from None
    except MultipartError as error:
        raise _bad(str(error.args[0] if error.args else error)) from None
    return tuple(fields), tuple(files)


def _keep(part: MultipartSegment, data: bytes, fields: list[tuple[str, str]], files: list[Upload]) -> None:
    name = _base_name(part.filename or "")
    if name:
        files.append(Upload(part.name or "", name, part.header("Content-Type") or _DEFAULT_TYPE, data))
    else:
        fields.append((part.name or "", data.decode("utf-8", "replace")))


def _base_name(name: str) -> str:
    """The last part of a path: some clients send where the file lay."""
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2].replace("\0", "")


def _bad(why: str) -> BadDocument:
    return BadDocument([Problem("body", f"not well-formed {MULTIPART}: {why}")])
