"""`nflow doctor`: what this machine offers, looked at, not assumed. It forks a real sandbox and opens the store."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from actors.sandbox import frames
from actors.sandbox.launcher import ZygoteProcess
from actors.sandbox.link import Link
from actors.stores.sqlite import SqliteSettings
from actors.stores.sqlite_store import SqliteStore
from gateway.ownership import intruders
from protocol.errors import NflowError
from protocol.settings import Settings

BUILT = 1_760_000_000
"""Unix time before which no clock can be right: this program did not exist."""
START_SECONDS = 10.0


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
    ground = _platform()
    yield ground
    if not ground.good:
        return
    yield from asyncio.run(_sandbox())
    others = intruders()
    yield Finding("packages", not others, "; ".join(others) or "all from nflow-runtime")
    yield _clock()
    yield _store(settings.store.path)


def _platform() -> Finding:
    text = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    if sys.platform != "linux":
        return Finding("platform", False, f"{text}: sandboxes need Linux: use WSL2, a virtual machine or a container")
    return Finding("platform", True, text)


class _Deaf:
    """Takes what a sandbox would tell its actor."""

    def tell(self, message: Any) -> None:
        """Nobody listens."""


async def _sandbox() -> list[Finding]:
    zygote = ZygoteProcess(lambda pid, status, cpu: None, lambda: None)
    zygote.start()
    try:
        async with asyncio.timeout(START_SECONDS):
            forked = await zygote.fork()
            link = await Link.open(_Deaf(), forked.socket)
            ready = await link.ready
        link.close()
        os.close(forked.pidfd)
    except (NflowError, OSError, TimeoutError) as error:
        return [Finding("engine", False, f"no sandbox could be started: {error or 'it took too long'}")]
    finally:
        zygote.close()
    return list(_confinement(ready))


def _confinement(ready: frames.Ready) -> Iterator[Finding]:
    confined = ready.confined
    hook = "counts operations and keeps deadlines" if ready.hook else "failed its test: only the outer deadline holds"
    yield Finding("engine", True, f"QuickJS {ready.engine}")
    yield Finding("engine hook", ready.hook, hook, fatal=False)
    filtered = bool(confined.get("seccomp"))
    yield Finding("seccomp", filtered, "in force" if filtered else "not offered by this kernel", fatal=False)
    abi = confined.get("landlock") or 0
    yield Finding("landlock", bool(abi), f"in force, ABI {abi}" if abi else "not offered by this kernel", fatal=False)
    uid = confined.get("uid")
    own = uid != os.getuid()
    text = f"sandboxes run as uid {uid}" + ("" if own else ", the server's own: start as root to give them another")
    yield Finding("user", own, text, fatal=False)


def _clock() -> Finding:
    now = time.time()
    if now < BUILT:
        return Finding("clock", False, f"it says {time.strftime('%Y-%m-%d', time.gmtime(now))}: set it")
    resolution = time.get_clock_info("monotonic").resolution
    text = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now))}, steady to {resolution:g} s"
    return Finding("clock", resolution <= 1e-3, text)


def _store(path: str) -> Finding:
    """A store that is there is opened; where there is none, one is tried beside it that goes again."""
    try:
        if Path(path).exists():
            problem = asyncio.run(_opened(path))
        else:
            with TemporaryDirectory(prefix=".nflow-doctor-", dir=Path(path).absolute().parent) as folder:
                problem = asyncio.run(_opened(str(Path(folder) / "store.sqlite")))
    except OSError as error:
        problem = error.strerror or str(error)
    return Finding("store", not problem, f"{path}: {problem}" if problem else f"{path} can be written")


async def _opened(path: str) -> str:
    """Empty when the store can be opened; else why not."""
    store = SqliteStore(SqliteSettings(path))
    try:
        await store.open()
    except NflowError as error:
        return str(error)
    finally:
        await store.close()
    return "" if store.state.available else store.state.reason
