"""A parent for real sandbox processes: blocking, without actors, so that these tests need only launcher and frames."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from actors.sandbox import frames
from actors.sandbox.launcher import Forked, ZygoteProcess, send_signal
from protocol.codec import dumps
from protocol.flow import Realm, Script
from protocol.sandbox import HostReply, Limits, RunScript

GRACE_SECONDS = 0.5
"""Twice what its actor gives: two cores, shared with whatever else runs."""


@dataclass(frozen=True)
class Died:
    """The process ended instead of answering."""

    status: int
    cpu: float
    killed_at_deadline: bool

    @property
    def signal(self) -> int:
        """What ended it; 0 for an exit."""
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else 0


Outcome = frames.Done | frames.Failed | Died


@dataclass
class Nursery:
    """One zygote and a loop that only turns when a test waits for it."""

    memory_mb: int = 64
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    exits: dict[int, tuple[int, float]] = field(default_factory=dict)
    lost: int = 0

    def __post_init__(self) -> None:
        self.zygote = ZygoteProcess(self._exited, self._was_lost, self.memory_mb)
        self.runner.run(self._start())

    async def _start(self) -> None:
        self.zygote.start()
        await self.zygote.ready()

    def _exited(self, pid: int, status: int, cpu: float) -> None:
        self.exits[pid] = (status, cpu)

    def _was_lost(self) -> None:
        self.lost += 1

    def fork(self) -> Forked:
        """A new process; its first frame is still to be read."""

        async def fork() -> Forked:
            return await self.zygote.fork()

        forked = self.runner.run(fork())
        forked.socket.setblocking(True)
        return forked

    def child(self, **limits: Any) -> Child:
        """A new sandbox, configured."""
        return Child(self, self.fork(), Limits(**{"memory_mb": self.memory_mb, "execution_seconds": 2.0, **limits}))

    def exit_of(self, pid: int, seconds: float = 5.0) -> tuple[int, float]:
        """Wait status and CPU of a process, once the zygote has told them."""

        async def turn() -> None:
            until = time.monotonic() + seconds
            while pid not in self.exits:
                assert time.monotonic() < until, f"no word of the end of {pid}"
                await asyncio.sleep(0.002)

        self.runner.run(turn())
        return self.exits[pid]

    def close(self) -> None:
        """End everything."""

        async def close() -> None:
            self.zygote.close()

        self.runner.run(close())
        self.runner.close()


class Child:
    """One sandbox process and what a parent does with it."""

    def __init__(self, nursery: Nursery, forked: Forked, limits: Limits) -> None:
        self.nursery = nursery
        self.pid, self.pidfd, self.socket = forked.pid, forked.pidfd, forked.socket
        self.limits = limits
        self.host: Callable[[frames.Call], tuple[bool, Any]] = lambda call: (True, None)
        self._reader = frames.FrameReader.of_parent()
        self._frames: list[tuple[int, bytes]] = []
        self._keys: dict[tuple[str, str, str, bytes], str] = {}
        self._runs = itertools.count(1)
        ready = self.receive(5.0)
        assert isinstance(ready, frames.Ready)
        self.ready = ready
        self.socket.sendall(frames.write_configure(limits))

    def receive(self, seconds: float) -> frames.Ready | frames.Done | frames.Failed | frames.Call | None:
        """The next frame; None at the end of the stream. Raises TimeoutError."""
        self.socket.settimeout(max(seconds, 0.001))
        while not self._frames:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._frames += self._reader.feed(data)
        return frames.read(*self._frames.pop(0))

    def order(self, source: str, **given: Any) -> tuple[RunScript, bool]:
        """The order to run `source`, and whether the child holds it."""
        entry, realm = given.get("entry", "main"), given.get("realm", "warm")
        statics = dumps(given.get("statics", {}))
        identity = (source, entry, realm, statics)
        known = identity in self._keys
        key = self._keys.setdefault(identity, f"key{len(self._keys)}")
        script = Script(key, source, entry, frozenset(), statics, Realm(realm))
        payload = given.get("payload", b"{}")
        request = dumps(given.get("request", {}))
        order = RunScript(next(self._runs), "t", given.get("flow", "flow"), script, request, payload, "b0", None)  # type: ignore[arg-type]
        return order, known

    def run(self, source: str, *, seconds: float | None = None, **given: Any) -> Outcome:
        """Run a script, serve its host calls, and kill the process at its deadline, as its actor does."""
        order, known = self.order(source, **given)
        self.socket.sendall(frames.write_run(order, remembered=known))
        deadline = time.monotonic() + (seconds or self.limits.execution_seconds) + GRACE_SECONDS
        while True:
            try:
                frame = self.receive(deadline - time.monotonic())
            except TimeoutError:
                return self.end(killed=True)
            if frame is None:
                return self.end(killed=False)
            if isinstance(frame, frames.Call):
                ok, value = self.host(frame)
                reply = HostReply(frame.run, frame.call, ok, dumps(value))
                with contextlib.suppress(BrokenPipeError):
                    self.socket.sendall(frames.write_reply(reply))
                continue
            assert not isinstance(frame, frames.Ready)
            assert (frame.result.run if isinstance(frame, frames.Done) else frame.run) == order.run
            return frame

    def signal(self, number: signal.Signals) -> None:
        """Send a signal by pidfd."""
        send_signal(self.pidfd, number)

    def end(self, *, killed: bool) -> Died:
        """The process's end; first killed, if it is to be."""
        if killed:
            self.signal(signal.SIGKILL)
        status, cpu = self.nursery.exit_of(self.pid)
        self.close()
        return Died(status, cpu, killed)

    def close(self) -> None:
        """Let go of the process, which ends with its socket."""
        if self.pidfd >= 0:
            self.socket.close()
            os.close(self.pidfd)
            self.pidfd = -1

    @property
    def alive(self) -> bool:
        """False once it was found ended."""
        return self.pidfd >= 0


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """The zygote all tests of this room share."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def own_nursery() -> Iterator[Nursery]:
    """A zygote for tests that end it."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def child(nursery: Nursery) -> Iterator[Child]:
    """One sandbox."""
    child = nursery.child()
    yield child
    child.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()
