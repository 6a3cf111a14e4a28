"""The HTTP request as plugin authors see it: read only, decoded when it is asked for."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Any

from protocol.codec import loads
from protocol.process import Request, Upload


class RequestView:
    """One request."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    @property
    def method(self) -> str:
        """Upper case."""
        return self._request.method

    @property
    def path(self) -> str:
        """Percent-encoded, as received."""
        return self._request.path

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return self._request.scheme

    @property
    def remote(self) -> str:
        """`host:port` of who is connected."""
        return self._request.remote

    @property
    def client(self) -> str:
        """Address of the client: of who is connected, or what a trusted proxy says."""
        return self._request.address

    @property
    def query(self) -> dict[str, list[str]]:
        """Name → values in order."""
        return _grouped(self._request.query)

    @property
    def form(self) -> dict[str, list[str]]:
        """Fields of a form body: name → values in order."""
        return _grouped(self._request.form)

    @property
    def files(self) -> tuple[Upload, ...]:
        """Files of a multipart body: `field`, `name`, `content_type`, `data`."""
        return self._request.files

    @property
    def headers(self) -> dict[str, list[str]]:
        """Lower-case name → values in order."""
        return _grouped(
            [
                (name.decode("latin-1").lower(), value.decode("utf-8", "replace"))
                for name, value in self._request.headers
            ]
        )

    def header(self, name: str) -> str:
        """The first value of a header, whatever its case; empty when there is none."""
        return self._request.header(name.lower().encode("latin-1", "replace"))

    @property
    def cookies(self) -> dict[str, str]:
        """Name → value; what is no cookie is left out."""
        try:
            return {name: morsel.value for name, morsel in SimpleCookie(self.header("cookie")).items()}
        except CookieError:
            return {}

    @property
    def body(self) -> bytes:
        """As received."""
        return self._request.body

    @property
    def text(self) -> str:
        """The body as UTF-8; what is none becomes U+FFFD."""
        return self._request.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body's JSON value. Raises BadDocument (400) for a body that is none."""
        return loads(self._request.body, "body")


def _grouped(pairs: Any) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped
