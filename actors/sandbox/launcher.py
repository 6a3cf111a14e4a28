"""The parent's handle on the zygote: start it, ask it for sandboxes, hear of their ends. No actor; its owner is one.

Invariant: a sandbox is known by its pidfd, never by its number, so a signal cannot hit a stranger; and each death is
told once, through `on_exit`. Works on any asyncio loop with `add_reader` (uvloop too). It talks to `zygote.py` over a
SOCK_SEQPACKET socket.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from actors.sandbox.control import ENDED, FORKED, REQUEST
from protocol.errors import SandboxLost
from protocol.sandbox import Fault

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from actors.sandbox.zygote import main; main()"
"""`python -I` knows no working directory; the first argument says where *our* packages are, also in a checkout."""
_ROOT = Path(__file__).resolve().parents[2]

_FDS: Final = socket.CMSG_SPACE(array.array("i").itemsize)
_SCRIPT_SIGNALS: Final = frozenset(
    (
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGILL,
        signal.SIGFPE,
        signal.SIGTRAP,
        signal.SIGABRT,
        signal.SIGSYS,
        signal.SIGXCPU,
    )
)
_WORKING_SECONDS: Final = 0.05
"""CPU a process that hit its deadline must have used to be called busy; a stopped or starved one has used less."""


class Forked(NamedTuple):
    """A new sandbox process. Its taker owns, and closes, both descriptors."""

    socket: socket.socket
    """The parent's end, non-blocking. The first frame to come is `ready`."""
    pid: int
    """For logs only."""
    pidfd: int
    """What signals are sent through."""


class ZygoteProcess:
    """One zygote and the fork requests under way."""

    def __init__(
        self, on_exit: Callable[[int, int, float], None], on_lost: Callable[[], None], memory_mb: int = 128
    ) -> None:
        """`on_exit(pid, status, cpu)`: a sandbox ended with this wait status and CPU seconds.

        `on_lost()`: the zygote itself ended without being asked to, and its sandboxes with it; no `on_exit` is told
        for them. `memory_mb`: the engine's limit (`Limits.memory_mb`); the address space is capped above it.
        """
        self._memory_mb = memory_mb
        self._on_exit = on_exit
        self._on_lost = on_lost
        self._pending: dict[int, tuple[asyncio.Future[Forked], socket.socket]] = {}
        self._seq = 0
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: asyncio.Future[None] | None = None

    @property
    def pid(self) -> int:
        """The zygote's process number, for logs; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def gone(self) -> bool:
        """It has ended, or was never started: it forks nothing."""
        return self._control is None

    def start(self) -> None:
        """Start the process. Call it on the running loop, in the main thread: the zygote dies with its parent *thread*.

        Takes about a millisecond; the zygote is up some 50 ms later, and fork requests may be made before that.
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own program
                [sys.executable, "-I", "-c", _BOOT, str(_ROOT), str(theirs.fileno()), str(self._memory_mb)],
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a Ctrl-C in the terminal is for the server, which drains first
            )
        ours.setblocking(False)
        self._control = ours
        self._ready = loop.create_future()
        loop.add_reader(ours.fileno(), self._readable)

    async def ready(self) -> None:
        """Wait until the zygote serves. Raises SandboxLost when it ends before that."""
        if self._ready is None:
            raise _gone()
        await asyncio.shield(self._ready)

    def fork(self) -> asyncio.Future[Forked]:
        """Ask for a sandbox process. The future raises SandboxLost when none can be forked, or the zygote has ended.

        Cancelling the future is safe: the process, if it comes, is ended unused.
        """
        future: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        if self._control is None:
            future.set_exception(_gone())
            return future
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._seq = seq = (self._seq + 1) & 0xFFFFFFFF
        passed = array.array("i", [theirs.fileno()])
        with theirs:
            try:
                self._control.sendmsg(
                    [REQUEST.pack(b"F", seq)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)], socket.MSG_NOSIGNAL
                )
            except OSError as error:
                ours.close()
                future.set_exception(SandboxLost(f"the zygote takes no request: {error}", own_fault=False))
                return future
        ours.setblocking(False)
        self._pending[seq] = (future, ours)
        return future

    def kill(self) -> None:
        """End the zygote at once, and with it every sandbox. `on_lost` is told when it has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """End the zygote and its sandboxes because they are no longer wanted: nothing is told. Blocks a few ms."""
        self._end()
        if self._process is not None:
            try:
                self._process.wait(1.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    # --- what comes from the zygote -----------------------------------------------------------------------------------

    def _readable(self) -> None:
        control = self._control
        while control is not None and self._control is control:
            try:
                data, ancillary, _, _ = control.recvmsg(64, _FDS, socket.MSG_CMSG_CLOEXEC)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data, ancillary = b"", []
            if not data:
                self._lost()
                return
            self._heard(data, ancillary)

    def _heard(self, data: bytes, ancillary: list[tuple[int, int, bytes]]) -> None:
        kind = data[:1]
        if kind == b"X":
            _, pid, status, cpu = ENDED.unpack(data)
            self._on_exit(pid, status, cpu)
        elif kind == b"F":
            _, seq, pid = FORKED.unpack(data)
            (pidfd,) = array.array("i", ancillary[0][2])
            future, ours = self._pending.pop(seq)
            if future.done():  # nobody wants it any more
                ours.close()
                os.close(pidfd)
            else:
                future.set_result(Forked(ours, pid, pidfd))
        elif kind == b"N":
            _, seq, number = FORKED.unpack(data)
            future, ours = self._pending.pop(seq)
            ours.close()
            if not future.done():
                future.set_exception(SandboxLost(f"no process could be forked: {os.strerror(number)}", own_fault=False))
        elif kind == b"Y" and self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    def _lost(self) -> None:
        self._end()
        if self._process is not None:
            # Its socket is closed, so it is gone or about to be: PDEATHSIG has its children.
            self._process.kill()
            self._process.wait()
        self._on_lost()

    def _end(self) -> None:
        control, self._control = self._control, None
        if control is None:
            return
        asyncio.get_running_loop().remove_reader(control.fileno())
        control.close()
        pending, self._pending = self._pending, {}
        for future, ours in pending.values():
            ours.close()
            if not future.done():
                future.set_exception(_gone())
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(_gone())
            self._ready.exception()  # who does not wait for it need not know


def _gone() -> SandboxLost:
    return SandboxLost("the zygote has ended", own_fault=False)


def send_signal(pidfd: int, number: signal.Signals) -> None:
    """Send a signal to a sandbox. One that is gone already is not an error."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, number)


def fault_of(status: int, cpu_used: float, deadline_hit: bool) -> Fault:
    """Whose fault a sandbox's death was.

    `status` is the wait status, `cpu_used` the CPU seconds of the process since the run began, `deadline_hit` says that
    the parent killed it because the wall-clock deadline had passed. A signal that only a script can bring about (memory
    fault, abort, forbidden system call, CPU limit) is the script's fault, and so is a deadline with CPU used. A
    deadline without (the process was stopped or starved), and any other kill, came from outside.
    """
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in _SCRIPT_SIGNALS:
        return Fault.SCRIPT
    if deadline_hit and cpu_used >= _WORKING_SECONDS:
        return Fault.SCRIPT
    return Fault.OUTSIDE
