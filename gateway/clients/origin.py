"""Where a request really comes from: the socket's address, or what a trusted proxy says of it.

Invariant: no header is believed unless the socket is that of a trusted proxy (`server.trusted_proxies`), and then only
as far as trusted proxies wrote it: lists are read from the right, past the trusted hops, up to the first address that
is none of them. `Forwarded` (RFC 7239), `X-Forwarded-For` and `X-Real-IP` may all be there, and a proxy that writes one
passes the client's others on; so if they name different clients, none is believed and the proxy itself is the client.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from gateway.clients.networks import Networks, canonical

_SCHEMES: Final = frozenset({"http", "https"})
_WANTED: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"x-forwarded-proto"})


class Origin(NamedTuple):
    """Who asks."""

    client: str
    """Address without a port, in its one spelling."""
    scheme: str
    """How the client speaks to the first of us: http or https."""
    disputed: bool = False
    """A proxy's headers name different clients: the address is the proxy's, and who asks is anybody."""


UNKNOWN: Final = Origin("", "http")
"""Of who did not come over the network."""


class Proxies:
    """The proxies that are believed."""

    __slots__ = ("_trusted",)

    def __init__(self, trusted: Sequence[str]) -> None:
        """Raises BadDocument for what is no address and no network."""
        self._trusted = Networks(trusted, "server.trusted_proxies", numbered=True)

    def __bool__(self) -> bool:
        return bool(self._trusted)

    def origin(self, peer: str, scheme: str, headers: Iterable[tuple[bytes, bytes]]) -> Origin:
        """Of a request from this socket address (canonical), with these header lines."""
        if peer not in self._trusted:
            return Origin(peer, scheme)
        lines: dict[bytes, list[str]] = {}
        for name, value in headers:
            lower = name.lower()
            if lower in _WANTED:
                lines.setdefault(lower, []).append(value.decode("latin-1"))
        if not lines:
            return Origin(peer, scheme)
        elements = [_pairs(each) for each in ",".join(lines.get(b"forwarded", ())).split(",")]
        hops = ",".join(lines.get(b"x-forwarded-for", ())).split(",")
        said = [
            self._first_stranger([element.get("for", "") for element in elements]),
            self._first_stranger(hops),
            self._first_stranger(lines.get(b"x-real-ip", ())[-1:]),
        ]
        strangers = {address for address in said if address and address not in self._trusted}
        proto = (elements[0].get("proto", "") or "".join(lines.get(b"x-forwarded-proto", ())[:1])).partition(",")[0]
        proto = proto.strip().lower()
        disputed = len(strangers) > 1
        client = peer if disputed else strangers.pop() if strangers else next(filter(None, said), peer)
        return Origin(client, proto if proto in _SCHEMES else scheme, disputed)

    def _first_stranger(self, hops: Sequence[str]) -> str:
        """The client of these hops, the nearest last. What is no address ends what can be believed."""
        client = ""
        for hop in reversed(hops):
            address = _address(hop)
            if not address:
                break
            client = address
            if address not in self._trusted:
                break
        return client


def _pairs(element: str) -> dict[str, str]:
    """One element of `Forwarded`. Cut at every comma: a quote the client left open must not swallow what follows."""
    pairs = {}
    for part in element.split(";"):
        name, _, value = part.partition("=")
        pairs[name.strip().lower()] = value.strip().strip('"')
    return pairs


def _address(text: str) -> str:
    """The canonical address of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; empty for no address."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return canonical(text)
