"""Room for as many connections as `server.max_connections` allows: each is a file descriptor of the process.

The system's soft limit is often 1 024, and a server that reaches it can neither take a connection nor close one in good
order. It may be raised up to the hard limit; what is missing then is said at the start.
"""

from __future__ import annotations

import resource
from typing import Final

_SPARE: Final = 512
"""For sandboxes, databases, files and whom scripts call."""


def make_room(connections: int) -> str:
    """Raise the limit of this process as far as is needed and allowed; what is missing, in a line, or empty."""
    needed = connections + _SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return ""
    return (
        f"the system allows {soft} open files, {needed} may be needed (server.max_connections = {connections}): "
        "raise `ulimit -n`"
    )
