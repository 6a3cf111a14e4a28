"""The warm process sandboxes are forked from: a program of its own, started by exec with an empty environment.

It holds the imports and the prelude's bytecode, never a JavaScript context: contexts made before the fork would give
the same `Math.random` in every sandbox. It has one descriptor, a SOCK_SEQPACKET control socket to its parent, over
which it takes fork requests and tells of its children's ends (datagrams: `control.py`). Invariant: it never runs a
script, and no child outlives it; it dies with its parent, by PDEATHSIG and by the end of the control socket.
It talks to `launcher.py`.
"""

from __future__ import annotations

import array
import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
from typing import Final, NoReturn

from actors.sandbox import host
from actors.sandbox.child.local import LocalFunctions, local_functions, warm
from actors.sandbox.confine import die_with_parent
from actors.sandbox.control import ENDED, FORKED, REQUEST
from actors.sandbox.vm import Engine

_SOCKET_FD: Final = 3
_FDS = socket.CMSG_SPACE(array.array("i").itemsize)


def main() -> NoReturn:
    """The program: `python -I -c … <folder of our packages> <descriptor of the control socket> <memory in MB>`."""
    die_with_parent(os.getppid())
    control = socket.socket(fileno=int(sys.argv[2]))
    memory = int(sys.argv[3]) << 20
    os.environ["TZ"] = "UTC0"  # else the first date of a script would look for the host's zone, in a file
    time.tzset()
    engine = Engine.prepare()
    local = local_functions()
    warm(local)
    gc.collect()
    gc.freeze()  # the collector of a child must not touch, and so copy, the pages it shares
    gc.disable()
    _yield_to_the_server()
    with contextlib.suppress(OSError):
        control.send(b"Y")
        _Zygote(control, engine, local, memory).serve()
    os._exit(0)  # the children follow: their PDEATHSIG is this process


def _yield_to_the_server() -> None:
    """Be scheduled as batch work: a sandbox that is sent a script must not push the request loop off its core.

    The loop wakes a sandbox for every script; scheduled alike, the woken one runs at once and the loop waits in its
    `send`. Under load it spares a fifth of the sandboxes' CPU, and the slowest answers of a busy server gain most.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


class _Zygote:
    __slots__ = ("_children", "_control", "_engine", "_local", "_memory", "_poll")

    def __init__(self, control: socket.socket, engine: Engine, local: LocalFunctions, memory: int) -> None:
        self._control = control
        self._engine = engine
        self._local = local
        self._memory = memory
        self._children: dict[int, int] = {}
        """pidfd → pid of each child not yet reaped."""
        self._poll = select.epoll()
        self._poll.register(control, select.EPOLLIN)

    def serve(self) -> None:
        """Fork and reap until the parent closes the control socket."""
        control = self._control.fileno()
        while True:
            for ready, _ in self._poll.poll():
                if ready != control:
                    self._reap(ready)
                elif not self._request():
                    self._kill_all()
                    return

    def _request(self) -> bool:
        """Serve one fork request; False at the end of the stream."""
        data, ancillary, _, _ = self._control.recvmsg(REQUEST.size, _FDS, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return False
        descriptors = array.array("i")
        for _, _, passed in ancillary:
            descriptors.frombytes(passed)
        _, seq = REQUEST.unpack(data)
        self._fork(seq, descriptors[0])
        os.close(descriptors[0])
        return True

    def _fork(self, seq: int, sandbox: int) -> None:
        """Fork one child around the descriptor `sandbox` and tell the parent."""
        me = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._control.send(FORKED.pack(b"N", seq, error.errno or 0))
            return
        if pid == 0:
            self._become_sandbox(sandbox, me)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = pid
        self._poll.register(pidfd, select.EPOLLIN)
        passed = array.array("i", [pidfd])
        self._control.sendmsg([FORKED.pack(b"F", seq, pid)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])

    def _reap(self, pidfd: int) -> None:
        pid = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status, used = os.wait4(pid, 0)
        self._control.send(ENDED.pack(b"X", pid, status, used.ru_utime + used.ru_stime))

    def _kill_all(self) -> None:
        for pidfd in self._children:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        for pid in self._children.values():
            os.waitpid(pid, 0)

    def _become_sandbox(self, descriptor: int, zygote: int) -> NoReturn:
        """In the child: keep one descriptor, its socket, and be a sandbox. Never returns into the zygote's frames.

        What is closed ends at the highest descriptor known: where the kernel closes no ranges, each number is a call.
        """
        status = 70
        try:
            highest = max(descriptor, self._control.fileno(), self._poll.fileno(), *self._children)
            os.dup2(descriptor, _SOCKET_FD)
            os.closerange(_SOCKET_FD + 1, highest + 1)
            os.closerange(0, _SOCKET_FD)
            status = host.serve(self._engine, self._local, _SOCKET_FD, zygote, self._memory)
        finally:
            os._exit(status)
