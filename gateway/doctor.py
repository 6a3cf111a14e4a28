"""`nflow doctor`: what this machine offers, looked at rather than assumed."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


from actors.sandbox import confine
from gateway.ownership import intruders
from protocol.settings import Settings

BUILT = 1_760_000_000
"""Unix time before which no clock can be right: this program did not exist."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    name: str
    good: bool
    text: str
    fatal: bool = True
    """False: the runtime works without, less well."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything; a finding each."""
    yield _platform()
    offer = confine.probe()
    yield Finding("engine", offer.engine_works, offer.engine)
    yield Finding("engine hook", offer.hook, "operations and deadlines are counted inside the engine" if offer.hook else
                  "the engine hook failed its test: only the outer deadline holds", fatal=False)  # fmt: skip
    yield Finding(
        "seccomp",
        offer.seccomp,
        "system calls are filtered" if offer.seccomp else "not offered by this kernel",
        fatal=False,
    )
    yield Finding(
        "landlock",
        offer.landlock > 0,
        f"ABI {offer.landlock}" if offer.landlock else "not offered by this kernel",
        fatal=False,
    )
    others = intruders()
    yield Finding("packages", not others, "; ".join(others) or "all from nflow-runtime")
    yield _clock()
    problem = examine_store(Path(settings.store.path))
    yield Finding("store", not problem, problem or f"{settings.store.path} can be written")


def _platform() -> Finding:
    text = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    if sys.platform == "win32":
        return Finding("platform", False, f"{text}: not supported; use WSL2 or the container image")
    if sys.platform != "linux":
        return Finding("platform", True, f"{text}: for development only, scripts are not confined", fatal=False)
    return Finding("platform", True, text)


def _clock() -> Finding:
    now = time.time()
    if now < BUILT:
        return Finding("clock", False, f"it says {time.strftime('%Y-%m-%d', time.gmtime(now))}: set it")
    resolution = time.get_clock_info("monotonic").resolution
    return Finding(
        "clock",
        resolution <= 1e-3,
        f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now))}, steady to {resolution:g} s",
    )
