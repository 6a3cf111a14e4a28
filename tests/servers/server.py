"""A real server for the tests: its own temporary folder, its own free port, ended by its pid.

As root the servers run as `nobody`, which is what they insist on. A server that cannot be started fails the tests: they
are never skipped.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from loadtests.server import free_port

NOBODY = 65534
_PR_SET_PDEATHSIG = 1


class Server:
    """One server process. Subclasses say how it is prepared, started, and known to be ready."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"nflow-{name}-"))
        self.own(self.folder)
        self.host = "127.0.0.1"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.prepare()

    def prepare(self) -> None:
        """Once, before the first start."""

    def command(self) -> list[str]:
        """What is started."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether it serves."""
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
            return True
        return False

    def start(self, seconds: float = 30.0) -> None:
        """Start it and wait until it serves."""
        assert self.process is None, "it runs already"
        deadline = time.monotonic() + seconds
        for _ in range(5):
            self._mark = self.log_path.stat().st_size if self.log_path.exists() else 0
            with self.log_path.open("ab") as log:
                self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder, **_as_nobody())
            while self.process.poll() is None and time.monotonic() < deadline:
                if self.ready():
                    return
                time.sleep(0.02)
            self.kill()
            time.sleep(0.2)  # when it ended by itself: what a killed one left behind may still be there
        raise AssertionError(f"{self.command()[0]} did not start:\n{self.log_path.read_text()[-4000:]}")

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it and start it again, on the same port with the same data."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Let it and its children answer nothing; connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """End it and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log_path(self) -> Path:
        """What it wrote."""
        return self.folder / "log"

    def log(self) -> str:
        """What it wrote since its last start."""
        with self.log_path.open("rb") as log:
            log.seek(self._mark)
            return log.read().decode(errors="replace")

    def run(self, command: list[str], **more: Any) -> None:
        """Run one of the server's own programs to its end, as the server's user."""
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, **_as_nobody(), **more)
        assert done.returncode == 0, f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"

    def write(self, name: str, text: str | bytes) -> Path:
        """A file in its folder that only it may read."""
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        self.own(path)
        return path

    def own(self, path: Path) -> None:
        """Make it the server's."""
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)

    def _signal(self, what: signal.Signals) -> None:
        assert self.process is not None
        for pid in (self.process.pid, *_children(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, what)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.thaw()
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _children(pid: int) -> list[int]:
    found = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in listed.read_text().split()]
    return found


def program(name: str, *folders: str) -> str:
    """Where a program is. A missing one fails the tests."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *folders]))
    assert found is not None, f"{name} is missing: `make test` installs it (as root, with apt-get)"
    return found


def _as_nobody() -> dict[str, Any]:
    libc = ctypes.CDLL(None)

    def die_with_parent() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    more: dict[str, Any] = {"stdin": subprocess.DEVNULL}
    if threading.current_thread() is threading.main_thread():  # the parent is the thread, which may end before us
        more["preexec_fn"] = die_with_parent
    if os.geteuid() == 0:
        more |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return more
