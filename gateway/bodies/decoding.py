"""Takes the Content-Encoding off a request's body, bit by bit and never further than the body may be long.

Invariant: no more is ever unpacked than there is room for, and one byte to know that it was too much. One coding is
taken, gzip or deflate; others, and one upon the other, are refused. Pure: bytes in, bytes out.
"""

from __future__ import annotations

import zlib
from typing import Final

CODINGS: Final = "gzip, deflate"
"""For the Accept-Encoding header of a refusal (RFC 9110, section 15.5.16)."""
_GZIP: Final = frozenset({"gzip", "x-gzip"})
_NONE: Final = frozenset({"", "identity"})
_MOST_MEMBERS: Final = 100
"""Of a gzip file: each costs a fresh start."""


class UnknownCodingError(Exception):
    """The coding is not taken."""


class MalformedError(Exception):
    """The body is not what its coding says."""


class Decoder:
    """One body being unpacked."""

    __slots__ = ("_bits", "_inflate", "_members")

    def __init__(self, coding: str) -> None:
        self._bits: int | None = 16 + zlib.MAX_WBITS if coding in _GZIP else None
        """None: deflate, of which there are two kinds; its first byte tells."""
        self._inflate = zlib.decompressobj(self._bits) if self._bits is not None else None
        self._members = 1

    def feed(self, data: bytes, room: int) -> bytes:
        """What `data` unpacks to: `room` bytes, or one more to say that it is too much. Raises MalformedError."""
        inflate = self._inflate
        if inflate is None:
            self._bits = zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS  # RFC 1950, or what some send
            inflate = self._inflate = zlib.decompressobj(self._bits)
        parts: list[bytes] = []
        try:
            while data and room >= 0:
                part = inflate.decompress(data, room + 1)
                parts.append(part)
                room -= len(part)
                data = inflate.unused_data
                if inflate.eof and data:
                    inflate = self._inflate = self._next_member()
        except zlib.error as error:
            raise MalformedError(str(error).partition(":")[2].strip() or str(error)) from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def end(self) -> None:
        """The body is over. Raises MalformedError when it was cut short."""
        if self._inflate is not None and not self._inflate.eof:
            raise MalformedError("it ends too early")

    def _next_member(self) -> zlib._Decompress:
        self._members += 1
        if self._bits != 16 + zlib.MAX_WBITS or self._members > _MOST_MEMBERS:
            raise MalformedError("something follows its end")
        return zlib.decompressobj(self._bits)


def decoder(content_encoding: str) -> Decoder | None:
    """For a body with this header; None: it is as it is. Raises UnknownCodingError."""
    coding = content_encoding.strip().lower()
    if coding in _NONE:
        return None
    if coding in _GZIP or coding == "deflate":
        return Decoder(coding)
    raise UnknownCodingError(content_encoding[:100])
