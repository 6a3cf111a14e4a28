"""The program of a sandbox process: confined, it reads orders from its one socket and runs them, one at a time.

Invariant: `confine` has run, and said what it did, before the first byte of a frame is read. A host call of the script
blocks on the socket until the parent has served it, and the script's clock stands still meanwhile. Nothing here raises
into the engine, opens a file or imports anything: the process ends when its socket does. Its parent is the actor that
owns it; it was forked by `zygote.py`.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import deque
from types import FrameType

from actors.sandbox import frames
from actors.sandbox.child import orders
from actors.sandbox.child.realms import Realms
from actors.sandbox.confine import confine
from actors.sandbox.vm import VERSION, Engine
from protocol.errors import BadFrame
from protocol.sandbox import Limits

_CHUNK = 1 << 16
_GONE = '0{"name":"Error","message":"the runtime does not answer"}'


class _CancelledWaiting(BaseException):
    """Raised by the signal handler out of a wait for the parent."""


def serve(engine: Engine, descriptor: int, zygote: int, memory_bytes: int) -> int:
    """Be a sandbox until the parent closes the socket; the exit status.

    `zygote`: the process it must not outlive. `memory_bytes`: see `confine`.
    """
    peer = socket.socket(fileno=descriptor)
    host = _Host(engine, peer)
    signal.signal(signal.SIGUSR1, host.cancel)
    confined = confine(zygote, memory_bytes)
    peer.sendall(orders.write_ready(VERSION, confined, engine.hooked))
    return host.serve()


class _Host:
    __slots__ = ("_buffer", "_calls", "_engine", "_frames", "_limits", "_peer", "_reader", "_run", "_waiting")

    def __init__(self, engine: Engine, peer: socket.socket) -> None:
        self._engine = engine
        self._peer = peer
        # One buffer for life: a new one for each `recv` would be mapped and unmapped each time, at 12 us.
        self._buffer = memoryview(bytearray(_CHUNK))
        self._reader = frames.FrameReader.of_child()
        self._frames: deque[tuple[int, bytes]] = deque()
        self._limits = Limits()
        self._run = 0
        self._calls = 0
        self._waiting = False

    def serve(self) -> int:
        """Configure, then run scripts until the end of the socket."""
        kind, body = self._next()
        if kind == 0:
            return 0
        if kind != frames.CONFIGURE:
            raise BadFrame("the first frame is not configure")
        self._limits = orders.read_configure(body)
        realms = Realms(self._engine, self.call, self._limits)
        send = self._peer.sendall
        while True:
            kind, body = self._next()
            if kind == frames.RUN:
                order = orders.read_run(body)
                self._run = order.run
                self._calls = 0
                send(realms.run(order))
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
        self._engine.budget.cancelled = True
        if self._waiting:
            self._waiting = False
            raise _CancelledWaiting

    # --- host calls ---

    def call(self, name: str, arguments: str) -> str:
        """Ask the parent, wait, and return `1` and the value's JSON, or `0` and the error's. Never raises."""
        budget = self._engine.budget
        if budget.why:  # the script is as good as stopped, but has not come to the hook yet
            return _GONE
        begun = time.monotonic()
        try:
            self._calls += 1
            if self._calls > self._limits.host_calls:
                budget.why = "host_calls"
                return '0{"name":"RangeError","message":"the script called the runtime more often than it may"}'
            self._waiting = True
            reply = self._ask(name, arguments)
            self._waiting = False
            return reply
        except _CancelledWaiting:
            budget.why = "cancelled"
            return _GONE
        except (OSError, ValueError, BadFrame):
            os._exit(70)  # a parent that cannot be understood is no parent
        finally:
            budget.deadline += time.monotonic() - begun

    def _ask(self, name: str, arguments: str) -> str:
        self._peer.sendall(orders.write_call(self._run, self._calls, name, arguments.encode()))
        while True:
            kind, body = self._next()
            if kind == frames.HOST_REPLY:
                reply = orders.read_reply(body)
                if reply.run == self._run and reply.call == self._calls:
                    return ("1" if reply.ok else "0") + reply.value.decode()
            elif kind == 0:
                os._exit(0)
            # a forget meanwhile would be an order out of turn
