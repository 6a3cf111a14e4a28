"""Can the server listen where it should? Looked at before anything is started, so that the answer is one clear line and
not a tree that starts, fails and starts again.

A check and no claim: whoever takes the address between the check and the server's start makes the start fail.
"""

from __future__ import annotations

import os
import socket

from protocol.errors import UnusableAddress


def check_address(host: str, port: int, key: str = "server.port") -> None:
    """Raise UnusableAddress, saying why, unless every address of `host` can be listened on. `port` 0: any free one;
    `key`: where it was configured."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UnusableAddress(f"cannot listen on {host}: {_reason(error)} (server.host)") from None
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
                probe.listen(1)
        except OSError as error:
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            raise UnusableAddress(f"cannot listen on {where}: {_reason(error)} (server.host, {key})") from None


def _reason(error: Exception) -> str:
    """The system's words, in small letters as the rest of the line."""
    if isinstance(error, socket.gaierror) or not isinstance(error, OSError) or error.errno is None:
        return str(error.args[-1] if error.args else error).lower()
    return os.strerror(error.errno).lower()
