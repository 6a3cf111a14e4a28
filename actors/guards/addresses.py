"""Which socket addresses scripts and nodes may reach: the public ones, and those the configuration allows.

Judged is the final address of a connection, never a name or a text of the author's: names resolve to anything, change
between two looks, and private addresses hide inside IPv6 forms, which are unwrapped here. The networks are listed,
because the standard library's `is_global` calls some of them public. Pure; the connectors in `actors/reach` ask it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from protocol.errors import BadDocument, Problem
from protocol.observation.auditing import Audit, AuditEvent, AuditKind, Outcome, unheard

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED_V4: Final = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud's metadata"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
"""RFC 6890 and its updates, and the one metadata address that lies among public ones."""

_REFUSED_V6: Final = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "a local translation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),
    )
)
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_TRANSLATED: Final = IPv6Network("::ffff:0:0:0/96")
_COMPATIBLE: Final = IPv6Network("::/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")
_UNICAST: Final = IPv6Network("2000::/3")
_WRAPPINGS: Final = (_MAPPED, _TRANSLATED, _COMPATIBLE, _NAT64, _SIX_TO_FOUR, _TEREDO)
_ISATAP: Final = (0x00005EFE, 0x02005EFE)


class AddressGuard:
    """The judge of addresses, with the networks the operator allows (`security.allowed_addresses`)."""

    __slots__ = ("_allowed", "_audit")

    def __init__(
        self, allowed: Sequence[str] = (), path: str = "security.allowed_addresses", audit: Audit = unheard
    ) -> None:
        """`allowed`: addresses and networks such as `127.0.0.1` or `10.1.0.0/16`. `audit` is told of every refusal.
        Raises BadDocument naming `path`."""
        self._audit = audit
        networks: list[Network] = []
        problems = []
        for place, text in enumerate(allowed):
            try:
                networks.append(ip_network(text.strip(), strict=False))
            except ValueError:
                message = f"{text!r} is no address and no network, such as 10.1.0.0/16; names cannot be allowed"
                problems.append(Problem(f"{path}.{place}", message))
        if problems:
            raise BadDocument(problems)
        self._allowed = tuple(networks)

    def obey(self, other: AddressGuard) -> None:
        """Allow what this other one allows, from the next connection on."""
        self._allowed = other._allowed

    def refusal(self, address: str) -> str:
        """Why this address may not be reached; empty when it may. What is no address may not."""
        why = self._refusal(address)
        if why:
            self._audit(AuditEvent(AuditKind.ADDRESS, why, Outcome.REFUSED))
        return why

    def _refusal(self, address: str) -> str:
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return f"address {address!r} is not allowed: it is none"
        if _within(parsed, self._allowed):
            return ""
        for each in _unwrapped(parsed):
            kind = _kind(each)
            if kind and not _within(each, self._allowed):
                inside = "" if each is parsed else f", being {each} inside"
                return f"address {parsed} is not allowed: {kind}{inside}"
        return ""


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _unwrapped(address: Address) -> Iterator[Address]:
    """The addresses a packet to this one may end at: each of them is judged."""
    if isinstance(address, IPv4Address):
        yield address
        return
    number = int(address)
    low = IPv4Address(number & 0xFFFFFFFF)
    if not any(address in wrapping for wrapping in _WRAPPINGS) or number <= 1:
        yield address
    if number > 1 and any(address in each for each in (_MAPPED, _TRANSLATED, _COMPATIBLE, _NAT64)):
        yield low
    if address in _SIX_TO_FOUR:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)
    if address in _TEREDO:
        yield IPv4Address(number >> 64 & 0xFFFFFFFF)
        yield IPv4Address(~number & 0xFFFFFFFF)
    if number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield low


def _kind(address: Address) -> str:
    """What an address that is not public is; empty for a public one."""
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _REFUSED_V4 if address in network), "")
    for network, kind in _REFUSED_V6:
        if address in network:
            return kind
    return "" if address in _UNICAST else "reserved"
