"""T33: how late a server's event loop came while something was done to it, beside how late the machine itself was.

The server measures itself ten times a second (`nflow_event_loop_lag_seconds`); two readings give a histogram of what
happened between them. On a machine that others use too, a loop is late because it was not given the CPU: a process that
does nothing but sleep and look at the clock says by how much, and that is nobody's fault here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import NamedTuple

from tests.acceptance.servers import Server

METRIC = "nflow_event_loop_lag_seconds_bucket"
SLEEPER = """
import time
while True:
    due = time.monotonic() + 0.1
    time.sleep(0.1)
    print(f"{time.monotonic() - due:.6f}", flush=True)
"""


class Lag(NamedTuple):
    """Seconds, rounded up to what the histogram can tell."""

    beats: int
    p99: float
    worst: float

    def __str__(self) -> str:
        return f"p99 <= {self.p99 * 1000:g} ms, max <= {self.worst * 1000:g} ms of {self.beats} beats"


class Reading(NamedTuple):
    """Beats so far that were at most so late."""

    reached: Mapping[float, float]

    @classmethod
    def of(cls, server: Server) -> Reading:
        """As of now. Raises OSError or KeyError where the server shows no metrics."""
        found = {
            float(series.split('le="')[1].split('"')[0]): value
            for series, value in server.metrics().items()
            if series.startswith(METRIC)
        }
        if not found:
            raise KeyError(METRIC)
        return cls(found)

    def since(self, before: Reading | None) -> Lag:
        """What happened between two readings."""
        earlier = before.reached if before is not None else {}
        between = {bound: count - earlier.get(bound, 0.0) for bound, count in sorted(self.reached.items())}
        beats = max(between.values())
        p99 = next(bound for bound, count in between.items() if count >= 0.99 * beats)
        worst = next(bound for bound, count in between.items() if count >= beats)
        return Lag(int(beats), p99, worst)


class Machine:
    """The sleeper beside the servers."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, text=True)

    def lag(self) -> Lag:
        """Since the last time it was asked. Seconds as they were."""
        assert self._process.stdout is not None
        late = sorted(map(float, _read_now(self._process)))
        if not late:
            return Lag(0, 0.0, 0.0)
        return Lag(len(late), late[min(len(late) - 1, int(0.99 * len(late)))], late[-1])

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _read_now(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    os.set_blocking(descriptor, False)
    text = b""
    try:
        while part := os.read(descriptor, 1 << 16):
            text += part
    except BlockingIOError:
        pass
    return re.findall(r"^\d+\.\d{6}$", text.decode(), re.MULTILINE)
