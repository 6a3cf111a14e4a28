"""One run of wrk: distinct query values, and its figures as numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """
local n = 0
request = function()
  n = (n + 1) % 1000
  return wrk.format("GET", wrk.path .. "?v=" .. n)
end
done = function(summary, latency)
  io.stderr:write(string.format('{"requests":%d,"micros":%d,"p50":%d,"p99":%d,"max":%d,"bad":%d,"errors":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run measured. Times in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    worst: float
    not_2xx: int
    errors: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def installed() -> str:
    """The path of wrk, installing Debian's package when it is missing and we may."""
    if shutil.which("wrk") is None:
        subprocess.run(["apt-get", "install", "-y", "-qq", "wrk"], check=True, stdout=subprocess.DEVNULL)
    return shutil.which("wrk") or "wrk"


def run(url: str, *, seconds: float, connections: int = 64) -> Load:
    """Load `url` with one thread and that many connections."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load.lua"
        script.write_text(_SCRIPT, encoding="ascii")
        command = [installed(), "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script), url]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30)
    told = json.loads(done.stderr.strip().splitlines()[-1])
    return Load(
        told["requests"], told["micros"] / 1e6, told["p50"] / 1e3, told["p99"] / 1e3, told["max"] / 1e3,
        told["bad"], told["errors"],
    )  # fmt: skip
