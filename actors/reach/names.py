"""Names of hosts to addresses, on threads of their own.

The system's resolver blocks, for half a minute when its server is silent. On the loop's shared threads a few scripts
that ask for dead names would hold up everything else that needs a thread; here they only hold up other lookups.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]
"""(family, kind, protocol, canonical name, socket address), as `socket.getaddrinfo` gives it."""


class Names:
    """A resolver."""

    __slots__ = ("_threads",)

    def __init__(self, threads: int = 8) -> None:
        self._threads = ThreadPoolExecutor(threads, "names")

    async def look_up(self, host: str, port: int, family: int = socket.AF_UNSPEC) -> list[AddressInfo]:
        """The addresses of a host for a stream of bytes. Raises OSError when it has none."""
        loop = asyncio.get_running_loop()
        look = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        try:
            found = await loop.run_in_executor(self._threads, look)
        except RuntimeError as error:  # closed meanwhile
            raise OSError(str(error)) from None
        return [info for info in found if info[0] in {socket.AF_INET, socket.AF_INET6}]

    def close(self) -> None:
        """Begin no more lookups; one under way ends unheard."""
        self._threads.shutdown(wait=False, cancel_futures=True)
