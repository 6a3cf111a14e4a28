"""Cross-origin requests: which sites' pages may call this server from a browser (Fetch standard, section 3.2).

Where `[cors]` names origins it decides alone: preflights are answered here, and what a flow says about origins is
replaced. An origin that is not named gets no `Access-Control-` header at all. Without origins nothing is done, and a
flow may serve OPTIONS and set the headers itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from multidict import CIMultiDict

ANY: Final = "*"
ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"
ALLOW_CREDENTIALS: Final = "Access-Control-Allow-Credentials"
EXPOSE: Final = "Access-Control-Expose-Headers"
_OURS: Final = (ALLOW_ORIGIN, ALLOW_CREDENTIALS, EXPOSE)


@dataclass(frozen=True, slots=True)
class CorsSettings:
    """`[cors]`, checked where it was read: `protocol/settings/checks.py`."""

    allowed_origins: tuple[str, ...] = ()
    allowed_methods: tuple[str, ...] = ()
    allowed_headers: tuple[str, ...] = ()
    exposed_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age_seconds: float = 600.0


class Cors:
    """The rules, ready to be sent."""

    __slots__ = ("_any", "_origins", "_preflight", "_rights")

    def __init__(self, settings: CorsSettings) -> None:
        self._any = ANY in settings.allowed_origins
        self._origins = frozenset(origin.lower() for origin in settings.allowed_origins)
        rights = [(ALLOW_CREDENTIALS, "true")] if settings.allow_credentials else []
        if settings.exposed_headers:
            rights.append((EXPOSE, ", ".join(settings.exposed_headers)))
        self._rights = tuple(rights)
        self._preflight = (
            ("Access-Control-Allow-Methods", ", ".join(settings.allowed_methods)),
            ("Access-Control-Allow-Headers", ", ".join(settings.allowed_headers)),
            ("Access-Control-Max-Age", str(round(settings.max_age_seconds))),
        )

    def preflight(self, origin: str) -> tuple[tuple[str, str], ...]:
        """What the answer to a preflight of this origin says beside what every answer says."""
        return self._preflight if self._allowed(origin) else ()

    def put_on(self, headers: CIMultiDict[str], origin: str | None) -> None:
        """Say what this origin may; None: the request names none."""
        for name in _OURS:
            headers.popall(name, None)
        if not self._any:  # the answer differs by origin: who keeps it for others must know
            vary = headers.get("Vary")
            if vary is None:
                headers["Vary"] = "Origin"
            elif vary != ANY and "origin" not in vary.lower():
                headers["Vary"] = f"{vary}, Origin"
        if origin is not None and self._allowed(origin):
            headers[ALLOW_ORIGIN] = ANY if self._any else origin
            headers.extend(self._rights)

    def _allowed(self, origin: str) -> bool:
        return self._any or origin.lower() in self._origins


def is_preflight(method: str, wanted: str | None) -> bool:
    """Whether a browser asks beforehand. `wanted`: the header Access-Control-Request-Method."""
    return method == "OPTIONS" and wanted is not None
