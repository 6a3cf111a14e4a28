"""One request's stay in the gateway: who came, where it was sent, how it ended.

Filled in along the way by whoever learns it, read at the end by everybody who tells of it: the metrics, the access
line, the trace, the audit. Invariant: `route` is one of the patterns of the tables, never text of the client's, so that
it may label a metric.
"""

from __future__ import annotations

from typing import Final

NOWHERE: Final = "(none)"
"""The route of a request that nobody serves."""
LEFT: Final = 499
"""The status of a request whose client left before the answer."""


class Visit:
    """One request."""

    __slots__ = (
        "app", "began", "client", "disputed", "flow", "held", "id", "lines", "method", "path", "reason", "route",
        "scheme", "status", "trace", "wid", "workflow",
    )  # fmt: skip

    def __init__(self, began: float, method: str, path: str) -> None:
        self.began = began
        """Monotonic seconds."""
        self.method = method
        self.path = path
        """As received, without the query, and without a host before it."""
        self.id = ""
        """Of the request: the client's `X-Request-ID`, or one of ours."""
        self.client = ""
        """The client's address, without a port: the peer's, or what a trusted proxy says."""
        self.disputed = False
        """A trusted proxy's headers name different clients, so `client` is the proxy, and who asks is anybody."""
        self.route = NOWHERE
        """Pattern of the flow's start, or path of the fixed endpoint."""
        self.app = self.flow = self.wid = ""
        """Of the run that was begun; empty: none."""
        self.workflow = False
        """Whether a workflow was asked for."""
        self.reason = ""
        """Why it was refused or failed, where there is more to say than the status does."""
        self.trace = ""
        """Id of the trace its run belongs to; empty: nobody traces it."""
        self.status = LEFT
        self.scheme = "http"
        """How the client speaks to us, or to the trusted proxy before us: http or https."""
        self.lines: tuple[tuple[str, str], ...] = ()
        """Header lines of the answer, whatever it becomes (the rate limiter's)."""
        self.held = 0
        """Bytes of body reserved: `gateway/armour/inflight.py`."""
