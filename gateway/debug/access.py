"""Who is let in to `/debug`: a token, then an address (the order of the Go program).

The token comes as `X-Debug-Token`, as a bearer or, as in Go, in the query (`debug_token`); digests are compared, so the
time tells neither the token nor its length. The address is the socket's, never a header's (Go believed
`X-Forwarded-For`). Without a configured token only this machine itself is let in, and nobody through a proxy on it or a
page in its browser. Wrong tokens are slowed down for each address, in a table of bounded size.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from gateway.api.call import ApiError
from gateway.translate import parse_query
from protocol.errors import BadDocument, Problem

HEADER: Final = "X-Debug-Token"
PARAMETER: Final = "debug_token"
_NOT_SHOWN: Final = "Invalid or missing debug token"
_MOST_WRONG: Final = 10
"""Wrong tokens of one address within a window; then it is not listened to until the window is over."""
_WINDOW_SECONDS: Final = 60.0
_MOST_ADDRESSES: Final = 1_024
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")

Address = IPv4Address | IPv6Address


class DebugAccess:
    """The door."""

    __slots__ = ("_digest", "_networks", "_now", "_refused", "_wrong")

    def __init__(
        self, token: str, allowed: str, now: Callable[[], float], refused: Callable[[str, str, str], None]
    ) -> None:
        """`allowed`: addresses and networks, comma-separated; empty: all. `now`: seconds of a steady clock. `refused`
        hears (address, what was asked for, why) of everybody who is turned away. Raises BadDocument for an address
        that is none."""
        self._digest = _digest(token) if token else b""
        self._networks = _networks(allowed)
        self._now = now
        self._refused = refused
        self._wrong: dict[Address | None, tuple[int, float]] = {}
        """Address → wrong tokens, and when its window is over; the oldest first."""

    def obey(self, other: DebugAccess) -> None:
        """Let in whom this other one would, from the next request on. Who guessed stays slowed down."""
        self._digest = other._digest
        self._networks = other._networks

    def check(self, headers: Mapping[str, str], query: str, remote: str, what: str) -> None:
        """Let the caller in, or raise ApiError: 401, 403, or 429 for who has guessed too often."""
        text = remote.rpartition(":")[0].strip("[]")
        address = _parsed(text)
        try:
            self._check(headers, query, address, text)
        except ApiError as error:
            self._refused(text, what, str(error))
            raise

    def _check(self, headers: Mapping[str, str], query: str, address: Address | None, text: str) -> None:
        here = address is not None and address.is_loopback
        if self._digest:
            # Not slowed down here: who is on this machine reads its configuration, and behind a proxy on it one who
            # guesses would lock everybody out.
            self._check_token(headers, query, address, slow=not here)
        elif not here or not _from_here(headers):
            raise ApiError(403, f"IP {text or 'unknown'} not allowed")
        if self._networks and not (address and any(address in network for network in self._networks)):
            raise ApiError(403, f"IP {text or 'unknown'} not allowed")

    def _check_token(self, headers: Mapping[str, str], query: str, address: Address | None, *, slow: bool) -> None:
        if isinstance(address, IPv6Address):  # one customer has the whole of a /64
            address = IPv6Address(int(address) >> 64 << 64)
        if slow:
            count, until = self._wrong.get(address, (0, 0.0))
            left = until - self._now()
            if count >= _MOST_WRONG and left > 0:
                raise ApiError(429, "Too many wrong debug tokens", (("Retry-After", str(math.ceil(left))),))
        shown = _shown(headers, query)
        if shown and hmac.compare_digest(_digest(shown), self._digest):
            return
        if shown and slow:
            self._count(address)
        raise ApiError(401, _NOT_SHOWN)

    def _count(self, address: Address | None) -> None:
        now = self._now()
        count, until = self._wrong.pop(address, (0, 0.0))
        self._wrong[address] = (count + 1, until) if until > now else (1, now + _WINDOW_SECONDS)
        if len(self._wrong) > _MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]


def _shown(headers: Mapping[str, str], query: str) -> str:
    """The token the caller shows; empty: none."""
    shown = headers.get(HEADER, "")
    if not shown:
        scheme, _, bearer = headers.get("Authorization", "").strip().partition(" ")
        shown = bearer.strip() if scheme.lower() == "bearer" else ""
    if not shown and PARAMETER in query:
        shown = dict(parse_query(query)).get(PARAMETER, "")
    return shown


def _from_here(headers: Mapping[str, str]) -> bool:
    """Whether somebody on this machine asks, and not a proxy for others, nor a page of another site."""
    if any(name in headers for name in _FORWARDED):
        return False
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return False
    host, origin = headers.get("Host", "").lower(), headers.get("Origin")
    if origin is not None and origin.lower().partition("://")[2] != host:  # browsers that know no Sec-Fetch-Site
        return False
    name = host.partition("]")[0].strip("[") if host.startswith("[") else host.partition(":")[0]
    address = _parsed(name)
    return name == "localhost" or (address is not None and address.is_loopback)


def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _networks(allowed: str) -> tuple[IPv4Network | IPv6Network, ...]:
    networks, problems = [], []
    for part in filter(None, map(str.strip, allowed.split(","))):
        try:
            networks.append(ip_network(part, strict=False))
        except ValueError:
            problems.append(Problem("debug.allowed_ips", f"{part!r} is no address and no network, such as 10.0.0.0/8"))
    if problems:
        raise BadDocument(problems)
    return tuple(networks)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
