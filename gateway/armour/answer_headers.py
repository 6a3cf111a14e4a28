"""The headers that every answer carries, whoever made it: the request's id, the browser's rules, the origin's rights.

Invariant: they are prepared once, and a security header that the flow sets itself is left as it is. They are put on in
the last moment before an answer's head leaves, so streams, files and refusals have them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from multidict import CIMultiDict, istr

from gateway.armour.cors import Cors
from gateway.armour.request_id import HEADER
from gateway.visit import Visit

_ID: Final = istr(HEADER)
"""Names that are looked up for every answer are `istr`: those know their own small letters."""
Lines = tuple[tuple[str, str], ...]

SECURITY: Final[Lines] = (
    (istr("X-Content-Type-Options"), "nosniff"),
    (istr("X-Frame-Options"), "SAMEORIGIN"),
    (istr("Referrer-Policy"), "strict-origin-when-cross-origin"),
)
HSTS: Final[Lines] = ((istr("Strict-Transport-Security"), "max-age=31536000"),)
"""Only ever sent over HTTPS. Not for subdomains: those are not ours to promise."""
NOTHING: Final[Lines] = ()


class AnswerHeaders:
    """What is common to all answers."""

    __slots__ = ("_cors", "_lines")

    def __init__(self, lines: Lines = NOTHING, cors: Cors | None = None) -> None:
        """`lines`: unless the answer has one of that name. `cors` None: other origins are none of ours."""
        self._lines = lines
        self._cors = cors

    def obey(self, cors: Cors | None) -> None:
        """Other rights of other origins, from the next answer on."""
        self._cors = cors

    def put_on(self, headers: CIMultiDict[str], visit: Visit, asked: Mapping[str, str]) -> None:
        """Complete the headers of an answer to a request with the headers `asked`."""
        for name, value in self._lines:
            if name not in headers:
                headers[name] = value
        if visit.id:
            headers[_ID] = visit.id
        for name, value in visit.lines:
            headers[name] = value
        if self._cors is not None:
            self._cors.put_on(headers, asked.get("Origin"))


def security_lines(*, wanted: bool, tls: bool) -> Lines:
    """As `server.security_headers` says."""
    if not wanted:
        return NOTHING
    return SECURITY + HSTS if tls else SECURITY
