"""The cookie that carries a session's id: signed, so that only ids this server gave out are ever looked up.

Its value is `id.time.signature`: the Unix second it was made, and the HMAC-SHA-256 of both and the cookie's name. The
first key signs, every key is accepted, so a key can be changed without ending sessions. Pure; whatever a client sends,
`verify` answers with the id or with nothing, in a time that tells nothing about the signature.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from actors.sessions.state import is_id
from protocol.errors import BadDocument, Problem

MOST_CHARACTERS: Final = 160
"""Longest value that is looked at."""
_SHORTEST_KEY: Final = 16
_MOST_TRIED: Final = 8
"""Cookies of one name in one request that are looked at: a browser may send those of a parent domain too."""
_DAY_SECONDS: Final = 86_400.0
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")

Secure = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class CookieSettings:
    """How the cookie is made. Raises BadDocument for a name that cannot be one."""

    keys: tuple[bytes, ...]
    """See `cookie_keys`."""
    name: str = "nflow_session"
    lifetime_seconds: float = 30 * _DAY_SECONDS
    secure: Secure = "auto"
    https: bool = False
    """`url.url_base` begins with https: for "auto"."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadDocument([Problem("session.cookie", "must be letters, digits or _ - . and at most 64 of them")])


class Presented(NamedTuple):
    """What a request's cookies say."""

    session: str
    """Id of a session; empty: none that is genuine."""
    old: bool = False
    """The cookie should be sent again, or the browser will drop it before the session ends."""


def cookie_keys(key: str, earlier: str = "") -> tuple[bytes, ...]:
    """Keys from the configuration; the earlier ones stand between spaces. A random one where there is none.

    Raises BadDocument for a key of fewer than 16 characters.
    """
    problems = []
    if key and len(key) < _SHORTEST_KEY:
        problems.append(Problem("session.key", f"must have {_SHORTEST_KEY} characters at least"))
    if any(len(each) < _SHORTEST_KEY for each in earlier.split()):
        problems.append(Problem("session.earlier_keys", f"each must have {_SHORTEST_KEY} characters at least"))
    if problems:
        raise BadDocument(problems)
    first = key.encode("utf-8", "surrogateescape") if key else secrets.token_bytes(32)
    return first, *(each.encode("utf-8", "surrogateescape") for each in earlier.split())


def sign(settings: CookieSettings, session: str, now: float) -> str:
    """The cookie's value; `now` in Unix seconds."""
    signed = f"{session}.{int(now)}"
    return f"{signed}.{_signature(settings.name, settings.keys[0], signed)}"


def verify(settings: CookieSettings, value: str, now: float) -> str:
    """The session's id; empty for anything that was not signed here within the lifetime."""
    return _look(settings, value, now).session


def presented(settings: CookieSettings, header: str, now: float) -> Presented:
    """What the Cookie header (several lines joined by `; `) says: the first genuine one of this name counts."""
    tried = 0
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == settings.name:
            found = _look(settings, value.strip('"'), now)
            tried += 1
            if found.session or tried == _MOST_TRIED:
                return found
    return Presented("")


def is_secure(settings: CookieSettings, scheme: str) -> bool:
    """Whether the cookie of a request that came by this scheme gets `Secure`."""
    if settings.secure == "auto":
        return settings.https or scheme == "https"
    return settings.secure == "always"


def cookie_line(settings: CookieSettings, session: str, now: float, scheme: str) -> str:
    """The value of a Set-Cookie header that gives this session to the browser."""
    line = (
        f"{settings.name}={sign(settings, session, now)}; Path=/; Max-Age={max(1, int(settings.lifetime_seconds))}"
        "; HttpOnly; SameSite=Lax"
    )
    return f"{line}; Secure" if is_secure(settings, scheme) else line


def _look(settings: CookieSettings, value: str, now: float) -> Presented:
    if len(value) > MOST_CHARACTERS or not value.isascii():
        return Presented("")
    signed, _, signature = value.rpartition(".")
    session, _, made = signed.partition(".")
    if not is_id(session) or not made.isdigit() or len(made) > 12:
        return Presented("")
    genuine = False
    for key in settings.keys:  # all of them, so the time does not tell which one it was
        genuine |= hmac.compare_digest(_signature(settings.name, key, signed), signature)
    age = now - int(made)
    if not genuine or age > settings.lifetime_seconds:
        return Presented("")
    return Presented(session, age > min(_DAY_SECONDS, settings.lifetime_seconds / 2))


def _signature(name: str, key: bytes, signed: str) -> str:
    mac = hmac.digest(key, f"nflow session\0{name}\0{signed}".encode(), "sha256")
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
