"""Who is not limited: addresses and networks, and paths by how they begin.

A path is matched as Go does it, by its beginning and decoded: `/health` leaves out `/healthy` too. Paths that could be
written in several ways (dot segments, an encoded slash, a percent sign that is left) are never left out, so nobody
reaches another endpoint past the limit under a name that only begins like an excluded one. Pure.
"""

from __future__ import annotations

from urllib.parse import unquote

from gateway.clients.networks import Networks
from protocol.errors import BadDocument, Problem


class Exclusions:
    """`rate_limit.excluded_ips` and `rate_limit.excluded_paths`."""

    __slots__ = ("_addresses", "_paths")

    def __init__(self, addresses: str, paths: str) -> None:
        """Both comma-separated. Raises BadDocument for an address that is none, and a path that begins without `/`."""
        self._addresses = Networks(_parts(addresses), "rate_limit.excluded_ips")
        self._paths = tuple(_parts(paths))
        wrong = [path for path in self._paths if not path.startswith("/")]
        if wrong:
            raise BadDocument([Problem("rate_limit.excluded_paths", f"{path!r} must begin with /") for path in wrong])

    def leave_out(self, address: str, raw_path: str) -> bool:
        """Whether a request from this canonical address to this path, as received, has no limit."""
        if self._paths and self._is_excluded(raw_path):
            return True
        return bool(self._addresses) and address in self._addresses

    def _is_excluded(self, raw_path: str) -> bool:
        if "%" not in raw_path:
            return raw_path.startswith(self._paths) and not _ambiguous(raw_path)
        lower = raw_path.lower()
        if "%2f" in lower or "%5c" in lower:
            return False
        path = unquote(raw_path)
        return path.startswith(self._paths) and "%" not in path and not _ambiguous(path)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _ambiguous(path: str) -> bool:
    if "/." in path and not {".", ".."}.isdisjoint(path.split("/")):
        return True
    return "//" in path or "\\" in path or "\0" in path
