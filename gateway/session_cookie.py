"""The session cookie between HTTP and the sessions: which session a request shows, and the line that gives it one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from actors.sessions.cookie import CookieSettings, Presented, cookie_line, presented

NONE = Presented("")


class SessionCookie:
    """The cookie as configured."""

    __slots__ = ("_settings", "_wall")

    def __init__(self, settings: CookieSettings, wall: Callable[[], float]) -> None:
        """`wall`: Unix time in seconds."""
        self._settings = settings
        self._wall = wall

    def find(self, headers: Iterable[tuple[bytes, bytes]]) -> Presented:
        """The session among these header lines."""
        lines = [value.decode("latin-1") for name, value in headers if name.lower() == b"cookie"]
        return presented(self._settings, "; ".join(lines), self._wall()) if lines else NONE

    def line(self, session: str, scheme: str) -> tuple[str, str]:
        """The header line that gives the client this session."""
        return "Set-Cookie", cookie_line(self._settings, session, self._wall(), scheme)
