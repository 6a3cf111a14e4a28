"""The program of a sandbox process: confined, it reads orders from its one socket and runs them, one at a time.

Invariant: `confine` has run, and said what it did, before the first byte of a frame is read. A host call of the script
blocks on the socket until the parent has served it (`child/calls.py`). Nothing here raises into the engine, opens a
file or imports anything: the process ends when its socket does. Its parent is the actor that owns it; it was forked by
`zygote.py`.
"""

from __future__ import annotations

import signal
import socket
from collections import deque
from types import FrameType

from actors.sandbox import frames
from actors.sandbox.child import orders
from actors.sandbox.child.calls import Calls
from actors.sandbox.child.local import LocalFunctions
from actors.sandbox.child.realms import Realms
from actors.sandbox.confine import confine
from actors.sandbox.vm import VERSION, Engine
from protocol.errors import BadFrame

_CHUNK = 1 << 16


def serve(engine: Engine, local: LocalFunctions, descriptor: int, zygote: int, memory_bytes: int) -> int:
    """Be a sandbox until the parent closes the socket; the exit status.

    `local`: functions of scripts that are done here. `zygote`: the process it must not outlive. `memory_bytes`: see
    `confine`.
    """
    peer = socket.socket(fileno=descriptor)
    host = _Host(engine, local, peer)
    signal.signal(signal.SIGUSR1, host.cancel)
    confined = confine(zygote, memory_bytes)
    peer.sendall(orders.write_ready(VERSION, confined, engine.hooked))
    return host.serve()


class _Host:
    __slots__ = ("_buffer", "_calls", "_engine", "_frames", "_local", "_peer", "_reader")

    def __init__(self, engine: Engine, local: LocalFunctions, peer: socket.socket) -> None:
        self._engine = engine
        self._local = local
        self._peer = peer
        # One buffer for life: a new one for each `recv` would be mapped and unmapped each time, at 12 us.
        self._buffer = memoryview(bytearray(_CHUNK))
        self._reader = frames.FrameReader.of_child()
        self._frames: deque[tuple[int, bytes]] = deque()
        self._calls: Calls | None = None

    def serve(self) -> int:
        """Configure, then run scripts until the end of the socket."""
        kind, body = self._next()
        if kind == 0:
            return 0
        if kind != frames.CONFIGURE:
            raise BadFrame("the first frame is not configure")
        limits = orders.read_configure(body)
        send = self._peer.sendall
        self._calls = Calls(self._engine.budget, limits, self._local, send, self._next)
        realms = Realms(self._engine, self._calls, limits)
        while True:
            kind, body = self._next()
            if kind == frames.RUN:
                send(realms.run(orders.read_run(body)))
                if realms.doubtful:
                    return 0  # not even the engine's own clearing up is to be trusted
                realms.rest()
            elif kind == frames.FORGET:
                realms.forget(orders.read_forget(body))
            elif kind == 0:
                return 0

    def _next(self) -> tuple[int, bytes]:
        """The next frame; kind 0 at the end of the socket."""
        while not self._frames:
            size = self._peer.recv_into(self._buffer)
            if not size:
                return 0, b""
            self._frames.extend(self._reader.feed(bytes(self._buffer[:size])))
        return self._frames.popleft()

    def cancel(self, _number: int, _frame: FrameType | None) -> None:
        """SIGUSR1: the parent wants this run to end."""
        if self._calls is not None:
            self._calls.cancel()
