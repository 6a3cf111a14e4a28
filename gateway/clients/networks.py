"""Lists of addresses and networks from the configuration, and the one way in which addresses are written here.

An IPv4 address inside IPv6 (`::ffff:192.0.2.1`, as a socket for both shows it) is the IPv4 address; a zone is dropped.
Pure; a look costs a microsecond.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv6Network, ip_network
from typing import Final

from protocol.errors import BadDocument, Problem

_MAPPED: Final = bytes(10) + b"\xff\xff"


def canonical(text: str) -> str:
    """The address in its one spelling; empty for what is none."""
    packed = _packed(text)
    return "" if packed is None else _text(packed)


def neighbourhood(address: str) -> str:
    """Who a canonical address stands for: IPv4 itself, IPv6 the first of its /64, which one customer has whole."""
    if ":" not in address:
        return address
    packed = _packed(address)
    return address if packed is None else _text(packed[:8] + bytes(8))


class Networks:
    """Addresses and networks."""

    __slots__ = ("_nets", "_ones")

    def __init__(self, texts: Sequence[str], path: str, *, numbered: bool = False) -> None:
        """`texts`: such as `127.0.0.1` or `10.0.0.0/8`. Raises BadDocument naming `path`, or the place in it."""
        problems = []
        ones: set[str] = set()
        nets: list[tuple[int, int, int]] = []
        for place, text in enumerate(texts):
            try:
                net = ip_network(text.strip(), strict=False)
            except ValueError:
                where = f"{path}.{place}" if numbered else path
                problems.append(Problem(where, f"{text!r} is no address and no network such as 10.0.0.0/8"))
                continue
            if isinstance(net, IPv6Network) and net.network_address.ipv4_mapped and net.prefixlen >= 96:
                net = ip_network((net.network_address.ipv4_mapped, net.prefixlen - 96))
            if net.prefixlen == net.max_prefixlen:
                ones.add(str(net.network_address))
            else:
                width = net.max_prefixlen // 8
                shift = net.max_prefixlen - net.prefixlen
                nets.append((width, shift, int(net.network_address) >> shift))
        if problems:
            raise BadDocument(problems)
        self._ones = frozenset(ones)
        self._nets = tuple(nets)

    def __bool__(self) -> bool:
        return bool(self._ones or self._nets)

    def __contains__(self, address: str) -> bool:
        """Whether a canonical address is one of them."""
        if address in self._ones:
            return True
        if not self._nets or (packed := _packed(address)) is None:
            return False
        width, number = len(packed), int.from_bytes(packed)
        return any(wide == width and number >> shift == base for wide, shift, base in self._nets)


def _packed(text: str) -> bytes | None:
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        packed = socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED) else packed


def _text(packed: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
