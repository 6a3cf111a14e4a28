"""The datagrams between the zygote and its launcher, on a SOCK_SEQPACKET socket. Both ends read their layout here.

parent → zygote: `F` seq, with the sandbox's socket. zygote → parent: `Y` it serves; `F` seq pid, with the child's
pidfd; `N` seq errno, no fork was possible; `X` pid wait-status cpu-seconds, a child ended and was reaped.
"""

from __future__ import annotations

import struct
from typing import Final

REQUEST: Final = struct.Struct("<cI")
FORKED: Final = struct.Struct("<cIi")
"""Of `F` and `N`."""
ENDED: Final = struct.Struct("<ciid")
